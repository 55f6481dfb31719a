//! How busy and how slow one endpoint is, as far as this process has seen.
//!
//! A balancer that compares endpoints reads this on every pick, so it is one small cell of atomics:
//! no lock, no allocation, 32 bytes that never cross a cache line. The default model is made against
//! two traps. An endpoint that fails at once looks like the fastest of all, so a failure counts as a
//! long answer. An endpoint that hangs gives no answers to learn from, so the age of what is in
//! flight counts as if it were one. Neither waits for a timeout or for a circuit to open.
//!
//! Where copies are sent, nothing in flight grows old: the copy answers, and the one that hangs is
//! cancelled. So what overtaken requests have waited goes on counting until the next success, see
//! [`HostLoad::overtaken`].
//!
//! An endpoint without traffic gives no news either. After a second without any, an idle endpoint costs
//! nothing, and so gets one request: while that is in flight the old history holds again, and a
//! success starts a new one. The decay of Peak EWMA does the same job, but from the penalty of a
//! failure down to a fast endpoint's latency it takes it tens of seconds.
//!
//! What must agree stands in one word. The number in flight and the sum of their start times do, so
//! their mean age is exact; so do the average latency and its time. The oldest start is a word of its
//! own and an estimate: see [`HostLoad::oldest_age`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::tick::{Tick, whole_micros};
use super::word::{History, InFlightWord, Latency};
use crate::policy::circuit::probe_eligibility::ProbeEligibility;

/// What an endpoint's load is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoadModel {
    /// The number of requests in flight, and nothing else. Fair to slow endpoints, but one that
    /// fails at once always looks free.
    LeastRequest,
    /// The peak-sensitive average latency times the requests in flight, as Finagle has it.
    PeakEwma(PeakEwmaConfig),
    /// The average latency or the age of what is in flight, whichever says more, times the requests
    /// in flight, over the square of the success rate; the default.
    Ahoy(AhoyConfig),
}

impl Default for LoadModel {
    fn default() -> Self {
        Self::Ahoy(AhoyConfig::default())
    }
}

/// Peak EWMA: a slower answer is believed at once, faster ones little by little, and silence counts
/// as an answer in no time. Unlike Finagle's, failures are penalised as in [`AhoyConfig`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PeakEwmaConfig {
    /// In which time a peak falls to its 0.37th part; default 10 s.
    pub tau: Duration,
}

impl Default for PeakEwmaConfig {
    fn default() -> Self {
        // Finagle's. A peak of a hundred times the usual is felt for 46 s.
        Self { tau: Duration::from_secs(10) }
    }
}

/// The default model's times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AhoyConfig {
    /// How long a slower answer is averaged over; default 1 s.
    pub rise: Duration,
    /// How long a faster answer is averaged over; default 2 s.
    pub fall: Duration,
    /// What an idle endpoint may go without news before it is tried anew; default 1 s.
    pub remember: Duration,
}

impl Default for AhoyConfig {
    fn default() -> Self {
        Self {
            // Dozens of answers of a busy endpoint, so that one slow request does not banish it.
            rise: Duration::from_secs(1),
            // Longer, as traffic that comes back too early hurts more than traffic that comes late.
            fall: Duration::from_secs(2),
            // One request a second is what it costs to see a recovery within two.
            remember: Duration::from_secs(1),
        }
    }
}

/// How a request ended, as far as the load is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadOutcome {
    /// With an answer that does not speak against the endpoint.
    Success,
    /// With a fault of the endpoint. Counts as an answer that took the longest of: what it took, the
    /// limit, twice the average, and the hint or 5 s; but at most 30 s.
    Failure {
        /// How long the attempt might have taken.
        limit: Duration,
        /// How long the endpoint asked to be left alone (Retry-After).
        hint: Option<Duration>,
    },
    /// With an answer that turns the request away (4xx, 501), which takes less than the work itself: an endpoint that lacks a
    /// route or a password would look like the fastest of all. By [`LoadModel::Ahoy`] it counts as an answer that took a
    /// little longer than the average, so that the others are asked in turn; by Finagle's rules as any answer.
    Refused,
    /// Cut off by this side, as a hedge that lost or a cancelled call. Counts as an answer if it
    /// already took longer than the average.
    Neutral,
}

/// The load of one endpoint, shared by all threads.
#[derive(Debug)]
#[repr(align(32))]
pub struct HostLoad {
    flight: AtomicU64,
    /// A tick not before the oldest start in flight; means nothing while none is.
    oldest: AtomicU64,
    latency: AtomicU64,
    /// The average success, an `f32` between [`SUCCESS_FLOOR`] and 1.
    success: AtomicU32,
    /// Microseconds that overtaken requests have waited in vain since the last success.
    owed: AtomicU32,
}

const _: () = assert!(size_of::<HostLoad>() == 32);

impl Default for HostLoad {
    fn default() -> Self {
        Self::new()
    }
}

