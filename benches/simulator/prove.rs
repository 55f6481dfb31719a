//! Whether the simulator tells the truth, by what is known without it.
//!
//! Queues whose mean sojourn has a closed form: M/M/1, M/M/c (Erlang), M/G/1 (Pollaczek and Khinchine),
//! and the supermarket model for d choices (Mitzenmacher; Vvedenskaya, Dobrushin and Karpelevich). They
//! go through the same servers, clients, picks and counts as all scenarios do.

use crate::contestant::{Balance, Contestant};
use crate::draws::Work;
use crate::setup::Setup;
use crate::time::{MS, NEVER, Nanos, SECOND};
use crate::world::World;

/// One closed form, beside what was simulated.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proof {
    pub(crate) name: String,
    /// Mean sojourns in units of the mean work.
    pub(crate) expected: f64,
    pub(crate) found: f64,
}

impl Proof {
    /// By how much it is off, as a share.
    pub(crate) fn error(&self) -> f64 {
        (self.found / self.expected - 1.0).abs()
    }
}

/// All closed forms, from `calls` calls each and more where the variance is greater.
pub(crate) fn all(servers: u32, calls: u64) -> Vec<Proof> {
    let exponential = Work::Exponential { mean: 10 * MS };
    let mut seed = 0;
    let mut queue = |work, slots, load, balance| {
        // Each with numbers of its own, or all would be off to the same side.
        seed += 1;
        let calls = weighed(calls, slots, load, balance);
        sojourn(&Queue { servers, slots, work, load, calls, seed }, balance)
    };
    let proof = |name: String, expected, found| Proof { name, expected, found };
    let random = Balance::Random;
    let mut proofs = vec![
        proof("M/M/1, load 0.7".to_owned(), 1.0 / 0.3, queue(exponential, 1, 0.7, random)),
        proof("M/M/4, load 0.8".to_owned(), erlang(4, 0.8), queue(exponential, 4, 0.8, random)),
        proof(
            "M/G/1 with 95 % of 5 and 5 % of 100 ms, load 0.5".to_owned(),
            pollaczek(0.5),
            queue(Work::Bimodal, 1, 0.5, random),
        ),
    ];
    for load in [0.7, 0.9] {
        for choices in [1, 2, 3] {
            let found = queue(exponential, 1, load, Balance::of_fewest(choices));
            let name = format!("supermarket, {choices} of {servers}, load {load}");
            proofs.push(proof(name, supermarket(choices, load), found));
        }
    }
    proofs
}

#[derive(Clone, Copy)]
struct Queue {
    servers: u32,
    slots: usize,
    work: Work,
    load: f64,
    calls: u64,
    seed: u64,
}

/// A single queue at a high load moves slowly: what it shows in a while is mostly where it began.
fn weighed(calls: u64, slots: usize, load: f64, balance: Balance) -> u64 {
    let alone = matches!(balance, Balance::Random)
        || matches!(balance, Balance::P2c { choices, .. } if choices.is_some_and(|it| it.get() == 1));
    if alone && slots == 1 && load > 0.8 { 6 * calls } else { calls }
}

/// The mean sojourn in units of the mean work.
fn sojourn(queue: &Queue, balance: Balance) -> f64 {
    let mean = queue.work.mean();
    let rate = queue.load * f64::from(queue.servers) * queue.slots as f64 / mean * SECOND as f64;
    let span = (queue.calls as f64 / rate * SECOND as f64) as Nanos;
    // A tenth of the time to fill the queues, and not less than they need.
    let warm = (span / 10).max((500.0 * mean) as Nanos);
    let setup = Setup {
        servers: queue.servers,
        slots: queue.slots,
        clients: 1,
        work: queue.work,
        rates: vec![(0, rate)],
        counted: warm..warm + span,
        ..Setup::twenty("proof", queue.load, 0)
    };
    let patient = Contestant::plain("patient", balance);
    let rules = Contestant { attempt_timeout: NEVER, deadline: NEVER, ..patient };
    World::new(&setup, &rules, queue.seed).run().stats.mean() / mean
}

/// The sum of `load^((d^i - d) / (d - 1))` over i from 1 on; for one choice, M/M/1.
fn supermarket(choices: usize, load: f64) -> f64 {
    if choices == 1 {
        return 1.0 / (1.0 - load);
    }
    let d = choices as f64;
    (1..40).map(|i| load.powf((d.powi(i) - d) / (d - 1.0))).sum()
}

/// M/M/c by Erlang's second formula.
fn erlang(slots: i32, load: f64) -> f64 {
    let offered = load * f64::from(slots);
    let term = |k: i32| offered.powi(k) / (1..=k).map(f64::from).product::<f64>();
    let full = term(slots) / (1.0 - load);
    let waits = full / ((0..slots).map(term).sum::<f64>() + full);
    1.0 + waits / (f64::from(slots) * (1.0 - load))
}

/// M/G/1 for the bimodal work.
fn pollaczek(load: f64) -> f64 {
    let (mean, square) = (0.95 * 5.0 + 0.05 * 100.0, 0.95 * 25.0 + 0.05 * 10_000.0);
    1.0 + load * square / (2.0 * mean * mean * (1.0 - load))
}

/// How far off a simulated mean may be.
pub(crate) const TOLERANCE: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closed_forms_are_the_known_ones() {
        assert!((supermarket(2, 0.9) - 2.614).abs() < 0.001);
        assert!((supermarket(1, 0.9) - 10.0).abs() < 1e-9);
        assert!((erlang(1, 0.9) - 10.0).abs() < 1e-9);
        assert!((erlang(4, 0.8) - 1.746).abs() < 0.001);
    }

    #[test]
    fn a_short_run_is_near_the_closed_forms() {
        for proof in all(100, 15_000) {
            assert!(proof.error() < 0.15, "{proof:?}");
        }
    }
}
