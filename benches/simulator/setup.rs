//! What a contestant is put into: servers, clients, load and faults.

use std::ops::Range;

use crate::draws::Work;
use crate::fault::Fault;
use crate::time::{MS, Nanos, SECOND};

/// One scenario.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) name: String,
    pub(crate) servers: u32,
    pub(crate) slots: usize,
    pub(crate) clients: u32,
    pub(crate) work: Work,
    /// A copy of a request costs what the request costs, and not what another one would.
    pub(crate) work_is_inherent: bool,
    /// The zone by which servers are lost together does not matter to picks.
    pub(crate) subset: Option<Subset>,
    /// Calls per second from an instant on.
    pub(crate) rates: Vec<(Nanos, f64)>,
    pub(crate) faults: Vec<Fault>,
    /// Servers that clients come to know of, or are told to have left, at an instant.
    pub(crate) changes: Vec<Change>,
    /// Which calls count, by their start.
    pub(crate) counted: Range<Nanos>,
}

/// Which of the servers a client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subset {
    /// Each client draws for itself.
    Rendezvous(usize),
    /// Clients know their number, and share evenly.
    Deterministic(u32),
}

/// A change of the list of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Nanos,
    pub(crate) servers: Range<u32>,
    pub(crate) listed: bool,
}

impl Setup {
    /// The prototype's: 20 endpoints of 4 slots, 10 ms of lognormal work, 10 clients, at a share of
    /// their capacity of 8,000 calls a second.
    pub(crate) fn twenty(name: &str, load: f64, counted: Nanos) -> Self {
        let rate = load * 8_000.0;
        Self {
            name: name.to_owned(),
            servers: 20,
            slots: 4,
            clients: 10,
            work: Work::Lognormal { mean: 10 * MS },
            work_is_inherent: false,
            subset: None,
            rates: vec![(0, rate)],
            faults: Vec::new(),
            changes: Vec::new(),
            counted: WARM_UP..WARM_UP + counted,
        }
    }

    /// The same with a fault from the end of the warm-up on.
    pub(crate) fn with(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    pub(crate) fn rate(&self, now: Nanos) -> f64 {
        let begun = self.rates.iter().take_while(|(from, _)| *from <= now);
        begun.last().map_or(0.0, |(_, rate)| *rate)
    }

    /// Calls that will count, for making room.
    pub(crate) fn expected_calls(&self) -> usize {
        let most = self.rates.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
        let span = (self.counted.end - self.counted.start) as f64 / SECOND as f64;
        (most * span * 1.05) as usize
    }

    /// Which servers have a fault at some time.
    pub(crate) fn is_faulty(&self, server: u32) -> bool {
        self.faults.iter().any(|fault| fault.servers.contains(&server))
    }
}

/// Before that nothing counts: averages, budgets and quantiles are being filled.
pub(crate) const WARM_UP: Nanos = 5 * SECOND;
