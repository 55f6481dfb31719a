//! Clients with nothing set but limits: brownouts, too much load, a lone caller, returns, bursts and a fleet
//! before one host that comes back. Attempts that are cut at their limit stand beside, as it was before.

use crate::contestant::{Balance, Contestant, naive};
use crate::draws::Work;
use crate::fault::{Fault, Mode};
use crate::figures::Figure;
use crate::lab::Lab;
use crate::setup::Setup;
use crate::time::{MS, Nanos, SECOND};

/// Runs them all.
pub(crate) fn run(lab: &mut Lab) {
    // A quarter more than all can do meanwhile, so that calls wait for 0.75 s in the end.
    let brownout = slow_all("brownout, all x20 for 3 s", 600.0, 20.0, 3 * SECOND);
    errors_below(lab, &brownout, 3.0, Figure::ErrorPercent);
    let trigger = slow_all("0.8 load, all x30 for 2 s", 0.8 * CAPACITY, 30.0, 2 * SECOND);
    let after = Setup { counted: START + 2 * SECOND..START + 6 * SECOND, ..trigger };
    errors_below(lab, &after, 5.0, Figure::ErrorPercent);
    for (factor, above) in [(1.5, 3.0), (3.0, 12.0)] {
        // What no client can help: in the 5 s and the 2 s that the last calls may take, so much cannot be done.
        let least = 100.0 * (1.0 - 7.0 / (5.0 * factor));
        errors_below(lab, &overload(factor), least + above, Figure::ErrorPercent);
    }
    errors_below(lab, &lone_caller(), 0.0, Figure::ErrorPercent);
    for mode in [Mode::FailFast, Mode::Hang, Mode::Refuse] {
        returns(lab, mode);
    }
    errors_below(lab, &burst(), 0.0, Figure::ErrorPercent);
    recovering_host(lab);
}

/// Twelve servers of four slots with 5 ms of exponential work, one client.
fn rig(name: &str, rate: f64, counted: std::ops::Range<Nanos>) -> Setup {
    Setup {
        servers: 12,
        clients: 1,
        work: Work::Exponential { mean: 5 * MS },
        rates: vec![(0, rate)],
        counted,
        ..Setup::twenty(name, 0.0, 0)
    }
}

fn slow_all(name: &str, rate: f64, factor: f64, lasting: Nanos) -> Setup {
    let fault =
        Fault { servers: 0..12, mode: Mode::Slow(factor), from: START, until: START + lasting };
    rig(name, rate, START..START + lasting).with(fault)
}

/// Servers of 100 ms, so that a second and a half of load is a matter of hundreds of calls.
fn overload(factor: f64) -> Setup {
    let capacity = 48.0 / 0.1;
    Setup {
        work: Work::Exponential { mean: 100 * MS },
        rates: vec![
            (0, 0.5 * capacity),
            (START, factor * capacity),
            (START + 5 * SECOND, 0.5 * capacity),
        ],
        ..rig(&format!("{factor} times the capacity for 5 s"), 0.0, START..START + 5 * SECOND)
    }
}

/// Three servers, ten calls a second, one hangs.
fn lone_caller() -> Setup {
    let fault = Fault { servers: 0..1, mode: Mode::Hang, from: START, until: START + 80 * SECOND };
    Setup {
        servers: 3,
        ..rig("a lone caller, 1 of 3 hung for 80 s", 10.0, START..START + 80 * SECOND)
    }
    .with(fault)
}

/// One of three is out for 45 s.
fn returns(lab: &mut Lab, mode: Mode) {
    let (from, until) = (START, START + 45 * SECOND);
    let name = format!("1 of 3 back after 45 s, {mode:?}");
    let setup = Setup { servers: 3, ..rig(&name, 60.0, START..until + 15 * SECOND) }.with(Fault {
        servers: 0..1,
        mode,
        from,
        until,
    });
    for rules in contestants() {
        let found = lab.median(&setup, &rules);
        let (back, errors) = (found.get(Figure::Recovery), found.get(Figure::Errors));
        let measured = format!("{back:.1} s, {errors:.0} errors");
        lab.note(
            "D",
            format!("{name}, {}", rules.name),
            ("80 % of its share in <= 4 s".into(), measured),
            back <= 4.0,
            "",
        );
    }
}

/// Two hundred calls in a tenth of a second on a new client: one host dead, one answers 503.
fn burst() -> Setup {
    let until = SECOND;
    Setup {
        servers: 3,
        rates: vec![(0, 2000.0), (100 * MS, 1.0)],
        ..rig("burst on a new client", 0.0, 0..100 * MS)
    }
    .with(Fault { servers: 0..1, mode: Mode::Refuse, from: 0, until })
    .with(Fault { servers: 1..2, mode: Mode::FailFast, from: 0, until })
}

/// Ten thousand clients of twenty hosts with a call in ten seconds each, one host out for 30 s.
fn recovering_host(lab: &mut Lab) {
    let clients = if lab.quick { 1000 } else { 10_000 };
    let (from, until) = (START, START + 30 * SECOND);
    let rate = f64::from(clients) / 2.0;
    let name = format!("{clients} clients, 1 of 20 out for 30 s");
    let setup = Setup { servers: 20, clients, ..rig(&name, rate, from + 20 * SECOND..until) }
        .with(Fault { servers: 0..1, mode: Mode::FailFast, from, until });
    for rules in
        [Contestant::out_of_the_box(Balance::RoundRobin), Contestant::out_of_the_box(Balance::AHOY)]
    {
        let found = lab.median_of(&setup, &rules, 1);
        let probes = found.get(Figure::FaultyPerSecond);
        let most = f64::from(clients) / 30.0;
        let numbers = (format!("<= {most:.0}/s, one in 30 s each"), format!("{probes:.0}/s"));
        lab.note("D", format!("{name}, {}", rules.name), numbers, probes <= most, "");
    }
}

fn contestants() -> Vec<Contestant> {
    let balances = [Balance::RoundRobin, Balance::AHOY];
    let ours = [Contestant::out_of_the_box, Contestant::limited, Contestant::cut];
    ours.into_iter().flat_map(|make| balances.map(make)).collect()
}

fn errors_below(lab: &mut Lab, setup: &Setup, most: f64, figure: Figure) {
    let plain = Contestant {
        name: "naive, 3 tries of 500 ms",
        retry: naive(3),
        attempt_timeout: 500 * MS,
        deadline: 2 * SECOND,
        ..Contestant::plain("", Balance::RoundRobin)
    };
    let mut all = contestants();
    all.push(plain);
    for rules in all {
        let found = lab.median(setup, &rules);
        let (errors, attempts) = (found.get(figure), found.get(Figure::Attempts));
        let worst = lab.worst(setup, &rules, figure);
        let measured = format!("{errors:.2} % (worst {worst:.2}), {attempts:.2} attempts");
        let target = format!("<= {most:.1} %");
        let what = format!("{}, {}", setup.name, rules.name);
        lab.note("D", what, (target, measured), errors <= most, "");
        if rules.name.starts_with("attempts cut") || rules.name.starts_with("naive") {
            lab.only_compares();
        }
    }
}

/// Averages and quantiles are filled by then.
const START: Nanos = 5 * SECOND;

/// Calls a second of 48 slots with 5 ms each.
const CAPACITY: f64 = 9600.0;