impl HostLoad {
    /// Idle and without history.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            flight: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
            latency: AtomicU64::new(0),
            success: AtomicU32::new(1.0_f32.to_bits()),
            owed: AtomicU32::new(0),
        }
    }

    /// Forgets all history; what is in flight stays counted.
    pub fn forget(&self) {
        self.latency.store(0, Relaxed);
        self.success.store(1.0_f32.to_bits(), Relaxed);
        self.owed.store(0, Relaxed);
    }

    /// Counts a request that sets out now. It must be finished once, with this same tick.
    pub fn start(&self, now: Tick) {
        self.enter(now);
    }

    /// Like [`Self::start`], unless `most` are in flight already; never more than that, whatever else
    /// starts at the same time. Whether it counts.
    pub fn start_below(&self, most: u32, now: Tick) -> bool {
        let room = self.enter(now) < most;
        if !room {
            self.leave(now, now);
        }
        room
    }

    /// Takes a request out again that did not set out after all: nothing is learnt of it.
    pub fn take_back(&self, started: Tick) {
        self.leave(started, started);
    }

    /// Takes a request out again and learns from how it ended. One that was never started is
    /// ignored if nothing is in flight.
    pub fn finish(&self, started: Tick, now: Tick, ending: LoadOutcome, model: &LoadModel) {
        if !self.leave(started, now) {
            return;
        }
        // At least a tick, as zero means no history.
        let elapsed = now.since(started).max(1) as f32;
        match model {
            LoadModel::LeastRequest => {}
            LoadModel::PeakEwma(config) => {
                let ending =
                    if ending == LoadOutcome::Refused { LoadOutcome::Success } else { ending };
                self.learn(now, ending, |old, ending| config.next(old, elapsed, ending));
            }
            LoadModel::Ahoy(config) => {
                let anew = self.history(now).is_none_or(|old| config.forgets(old));
                self.learn(now, ending, |old, ending| config.next(old, elapsed, ending));
                self.judge(ending, anew);
                let is_answer = matches!(ending, LoadOutcome::Success | LoadOutcome::Refused);
                if is_answer && self.owed.load(Relaxed) != 0 {
                    self.owed.store(0, Relaxed);
                }
            }
        }
    }

    /// Notes that a copy elsewhere was faster than a request that set out then, and is finished as
    /// [`LoadOutcome::Neutral`]. What it has waited so far goes on counting as if it were in flight, until the next
    /// success: otherwise an endpoint that hangs would look as it did before as soon as each victim is helped.
    pub fn overtaken(&self, started: Tick, now: Tick) {
        let more = now.since(started).min(u64::from(u32::MAX)) as u32;
        let add = |owed: u32| Some(owed.saturating_add(more));
        let _ = self.owed.fetch_update(Relaxed, Relaxed, add);
    }

    /// The number of requests in flight.
    #[must_use]
    pub fn pending(&self) -> u32 {
        self.in_flight().pending() as u32
    }

    /// The average latency; none without history.
    #[must_use]
    pub fn latency(&self) -> Option<Duration> {
        let latency = Latency(self.latency.load(Relaxed)).micros();
        (latency > 0.0).then(|| Duration::from_secs_f32(latency / MICROS))
    }

    /// About how long the oldest request is in flight already; none when idle.
    ///
    /// Never more than the truth, races between threads apart, and never less than the mean age. It is
    /// exact for a lone request and for the first of a busy period until that finishes. The next
    /// oldest is not known then, so the mean start of the others stands in for it. A request that hangs
    /// among quick ones is thus underrated by about their number times their latency, and from there on
    /// grows as the time does. A race can at worst leave the sum of all ages for a moment.
    #[must_use]
    pub fn oldest_age(&self, now: Tick) -> Duration {
        Duration::from_micros(self.oldest_micros(self.in_flight(), now))
    }

    /// What sending one more request here would cost; smaller is better. Finite and not negative.
    ///
    /// An endpoint without history costs nothing while idle, and more than any other once its first
    /// request is in flight. By the default model an idle one without news for long costs nothing
    /// either. A young request beside old ones can lower the cost a little, as their mean age falls.
    #[must_use]
    #[inline]
    pub fn cost(&self, now: Tick, model: &LoadModel) -> f32 {
        self.cost_to(ProbeEligibility::Due, now, model)
    }

    /// The same as an attempt sees it that leaves probes to others: to that an idle endpoint without
    /// news costs what its history says, the longer or until no other is left.
    #[must_use]
    #[inline]
    pub fn cost_to(&self, probing: ProbeEligibility, now: Tick, model: &LoadModel) -> f32 {
        self.cost_beside(0, probing, now, model)
    }

    /// The same while the bodies of `streams` answers are under way. Each weighs as much as a request in flight, but its
    /// age says nothing: a stream may take as long as it likes.
    #[must_use]
    #[inline]
    pub fn cost_beside(
        &self,
        streams: u32,
        probing: ProbeEligibility,
        now: Tick,
        model: &LoadModel,
    ) -> f32 {
        let flight = self.in_flight();
        let (count, next) = (flight.pending() + u64::from(streams), (flight.pending() + 1) as f32);
        match model {
            LoadModel::LeastRequest => (count + 1) as f32,
            LoadModel::PeakEwma(config) => {
                let latency = self.history(now).map(|old| config.faded(old));
                // What has faded away says as little as what was never there, as in Finagle: times any number of requests
                // in flight it would stay nothing.
                match latency.filter(|latency| *latency > 0.0) {
                    None => untried(count),
                    Some(latency) => latency * next + of_streams(streams, || latency),
                }
            }
            LoadModel::Ahoy(config) => match self.history(now) {
                None => untried(count),
                Some(old) if flight.pending() == 0 && config.is_due(old, probing) => {
                    STREAM_COST * streams as f32
                }
                Some(old) => {
                    let success = f32::from_bits(self.success.load(Relaxed));
                    let felt = self.felt_latencies(old, flight, now);
                    let share = flight.pending().max(1) as f32 * success * success;
                    felt * next / share + of_streams(streams, || felt / share)
                }
            },
        }
    }

    /// How many were in flight before.
    fn enter(&self, now: Tick) -> u32 {
        let before = InFlightWord(self.flight.fetch_add(InFlightWord::one(now), Relaxed));
        if before.pending() == 0 {
            self.oldest.store(now.0, Relaxed);
        }
        before.pending() as u32
    }

    /// A request that began then counts as begun later.
    pub fn postpone(&self, started: Tick, later: Tick) {
        let moved = InFlightWord::one(later).wrapping_sub(InFlightWord::one(started));
        self.flight.fetch_add(moved, Relaxed);
    }

    fn in_flight(&self) -> InFlightWord {
        InFlightWord(self.flight.load(Relaxed))
    }

    /// Whether there was one to take out.
    fn leave(&self, started: Tick, now: Tick) -> bool {
        let oldest = self.oldest.load(Relaxed);
        let before = InFlightWord(self.flight.fetch_sub(InFlightWord::one(started), Relaxed));
        if before.pending() == 0 {
            self.flight.fetch_add(InFlightWord::one(started), Relaxed);
            return false;
        }
        let left = InFlightWord(before.0.wrapping_sub(InFlightWord::one(started)));
        if left.pending() > 0 {
            self.pass_on_oldest(oldest, started, left, now);
        } else if left.0 != 0 {
            // An attempt finished with another tick than it started with: the error ends here.
            let _ = self.flight.compare_exchange(left.0, 0, Relaxed, Relaxed);
        }
        true
    }

    /// Finds another oldest start if the request that left may have been the oldest.
    fn pass_on_oldest(&self, mut oldest: u64, started: Tick, mut left: InFlightWord, now: Tick) {
        // Older than all ages together: a race has left behind a start that is no longer in flight.
        let stale = |oldest, left: InFlightWord| now.since(Tick(oldest)) > left.total_age(now);
        while left.pending() > 0 && (started.0 <= oldest || stale(oldest, left)) {
            let next = now.0.saturating_sub(left.mean_age(now));
            match self.oldest.compare_exchange(oldest, next, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(other) => (oldest, left) = (other, self.in_flight()),
            }
        }
    }

    fn oldest_micros(&self, flight: InFlightWord, now: Tick) -> u64 {
        let age = now.since(Tick(self.oldest.load(Relaxed)));
        age.clamp(flight.mean_age(now), flight.total_age(now))
    }

    /// The latency that one request seems to have now, times the number in flight: the average, the
    /// mean age or half of the oldest age, whichever is most. A single old request may be an odd one;
    /// half of its age keeps it from outweighing all others. As a product, the mean needs no division.
    /// What overtaken ones have waited counts as a whole, as the age of a lone one does, and is forgiven
    /// in time: an endpoint that gets no traffic would have no success either.
    fn felt_latencies(&self, old: History, flight: InFlightWord, now: Tick) -> f32 {
        let (count, total) = (flight.pending().max(1) as f32, flight.total_age(now));
        let oldest = now.since(Tick(self.oldest.load(Relaxed))).min(total);
        let owed = self.owed.load(Relaxed) as f32 - FORGIVING * old.age as f32;
        let odd = OLDEST_SHARE * oldest as f32 + owed.max(0.0);
        (old.latency.max(odd) * count).max(total as f32)
    }

    fn history(&self, now: Tick) -> Option<History> {
        Latency(self.latency.load(Relaxed)).at(now)
    }

    /// Replaces the average by what `next` makes of it, if anything. Each ending has a loop of its own: in a common one
    /// the compiler looks at a failure's fields where there is none. That decides nothing, but memory checkers report it.
    fn learn(
        &self,
        now: Tick,
        ending: LoadOutcome,
        next: impl Fn(Option<History>, LoadOutcome) -> Option<f32>,
    ) {
        match ending {
            LoadOutcome::Success => self.replace(now, |old| next(old, LoadOutcome::Success)),
            LoadOutcome::Refused => self.replace(now, |old| next(old, LoadOutcome::Refused)),
            LoadOutcome::Neutral => self.replace(now, |old| next(old, LoadOutcome::Neutral)),
            LoadOutcome::Failure { .. } => self.replace(now, |old| next(old, ending)),
        }
    }

    fn replace(&self, now: Tick, next: impl Fn(Option<History>) -> Option<f32>) {
        let replace = |word| {
            let learnt = Latency(word).followed_by(next(Latency(word).at(now))?, now);
            (learnt.0 != word).then_some(learnt.0)
        };
        let _ = self.latency.fetch_update(Relaxed, Relaxed, replace);
    }

    /// Averages the success rate, or starts it anew with a first success after long silence.
    fn judge(&self, ending: LoadOutcome, anew: bool) {
        let replace = |word| {
            let old = f32::from_bits(word);
            let next = match ending {
                LoadOutcome::Success if anew => 1.0,
                LoadOutcome::Success => old + SUCCESS_WEIGHT * (1.0 - old),
                LoadOutcome::Failure { .. } => (old - SUCCESS_WEIGHT * old).max(SUCCESS_FLOOR),
                LoadOutcome::Refused | LoadOutcome::Neutral => return None,
            };
            (next != old).then_some(next.to_bits())
        };
        let _ = self.success.fetch_update(Relaxed, Relaxed, replace);
    }
}

