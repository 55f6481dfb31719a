//! Targets with twenty endpoints of which some are bad: T1 to T6, T9, T11.

use crate::contestant::{Balance, Checks, Contestant, adaptive, tries};
use crate::fault::{Fault, Mode};
use crate::figures::Figure;
use crate::lab::Lab;
use crate::setup::{Setup, WARM_UP};
use crate::time::{MS, Nanos, SECOND};

/// Runs them all.
pub(crate) fn run(lab: &mut Lab) {
    one_of_twenty(lab);
    slow_with_retries(lab);
    failing_without_retries(lab);
    six_of_twenty(lab);
    detection(lab);
    recovery(lab);
    half_slow(lab);
    hedges(lab);
}

/// The faults that one endpoint has, by name.
const FAULTS: [(&str, Mode); 6] = [
    ("slow x10", Mode::Slow(10.0)),
    ("failing fast", Mode::FailFast),
    ("dead", Mode::Refuse),
    ("hung", Mode::Hang),
    ("pausing", Mode::Pause { lasting: 400 * MS, every: 2 * SECOND }),
    ("flapping", Mode::Flap { lasting: SECOND, every: 3 * SECOND }),
];

fn span(lab: &Lab, full: Nanos) -> Nanos {
    if lab.quick { 10 * SECOND } else { full }
}

/// So long that 200,000 calls are counted at 60 %.
fn usual(lab: &Lab) -> Nanos {
    span(lab, 42 * SECOND)
}

fn healthy(lab: &Lab, counted: Nanos) -> Setup {
    Setup::twenty(
        &format!("healthy 60 %, {} s", span(lab, counted) / SECOND),
        0.6,
        span(lab, counted),
    )
}

/// With a fault of the first `count` endpoints from the end of the warm-up to the end.
fn faulty(lab: &Lab, name: &str, mode: Mode, count: u32, counted: Nanos) -> Setup {
    let counted = span(lab, counted);
    let fault = Fault { servers: 0..count, mode, from: WARM_UP, until: WARM_UP + counted };
    Setup::twenty(&format!("{count} {name}, {} s", counted / SECOND), 0.6, counted).with(fault)
}

const MILLION: Nanos = 210 * SECOND;

fn one_of_twenty(lab: &mut Lab) {
    let pack = Contestant::full_pack();
    let round_robin = Contestant::plain("round robin", Balance::RoundRobin);
    let well = healthy(lab, MILLION);
    let own = lab.figure(&well, &pack, Figure::P999);
    let unhedged = lab.figure(&well, &round_robin, Figure::P999);
    for (name, mode) in FAULTS {
        let setup = faulty(lab, name, mode, 1, MILLION);
        let found = lab.median(&setup, &pack);
        let errors = lab.worst(&setup, &pack, Figure::Errors);
        let (tail, attempts) = (found.get(Figure::P999), found.get(Figure::Attempts));
        let met = tail <= 1.1 * own && tail <= 0.65 * unhedged && errors == 0.0 && attempts <= 1.05;
        let target = format!(
            "p99.9 <= {:.1} and <= {:.1} ms, 0 errors, <= 1.05 attempts",
            1.1 * own,
            0.65 * unhedged
        );
        let measured = format!("{tail:.1} ms, {errors:.0} errors, {attempts:.3}");
        lab.note("T1", format!("1 of 20 {name}"), (target, measured), met, "");
    }
}

fn slow_with_retries(lab: &mut Lab) {
    let setup = faulty(lab, "slow x10", Mode::Slow(10.0), 1, 42 * SECOND);
    let own = lab.figure(&setup, &Contestant::full_pack(), Figure::P999);
    for (name, balance, times) in [
        ("round robin, retries", Balance::RoundRobin, 5.0),
        ("least request, retries", Balance::LeastRequest, 5.0),
        ("peak ewma, retries", Balance::PEAK_EWMA, 2.3),
    ] {
        let other = lab.figure(&setup, &Contestant::retrying(name, balance), Figure::P999);
        let target = format!("p99.9 {times} times better");
        let measured = format!("{:.1} times ({own:.1} against {other:.1} ms)", other / own);
        lab.note("T2", name, (target, measured), other >= times * own, "");
    }
}

