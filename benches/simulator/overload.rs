//! Targets on too much load: T7 and T8.

use std::num::NonZeroU32;

use ahoy::policy::{LimitConfig, ThrottleConfig};

use crate::contestant::{Balance, Contestant, adaptive, naive, share, tries};
use crate::figures::Figure;
use crate::lab::Lab;
use crate::setup::{Setup, WARM_UP};
use crate::time::{MS, SECOND};
use crate::tower::Tower;

/// Runs them all.
pub(crate) fn run(lab: &mut Lab) {
    layers(lab);
    spike(lab);
}

/// A tower of five services has four clients between them and one before them.
fn layers(lab: &mut Lab) {
    let pack = Contestant::full_pack();
    // Without the reserve of one retry a second, which is beside the tenth.
    let budget = Some(share(0.1));
    let calls = if lab.quick { 10_000 } else { 60_000 };
    let fair = Tower { layers: 5, retry: pack.retry, budget, passes_on: false };
    let made = fair.attempts(calls, 1);
    let mut before = 1.0;
    let most = made.iter().fold(0.0_f64, |most, made| {
        let here = made / before;
        before = *made;
        most.max(here)
    });
    let end = made.last().copied().unwrap_or(f64::NAN);
    let numbers = ("<= 1.1 a layer".into(), format!("{most:.3}, {end:.3} at the end"));
    lab.note("T7", "5 layers, budget of 0.1", numbers, most <= 1.1 + ROUNDING, "");
    let told = Tower { passes_on: true, ..fair };
    let end = told.attempts(calls, 1).last().copied().unwrap_or(f64::NAN);
    let numbers = ("<= 1.2 at the end".into(), format!("{end:.3}"));
    lab.note("T7", "5 layers, do not retry passed on", numbers, end <= 1.2, "");
    let naive = Tower { layers: 5, retry: naive(4), budget: None, passes_on: false };
    let end = naive.attempts(200, 1).last().copied().unwrap_or(f64::NAN);
    let numbers = ("(4^5 = 1024)".into(), format!("{end:.0}"));
    lab.note("T7", "5 layers, naive, 4 tries", numbers, true, "");
    lab.only_compares();
}

/// A tenth of a whole number of calls is rounded up at most once in a window.
const ROUNDING: f64 = 1e-4;

fn spike(lab: &mut Lab) {
    let begin = WARM_UP + 5 * SECOND;
    let setup = Setup {
        rates: vec![(0, 6_400.0), (begin, 19_200.0), (begin + 5 * SECOND, 6_400.0)],
        counted: WARM_UP..begin + 45 * SECOND,
        ..Setup::twenty("x3 for 5 s at 80 %", 0.8, 0)
    };
    let base = || Contestant {
        attempt_timeout: 250 * MS,
        ..Contestant::plain("no retries", Balance::LeastRequest)
    };
    let budgeted = || Contestant { retry: tries(3), budget: Some(share(0.1)), ..base() };
    let throttle = Some(ThrottleConfig::default());
    let of_limit = |name, limit| Contestant { name, limit: Some(limit), ..budgeted() };
    let each = NonZeroU32::MIN.saturating_add(39);
    let lost = lab.figure(
        &setup,
        &Contestant { name: "naive, 4 tries", retry: naive(4), ..base() },
        Figure::SpikeGoodput,
    );
    for rules in [
        base(),
        Contestant { name: "budget 0.2", budget: Some(share(0.2)), ..budgeted() },
        Contestant { name: "budget 0.1", ..budgeted() },
        Contestant { name: "budget 0.1, throttle", throttle, ..budgeted() },
        Contestant { name: "budget 0.1, cancels", cancels: true, ..budgeted() },
        Contestant { name: "budget 0.1, throttle, cancels", throttle, cancels: true, ..budgeted() },
        of_limit("budget 0.1, fixed limit of 40", LimitConfig::Fixed(each)),
    ] {
        let _ = lab.median(&setup, &rules);
    }
    for rules in [
        of_limit("budget 0.1, adaptive limit", adaptive()),
        Contestant { name: "full pack, limit", limit: Some(adaptive()), ..Contestant::full_pack() },
    ] {
        let found = lab.median(&setup, &rules);
        let (good, back) = (found.get(Figure::SpikeGoodput), found.get(Figure::SpikeRecovery));
        let target = format!(">= 7600/s and >= {:.0}/s, back in <= 1 s", 10.0 * lost);
        let measured = format!("{good:.0}/s ({:.1} times naive), back in {back:.1} s", good / lost);
        let met = good >= 7600.0 && good >= 10.0 * lost && back <= 1.0;
        lab.note("T8", rules.name, (target, measured), met, "");
    }
}
