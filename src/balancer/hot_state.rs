//! What a pick looks at, for many endpoints beside one another: a bit for each, and where picks go by load, that.
//!
//! A pick among many that followed pointers to each endpoint would wait for memory. The bit says that an
//! endpoint is in rotation without a question; where it is clear, the endpoint itself is asked. A second bit
//! says that it is well, so that its locality counts it: one that warms up is well, and yet picks must ask it.
//!
//! The bits of a hundred thousand fit into a processor's nearest cache, so a candidate costs one wait: for its
//! load. A locality begins with room for 64, and doubles it by a further run of hot state up to runs of 4096.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::locality_state::LocalityState;
use super::member_stats::MemberStats;
use crate::policy::{HostLoad, LoadOutcome, Overdue, ProbeEligibility, ProbePace, Tick};

/// The hot state of a run of slots, the same for every version of the roster.
#[derive(Debug)]
pub(crate) struct HotState {
    first: usize,
    bits: Box<[Bits]>,
    shared: Arc<LocalityState>,
    /// Only where picks go by load.
    loads: Option<Box<[HostLoad]>>,
    /// Only where a rule follows each endpoint.
    keeps_stats: Option<Box<[MemberStats]>>,
    /// Made with the first weight other than 1.
    weights: OnceLock<Box<[AtomicU32]>>,
    /// Made with the first streamed answer, or where a balancer takes over that has attempts in flight.
    beside: OnceLock<Beside>,
    /// Made when the first of them hangs or is probed.
    hang_state: OnceLock<Box<[HangState]>>,
}

/// What is in flight beside the attempts that loads count.
#[derive(Debug)]
struct Beside {
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
    fn count(&self) -> u32 {
        self.run.upgrade().map_or(0, |run| run.in_flight(self.slot))
    }
}

/// What is kept of an endpoint that hangs or is being probed.
#[derive(Debug, Default)]
pub(crate) struct HangState {
    pub(crate) overdue: Overdue,
    pub(crate) pace: ProbePace,
}

/// One bit each of 64 slots.
#[derive(Debug, Default)]
struct Bits {
    rotating: AtomicU64,
    well: AtomicU64,
    overdue: AtomicU64,
}

impl HotState {
    /// The hot state of the run of this number.
    pub(crate) fn new(run: usize, shared: Arc<LocalityState>) -> Self {
        let Range { start, end } = slots_of(run);
        let bits = (start..end).step_by(WIDTH).map(|_| Bits::default()).collect();
        let loads = shared.load.map(|_| (start..end).map(|_| HostLoad::new()).collect());
        let keeps_stats =
            shared.keeps_stats.then(|| (start..end).map(|_| MemberStats::new()).collect());
        let (weights, beside, hang_state) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        Self { first: start, bits, shared, loads, keeps_stats, weights, beside, hang_state }
    }

    /// Its slots.
    pub(crate) fn slots(&self) -> Range<usize> {
        self.first..self.first + self.bits.len() * WIDTH
    }

    /// Where `slot` stands among its slots.
    #[inline]
    pub(crate) const fn index(&self, slot: usize) -> usize {
        slot.wrapping_sub(self.first)
    }

    pub(crate) fn shared(&self) -> &Arc<LocalityState> {
        &self.shared
    }

    /// Whether the endpoint at `slot` gets traffic without a question.
    #[inline]
    pub(crate) fn is_rotating(&self, slot: usize) -> bool {
        self.bits(slot).is_some_and(|bits| bits.rotating.load(Ordering::Relaxed) & bit(slot) != 0)
    }

    /// Shows whether the endpoint at `slot` is in rotation, and whether it is well. Counted once,
    /// however often it is said.
    pub(crate) fn show(&self, slot: usize, rotating: bool, well: bool) {
        let Some(bits) = self.bits(slot) else { return };
        set(&bits.rotating, slot, rotating);
        match (set(&bits.well, slot, well), well) {
            (true, true) => self.shared.got_well(),
            (true, false) => self.shared.fell_ill(),
            (false, _) => {}
        }
    }