fn failing_without_retries(lab: &mut Lab) {
    let setup = faulty(lab, "failing fast", Mode::FailFast, 1, 42 * SECOND);
    let once =
        |name, checks| Contestant { name, checks, retry: tries(1), ..Contestant::full_pack() };
    let cost_alone = Contestant::plain("ahoy cost, d = 3", Balance::AHOY);
    for (rules, remark) in [
        (cost_alone, "an idle endpoint without news is tried each second"),
        (once("pack, 1 try, calls probe", Checks::Never), "most probes are copies"),
        (once("pack, 1 try, checks probe", Checks::Alone(SECOND)), "probes that are no calls"),
    ] {
        let errors = lab.figure(&setup, &rules, Figure::ErrorPercent);
        let measured = format!("{errors:.3} %");
        lab.note("T3", rules.name, ("<= 0.035 % errors".into(), measured), errors <= 0.035, remark);
        if rules.breaker.is_none() {
            lab.only_compares();
        }
    }
}

fn six_of_twenty(lab: &mut Lab) {
    for (name, mode) in [("failing fast", Mode::FailFast), ("dead", Mode::Refuse)] {
        let setup = faulty(lab, name, mode, 6, 42 * SECOND);
        for rules in [Contestant::unhedged(), Contestant::full_pack()] {
            let found = lab.median(&setup, &rules);
            let (errors, attempts) = (found.get(Figure::ErrorPercent), found.get(Figure::Attempts));
            let hedged = rules.hedge.is_some();
            let target =
                if hedged { "<= 0.01 % errors" } else { "<= 0.01 % errors, <= 1.01 attempts" };
            let measured = format!("{errors:.4} %, {attempts:.4}");
            let met = errors <= 0.01 && (hedged || attempts <= 1.01);
            let what = format!("6 of 20 {name}: {}", rules.name);
            lab.note("T4", what, (target.into(), measured), met, "");
        }
        for (name, balance) in [
            ("round robin, retries", Balance::RoundRobin),
            ("least request, retries", Balance::LeastRequest),
            ("peak ewma, retries", Balance::PEAK_EWMA),
        ] {
            let _ = lab.median(&setup, &Contestant::retrying(name, balance));
        }
    }
}

fn detection(lab: &mut Lab) {
    let p99 = lab.figure(&healthy(lab, 42 * SECOND), &Contestant::full_pack(), Figure::P99);
    let within = (3.0 * p99 / 1000.0).max(0.1);
    let two = Contestant {
        name: "full pack, d = 2",
        balance: Balance::AHOY_TWO,
        ..Contestant::full_pack()
    };
    let hidden = "copies end the attempts that hang";
    for (rules, remark) in
        [(Contestant::full_pack(), ""), (two, hidden), (Contestant::unhedged(), "")]
    {
        let setup = faulty(lab, "hung", Mode::Hang, 1, 42 * SECOND);
        let found = lab.figure(&setup, &rules, Figure::Detection);
        let numbers = (format!("<= {within:.3} s"), format!("{found:.1} s"));
        lab.note("T5", format!("hung: {}", rules.name), numbers, found <= within, remark);
    }
}

/// Ten seconds of a fault, and then forty in good health.
fn recovery(lab: &mut Lab) {
    let checked = |name, checks| Contestant { name, checks, ..Contestant::full_pack() };
    for (name, mode) in FAULTS.into_iter().take(4) {
        let until = WARM_UP + 10 * SECOND;
        let fault = Fault { servers: 0..1, mode, from: WARM_UP, until };
        let setup =
            Setup::twenty(&format!("1 {name}, healed after 10 s"), 0.6, 50 * SECOND).with(fault);
        for (rules, remark) in [
            (Contestant::full_pack(), ""),
            (checked("full pack, checks", Checks::Early(SECOND)), "an active check each second"),
            (Contestant::retrying("peak ewma, retries", Balance::PEAK_EWMA), ""),
        ] {
            let found = lab.figure(&setup, &rules, Figure::Recovery);
            let measured =
                if found.is_nan() { "not in 40 s".into() } else { format!("{found:.1} s") };
            let what = format!("{name}: {}", rules.name);
            lab.note("T6", what, ("<= 2 s".into(), measured), found <= 2.0, remark);
            if rules.breaker.is_none() {
                lab.only_compares();
            }
        }
    }
}

