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
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::beside::{Beside, InFlightBefore};
use super::runs::{WIDTH, slots_of};
use crate::balancer::locality_state::LocalityState;
use crate::balancer::member_stats::MemberStats;
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
        if !in_flight.is_empty() && self.load(slot).is_some() {
            self.make_beside().count_before(self.index(slot), in_flight);
        }
    }

    fn make_beside(&self) -> &Beside {
        self.beside.get_or_init(|| Beside::new(self.slots().len()))
    }

    /// The body of a streamed answer of the endpoint at `slot` is under way from now on. Whether that is counted.
    pub(crate) fn stream_begins(&self, slot: usize) -> bool {
        let counts =
            self.load(slot).is_some() && self.make_beside().stream_begins(self.index(slot));
        if counts {
            self.shared.started();
        }
        counts
    }

    /// A body that was counted is not under way any more.
    pub(crate) fn stream_ends(&self, slot: usize) {
        if self.beside.get().is_some_and(|it| it.stream_ends(self.index(slot))) {
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