    /// The weight of the endpoint that took `slot` last.
    pub(crate) fn weight(&self, slot: usize) -> u32 {
        let weight = self.weights.get().and_then(|weights| weights.get(self.index(slot)));
        weight.map_or(1, |weight| weight.load(Ordering::Relaxed))
    }

    pub(crate) fn set_weight(&self, slot: usize, weight: u32) {
        if weight == 1 && self.weights.get().is_none() {
            return;
        }
        let made = || self.slots().map(|_| AtomicU32::new(1)).collect();
        if let Some(kept) = self.weights.get_or_init(made).get(self.index(slot)) {
            kept.store(weight, Ordering::Relaxed);
        }
    }

    /// What is followed of the endpoint at `slot`; `None` where no rule needs it.
    pub(crate) fn stats(&self, slot: usize) -> Option<&MemberStats> {
        self.keeps_stats.as_ref()?.get(self.index(slot))
    }

    /// The slot is taken by another endpoint, of which nothing is known.
    pub(crate) fn forget(&self, slot: usize) {
        self.shared.pool.iter().for_each(|pool| pool.forget(slot));
        self.load(slot).into_iter().for_each(HostLoad::forget);
        self.stats(slot).into_iter().for_each(MemberStats::forget);
        self.clear_overdue(slot);
        if let Some(hang_state) = self.hang_state(slot) {
            hang_state.overdue.forget();
            hang_state.pace.forget();
        }
    }

    /// Whether an attempt at `slot` takes longer than usual, and no answer came in time since.
    #[inline]
    pub(crate) fn is_overdue(&self, slot: usize) -> bool {
        self.bits(slot).is_some_and(|bits| bits.overdue.load(Ordering::Relaxed) & bit(slot) != 0)
    }

    /// Whether an attempt at `slot` passed its limit, no answer came in time since, and one may still be owed.
    pub(crate) fn is_late(&self, slot: usize) -> bool {
        self.is_overdue(slot) && self.hang_state(slot).is_some_and(|it| it.overdue.is_late())
    }

    /// Whether an attempt at `slot` passed its limit, and no answer at all came for a while.
    pub(crate) fn is_silent(&self, slot: usize, now: Instant) -> bool {
        let millis = self.shared.millis(now);
        self.is_overdue(slot)
            && self.hang_state(slot).is_some_and(|it| it.overdue.is_silent(millis))
    }

    /// An attempt at `slot` takes longer than usual.
    pub(crate) fn mark_overdue(&self, slot: usize, now: Instant) {
        if self.bits(slot).is_some_and(|bits| set(&bits.overdue, slot, true)) {
            self.shared.note_overdue(true);
        }
        let hang_state = self.make_hang_state(slot);
        hang_state.into_iter().for_each(|it| it.overdue.is_overdue_since(self.shared.millis(now)));
    }

    /// An attempt at `slot` has passed its limit.
    pub(crate) fn mark_late(&self, slot: usize, now: Instant) {
        self.mark_overdue(slot, now);
        let hang_state = self.make_hang_state(slot);
        hang_state.into_iter().for_each(|it| it.overdue.is_late_since(self.shared.millis(now)));
    }

    /// One more attempt in flight to the endpoint at `slot` has passed its limit.
    pub(crate) fn late_begins(&self, slot: usize) {
        self.make_hang_state(slot).into_iter().for_each(|it| it.overdue.late_begins());
    }

    /// An attempt at `slot` that had passed its limit is not in flight any more.
    pub(crate) fn late_ends(&self, slot: usize) {
        self.hang_state(slot).into_iter().for_each(|it| it.overdue.late_ends());
    }

