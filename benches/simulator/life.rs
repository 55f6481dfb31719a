//! What happens to a fleet in the course of its life. Without targets of their own: the cells show how the
//! pack fares beside round robin with the same retries.

use crate::contestant::{Balance, Contestant, share};
use crate::fault::{Fault, Mode};
use crate::figures::Figure;
use crate::lab::Lab;
use crate::large::{fleet, pack};
use crate::setup::{Change, Setup, Subset};
use crate::time::{Nanos, SECOND};

/// Runs them all.
pub(crate) fn run(lab: &mut Lab) {
    let count = if lab.quick { 200 } else { 1000 };
    for setup in [tenth_slow(count), rolling_restart(count), deploy(count), frozen(count)] {
        let round_robin = Contestant {
            budget: Some(share(0.1)),
            ..Contestant::retrying("round robin, retries", Balance::RoundRobin)
        };
        for rules in [pack(), round_robin] {
            let _ = lab.median_of(&setup, &rules, SEEDS).get(Figure::P999);
        }
    }
}

/// At 60 % of what the servers can do, from the third to the 23rd second.
fn base(count: u32, what: &str) -> Setup {
    let name = format!("{count} x {count}, subset 50, {what}");
    let setup = fleet(name, count, 240.0, START..START + LENGTH);
    Setup { subset: Some(Subset::Rendezvous(50)), ..setup }
}

fn tenth_slow(count: u32) -> Setup {
    let servers = 0..count / 10;
    let mode = Mode::Slow(10.0);
    base(count, "10 % slow").with(Fault { servers, mode, from: START, until: START + LENGTH })
}

/// One in a hundred each second: gone for two seconds, and cold for ten.
fn rolling_restart(count: u32) -> Setup {
    let mut setup = base(count, "rolling restart, 1 %/s");
    let each = (count / 100).max(1);
    for step in 0..(LENGTH / SECOND) as u32 {
        let from = START + Nanos::from(step) * SECOND;
        let (servers, back) = (step * each..(step + 1) * each, from + 2 * SECOND);
        let gone = Fault { servers: servers.clone(), mode: Mode::Refuse, from, until: back };
        let until = back + 10 * SECOND;
        setup.faults.extend([gone, Fault { servers, mode: Mode::WarmUp, from: back, until }]);
    }
    setup
}

/// In ten steps of a second each, a tenth is replaced by others that are cold. Clients hear of it a second
/// before the old ones are gone.
fn deploy(count: u32) -> Setup {
    let mut setup = Setup { servers: 2 * count, ..base(count, "deploy of all in 10 s") };
    let each = count / 10;
    setup.changes.push(Change { at: 0, servers: count..2 * count, listed: false });
    for step in 0..10 {
        let at = START + Nanos::from(step) * SECOND;
        let (old, new) =
            (step * each..(step + 1) * each, count + step * each..count + (step + 1) * each);
        let until = START + 2 * LENGTH;
        let gone = Fault { servers: old.clone(), mode: Mode::Refuse, from: at + SECOND, until };
        let cold = Fault { servers: new.clone(), mode: Mode::WarmUp, from: at, until };
        setup.faults.extend([gone, cold]);
        setup.changes.push(Change { at, servers: old, listed: false });
        setup.changes.push(Change { at, servers: new, listed: true });
    }
    setup
}

/// A tenth is gone for good, and nobody tells.
fn frozen(count: u32) -> Setup {
    let servers = 0..count / 10;
    let (mode, from, until) = (Mode::Refuse, START, START + LENGTH);
    base(count, "list frozen, 10 % gone").with(Fault { servers, mode, from, until })
}

const START: Nanos = 3 * SECOND;
const LENGTH: Nanos = 20 * SECOND;
const SEEDS: u64 = 1;