impl PeakEwmaConfig {
    fn next(&self, old: Option<History>, elapsed: f32, ending: LoadOutcome) -> Option<f32> {
        let average = old.map_or(0.0, |old| old.latency);
        let sample = sample(average, elapsed, ending)?;
        let weight = old.map_or(0.0, |old| self.fading(old));
        Some(sample.max(sample + (average - sample) * weight))
    }

    /// The average as if an answer in no time had come now.
    fn faded(&self, old: History) -> f32 {
        old.latency * self.fading(old)
    }

    fn fading(&self, old: History) -> f32 {
        (-(old.age as f32) / micros(self.tau)).exp()
    }
}

impl AhoyConfig {
    fn next(&self, old: Option<History>, elapsed: f32, ending: LoadOutcome) -> Option<f32> {
        let Some(old) = old else { return sample(0.0, elapsed, ending) };
        match sample(old.latency, elapsed, ending) {
            // A probe that this side cut short counts as one: the next is due after as long again.
            None => self.forgets(old).then_some(old.latency),
            Some(sample) if ending == LoadOutcome::Success && self.forgets(old) => Some(sample),
            Some(sample) => {
                let tau = if sample > old.latency { self.rise } else { self.fall };
                let weight = 1.0 - (-(old.age as f32) / micros(tau)).exp();
                Some(old.latency + (sample - old.latency) * weight.clamp(LIGHTEST, HEAVIEST))
            }
        }
    }

