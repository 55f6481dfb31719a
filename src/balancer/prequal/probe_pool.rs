//! What the endpoints of one locality answered to the probes of Prequal. See [`probes`](super::probes).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng;

use crate::policy::{Prequal, PrequalConfig};
use crate::runtime::entropy;

/// What the endpoints of one locality answered to probes, by their slots.
#[derive(Debug)]
pub(crate) struct ProbePool {
    state: Mutex<State>,
    /// Whether the last pick found enough endpoints.
    is_of_use: AtomicBool,
    /// Calls whose probes were not drawn yet.
    calls: AtomicU32,
}

#[derive(Debug)]
struct State {
    rule: Prequal<usize>,
    /// Places whose probe has not come back; as many as there may be probes at once.
    under_way: Vec<usize>,
}

impl ProbePool {
    pub(crate) fn new(config: PrequalConfig) -> Self {
        let state = State { rule: Prequal::new(config, 0), under_way: Vec::new() };
        let (is_of_use, calls) = (AtomicBool::new(false), AtomicU32::new(0));
        Self { state: Mutex::new(state), is_of_use, calls }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot that the answers speak for, of those that admit; none where they say too little.
    pub(crate) fn pick(
        &self,
        well: usize,
        admits: impl Fn(usize) -> bool,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        let mut state = self.lock();
        // Those that are out are not to choose from: a hundred of which three are left are few.
        state.rule.set_endpoints(well);
        self.is_of_use.store(state.rule.is_of_use(), Ordering::Relaxed);
        state.rule.pick(admits, now, rng)
    }

    /// A call was sent. Whether it is the first since probes were drawn.
    pub(crate) fn note_call(&self) -> bool {
        self.is_of_use.load(Ordering::Relaxed) && self.calls.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// How many probes the calls since the last time are worth.
    pub(crate) fn take_wanted(&self, rng: &mut impl Rng) -> usize {
        let calls = self.calls.swap(0, Ordering::Relaxed);
        if calls == 0 { 0 } else { self.lock().rule.wants_probes(calls, rng) }
    }

    /// The endpoint at `slot` has answered nothing yet.
    pub(crate) fn forget(&self, slot: usize) {
        self.lock().rule.forget(slot);
    }

    /// Takes in what the endpoint at `slot` answered, unless it `departed`: the slot may be another's by now.
    pub(crate) fn add(
        &self,
        slot: usize,
        departed: impl Fn() -> bool,
        load: ProbeLoad,
        now: Instant,
    ) {
        let mut state = self.lock();
        if !departed() {
            let ProbeLoad { in_flight, latency } = load;
            entropy::with_rng(|rng| state.rule.add(slot, in_flight, latency, now, rng));
        }
    }

    /// A probe of the endpoint at `slot` sets out.
    pub(crate) fn probe_began(&self, slot: usize) {
        self.lock().under_way.push(slot);
    }

    /// It has come back.
    pub(crate) fn probe_ended(&self, slot: usize) {
        self.lock().under_way.retain(|other| *other != slot);
    }

    /// The slots whose probes are under way.
    pub(crate) fn under_way(&self) -> Vec<usize> {
        self.lock().under_way.clone()
    }
}

/// What an answer to a probe says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProbeLoad {
    pub(crate) in_flight: u32,
    pub(crate) latency: Duration,
}
