//! What becomes of an endpoint's traffic when it fails, hangs or slows down, and when it is well again:
//! [`P2c`](super::P2c) over live loads, in a small world with a virtual clock. There are no retries, no
//! circuits and no timeouts but those that a story names.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::P2c;
use crate::policy::load::load::{HostLoad, LoadModel, LoadOutcome};
use crate::policy::load::tick::Tick;
use crate::policy::test_inputs::rng;

const ENDPOINTS: usize = 20;
const CLIENTS: usize = 10;
/// Of each client.
const RATE: f64 = 480.0;
const MEAN_MS: f64 = 10.0;
/// Three times the 99th percentile of an exponential distribution around ten milliseconds.
const DETECTED_MS: u64 = 138;

/// The one endpoint that things happen to.
const PATIENT: usize = 7;
const FAULT: u64 = 2000;
const HEALED: u64 = 7000;

/// How the patient behaves during its fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Healthy,
    /// Each answer takes this many times as long.
    Slow(f64),
    /// An error after half a millisecond.
    FailsFast,
    /// No answer until it is healed.
    Hangs,
    /// No answer; the client gives up after 250 ms.
    HangsUntilTimeout,
    /// No answer; a hedge elsewhere wins, and the client cancels after 60 ms.
    HangsUntilHedged,
}

const FAILED: LoadOutcome = LoadOutcome::Failure { limit: Duration::from_millis(250), hint: None };

/// A request in flight; the order is that of their ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    ends: u64,
    started: u64,
    client: usize,
    endpoint: usize,
    /// An index of [`ENDINGS`].
    ending: usize,
}

struct World {
    fault: Fault,
    clients: Vec<Vec<HostLoad>>,
    in_flight: BinaryHeap<Reverse<Request>>,
    rng: StdRng,
    /// When the patient was picked, in microseconds.
    patients: Vec<u64>,
}

const ENDINGS: [LoadOutcome; 3] = [LoadOutcome::Success, FAILED, LoadOutcome::Neutral];

fn tick(micros: u64) -> Tick {
    Tick::after_origin(Duration::from_micros(micros))
}

impl World {
    fn run(fault: Fault, model: &LoadModel, until_ms: u64) -> Self {
        Self::with_rng(rng(), fault, model, until_ms)
    }

    fn with_rng(rng: StdRng, fault: Fault, model: &LoadModel, until_ms: u64) -> Self {
        let loads = || (0..ENDPOINTS).map(|_| HostLoad::new()).collect();
        let clients = (0..CLIENTS).map(|_| loads()).collect();
        let (in_flight, patients) = (BinaryHeap::new(), Vec::new());
        let mut world = Self { fault, clients, in_flight, rng, patients };
        let mut now = 0;
        while now < until_ms * 1000 {
            now += world.exponential(1e6 / (RATE * CLIENTS as f64));
            world.finish(now, model);
            world.arrive(now, model);
        }
        world
    }

    fn arrive(&mut self, now: u64, model: &LoadModel) {
        let client = self.rng.random_range(0..CLIENTS);
        let loads = &self.clients[client];
        let cost = |endpoint: usize| loads[endpoint].cost(tick(now), model);
        let endpoint = P2c::new().pick(ENDPOINTS, |_| true, cost, &mut self.rng).unwrap();
        loads[endpoint].start(tick(now));
        if endpoint == PATIENT {
            self.patients.push(now);
        }
        let (took, ending) = self.serve(endpoint, now);
        let request = Request { ends: now + took, started: now, client, endpoint, ending };
        self.in_flight.push(Reverse(request));
    }

    /// How long the endpoint takes, and which of the endings it comes to.
    fn serve(&mut self, endpoint: usize, now: u64) -> (u64, usize) {
        let took = self.exponential(MEAN_MS * 1000.0);
        let ill = endpoint == PATIENT && (FAULT * 1000..HEALED * 1000).contains(&now);
        match self.fault {
            Fault::Slow(factor) if ill => ((took as f64 * factor) as u64, 0),
            Fault::FailsFast if ill => (500, 1),
            Fault::Hangs if ill => (HEALED * 1000 - now + took, 0),
            Fault::HangsUntilTimeout if ill => (250_000, 1),
            Fault::HangsUntilHedged if ill => (60_000, 2),
            _ => (took, 0),
        }
    }

    fn finish(&mut self, now: u64, model: &LoadModel) {
        let ended = |request: &Reverse<Request>| request.0.ends <= now;
        while self.in_flight.peek().is_some_and(ended)
            && let Some(Reverse(Request { ends, started, client, endpoint, ending })) =
                self.in_flight.pop()
        {
            let load = &self.clients[client][endpoint];
            load.finish(tick(started), tick(ends), ENDINGS[ending], model);
        }
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        (-(1.0 - self.rng.random::<f64>()).ln() * mean) as u64
    }

    /// The patient's picks between two times in milliseconds, as a part of its fair share.
    fn share(&self, from: u64, to: u64) -> f64 {
        let within = |at: &&u64| (from * 1000..to * 1000).contains(*at);
        let fair = RATE * CLIENTS as f64 / ENDPOINTS as f64 * (to - from) as f64 / 1e3;
        self.patients.iter().filter(within).count() as f64 / fair
    }
}

fn told(fault: Fault) -> World {
    World::run(fault, &LoadModel::default(), HEALED + 6000)
}

#[test]
fn an_endpoint_like_all_others_gets_its_share() {
    let share = told(Fault::Healthy).share(1000, 9000);
    assert!((0.9..1.1).contains(&share), "{share}");
}

#[test]
fn a_hung_endpoint_loses_its_traffic_without_any_timeout() {
    for fault in [Fault::Hangs, Fault::HangsUntilTimeout, Fault::HangsUntilHedged] {
        let world = told(fault);
        let share = world.share(FAULT + DETECTED_MS, FAULT + 1000);
        assert!(share < 0.1, "{fault:?}: {share} in the first second");
        let share = world.share(FAULT + 1000, HEALED);
        assert!(share < 0.1, "{fault:?}: {share} later");
    }
}

#[test]
fn failing_fast_does_not_attract_traffic() {
    let share = told(Fault::FailsFast).share(FAULT + 100, HEALED);
    assert!(share < 0.05, "{share}");
    let share = World::run(Fault::FailsFast, &LoadModel::LeastRequest, HEALED).share(FAULT, HEALED);
    assert!(share > 1.0, "least request alone falls for it: {share}");
}

#[test]
fn a_slow_endpoint_keeps_little_traffic() {
    let share = told(Fault::Slow(10.0)).share(FAULT + 1000, HEALED);
    assert!(share < 0.1, "{share}");
}

#[test]
fn a_recovered_endpoint_regains_its_share_within_two_seconds() {
    let faults = [
        Fault::Slow(10.0),
        Fault::FailsFast,
        Fault::Hangs,
        Fault::HangsUntilTimeout,
        Fault::HangsUntilHedged,
    ];
    // In four seconds the share of one world is 0.7 to 1.3, as it draws.
    const WORLDS: u64 = 8;
    let share = |fault: Fault, seed: u64| {
        let rng = StdRng::seed_from_u64(seed);
        let world = World::with_rng(rng, fault, &LoadModel::default(), HEALED + 6000);
        world.share(HEALED + 2000, HEALED + 6000)
    };
    for fault in faults {
        let mean = (0..WORLDS).map(|seed| share(fault, seed)).sum::<f64>() / WORLDS as f64;
        assert!(mean > 0.9, "{fault:?}: {mean}");
    }
}
