//! What a fleet sends to a service that is out: calls of `World`, with nothing set. The service has
//! twenty endpoints and the same calls in all, however many clients make them.

use crate::contestant::{Balance, Contestant};
use crate::fault::{Fault, Mode};
use crate::figures::{Figure, Figures};
use crate::setup::Setup;
use crate::time::{Nanos, SECOND};
use crate::world::World;

/// Attempts for each call while every endpoint answers 503.
pub(crate) fn attempts(clients: u32) -> f64 {
    let setup = calls(clients, START..START + OUT);
    let setup = setup.with(fault(0..ENDPOINTS, Mode::FailFast));
    Figures::of(&setup, &rules(), 1).get(Figure::Attempts)
}

/// First attempts a second at one endpoint of twenty that answers 503, until its circuits are open and as probes then.
pub(crate) fn calls_to_faulty(clients: u32) -> f64 {
    let setup = calls(clients, START + OUT / 2..START + OUT);
    let setup = setup.with(fault(0..1, Mode::FailFast));
    Figures::of(&setup, &rules(), 1).get(Figure::FaultyPerSecond)
}

/// Seconds from the return of all endpoints, which refused, until 99 of 100 calls of half a second are good.
pub(crate) fn back_after(clients: u32) -> f64 {
    let end = START + OUT + 10 * SECOND;
    let setup = calls(clients, START..end).with(fault(0..ENDPOINTS, Mode::Refuse));
    let rules = rules();
    let stats = World::new(&setup, &rules, 1).run().stats;
    let is_back = |bin: crate::stats::Bin| bin.good * 100 >= bin.calls * 99;
    stats.first(START + OUT..end - SECOND, SECOND / 2, is_back).unwrap_or(f64::INFINITY)
}

fn calls(clients: u32, counted: std::ops::Range<Nanos>) -> Setup {
    let rate = f64::from(ENDPOINTS) * super::CALLS_OF_ENDPOINT;
    let rates = vec![(0, rate)];
    Setup { servers: ENDPOINTS, clients, rates, counted, ..Setup::twenty("fleet", 0.0, 0) }
}

fn fault(servers: std::ops::Range<u32>, mode: Mode) -> Fault {
    Fault { servers, mode, from: START, until: START + OUT }
}

fn rules() -> Contestant {
    Contestant::out_of_the_box(Balance::AHOY)
}

/// As in all other scenarios of the usual size.
pub(crate) const ENDPOINTS: u32 = 20;
const START: Nanos = 5 * SECOND;
const OUT: Nanos = 10 * SECOND;