    /// Whether an idle endpoint with this history is to be tried anew.
    fn forgets(&self, old: History) -> bool {
        old.age >= whole_micros(self.remember)
    }

    /// Whether such an attempt is to be the one that tries it.
    fn is_due(&self, old: History, probing: ProbeEligibility) -> bool {
        let due_for = old.age.checked_sub(whole_micros(self.remember));
        due_for.is_some_and(|due_for| probing.takes(Duration::from_micros(due_for)))
    }
}

/// The latency that an ending counts as, in microseconds; none for one that says nothing.
fn sample(average: f32, elapsed: f32, ending: LoadOutcome) -> Option<f32> {
    match ending {
        LoadOutcome::Success => Some(elapsed),
        LoadOutcome::Failure { limit, hint } => {
            let asked = micros(limit.max(hint.unwrap_or(UNHINTED)));
            Some(elapsed.max(asked).max(2.0 * average).min(micros(WORST)))
        }
        LoadOutcome::Refused => Some(elapsed.max(REFUSED * average).min(micros(WORST))),
        LoadOutcome::Neutral => (elapsed > average).then_some(elapsed),
    }
}

/// Finagle adds the number in flight to its penalty. A product keeps the same order, and in 32 bits
/// the sum would round the number away.
fn untried(count: u64) -> f32 {
    UNTRIED_COST * count as f32
}

/// What streams cost at an endpoint where a request costs `one`.
fn of_streams(streams: u32, one: impl FnOnce() -> f32) -> f32 {
    if streams == 0 { 0.0 } else { one().max(LEAST_STREAM) * streams as f32 }
}

/// Never zero, so that it can be divided by.
fn micros(duration: Duration) -> f32 {
    (duration.as_secs_f32() * MICROS).max(1.0)
}

const MICROS: f32 = 1e6;

/// What an endpoint without history costs for each request in flight to it. More than an average of 30 s with dozens in flight: Finagle's 2^47 ns, in microseconds.
pub const UNTRIED_COST: f32 = 1.4e11;

/// What a stream costs at least, in microseconds. How much less than 1 ms a head took is chance, and says nothing of how long
/// its body will keep the endpoint busy.
const LEAST_STREAM: f32 = 1000.0;

/// What a stream costs at an endpoint that is to be tried anew: with four billions of them it still costs less than any other,
/// for which a request takes a microsecond at least.
const STREAM_COST: f32 = 1e-10;

/// What a failure counts as at least when the endpoint does not say how long to stay away; linkerd's.
const UNHINTED: Duration = Duration::from_secs(5);

/// What no failure exceeds: one long Retry-After must not banish an endpoint, the circuit sees to it.
const WORST: Duration = Duration::from_secs(30);

/// Above 1, or a lone caller's requests would all stay with an endpoint that refuses them, as its average is the lower one and
/// does not change. At the lightest weight 1.25 adds a hundredth each; refusals may be 80 % of a service's answers before averages
/// lose what the others say.
const REFUSED: f32 = 1.25;

/// A burst of answers within a millisecond still counts, twenty of them for most of the average.
const LIGHTEST: f32 = 0.05;

/// After however long a pause, one odd answer is not the whole truth.
const HEAVIEST: f32 = 0.5;

const OLDEST_SHARE: f32 = 0.5;

/// A wait in vain of 50 ms is forgotten a second after the last news. Faster, and an endpoint that hangs
/// is tried anew within 0.3 s; not at all, and in good health the usual answer takes 3 % longer, as one in
/// twenty requests is overtaken by mere bad luck.
const FORGIVING: f32 = 0.05;

/// The success rate remembers some twenty answers.
const SUCCESS_WEIGHT: f32 = 0.1;

