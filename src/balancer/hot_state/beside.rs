//! What is in flight to endpoints beside the attempts that loads count: streamed answers, and what a balancer has begun
//! that was taken over from.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, Weak};

/// What is in flight beside the attempts that loads count.
#[derive(Debug)]
pub(super) struct Beside {
    /// Streamed answers whose bodies are under way.
    streams: Box<[AtomicU32]>,
    /// What is in flight by the balancers before, of the few endpoints where anything was.
    before: OnceLock<Box<[OnceLock<Vec<InFlightBefore>>]>>,
}

/// A run of slots of a balancer that was taken over from.
pub(crate) trait CountsInFlight: std::fmt::Debug + Send + Sync {
    /// How many attempts are in flight by it to the endpoint at `slot`.
    fn in_flight(&self, slot: usize) -> u32;
}

/// Where an endpoint stood in a balancer before, for as long as anything is in flight there.
#[derive(Clone, Debug)]
pub(crate) struct InFlightBefore {
    pub(crate) run: Weak<dyn CountsInFlight>,
    pub(crate) slot: usize,
}

impl InFlightBefore {
    pub(super) fn count(&self) -> u32 {
        self.run.upgrade().map_or(0, |run| run.in_flight(self.slot))
    }
}

impl Beside {
    /// Nothing, for so many slots.
    pub(super) fn new(slots: usize) -> Self {
        Self { streams: (0..slots).map(|_| AtomicU32::new(0)).collect(), before: OnceLock::new() }
    }

    /// Counts what is `in_flight` at `index` by the balancers before.
    pub(super) fn count_before(&self, index: usize, in_flight: Vec<InFlightBefore>) {
        let made = || self.streams.iter().map(|_| OnceLock::new()).collect();
        if let Some(place) = self.before.get_or_init(made).get(index) {
            let _ = place.set(in_flight);
        }
    }

    /// One more body is under way. Whether it is counted.
    pub(super) fn stream_begins(&self, index: usize) -> bool {
        let streams = self.streams.get(index);
        streams.into_iter().for_each(|it| _ = it.fetch_add(1, Ordering::Relaxed));
        streams.is_some()
    }

    /// One that was counted is not under way any more. Whether it was.
    pub(super) fn stream_ends(&self, index: usize) -> bool {
        let streams = self.streams.get(index);
        streams.into_iter().for_each(|it| _ = it.fetch_sub(1, Ordering::Relaxed));
        streams.is_some()
    }

    /// All that is in flight at `index` beside.
    pub(super) fn count(&self, index: usize) -> u32 {
        let before = self.before(index).into_iter().flatten().map(InFlightBefore::count).sum();
        self.streams(index).saturating_add(before)
    }

    pub(super) fn streams(&self, index: usize) -> u32 {
        self.streams.get(index).map_or(0, |streams| streams.load(Ordering::Relaxed))
    }

    pub(super) fn before(&self, index: usize) -> Option<&Vec<InFlightBefore>> {
        self.before.get()?.get(index)?.get()
    }
}
