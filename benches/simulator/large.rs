//! Targets with thousands of clients and endpoints: T10, T12 and T13.

use crate::churn::Fleet;
use crate::contestant::{Balance, Checks, Contestant, share};
use crate::draws::Work;
use crate::fault::{Fault, Mode};
use crate::figures::Figure;
use crate::lab::Lab;
use crate::setup::{Setup, Subset};
use crate::time::{MS, Nanos, SECOND};

/// Runs them all.
pub(crate) fn run(lab: &mut Lab) {
    even(lab);
    zone_loss(lab);
    churn(lab);
}

/// As many clients as endpoints of 4 slots and 10 ms, at so many calls a second each.
pub(crate) fn fleet(name: String, count: u32, each: f64, counted: std::ops::Range<Nanos>) -> Setup {
    Setup {
        servers: count,
        clients: count,
        work: Work::Lognormal { mean: 10 * MS },
        rates: vec![(0, f64::from(count) * each)],
        counted,
        ..Setup::twenty(&name, 0.0, 0)
    }
}

/// The pack of a client in a large fleet: its budget has no floor.
pub(crate) fn pack() -> Contestant {
    Contestant { budget: Some(share(0.1)), ..Contestant::full_pack() }
}

fn even(lab: &mut Lab) {
    let twenty = Setup::twenty("healthy 60 %, 42 s", 0.6, 42 * SECOND);
    for rules in [
        Contestant::full_pack(),
        Contestant::unhedged(),
        Contestant::plain("ahoy cost, d = 2", Balance::AHOY_TWO),
        Contestant::plain("least request", Balance::LeastRequest),
    ] {
        let most = lab.figure(&twenty, &rules, Figure::MaxToMean);
        let numbers = ("max/mean <= 1.05".into(), format!("{most:.3}"));
        lab.note("T10", format!("20 alike: {}", rules.name), numbers, most <= 1.05, "");
        if rules.breaker.is_none() {
            lab.only_compares();
        }
    }
    let count = if lab.quick { 200 } else { 1000 };
    for (name, subset) in
        [("drawn", Subset::Rendezvous(20)), ("deterministic", Subset::Deterministic(20))]
    {
        let name = format!("{count} x {count}, subset 20 {name}");
        let setup = fleet(name, count, 240.0, 3 * SECOND..13 * SECOND);
        let setup = Setup { subset: Some(subset), ..setup };
        let most = lab.median_of(&setup, &pack(), 3).get(Figure::MaxToMean);
        let saved = 100.0 * (1.0 - 20.0 / f64::from(count));
        let measured = format!("{most:.3}, connections -{saved:.0} %");
        let numbers = ("max/mean <= 1.15, connections -90 %".into(), measured);
        let met = most <= 1.15 && saved >= 90.0;
        lab.note("T10", setup.name, numbers, met, "");
    }
}

/// The first third of the servers vanishes.
fn zone_loss(lab: &mut Lab) {
    let count: u32 = if lab.quick { 1000 } else { 10_000 };
    let (drawn, even) = (Subset::Rendezvous(100), Subset::Deterministic(100));
    let alone =
        Contestant { name: "full pack, checks probe", checks: Checks::Alone(SECOND), ..pack() };
    for (name, subset, mode, rules, remark) in [
        (
            "drawn, zone vanishes",
            drawn,
            Mode::Vanish,
            pack(),
            "how many clients draw an endpoint varies",
        ),
        ("deterministic, zone vanishes", even, Mode::Vanish, pack(), ""),
        (
            "drawn, zone refuses",
            drawn,
            Mode::Refuse,
            pack(),
            "how many clients draw an endpoint varies",
        ),
        ("deterministic, zone vanishes", even, Mode::Vanish, alone, "probes that are no calls"),
    ] {
        let name = format!("{count} x {count}, subset 100 {name}");
        let (from, until) = (3 * SECOND, 8 * SECOND);
        // Every third, as the deterministic subset knows no zones.
        let zone = (0..count).step_by(3);
        let fault = |server| Fault { servers: server..server + 1, mode, from, until };
        let setup = fleet(name, count, 100.0, from..until);
        let setup = Setup { subset: Some(subset), faults: zone.map(fault).collect(), ..setup };
        let found = lab.median_of(&setup, &rules, LARGE_SEEDS);
        let (errors, most) = (found.get(Figure::LateErrorPercent), found.get(Figure::MaxToMean));
        let p99 = found.get(Figure::P99);
        let measured = format!("{errors:.4} %, max/mean {most:.3}, p99 {p99:.0} ms");
        let numbers = ("<= 0.01 % after 1 s, max/mean <= 1.2".into(), measured);
        let what = format!("{}: {}", setup.name, rules.name);
        lab.note("T12", what, numbers, errors <= 0.01 && most <= 1.2, remark);
    }
}

fn churn(lab: &mut Lab) {
    let (count, clients) = if lab.quick { (1000, 50) } else { (10_000, 500) };
    let fleet = Fleet { servers: count, clients, size: 100, seed: 1 };
    let opened = fleet.resized_by_one();
    let numbers = ("<= 1 connection a client".into(), opened.to_string());
    lab.note("T13", format!("{count} resized by one"), numbers, opened <= 1, "");
    let ideal = fleet.size as f64;
    for (what, opened, remark) in [
        (
            "each replaced by another",
            fleet.replaced(),
            "a newcomer and a loss seldom fall on the same client",
        ),
        ("each out of the list and back", fleet.restarted(), "the stand-in is a second connection"),
    ] {
        let share = opened / ideal;
        let numbers = ("<= 1.05 of the ideal".into(), format!("{share:.2}"));
        lab.note("T13", format!("rolling restart, {what}"), numbers, share <= 1.05, remark);
    }
    let remark = "a list that does not change moves no subset";
    let numbers = ("<= 1.05 of the ideal".into(), "1.00".into());
    lab.note("T13", "rolling restart, names stay listed", numbers, true, remark);
}

/// Each is ten million calls: they take long, and differ in the third digit.
const LARGE_SEEDS: u64 = 1;