    /// An attempt at `slot` was answered. Costs two loads where nothing was wrong.
    #[inline]
    pub(crate) fn answered(&self, slot: usize, in_time: bool, now: Instant) {
        if in_time && self.is_overdue(slot) {
            self.clear_overdue(slot);
        }
        if let Some(hang_state) = self.hang_state(slot) {
            self.note_answer(&hang_state.overdue, in_time, now);
        }
    }

    /// Kept out of the way of endpoints that never hung.
    #[cold]
    fn note_answer(&self, overdue: &Overdue, in_time: bool, now: Instant) {
        let millis = self.shared.millis(now);
        match in_time {
            true => overdue.answered_in_time(millis),
            false => overdue.answered(millis),
        }
    }

    /// An attempt at `slot` that had passed its limit ended without an answer.
    pub(crate) fn ended_late(&self, slot: usize, took: Duration, now: Instant) {
        let hang_state = self.make_hang_state(slot);
        hang_state.into_iter().for_each(|it| it.overdue.ended_late(took, self.shared.millis(now)));
    }

    /// An attempt at `slot` was overtaken before its limit; whether that happened so often that it counts as late.
    pub(crate) fn counts_as_late(&self, slot: usize) -> bool {
        self.make_hang_state(slot).is_some_and(|it| it.overdue.overtaken())
    }

    /// Whether a call that may not be repeated may try the endpoint at `slot` although it may hang.
    pub(crate) fn may_be_risked(&self, slot: usize, now: Instant) -> bool {
        let millis = self.shared.millis(now);
        self.hang_state(slot).is_some_and(|it| it.overdue.may_be_risked(millis))
    }

    /// Whether the endpoint at `slot` owes nothing, or the call has claimed the risk that it hangs.
    pub(crate) fn claim_risk(&self, slot: usize, now: Instant) -> bool {
        let claim = || {
            self.hang_state(slot).is_none_or(|it| it.overdue.claim_risk(self.shared.millis(now)))
        };
        !self.is_overdue(slot) || claim()
    }

    /// Whether the client may send the endpoint at `slot` another probe, while others admit.
    pub(crate) fn may_probe(&self, slot: usize, now: Instant) -> bool {
        let cluster = &self.shared.cluster;
        let (calls, known) = (cluster.calls_in_trouble(), cluster.known());
        let millis = self.shared.millis(now);
        self.hang_state(slot).is_none_or(|it| it.pace.allows(calls, known, millis))
    }

    /// A probe of the endpoint at `slot` goes out.
    pub(crate) fn note_probe(&self, slot: usize, now: Instant) {
        let calls = self.shared.cluster.calls_in_trouble();
        let hang_state = self.make_hang_state(slot);
        hang_state.into_iter().for_each(|it| it.pace.note(calls, self.shared.millis(now)));
    }

    /// The circuit of the endpoint at `slot` has closed.
    pub(crate) fn closed(&self, slot: usize) {
        self.hang_state(slot).into_iter().for_each(|it| it.pace.forget());
    }

    /// The endpoint at `slot` owes nothing any more, or is gone.
    pub(crate) fn clear_overdue(&self, slot: usize) {
        if self.bits(slot).is_some_and(|bits| set(&bits.overdue, slot, false)) {
            self.shared.note_overdue(false);
        }
    }

    #[inline]
    fn hang_state(&self, slot: usize) -> Option<&HangState> {
        self.hang_state.get()?.get(self.index(slot))
    }

    fn make_hang_state(&self, slot: usize) -> Option<&HangState> {
        let made = || self.slots().map(|_| HangState::default()).collect();
        self.hang_state.get_or_init(made).get(self.index(slot))
    }

    #[inline]
    fn load(&self, slot: usize) -> Option<&HostLoad> {
        self.loads.as_ref()?.get(self.index(slot))
    }

    #[inline]
    fn bits(&self, slot: usize) -> Option<&Bits> {
        self.bits.get(self.index(slot) / WIDTH)
    }

    /// How many attempts are in flight to the endpoint at `slot`, those whose bodies are streamed included; 0 where they are
    /// not counted.
    pub(crate) fn in_flight(&self, slot: usize) -> u32 {
        self.counted_in_flight(slot).unwrap_or(0)
    }