/// Four hundred times the cost is enough of a penalty; below, the way back would only be longer.
const SUCCESS_FLOOR: f32 = 0.05;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::ms;

    const AHOY: LoadModel = LoadModel::Ahoy(AhoyConfig {
        rise: Duration::from_secs(1),
        fall: Duration::from_secs(2),
        remember: Duration::from_secs(1),
    });
    const PEAK: LoadModel = LoadModel::PeakEwma(PeakEwmaConfig { tau: Duration::from_secs(10) });

    const fn at(millis: u64) -> Tick {
        Tick::after_origin(ms(millis))
    }

    const fn failure(limit: Duration, hint: Option<Duration>) -> LoadOutcome {
        LoadOutcome::Failure { limit, hint }
    }

    const FAILED: LoadOutcome = failure(ms(250), None);

    /// A request that began and ended at these milliseconds.
    fn request(load: &HostLoad, model: &LoadModel, from: u64, to: u64, ending: LoadOutcome) {
        load.start(at(from));
        load.finish(at(from), at(to), ending, model);
    }

    /// A load whose last answer, the only one, took 10 ms until now.
    fn ten_ms(model: &LoadModel, now: u64) -> HostLoad {
        let load = HostLoad::new();
        request(&load, model, now - 10, now, LoadOutcome::Success);
        load
    }

    fn latency_ms(load: &HostLoad) -> f64 {
        load.latency().unwrap().as_secs_f64() * 1e3
    }

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() <= expected * 1e-3
    }

    #[test]
    fn a_load_is_half_a_cache_line() {
        assert_eq!((size_of::<HostLoad>(), align_of::<HostLoad>()), (32, 32));
    }

    #[test]
    fn no_more_start_than_may() {
        let load = HostLoad::new();
        let started: Vec<_> = (0..4).map(|start| load.start_below(2, at(start))).collect();
        assert_eq!((started, load.pending()), (vec![true, true, false, false], 2));
        load.take_back(at(0));
        assert!(load.start_below(2, at(9)));
        assert_eq!((load.pending(), load.latency()), (2, None), "nothing was learnt");
        assert!(!HostLoad::new().start_below(0, at(0)));
    }

    #[test]
    fn without_history_the_first_is_free_and_the_next_are_dear() {
        for model in [AHOY, PEAK] {
            let load = HostLoad::new();
            assert_eq!((load.cost(at(0), &model), load.latency()), (0.0, None));
            load.start(at(0));
            let (one, busy) = (load.cost(at(0), &model), ten_ms(&model, 10));
            (0..40).for_each(|_| busy.start(at(10)));
            assert!(one > busy.cost(at(10), &model), "{model:?}");
            load.start(at(0));
            assert!(load.cost(at(0), &model) > one, "{model:?}");
        }
    }

    #[test]
    fn the_cost_is_latency_times_requests_in_flight() {
        let load = ten_ms(&AHOY, 100);
        for pending in 1..=5 {
            assert_eq!(load.cost(at(100), &AHOY), 10_000.0 * pending as f32);
            load.start(at(100));
            assert_eq!(load.pending(), pending);
        }
    }

    #[test]
    fn a_stream_weighs_as_much_as_a_request_and_its_age_nothing() {
        let beside = |load: &HostLoad, streams, now| {
            load.cost_beside(streams, ProbeEligibility::Due, at(now), &AHOY)
        };
        let load = ten_ms(&AHOY, 100);
        assert_eq!([0, 1, 4].map(|it| beside(&load, it, 100)), [10_000.0, 20_000.0, 50_000.0]);
        load.start(at(100));
        assert_eq!([0, 1].map(|it| beside(&load, it, 100)), [20_000.0, 30_000.0]);
        load.take_back(at(100));
        let due = [0, 1, u32::MAX].map(|it| beside(&load, it, 5_000));
        assert!(due.is_sorted_by(|less, more| less < more) && due[2] < 1.0, "{due:?}");
        let (quick, quicker) = (HostLoad::new(), HostLoad::new());
        for (load, micros) in [(&quick, 800), (&quicker, 200)] {
            load.start(Tick(0));
            load.finish(Tick(0), Tick(micros), LoadOutcome::Success, &AHOY);
        }
        assert!(beside(&quick, 0, 1) > beside(&quicker, 0, 1));
        assert!(beside(&quick, 2, 1) < beside(&quicker, 3, 1), "the number decides");
        let untried = HostLoad::new();
        assert_eq!([0, 2].map(|it| beside(&untried, it, 0)), [0.0, 2.0 * UNTRIED_COST]);
        let others = [LoadModel::LeastRequest, PEAK];
        let costs = others.map(|model| load.cost_beside(3, ProbeEligibility::Due, at(100), &model));
        assert_eq!(costs, [4.0, 40_000.0]);
    }

    #[test]
    fn slower_answers_weigh_more_than_faster_ones() {
        // The pause before the second answer, its latency, and the weight that it gets.
        let cases = [
            (400, 110, 1.0 - (-0.4_f64).exp()),
            (400, 5, 1.0 - (-0.2_f64).exp()),
            (1, 110, 0.05),
            (60, 5, 0.05),
            (900, 110, 0.5),
        ];
        for (pause, took, weight) in cases {
            let (load, now) = (ten_ms(&AHOY, 1000), 1000 + pause);
            request(&load, &AHOY, now - took, now, LoadOutcome::Success);
            let expected = 10.0 + (took as f64 - 10.0) * weight;
            assert!(near(latency_ms(&load), expected), "{took} ms after {pause} ms");
        }
    }

    #[test]
    fn a_failure_counts_as_a_long_answer() {
        let cases = [
            (1, failure(ms(250), None), 5000.0),
            (1, failure(ms(6000), None), 6000.0),
            (1, failure(ms(250), Some(ms(1000))), 1000.0),
            (1, failure(ms(250), Some(Duration::ZERO)), 250.0),
            (7000, failure(ms(250), None), 7000.0),
            (1, failure(ms(250), Some(Duration::MAX)), 30_000.0),
        ];
        for (took, ending, expected) in cases {
            for model in [AHOY, PEAK] {
                let load = HostLoad::new();
                request(&load, &model, 0, took, ending);
                assert!(near(latency_ms(&load), expected), "{ending:?}");
            }
        }
    }

    #[test]
    fn a_failure_counts_as_twice_the_average_at_least() {
        let load = HostLoad::new();
        request(&load, &PEAK, 0, 8000, LoadOutcome::Success);
        request(&load, &PEAK, 8000, 8001, FAILED);
        assert!(near(latency_ms(&load), 16_000.0));
        (0..9).for_each(|_| request(&load, &PEAK, 8001, 8002, FAILED));
        assert!(near(latency_ms(&load), 30_000.0));
    }

    #[test]
    fn failing_fast_makes_an_endpoint_dear() {
        let load = ten_ms(&AHOY, 100);
        request(&load, &AHOY, 100, 101, FAILED);
        // A twentieth of 5 s, over the square of nine tenths.
        let expected = (0.95 * 10.0 + 0.05 * 5000.0) / 0.81;
        assert!(near(f64::from(load.cost(at(101), &AHOY)) / 1e3, expected));
        (0..200).for_each(|_| request(&load, &AHOY, 101, 102, FAILED));
        let expected = latency_ms(&load) * 400.0;
        assert!(near(f64::from(load.cost(at(102), &AHOY)) / 1e3, expected));
    }

    #[test]
    fn refusing_fast_makes_no_endpoint_cheap() {
        let load = ten_ms(&AHOY, 100);
        (0..10).for_each(|_| request(&load, &AHOY, 100, 101, LoadOutcome::Refused));
        assert!((10.0..12.0).contains(&latency_ms(&load)), "{}", latency_ms(&load));
        request(&load, &AHOY, 100, 140, LoadOutcome::Refused);
        assert!(latency_ms(&load) > 12.0, "one that is slow counts");
        (0..10_000).for_each(|_| request(&load, &AHOY, 100, 101, LoadOutcome::Refused));
        assert!(latency_ms(&load) <= 30_000.0);
    }

    #[test]
    fn a_cancelled_request_counts_only_if_it_took_longer_than_the_average() {
        for model in [AHOY, PEAK] {
            let load = ten_ms(&model, 100);
            request(&load, &model, 100, 109, LoadOutcome::Neutral);
            assert!(near(latency_ms(&load), 10.0));
            request(&load, &model, 100, 140, LoadOutcome::Neutral);
            assert!(latency_ms(&load) > 11.0);
        }
    }

    #[test]
    fn a_hung_request_raises_the_cost_as_time_goes_by() {
        let load = ten_ms(&AHOY, 100);
        load.start(at(100));
        assert_eq!(load.cost(at(100), &AHOY), 20_000.0);
        assert_eq!(load.cost(at(150), &AHOY), 100_000.0);
        assert_eq!(load.cost(at(60_100), &AHOY), 120_000_000.0);
        // Young ones beside it do not hide it: half of its age still counts.
        (0..9).for_each(|_| load.start(at(60_100)));
        assert_eq!(load.cost(at(60_100), &AHOY), 330_000_000.0);
    }

    #[test]
    fn the_age_of_a_hung_request_shows_through_a_stream_of_quick_ones() {
        let load = HostLoad::new();
        // Four in flight for 10 ms each; the hung one is not the first.
        (0..4).for_each(|place| load.start(at(place)));
        let (mut told, mut started) = (Vec::new(), [0, 1, 3]);
        for step in 0..1000 {
            let (place, now) = (step % 3, 10 + 4 * step as u64);
            load.finish(at(started[place]), at(now), LoadOutcome::Success, &AHOY);
            started[place] = now;
            load.start(at(now));
            let age = load.oldest_age(at(now));
            assert!(age <= ms(now), "more than the truth");
            told.push((now, age));
        }
        assert_eq!(load.pending(), 4);
        for (now, age) in &told[20..] {
            assert!(*age + ms(50) >= ms(now - 2), "{age:?} at {now} ms");
        }
    }

    #[test]
    fn a_lone_request_has_exactly_its_age() {
        let load = HostLoad::new();
        assert_eq!(load.oldest_age(at(900)), Duration::ZERO);
        load.start(at(100));
        assert_eq!(load.oldest_age(at(900)), ms(800));
        load.start(at(200));
        load.finish(at(100), at(900), LoadOutcome::Neutral, &AHOY);
        assert_eq!(load.oldest_age(at(900)), ms(700));
        load.finish(at(200), at(900), LoadOutcome::Neutral, &AHOY);
        assert_eq!(load.oldest_age(at(900)), Duration::ZERO);
    }

    /// A request that a copy overtook.
    fn overtaken(load: &HostLoad, model: &LoadModel, from: u64, to: u64) {
        request(load, model, from, to, LoadOutcome::Neutral);
        load.overtaken(at(from), at(to));
    }

    #[test]
    fn who_was_overtaken_stays_dear_until_the_next_success() {
        let (load, other) = (ten_ms(&AHOY, 100), ten_ms(&AHOY, 100));
        overtaken(&load, &AHOY, 100, 140);
        request(&other, &AHOY, 100, 140, LoadOutcome::Neutral);
        let (dear, cheap) = (load.cost(at(140), &AHOY), other.cost(at(140), &AHOY));
        assert!(dear > 39_000.0 && cheap < 12_000.0, "{dear} {cheap}");
        overtaken(&load, &AHOY, 140, 180);
        assert!(load.cost(at(180), &AHOY) > 79_000.0, "they add up");
        request(&load, &AHOY, 180, 190, LoadOutcome::Success);
        assert!(load.cost(at(190), &AHOY) < 13_000.0);
    }

    #[test]
    fn a_wait_in_vain_is_forgiven_in_time_or_with_the_rest() {
        let load = ten_ms(&AHOY, 100);
        overtaken(&load, &AHOY, 100, 140);
        let early = load.cost(at(300), &AHOY);
        assert!(load.cost(at(900), &AHOY) < early && load.cost(at(940), &AHOY) < 12_000.0);
        overtaken(&load, &AHOY, 1000, 5000);
        load.forget();
        request(&load, &AHOY, 6000, 6010, LoadOutcome::Neutral);
        assert!(load.cost(at(6010), &AHOY) <= 10_000.0);
    }

    #[test]
    fn waits_in_vain_without_end_are_no_overflow() {
        let load = ten_ms(&AHOY, 100);
        (0..3).for_each(|_| load.overtaken(at(0), Tick(u64::MAX)));
        assert!(load.cost(at(100), &AHOY) > 4e9 && load.cost(at(100), &AHOY).is_finite());
        for model in [PEAK, LoadModel::LeastRequest] {
            assert!(load.cost(at(100), &model) < 1e6, "none of its business");
        }
    }

    #[test]
    fn a_history_that_has_faded_away_costs_as_none() {
        // Half an hour: less is left of 10 ms than a number of 32 bits can say.
        let (load, later) = (ten_ms(&PEAK, 100), at(1_800_000));
        assert_eq!(load.cost(later, &PEAK), 0.0);
        load.start(later);
        let answering = ten_ms(&PEAK, 1_799_999);
        (0..100).for_each(|_| answering.start(later));
        assert!(load.cost(later, &PEAK) > answering.cost(later, &PEAK));
    }

    #[test]
    fn an_endpoint_without_news_is_tried_once_a_second() {
        let load = ten_ms(&AHOY, 100);
        request(&load, &AHOY, 100, 101, FAILED);
        let dear = load.cost(at(1100), &AHOY);
        assert!(dear > 100_000.0);
        assert_eq!(load.cost(at(1130), &AHOY), 0.0);
        load.start(at(1130));
        assert!(load.cost(at(1130), &AHOY) > dear, "one probe at a time");
        load.finish(at(1130), at(1131), FAILED, &AHOY);
        assert!(load.cost(at(2100), &AHOY) > dear);
        assert_eq!(load.cost(at(2160), &AHOY), 0.0);
    }

    #[test]
    fn who_leaves_probes_to_others_goes_by_the_history_for_longer_or_for_good() {
        let load = ten_ms(&AHOY, 100);
        request(&load, &AHOY, 100, 101, FAILED);
        let cost = |probing, now| load.cost_to(probing, at(now), &AHOY);
        for (now, due, overdue) in [(1100, false, false), (1130, true, false), (1400, true, true)] {
            assert_eq!(cost(ProbeEligibility::Due, now) == 0.0, due, "{now} ms");
            assert_eq!(cost(ProbeEligibility::Overdue, now) == 0.0, overdue, "{now} ms");
            assert!(cost(ProbeEligibility::Last, now) > 100_000.0, "{now} ms");
        }
        assert!(cost(ProbeEligibility::Last, 60_000_000) > 100_000.0);
    }

    #[test]
    fn a_probe_that_succeeds_starts_a_new_history() {
        let load = ten_ms(&AHOY, 100);
        (0..50).for_each(|_| request(&load, &AHOY, 100, 101, FAILED));
        request(&load, &AHOY, 2000, 2010, LoadOutcome::Success);
        assert!(near(latency_ms(&load), 10.0));
        assert!(near(f64::from(load.cost(at(2010), &AHOY)), 10_000.0));
    }

    #[test]
    fn a_probe_that_was_cancelled_is_used_up() {
        let load = HostLoad::new();
        request(&load, &AHOY, 0, 1, FAILED);
        assert_eq!(load.cost(at(1100), &AHOY), 0.0);
        request(&load, &AHOY, 1100, 1110, LoadOutcome::Neutral);
        assert!(load.cost(at(1110), &AHOY) > 1e6);
        assert_eq!(load.cost(at(2120), &AHOY), 0.0);
    }

    #[test]
    fn a_peak_is_believed_at_once_and_forgotten_slowly() {
        let load = ten_ms(&PEAK, 100);
        request(&load, &PEAK, 0, 200, LoadOutcome::Success);
        assert!(near(latency_ms(&load), 200.0));
        request(&load, &PEAK, 10_190, 10_200, LoadOutcome::Success);
        let faded = (-1.0_f64).exp();
        assert!(near(latency_ms(&load), 10.0 + 190.0 * faded));
        let idle = f64::from(load.cost(at(20_200), &PEAK)) / 1e3;
        assert!(near(idle, latency_ms(&load) * faded), "silence counts as fast");
    }

    #[test]
    fn least_request_counts_and_learns_nothing() {
        let (model, load) = (LoadModel::LeastRequest, HostLoad::new());
        request(&load, &model, 0, 9000, FAILED);
        assert_eq!((load.cost(at(9000), &model), load.latency()), (1.0, None));
        load.start(at(9000));
        assert_eq!(load.cost(at(99_000), &model), 2.0);
    }

    #[test]
    fn what_was_not_started_is_not_finished() {
        let load = HostLoad::new();
        load.finish(at(5), at(9), LoadOutcome::Success, &AHOY);
        assert_eq!((load.pending(), load.latency()), (0, None));
        // With another tick than it started with, it is still one less in flight.
        load.start(at(5));
        load.finish(at(3), at(9), LoadOutcome::Success, &AHOY);
        load.start(at(20));
        assert_eq!((load.pending(), load.oldest_age(at(30))), (1, ms(10)));
    }

    #[test]
    fn clocks_that_disagree_do_no_harm() {
        let load = HostLoad::new();
        load.start(at(500));
        assert_eq!(load.oldest_age(at(400)), Duration::ZERO);
        load.finish(at(500), at(400), LoadOutcome::Success, &AHOY);
        assert_eq!(load.latency(), Some(Duration::from_micros(1)));
        assert_eq!(load.cost(at(300), &AHOY), 1.0);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test's own callers")]
    fn threads_leave_nothing_behind() {
        let load = HostLoad::new();
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let load = &load;
                scope.spawn(move || {
                    for step in 0..20_000 {
                        let (from, to) = (step * 4 + thread, step * 4 + thread + 10);
                        load.start(at(from));
                        let cost = load.cost(at(to), &AHOY);
                        assert!(cost.is_finite() && cost >= 0.0);
                        let ending = if step % 7 == 0 { FAILED } else { LoadOutcome::Success };
                        load.finish(at(from), at(to), ending, &AHOY);
                    }
                });
            }
        });
        assert_eq!((load.pending(), load.oldest_age(at(90_000))), (0, Duration::ZERO));
        assert!((10.0..30_000.0).contains(&latency_ms(&load)));
    }

    fn endings() -> impl Strategy<Value = LoadOutcome> {
        let hint = prop::option::of(0_u64..400_000);
        prop_oneof![
            Just(LoadOutcome::Success),
            Just(LoadOutcome::Neutral),
            Just(LoadOutcome::Refused),
            (0_u64..20_000, hint).prop_map(|(limit, hint)| failure(ms(limit), hint.map(ms))),
        ]
    }

    fn models() -> impl Strategy<Value = LoadModel> {
        let any_ms = || (0_u64..20_000).prop_map(ms);
        prop_oneof![
            Just(LoadModel::LeastRequest),
            any_ms().prop_map(|tau| LoadModel::PeakEwma(PeakEwmaConfig { tau })),
            (any_ms(), any_ms(), any_ms()).prop_map(|(rise, fall, remember)| {
                LoadModel::Ahoy(AhoyConfig { rise, fall, remember })
            }),
        ]
    }

    proptest! {
        /// The cell against a list of the starts in flight.
        #[test]
        fn agrees_with_a_list_of_what_is_in_flight(
            steps in prop::collection::vec((0_u64..50, any::<bool>(), any::<usize>()), 1..300),
            model in models(),
        ) {
            let (load, mut list, mut now) = (HostLoad::new(), Vec::<u64>::new(), 0);
            for (pause, starts, which) in steps {
                now += pause;
                if starts || list.is_empty() {
                    load.start(at(now));
                    list.push(now);
                } else {
                    let from = list.swap_remove(which % list.len());
                    load.finish(at(from), at(now), LoadOutcome::Success, &model);
                }
                prop_assert_eq!(load.pending() as usize, list.len());
                let ages = || list.iter().map(|from| now - from);
                let mean = ms(ages().sum()) / list.len().max(1) as u32;
                let (told, oldest) = (load.oldest_age(at(now)), ms(ages().max().unwrap_or(0)));
                prop_assert!(told + Duration::from_micros(1) > mean && told <= oldest);
                let cost = load.cost(at(now), &model);
                prop_assert!(cost.is_finite() && cost >= 0.0);
            }
            for from in list {
                load.finish(at(from), at(now), LoadOutcome::Neutral, &model);
            }
            prop_assert_eq!((load.pending(), load.in_flight()), (0, InFlightWord(0)));
        }

        #[test]
        fn an_average_stays_between_its_samples(
            samples in prop::collection::vec((0_u64..1500, 1_u64..5000), 1..100),
            model in models(),
        ) {
            let (load, mut now) = (HostLoad::new(), 10_000);
            let (mut least, mut most) = (u64::MAX, 0);
            for (pause, took) in samples {
                now += pause;
                (least, most) = (least.min(took), most.max(took));
                request(&load, &model, now - took, now, LoadOutcome::Success);
                if let Some(latency) = load.latency() {
                    let slack = Duration::from_micros(2);
                    prop_assert!(latency + slack >= ms(least) && latency <= ms(most) + slack);
                }
            }
        }

        /// An attempt that may probe sees no more than one that leaves probes to others, and with something in flight
        /// all see the same.
        #[test]
        fn who_goes_further_never_sees_more_cost(
            history in prop::collection::vec((0_u64..3000, 1_u64..500, endings()), 0..30),
            pause in 0_u64..5000,
            model in models(),
        ) {
            let (load, mut now) = (HostLoad::new(), 1000);
            for (pause, took, ending) in history {
                now += pause;
                request(&load, &model, now - took, now, ending);
            }
            now += pause;
            let costs = || [ProbeEligibility::Due, ProbeEligibility::Overdue, ProbeEligibility::Last]
                .map(|probing| load.cost_to(probing, at(now), &model));
            prop_assert!(costs().is_sorted());
            load.start(at(now));
            let [due, overdue, last] = costs();
            prop_assert!(due == overdue && overdue == last);
        }

        #[test]
        fn each_request_that_sets_out_raises_the_cost(
            history in prop::collection::vec((0_u64..500, 1_u64..500, endings()), 0..30),
            model in models(),
        ) {
            let (load, mut now) = (HostLoad::new(), 1000);
            for (pause, took, ending) in history {
                now += pause;
                request(&load, &model, now - took, now, ending);
            }
            let mut last = -1.0;
            for _ in 0..50 {
                let cost = load.cost(at(now), &model);
                prop_assert!(cost > last && cost.is_finite());
                last = cost;
                load.start(at(now));
            }
        }

        #[test]
        fn nothing_makes_it_panic_or_cost_no_number(
            steps in prop::collection::vec(
                (any::<u64>(), any::<u64>(), any::<bool>(), endings()), 1..60),
            model in models(),
        ) {
            let load = HostLoad::new();
            for (from, to, starts, ending) in steps {
                if starts {
                    load.start(Tick(from));
                } else {
                    load.finish(Tick(from), Tick(to), ending, &model);
                }
                let cost = load.cost(Tick(to), &model);
                prop_assert!(cost.is_finite() && cost >= 0.0, "{cost}");
                let _ = (load.pending(), load.latency(), load.oldest_age(Tick(to)));
            }
        }
    }
}
