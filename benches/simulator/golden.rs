//! The same seed gives the same bytes.

use ahoy::policy::balance::hash_bytes;

use crate::contestant::{Balance, Checks, Contestant, adaptive};
use crate::fault::{Fault, Mode};
use crate::lab::Lab;
use crate::report;
use crate::setup::{Setup, Subset, WARM_UP};
use crate::time::{MS, SECOND};

/// A small run with something of everything.
fn run(seeds: u64) -> String {
    let mut lab = Lab { seeds, ..Lab::default() };
    let until = WARM_UP + SECOND;
    let fault = |server, mode| Fault { servers: server..server + 1, mode, from: WARM_UP, until };
    let setup = Setup::twenty("golden", 0.3, 2 * SECOND)
        .with(fault(0, Mode::Hang))
        .with(fault(1, Mode::FailFast))
        .with(fault(2, Mode::Refuse))
        .with(fault(3, Mode::Vanish))
        .with(fault(4, Mode::Pause { lasting: 100 * MS, every: 300 * MS }));
    let setup = Setup { subset: Some(Subset::Rendezvous(12)), ..setup };
    for rules in [
        Contestant::plain("round robin", Balance::RoundRobin),
        Contestant::plain("random", Balance::Random),
        Contestant::retrying("least request", Balance::LeastRequest),
        Contestant::retrying("peak ewma", Balance::PEAK_EWMA),
        Contestant {
            checks: Checks::Early(300 * MS),
            limit: Some(adaptive()),
            throttle: Some(ahoy::policy::ThrottleConfig::default()),
            ..Contestant::full_pack()
        },
    ] {
        let _ = lab.median(&setup, &rules);
    }
    report::json(&lab)
}

#[test]
fn two_runs_are_the_same_to_the_byte() {
    assert_eq!(run(1), run(1));
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(run(1), run(2));
}

/// If a policy has changed, so has this: look at what `make sim` says of it, and write the new number down.
/// The logarithm and the cosine are the platform's, whose last bit may differ elsewhere.
#[test]
#[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
fn a_run_is_what_it_was_when_this_was_written() {
    assert_eq!(hash_bytes(run(1).as_bytes()), GOLDEN);
}

const GOLDEN: u64 = 7_506_736_293_223_596_080;