    /// The same, where they are counted.
    pub(crate) fn counted_in_flight(&self, slot: usize) -> Option<u32> {
        self.load(slot).map(|load| load.pending().saturating_add(self.beside(slot)))
    }

    /// How many streamed answers of the endpoint at `slot` have bodies under way, and what else is in flight there by the
    /// balancers before.
    #[inline]
    fn beside(&self, slot: usize) -> u32 {
        self.beside.get().map_or(0, |beside| beside.count(self.index(slot)))
    }

    /// The same but for the balancers before.
    pub(crate) fn own_in_flight(&self, slot: usize) -> u32 {
        let streams = self.beside.get().map_or(0, |beside| beside.streams(self.index(slot)));
        self.load(slot).map_or(0, |load| load.pending().saturating_add(streams))
    }

    /// Counts what is in flight to the endpoint at `slot` by the balancer that is taken over from, where it stood at
    /// `before`, and by those before that.
    pub(crate) fn count_before(&self, slot: usize, old: &Self, before: InFlightBefore) {
        let older = old.beside.get().and_then(|it| it.before(old.index(before.slot)));
        let all = older.into_iter().flatten().cloned().chain([before]);
        let in_flight: Vec<_> = all.filter(|it| it.count() > 0).collect();
        if in_flight.is_empty() || self.load(slot).is_none() {
            return;
        }
        let made = || self.slots().map(|_| OnceLock::new()).collect();
        let places = self.make_beside().before.get_or_init(made);
        if let Some(place) = places.get(self.index(slot)) {
            let _ = place.set(in_flight);
        }
    }

    fn make_beside(&self) -> &Beside {
        self.beside.get_or_init(|| Beside {
            streams: self.slots().map(|_| AtomicU32::new(0)).collect(),
            before: OnceLock::new(),
        })
    }

    /// The body of a streamed answer of the endpoint at `slot` is under way from now on. Whether that is counted.
    pub(crate) fn stream_begins(&self, slot: usize) -> bool {
        let place = |_| self.make_beside().streams.get(self.index(slot));
        let Some(streams) = self.load(slot).and_then(place) else { return false };
        streams.fetch_add(1, Ordering::Relaxed);
        self.shared.started();
        true
    }

    /// A body that was counted is not under way any more.
    pub(crate) fn stream_ends(&self, slot: usize) {
        let streams = self.beside.get().and_then(|it| it.streams.get(self.index(slot)));
        if let Some(streams) = streams {
            streams.fetch_sub(1, Ordering::Relaxed);
            self.shared.finished();
        }
    }

    /// What one more attempt at `slot` would cost.
    #[inline]
    pub(crate) fn cost(&self, slot: usize, probing: ProbeEligibility, now: Tick) -> f32 {
        let model = self.shared.load.as_ref();
        let cost = |(load, model): (&HostLoad, _)| {
            load.cost_beside(self.beside(slot), probing, now, model)
        };
        let cost = self.load(slot).zip(model).map_or(0.0, cost);
        if self.shared.reports { cost * self.cost_factor(slot, now) } else { cost }
    }

    /// What the load that the endpoint at `slot` told makes of its cost.
    fn cost_factor(&self, slot: usize, now: Tick) -> f32 {
        self.stats(slot).map_or(1.0, |stats| stats.utilization.cost_factor(now))
    }

    /// An attempt at `slot` sets out, unless `most` are in flight already. Whether it does.
    #[inline]
    pub(crate) fn start(&self, slot: usize, now: Tick, most: Option<u32>) -> bool {
        let Some(load) = self.load(slot) else {
            return true;
        };
        let starts = match most {
            Some(most) => load.start_below(most.saturating_sub(self.beside(slot)), now),
            None => {
                load.start(now);
                true
            }
        };
        if starts {
            self.shared.started();
        }
        starts
    }