/// Ten of twenty at half speed leave three quarters of the capacity.
fn half_slow(lab: &mut Lab) {
    let counted = usual(lab);
    let (from, until) = (0, WARM_UP + counted);
    let fault = Fault { servers: 0..10, mode: Mode::Slow(2.0), from, until };
    let setup = Setup::twenty("half x2 slow, 90 %", 0.9 * 0.75, counted).with(fault);
    let least = Contestant::plain("least request", Balance::LeastRequest);
    let peak = Contestant::plain("peak ewma", Balance::PEAK_EWMA);
    let (least, peak) =
        (lab.figure(&setup, &least, Figure::P99), lab.figure(&setup, &peak, Figure::P99));
    for (rules, remark) in [
        (Contestant::full_pack(), ""),
        (Contestant::plain("ahoy cost, d = 2", Balance::AHOY_TWO), "the cost alone"),
        (Contestant::plain("ahoy cost, d = 3", Balance::AHOY), "the cost alone"),
    ] {
        let own = lab.figure(&setup, &rules, Figure::P99);
        let target = format!("p99 <= {:.1} and <= {:.1} ms", 0.6 * least, 0.85 * peak);
        let measured = format!("{own:.1} ms (least request {least:.1}, peak ewma {peak:.1})");
        let met = own <= 0.6 * least && own <= 0.85 * peak;
        lab.note("T9", rules.name, (target, measured), met, remark);
        if rules.breaker.is_none() {
            lab.only_compares();
        }
    }
}

fn hedges(lab: &mut Lab) {
    let well = healthy(lab, 42 * SECOND);
    let plain = lab.figure(&well, &Contestant::unhedged(), Figure::P999);
    let inherent = Setup {
        name: "healthy 60 %, a copy costs the same".into(),
        work_is_inherent: true,
        ..well.clone()
    };
    let bimodal = Setup {
        name: "healthy 60 %, 5 and 100 ms".into(),
        work: crate::draws::Work::Bimodal,
        rates: vec![(0, 0.6 * 80_000.0 / 9.75)],
        ..well.clone()
    };
    let of_winners = Contestant {
        name: "full pack, winners only",
        learns_from_losers: false,
        ..Contestant::full_pack()
    };
    for (setup, rules, remark) in [
        (&well, Contestant::full_pack(), ""),
        (&well, of_winners, "a delay that only winners set is too short, and the budget runs out"),
        (&bimodal, Contestant::full_pack(), "one in twenty takes 100 ms: just what is hedged"),
        (&inherent, Contestant::full_pack(), "no copy can help here; to show what it costs"),
    ] {
        let plain = if setup.name == well.name {
            plain
        } else {
            lab.figure(setup, &Contestant::unhedged(), Figure::P999)
        };
        let found = lab.median(setup, &rules);
        let (tail, extra) = (found.get(Figure::P999), 100.0 * (found.get(Figure::Attempts) - 1.0));
        let measured = format!(
            "{:+.0} % ({plain:.1} to {tail:.1} ms) for {extra:.2} %",
            100.0 * (tail / plain - 1.0)
        );
        let met = tail <= 0.6 * plain && extra <= 5.0;
        let what = format!("{}: {}", setup.name, rules.name);
        lab.note("T11", what, ("p99.9 -40 % for <= 5 %".into(), measured), met, remark);
        if !remark.is_empty() {
            lab.only_compares();
        }
    }
    let saturated = Setup::twenty("saturated, 130 %", 1.3, usual(lab));
    let rules =
        Contestant { name: "full pack, limit", limit: Some(adaptive()), ..Contestant::full_pack() };
    let extra = lab.figure(&saturated, &rules, Figure::HedgePercent);
    let numbers = ("0 % copies".into(), format!("{extra:.2} %"));
    lab.note("T11", "saturated, with a limit", numbers, extra < 0.05, "");
}