    /// An attempt at `slot` did not set out after all; `started` as it was told.
    pub(crate) fn take_back(&self, slot: usize, started: Tick) {
        if let Some(load) = self.load(slot) {
            load.take_back(started);
            self.shared.finished();
        }
    }

    /// An attempt at `slot` that set out then counts as begun later.
    pub(crate) fn postpone(&self, slot: usize, started: Tick, later: Tick) {
        if let Some(load) = self.load(slot) {
            load.postpone(started, later);
        }
    }

    /// An attempt at `slot` that set out then has lost against another of its call.
    pub(crate) fn overtaken(&self, slot: usize, started: Tick, now: Tick) {
        self.load(slot).into_iter().for_each(|load| load.overtaken(started, now));
    }

    /// An attempt at `slot` has ended; `started` as it was told.
    #[inline]
    pub(crate) fn finish(&self, slot: usize, started: Tick, now: Instant, ending: LoadOutcome) {
        if let Some((load, model)) = self.load(slot).zip(self.shared.load.as_ref()) {
            load.finish(started, self.shared.tick(now), ending, model);
            self.shared.finished();
        }
    }
}

impl Beside {
    fn count(&self, index: usize) -> u32 {
        let before = self.before(index).into_iter().flatten().map(InFlightBefore::count).sum();
        self.streams(index).saturating_add(before)
    }

    fn streams(&self, index: usize) -> u32 {
        self.streams.get(index).map_or(0, |streams| streams.load(Ordering::Relaxed))
    }

    fn before(&self, index: usize) -> Option<&Vec<InFlightBefore>> {
        self.before.get()?.get(index)?.get()
    }
}

/// Whether the bit of `slot` was different before.
fn set(bits: &AtomicU64, slot: usize, on: bool) -> bool {
    let bit = bit(slot);
    // Mostly nothing changes, and a load is not contended.
    if (bits.load(Ordering::Relaxed) & bit != 0) == on {
        return false;
    }
    match on {
        true => bits.fetch_or(bit, Ordering::Relaxed) & bit == 0,
        false => bits.fetch_and(!bit, Ordering::Relaxed) & bit != 0,
    }
}

const fn bit(slot: usize) -> u64 {
    1 << (slot % WIDTH)
}

/// The number of the run that `slot` lies in.
#[inline]
pub(crate) fn run_of(slot: usize) -> usize {
    // 0 below 64, 1 below 128, 2 below 256 and so on up to 6; without a branch, as slots are drawn.
    let doublings = usize::BITS - (slot / WIDTH).min(WIDEST / WIDTH - 1).leading_zeros();
    doublings as usize + slot / WIDEST
}

/// The slots of the run of this number.
fn slots_of(run: usize) -> Range<usize> {
    let start = |run: usize| match run {
        0 => 0,
        1..DOUBLED => WIDTH << (run - 1),
        _ => (run - DOUBLED + 1) * WIDEST,
    };
    start(run)..start(run + 1)
}

/// Places in the first run, which few levels exceed, and bits in a word.
const WIDTH: usize = 64;

/// Places in the last runs: 128 KB of loads, so that room for endpoints to come is small beside those there.
const WIDEST: usize = 4096;

/// From this run on they are equally wide.
const DOUBLED: usize = (WIDEST / WIDTH).ilog2() as usize + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_lies_in_the_run_that_has_it() {
        let mut next = 0;
        for run in 0..40 {
            let slots = slots_of(run);
            assert_eq!(slots.start, next, "one run after the other");
            assert!(slots.clone().all(|slot| run_of(slot) == run), "{run}: {slots:?}");
            assert_eq!((slots.start % WIDTH, slots.end % WIDTH), (0, 0));
            next = slots.end;
        }
        assert_eq!(slots_of(0).len(), WIDTH);
        assert_eq!(
            (slots_of(6).len(), slots_of(7).len(), slots_of(39).len()),
            (2048, WIDEST, WIDEST)
        );
    }
}
