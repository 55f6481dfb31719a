//! Whether an endpoint gets traffic.
//!
//! Three states. *Closed* lets everything through and counts. *Open* lets nothing through until an
//! instant that lies further off with each trip. *Half-open* lets a few probes through, and they
//! decide between the other two. There is no timer: the first caller after the instant turns open
//! into half-open, so an endpoint that nobody asks for costs nothing.
//!
//! Two kinds of fault trip it, and they are not alike. A failed connection costs the caller nothing,
//! as nothing was sent, and says everything about the endpoint: it trips at once, for a short
//! time. Bad answers trip by rule, for longer, and only if the roster agrees, since taking out the
//! last endpoint that answers at all would help nobody. An endpoint that has answered since the
//! connection was begun is there: it has more to accept than it can, as in a burst, or a packet was
//! lost. Of 400 calls at once with 3 s for each, to a server that lets 16 connections wait, 300 failed
//! by an open circuit. So [`Breaker::settle`] only *reports* that a
//! rule is met, and [`Breaker::trip`] acts on it once the roster has counted.
//!
//! Every state change starts a new generation, and a permit belongs to the one it was granted in.
//! A late outcome from before the change is thus ignored, without any list of permits.
//!
//! One kind is not: what was under way when answers opened the circuit. An endpoint with all its places
//! taken refuses what is too much at once, and answers what it took later. The refusals come first and in
//! a row, so they open the circuit; good answers after them close it again, whatever wait the refusals
//! asked for: that is for the calls that were refused. Without that, four endpoints of 20 places each,
//! asked by 78 callers, served 23 % of what they could for as long as it lasted: three circuits were open,
//! and each that closed met all callers at once.
//!
//! A hand may overrule the rules: it opens for good, lets everything through unjudged, or drains, so
//! that what is under way may end and be counted while nothing new begins. The last hand wins. An
//! active check that passes may only bring a probe forward: that a port answers has not shown that
//! calls succeed, so it never closes a circuit by itself.
//!
//! A balancer may hold 100,000 of these, most of them closed and never asked. So what a state counts
//! lies in a box of its own, made by the first outcome and by the first probe.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng;

use super::breaker_config::BreakerConfig;
use super::half_open::HalfOpen;
use super::open_backoff::{OpenBackoff, after};
use super::outage_pace::early_wait;
use super::outcome_counters::OutcomeCounters;
use super::permit::{NotPermitted, Observation, Permit, Settled};
use super::window::OutcomeFlags;
use crate::outcome::{Transition, Verdict};

/// One good answer is enough that took so many times as long as the failure: that was a refusal, for which no work was
/// done. Endpoints with one or two places never have more under way.
const REFUSAL: u32 = 4;

/// The circuit is in the wanted state already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInState;

/// What opened a circuit last.
#[derive(Clone, Copy, Debug)]
enum Cause {
    /// A failed connect, or a hand.
    NoAnswer,
    /// A rule on answers; since then so many of what was under way were good, in a row.
    Rule(SuccessStreak),
    /// A probe that failed.
    Probe,
    /// An attempt that passed its limit.
    Hang,
}

/// Good answers in a row. Five close a circuit, as failures open it by default: an endpoint that fails half of all calls has them
/// once in thirty times. An enum leaves the cause around it room in its byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SuccessStreak {
    None,
    One,
    Two,
    Three,
    Four,
    Five,
}

impl SuccessStreak {
    const fn and_one(self) -> Self {
        match self {
            Self::None => Self::One,
            Self::One => Self::Two,
            Self::Two => Self::Three,
            Self::Three => Self::Four,
            Self::Four | Self::Five => Self::Five,
        }
    }
}

/// The time from which on a good answer shows that the failure was a refusal, for which no work was done. A power of two in
/// microseconds: a circuit has one byte for it.
#[derive(Clone, Copy, Debug)]
struct RefusalThreshold(u8);

impl RefusalThreshold {
    const fn of_failure(failed_in: Duration) -> Self {
        Self((u128::BITS - (failed_in.as_micros() * REFUSAL as u128).leading_zeros()) as u8)
    }

    const fn is_reached_by(self, elapsed: Duration) -> bool {
        elapsed.as_micros() >> self.0 > 0
    }
}

/// A circuit's state, as an observer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// Traffic flows.
    Closed,
    /// No traffic, as when drained; a probe may be due, as that shows only when someone asks for it.
    Open,
    /// Probes only.
    HalfOpen,
}

/// The circuit of one endpoint.
#[derive(Debug)]
pub struct Breaker {
    config: Arc<BreakerConfig>,
    state: State,
    /// Comes round after four billion changes; no permit is held that long.
    generation: u32,
    wait: OpenBackoff,
    /// What opened it last.
    cause: Cause,
    /// Beside what that was a refusal.
    refusal_threshold: RefusalThreshold,
    /// Drained by hand: grants nothing new, whatever the state.
    draining: bool,
}

impl Breaker {
    /// A closed circuit.
    #[must_use]
    pub const fn new(config: Arc<BreakerConfig>) -> Self {
        Self {
            config,
            state: State::closed(None),
            generation: 0,
            wait: OpenBackoff::NONE,
            cause: Cause::NoAnswer,
            refusal_threshold: RefusalThreshold::of_failure(Duration::ZERO),
            draining: false,
        }
    }

    /// Goes by other rules from here on, in the state that it is in. What it counted is kept where
    /// they count the same.
    pub fn go_by(&mut self, config: Arc<BreakerConfig>) {
        let counts =
            |it: &BreakerConfig| (it.span, it.failure_ratio.is_some() || it.slow_calls.is_some());
        let counts_anew = counts(&self.config) != counts(&config);
        if let State::Closed { answers, .. } = &mut self.state
            && counts_anew
        {
            *answers = None;
        }
        self.config = config;
    }

    /// The present state.
    #[must_use]
    #[inline]
    pub const fn state(&self) -> CircuitState {
        match self.state {
            _ if self.draining => CircuitState::Open,
            State::Closed { .. } | State::Disabled => CircuitState::Closed,
            State::Open { .. } => CircuitState::Open,
            State::HalfOpen(_) => CircuitState::HalfOpen,
        }
    }

    /// Whether it is open or half-open by what the endpoint answered, or how late. So it can be
    /// connected to.
    #[must_use]
    pub const fn is_tripped_by_answers(&self) -> bool {
        !matches!(self.cause, Cause::NoAnswer)
            && !self.draining
            && matches!(self.state, State::Open { .. } | State::HalfOpen(_))
    }

    /// Whether it is open or half-open since its endpoint hangs: a probe then costs its caller the
    /// limit, or the whole deadline where the call may not be repeated.
    #[must_use]
    pub const fn is_tripped_by_hang(&self) -> bool {
        matches!(self.cause, Cause::Hang) && self.is_tripped_by_answers()
    }

    /// Whether the endpoint serves in spite of it where nearly all are out (see
    /// [`priority`](super::priority)): it answers, and asking it is no worse than asking the others too
    /// much. One that hangs keeps its callers to their deadlines.
    #[must_use]
    pub const fn serves_in_panic(&self) -> bool {
        self.is_tripped_by_answers() && !self.is_tripped_by_hang()
    }

    /// Whether it is drained by hand.
    #[must_use]
    pub const fn is_draining(&self) -> bool {
        self.draining
    }

    /// The earliest instant of the next probe; it may have passed. None when closed, as nothing
    /// needs waiting for, and none when opened or drained by hand, as waiting does not help.
    #[must_use]
    pub fn retry_at(&self) -> Option<Instant> {
        match &self.state {
            _ if self.draining => None,
            State::Closed { .. } | State::Disabled => None,
            State::Open { wait } => wait.as_ref().map(|wait| wait.until),
            State::HalfOpen(half_open) => Some(half_open.next_at(&self.config)),
        }
    }

    /// When it may be probed although its wait is not over, where no other endpoint takes calls and this has been so for
    /// `age`: see [`outage_pace`](super::outage_pace). None unless a failed connect opened it.
    #[must_use]
    pub fn early_probe_at(&self, age: Duration) -> Option<Instant> {
        let State::Open { wait: Some(wait) } = &self.state else {
            return None;
        };
        let early = wait.since + early_wait(age, self.config.open_base);
        let may = matches!(self.cause, Cause::NoAnswer) && !self.draining;
        may.then(|| early.min(wait.until))
    }

    /// Whether [`Breaker::acquire`] would grant a permit. Changes nothing.
    #[must_use]
    #[inline]
    pub fn admits(&self, now: Instant) -> bool {
        match &self.state {
            _ if self.draining => false,
            State::Closed { .. } | State::Disabled => true,
            State::Open { wait } => wait.as_ref().is_some_and(|wait| now >= wait.until),
            State::HalfOpen(half_open) => {
                half_open.has_room(&self.config) || now >= half_open.next_at(&self.config)
            }
        }
    }

    /// How long a probe has been due; none where none is. What is due may wait for the attempt that its
    /// failure costs least: see [`probe_eligibility`](super::probe_eligibility).
    #[must_use]
    pub fn probe_due_for(&self, now: Instant) -> Option<Duration> {
        now.checked_duration_since(self.retry_at()?)
    }

    /// Asks to send once.
    ///
    /// # Errors
    /// While the circuit is open or drained, or half-open with all its probes under way.
    #[inline]
    pub fn acquire(&mut self, now: Instant) -> Result<Permit, NotPermitted> {
        if !self.admits(now) {
            let retry_at = self.retry_at();
            return Err(NotPermitted { retry_at });
        }
        if matches!(self.state, State::Open { .. }) {
            self.enter(State::HalfOpen(Box::new(HalfOpen::new(now))));
        }
        if let State::HalfOpen(half_open) = &mut self.state {
            half_open.start(now);
        }
        Ok(Permit { generation: self.generation, probe: matches!(self.state, State::HalfOpen(_)) })
    }

    /// Takes a permit back with what the attempt showed. A permit from before the last change of
    /// state changes nothing.
    pub fn settle(
        &mut self,
        permit: Permit,
        observation: &Observation,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Settled {
        if permit.generation != self.generation || matches!(self.state, State::Disabled) {
            return self.ended_since_opened(observation, now);
        }
        match observation.verdict {
            Verdict::Neutral => {
                self.release(permit);
                Settled::default()
            }
            Verdict::Unreachable if self.has_answered_since(observation.began(now)) => {
                self.release(permit);
                Settled::default()
            }
            Verdict::Unreachable => {
                let cap = self.config.connect_open_max.min(self.config.open_max);
                self.cause = Cause::NoAnswer;
                Settled::changed(self.open(cap, None, now, rng))
            }
            Verdict::Success | Verdict::Failure | Verdict::Throttled => {
                self.answered(observation, now, rng)
            }
        }
    }

    /// Takes a permit back that showed nothing of the endpoint, as after a cancelled attempt.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "giving the permit away is the point: it cannot be settled afterwards"
    )]
    pub fn release(&mut self, permit: Permit) {
        if permit.generation != self.generation {
            return;
        }
        if let State::HalfOpen(half_open) = &mut self.state {
            half_open.end();
        }
    }

    /// Opens a closed circuit if a rule on answers still demands it: another thread's success may
    /// have come in since [`Breaker::settle`] reported it. `observation` is what led to the report.
    pub fn trip(
        &mut self,
        observation: &Observation,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Transition> {
        let State::Closed { answers: Some(answers), .. } = &mut self.state else {
            return None;
        };
        let any = OutcomeFlags { failed: true, slow: true };
        let wanted = answers.demand_trip(any, &self.config, now);
        wanted.then(|| self.open_by_answers(observation, now, rng))
    }

    /// Opens by hand; the circuit then stays open until it is closed by hand.
    ///
    /// # Errors
    /// If it is open already, by hand or not.
    pub fn force_open(&mut self) -> Result<(), AlreadyInState> {
        if matches!(self.state, State::Open { .. }) {
            return Err(AlreadyInState);
        }
        self.cause = Cause::NoAnswer;
        self.enter_by_hand(State::Open { wait: None });
        Ok(())
    }

    /// Closes by hand and forgets all earlier trips; the rules hold from now on.
    ///
    /// # Errors
    /// If it is closed already.
    pub fn force_close(&mut self, now: Instant) -> Result<(), AlreadyInState> {
        if matches!(self.state, State::Closed { .. }) && !self.draining {
            return Err(AlreadyInState);
        }
        self.wait = OpenBackoff::NONE;
        self.enter_by_hand(State::closed(Some(now)));
        Ok(())
    }

    /// Lets everything through by hand and judges nothing, until it is opened or closed by hand.
    ///
    /// # Errors
    /// If it does so already.
    pub fn disable(&mut self) -> Result<(), AlreadyInState> {
        if matches!(self.state, State::Disabled) && !self.draining {
            return Err(AlreadyInState);
        }
        self.wait = OpenBackoff::NONE;
        self.enter_by_hand(State::Disabled);
        Ok(())
    }

    /// Grants nothing new until [`Breaker::resume`]; what is under way is settled as ever. Returns whether it
    /// granted until now.
    pub const fn drain(&mut self) -> bool {
        !std::mem::replace(&mut self.draining, true)
    }

    /// Goes on where [`Breaker::drain`] came in. Returns whether it had.
    pub const fn resume(&mut self) -> bool {
        std::mem::replace(&mut self.draining, false)
    }

    /// Brings the probe of an open circuit forward, as after an active check that passed. Not of one
    /// opened by hand.
    pub fn half_open_early(&mut self, now: Instant) -> Option<Transition> {
        let State::Open { wait: Some(_) } = self.state else {
            return None;
        };
        self.enter(State::HalfOpen(Box::new(HalfOpen::new(now))));
        Some(Transition::HalfOpened)
    }

    /// Since when the circuit has been closed again; none while it is not, and none if it never
    /// opened. A slow start counts from here.
    #[must_use]
    pub const fn reset_since(&self) -> Option<Instant> {
        match self.state {
            State::Closed { since, .. } => since,
            State::Disabled | State::Open { .. } | State::HalfOpen(_) => None,
        }
    }

    /// Of what was under way when answers opened the circuit, good ones close it. None do where it hangs.
    fn ended_since_opened(&mut self, observation: &Observation, now: Instant) -> Settled {
        let (State::Open { .. }, Cause::Rule(good)) = (&self.state, &mut self.cause) else {
            return Settled::default();
        };
        let is_slow =
            self.config.slow_calls.is_some_and(|rule| observation.elapsed >= rule.duration);
        match observation.verdict {
            Verdict::Success
                if !is_slow && self.refusal_threshold.is_reached_by(observation.elapsed) =>
            {
                *good = SuccessStreak::Five
            }
            Verdict::Success if !is_slow => *good = good.and_one(),
            Verdict::Neutral | Verdict::Throttled => {}
            _ => *good = SuccessStreak::None,
        }
        if *good != SuccessStreak::Five {
            return Settled::default();
        }
        self.wait = OpenBackoff::NONE;
        self.enter(State::closed(Some(now)));
        Settled::changed(Transition::Closed)
    }

    fn has_answered_since(&self, instant: Option<Instant>) -> bool {
        let State::Closed { answers: Some(answers), .. } = &self.state else {
            return false;
        };
        instant.is_some_and(|instant| answers.has_succeeded_since(instant))
    }

    fn answered(&mut self, observation: &Observation, now: Instant, rng: &mut impl Rng) -> Settled {
        match &mut self.state {
            State::Closed { answers, .. } => {
                let answers = OutcomeCounters::of(answers, &self.config);
                let flags = answers.count(observation, &self.config, now);
                let wants_trip = answers.demand_trip(flags, &self.config, now);
                Settled { transition: None, wants_trip }
            }
            State::HalfOpen(half_open) if observation.verdict == Verdict::Success => {
                half_open.passed();
                if !half_open.is_passed(&self.config) {
                    return Settled::default();
                }
                self.enter(State::closed(Some(now)));
                Settled::changed(Transition::Closed)
            }
            State::HalfOpen(_) => Settled::changed(self.open_by_answers(observation, now, rng)),
            // Without a say, and without a permit of this generation.
            State::Disabled | State::Open { .. } => Settled::default(),
        }
    }

    fn open_by_answers(
        &mut self,
        observation: &Observation,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Transition {
        self.cause = match &self.state {
            _ if observation.late => Cause::Hang,
            State::Closed { .. } => Cause::Rule(SuccessStreak::None),
            _ => Cause::Probe,
        };
        self.refusal_threshold = RefusalThreshold::of_failure(observation.elapsed);
        self.open(self.config.open_max, observation.retry_after, now, rng)
    }

    fn open(
        &mut self,
        cap: Duration,
        asked: Option<Duration>,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Transition {
        if self.state.stable_at(now, self.config.stable_period) {
            self.wait = OpenBackoff::NONE;
        }
        self.wait.count_trip(&self.config, cap);
        let wait = self.wait.draw(&self.config, cap, asked, rng);
        let retry_at = after(now, wait);
        let wait = Box::new(Wait { since: now, until: retry_at });
        self.enter(State::Open { wait: Some(wait) });
        Transition::Opened { retry_at }
    }

    fn enter_by_hand(&mut self, state: State) {
        self.draining = false;
        self.enter(state);
    }

    fn enter(&mut self, state: State) {
        self.generation = self.generation.wrapping_add(1);
        self.state = state;
    }
}

/// From when until when a circuit is open; boxed, as few are at a time.
#[derive(Debug)]
struct Wait {
    since: Instant,
    until: Instant,
}

/// Each state carries its own counters, so none survives a change.
#[derive(Debug)]
enum State {
    Closed {
        /// When the circuit closed; none if it never opened.
        since: Option<Instant>,
        /// None until the first outcome.
        answers: Option<Box<OutcomeCounters>>,
    },
    /// Closed by hand, for good.
    Disabled,
    /// Without a wait when opened by hand.
    Open { wait: Option<Box<Wait>> },
    /// Boxed, as few circuits are at it at a time.
    HalfOpen(Box<HalfOpen>),
}

impl State {
    const fn closed(since: Option<Instant>) -> Self {
        Self::Closed { since, answers: None }
    }

    fn stable_at(&self, now: Instant, period: Duration) -> bool {
        let Self::Closed { since, .. } = self else {
            return false;
        };
        since.is_some_and(|since| now.saturating_duration_since(since) >= period)
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU16, NonZeroU32};

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::circuit::breaker_config::{SlowCalls, Span};
    use crate::policy::circuit::window::Ratio;
    use crate::policy::test_inputs::{ms, rng, t0};

    #[test]
    fn a_failed_connect_alone_lets_a_probe_come_early() {
        let start = t0();
        let settled = |verdict| {
            let mut breaker = Breaker::new(Arc::new(config()));
            for _ in 0..3 {
                let permit = breaker.acquire(start).unwrap();
                let observation = Observation::new(verdict, ms(1));
                if breaker.settle(permit, &observation, start, &mut rng()).wants_trip {
                    breaker.trip(&observation, start, &mut rng());
                }
                if breaker.state() != CircuitState::Closed {
                    break;
                }
            }
            assert_eq!(breaker.retry_at(), Some(start + ms(500)));
            breaker
        };
        assert_eq!(settled(Verdict::Failure).early_probe_at(ms(0)), None);
        let mut breaker = settled(Verdict::Unreachable);
        for (age, at) in [(0, 25), (400, 100), (9_000, 500)] {
            assert_eq!(breaker.early_probe_at(ms(age)), Some(start + ms(at)), "{age}");
        }
        breaker.drain();
        assert_eq!(breaker.early_probe_at(ms(0)), None);
        breaker.resume();
        breaker.half_open_early(start).unwrap();
        assert_eq!(breaker.early_probe_at(ms(0)), None, "it is under way");
        let mut breaker = Breaker::new(Arc::new(config()));
        breaker.force_open().unwrap();
        assert_eq!(breaker.early_probe_at(ms(0)), None);
    }

    #[test]
    fn other_rules_leave_the_state_and_what_counts_the_same() {
        let failed = Observation::new(Verdict::Failure, ms(1));
        let fail = |breaker: &mut Breaker| {
            let permit = breaker.acquire(t0()).unwrap();
            breaker.settle(permit, &failed, t0(), &mut rng()).wants_trip
        };
        let mut breaker = Breaker::new(Arc::new(config()));
        assert!(!fail(&mut breaker) && !fail(&mut breaker));
        breaker.go_by(Arc::new(BreakerConfig { open_base: ms(7), ..config() }));
        assert!(fail(&mut breaker), "the third in a row");
        let calls = Span::Calls(NonZeroU16::new(8).unwrap());
        breaker.go_by(Arc::new(BreakerConfig { span: calls, ..config() }));
        assert!(!fail(&mut breaker), "counted anew");
        breaker.force_open().unwrap();
        breaker.go_by(Arc::new(config()));
        assert_eq!(breaker.state(), CircuitState::Open);
    }

    /// Trips at three in a row or half of four in a second, waits without jitter.
    fn config() -> BreakerConfig {
        BreakerConfig {
            consecutive_failures: NonZeroU32::new(3),
            span: Span::Time(ms(1000)),
            min_calls: 4,
            open_max: ms(30_000),
            jitter: Ratio::ZERO,
            ..BreakerConfig::default()
        }
    }

    /// As above but over the last six calls, a call of 100 ms being slow.
    fn last_six() -> BreakerConfig {
        let slow_calls = Some(SlowCalls { duration: ms(100), ratio: Ratio::HALF });
        BreakerConfig { span: last(6), slow_calls, ..config() }
    }

    fn last(calls: u16) -> Span {
        Span::Calls(NonZeroU16::new(calls).unwrap())
    }

    fn probes(count: u32) -> BreakerConfig {
        BreakerConfig { half_open_probes: NonZeroU32::new(count).unwrap(), ..config() }
    }

    /// A breaker with its own clock, driven as a roster would.
    struct Story {
        breaker: Breaker,
        now: Instant,
        rng: StdRng,
    }

    impl Story {
        fn new(config: BreakerConfig) -> Self {
            Self { breaker: Breaker::new(Arc::new(config)), now: t0(), rng: rng() }
        }

        fn pass(&mut self, time: Duration) {
            self.now += time;
        }

        fn acquire(&mut self) -> Permit {
            self.breaker.acquire(self.now).unwrap()
        }

        fn settle(&mut self, permit: Permit, verdict: Verdict) -> Settled {
            self.settle_as(permit, &quick(verdict))
        }

        fn settle_as(&mut self, permit: Permit, observation: &Observation) -> Settled {
            self.breaker.settle(permit, observation, self.now, &mut self.rng)
        }

        /// The roster agrees to a trip that was wished for.
        fn trip(&mut self) -> Option<Transition> {
            self.breaker.trip(&quick(Verdict::Failure), self.now, &mut self.rng)
        }

        /// An attempt that took this long.
        fn attempt_of(&mut self, took: Duration, verdict: Verdict) -> Settled {
            let permit = self.acquire();
            self.pass(took);
            self.settle_as(permit, &Observation::new(verdict, took))
        }

        fn attempt(&mut self, verdict: Verdict) -> Settled {
            let permit = self.acquire();
            self.settle(permit, verdict)
        }

        /// Attempts of which the roster refuses to act on any wish to trip.
        fn attempts(&mut self, count: usize, verdict: Verdict) {
            for _ in 0..count {
                let _ = self.attempt(verdict);
            }
        }

        /// An attempt of which the roster acts on the wish to trip.
        fn tripping_attempt(&mut self, verdict: Verdict) -> Option<Transition> {
            let settled = self.attempt(verdict);
            assert!(settled.wants_trip);
            self.trip()
        }

        fn tripped_by_answers(config: BreakerConfig) -> Self {
            let mut story = Self::new(config);
            assert_eq!(story.attempt(Verdict::Failure), Settled::default());
            assert_eq!(story.attempt(Verdict::Failure), Settled::default());
            let opened = story.opened_for(500);
            assert_eq!(story.tripping_attempt(Verdict::Failure), Some(opened));
            story
        }

        fn opened_for(&self, wait_ms: u64) -> Transition {
            Transition::Opened { retry_at: self.now + ms(wait_ms) }
        }

        fn is(&self, state: CircuitState) -> bool {
            self.breaker.state() == state
        }
    }

    fn quick(verdict: Verdict) -> Observation {
        Observation::new(verdict, Duration::ZERO)
    }

    /// A bad answer that asks for a wait.
    fn asking(wait: Duration) -> Observation {
        Observation { retry_after: Some(wait), ..quick(Verdict::Failure) }
    }

    fn changed(transition: Transition) -> Settled {
        Settled { transition: Some(transition), wants_trip: false }
    }

    #[test]
    fn an_untouched_breaker_is_small_and_counts_nothing() {
        assert!(size_of::<Breaker>() <= 40, "{}", size_of::<Breaker>());
        assert!(size_of::<OutcomeCounters>() <= 176, "{}", size_of::<OutcomeCounters>());
        let mut story = Story::new(config());
        let permit = story.acquire();
        assert!(matches!(story.breaker.state, State::Closed { answers: None, .. }));
        let _ = story.settle(permit, Verdict::Success);
        assert!(matches!(story.breaker.state, State::Closed { answers: Some(_), .. }));
    }

    #[test]
    fn a_closed_circuit_lets_everyone_through() {
        let mut story = Story::new(config());
        let permits: Vec<_> = (0..100).map(|_| story.acquire()).collect();
        assert!(permits.iter().all(|permit| !permit.probe()));
        assert!(story.is(CircuitState::Closed) && story.breaker.retry_at().is_none());
    }

    #[test]
    fn failures_in_a_row_trip_once_the_roster_agrees() {
        let mut story = Story::tripped_by_answers(config());
        assert!(story.is(CircuitState::Open));
        let retry_at = Some(story.now + ms(500));
        assert_eq!(story.breaker.retry_at(), retry_at);
        assert_eq!(story.breaker.acquire(story.now), Err(NotPermitted { retry_at }));
    }

    #[test]
    fn a_roster_that_refuses_is_asked_again_at_the_next_failure() {
        let mut story = Story::new(config());
        story.attempts(3, Verdict::Failure);
        assert!(story.is(CircuitState::Closed));
        assert!(story.attempt(Verdict::Failure).wants_trip);
    }

    #[test]
    fn a_success_ends_the_run() {
        let no_ratio = BreakerConfig { failure_ratio: None, ..config() };
        let mut story = Story::new(no_ratio);
        for _ in 0..10 {
            for verdict in [Verdict::Failure, Verdict::Failure, Verdict::Success] {
                assert_eq!(story.attempt(verdict), Settled::default());
            }
        }
    }

    #[test]
    fn a_success_between_wish_and_trip_calls_the_trip_off() {
        let mut story = Story::new(BreakerConfig { failure_ratio: None, ..config() });
        story.attempts(3, Verdict::Failure);
        assert_eq!(story.attempt(Verdict::Success), Settled::default());
        assert_eq!(story.trip(), None);
        assert!(story.is(CircuitState::Closed));
    }

    #[test]
    fn a_trip_needs_a_closed_circuit() {
        let mut story = Story::tripped_by_answers(config());
        assert_eq!(story.trip(), None);
        story.pass(ms(500));
        let _probe = story.acquire();
        assert_eq!(story.trip(), None);
        assert!(story.is(CircuitState::HalfOpen));
    }

    #[test]
    fn half_of_enough_calls_trips_without_a_run() {
        let mut story = Story::new(config());
        for verdict in [Verdict::Failure, Verdict::Success, Verdict::Success] {
            assert_eq!(story.attempt(verdict), Settled::default());
        }
        let opened = story.opened_for(500);
        assert_eq!(story.tripping_attempt(Verdict::Failure), Some(opened));
    }

    #[test]
    fn failures_that_left_the_window_do_not_trip() {
        let mut story = Story::new(config());
        for verdict in [Verdict::Failure, Verdict::Success, Verdict::Success] {
            let _ = story.attempt(verdict);
        }
        story.pass(ms(1000));
        assert_eq!(story.attempt(Verdict::Failure), Settled::default());
    }

    #[test]
    fn throttling_counts_for_the_ratio_but_not_for_the_run() {
        let mut story = Story::new(config());
        (0..3).for_each(|_| assert_eq!(story.attempt(Verdict::Throttled), Settled::default()));
        assert!(story.attempt(Verdict::Throttled).wants_trip);

        let mut story = Story::new(BreakerConfig { failure_ratio: None, ..config() });
        (0..50).for_each(|_| assert_eq!(story.attempt(Verdict::Throttled), Settled::default()));
        // Nor does it end a run.
        for verdict in [Verdict::Failure, Verdict::Failure, Verdict::Throttled] {
            assert_eq!(story.attempt(verdict), Settled::default());
        }
        assert!(story.attempt(Verdict::Failure).wants_trip);
    }

    #[test]
    fn a_threshold_of_zero_trips_on_failures_only() {
        let failure_ratio = Some(Ratio::ZERO);
        let mut story = Story::new(BreakerConfig { failure_ratio, min_calls: 1, ..config() });
        assert_eq!(story.attempt(Verdict::Success), Settled::default());
        assert!(story.attempt(Verdict::Failure).wants_trip);
        story.pass(ms(1000));
        assert_eq!(story.attempt(Verdict::Success), Settled::default());
        assert_eq!(story.trip(), None);
    }

    #[test]
    fn slow_answers_trip_though_they_are_good() {
        let mut story = Story::new(last_six());
        for took in [ms(99), ms(100), ms(0)] {
            assert_eq!(story.attempt_of(took, Verdict::Success), Settled::default());
        }
        assert!(story.attempt_of(ms(100), Verdict::Success).wants_trip, "two of four");
        let opened = story.opened_for(500);
        assert_eq!(story.trip(), Some(opened));
    }

    #[test]
    fn slow_failures_are_slow_as_well() {
        let mut story = Story::new(BreakerConfig { failure_ratio: None, ..last_six() });
        for verdict in [Verdict::Success, Verdict::Failure, Verdict::Success] {
            assert_eq!(story.attempt_of(ms(100), verdict), Settled::default());
        }
        assert!(story.attempt_of(ms(100), Verdict::Throttled).wants_trip);
    }

    #[test]
    fn a_quick_answer_asks_for_no_trip_on_account_of_slow_ones() {
        let mut story = Story::new(last_six());
        for _ in 0..4 {
            let _ = story.attempt_of(ms(100), Verdict::Success);
        }
        assert_eq!(story.attempt(Verdict::Success), Settled::default());
        assert_eq!(story.attempt(Verdict::Failure), Settled::default());
        assert!(
            story.attempt_of(ms(100), Verdict::Success).wants_trip,
            "the roster refused so far"
        );
    }

    #[test]
    fn slowness_is_not_looked_at_unless_asked_for() {
        let mut story = Story::new(config());
        for _ in 0..20 {
            assert_eq!(story.attempt_of(ms(60_000), Verdict::Success), Settled::default());
        }
    }

    #[test]
    fn the_last_calls_count_however_long_ago_they_were() {
        let mut story = Story::new(BreakerConfig { consecutive_failures: None, ..last_six() });
        for verdict in [Verdict::Failure, Verdict::Success, Verdict::Success] {
            assert_eq!(story.attempt(verdict), Settled::default());
            story.pass(Duration::from_secs(3600));
        }
        assert!(story.attempt(Verdict::Failure).wants_trip);
        story.attempts(5, Verdict::Success);
        assert_eq!(story.attempt(Verdict::Failure), Settled::default(), "one of the last six");
    }

    #[test]
    fn a_span_of_fewer_calls_than_the_minimum_is_judged_when_full() {
        let short = BreakerConfig { span: last(3), min_calls: 10, ..config() };
        let mut story = Story::new(BreakerConfig { consecutive_failures: None, ..short });
        story.attempts(2, Verdict::Failure);
        assert!(story.attempt(Verdict::Failure).wants_trip);
    }

    #[test]
    fn an_unreachable_endpoint_is_left_alone_at_once() {
        let mut story = Story::new(config());
        let opened = story.opened_for(500);
        assert_eq!(story.attempt(Verdict::Unreachable), changed(opened));
    }

    #[test]
    fn one_that_answered_since_a_connection_was_begun_is_there() {
        let mut story = Story::new(config());
        let _ = story.attempt(Verdict::Success);
        story.pass(ms(999));
        let mut failed = |elapsed| {
            let permit = story.breaker.acquire(story.now).unwrap();
            let observation = Observation::new(Verdict::Unreachable, ms(elapsed));
            story.breaker.settle(permit, &observation, story.now, &mut story.rng).transition
        };
        assert_eq!(failed(1000), None);
        assert!(failed(999).is_some(), "it has not answered since");
    }

    #[test]
    fn a_dead_endpoint_is_probed_each_second_and_not_punished_later() {
        let mut story = Story::new(config());
        let _ = story.attempt(Verdict::Unreachable);
        for _ in 0..1000 {
            story.pass(ms(1000));
            let opened = story.opened_for(1000);
            assert_eq!(story.attempt(Verdict::Unreachable), changed(opened));
        }
        story.pass(ms(1000));
        assert_eq!(story.attempt(Verdict::Success), changed(Transition::Closed));
        story.attempts(2, Verdict::Failure);
        let opened = story.opened_for(2000);
        assert_eq!(story.tripping_attempt(Verdict::Failure), Some(opened));
    }

    #[test]
    fn it_tells_how_long_a_probe_is_due_and_nothing_where_none_is() {
        let mut story = Story::tripped_by_answers(config());
        story.pass(ms(499));
        assert_eq!(story.breaker.probe_due_for(story.now), None);
        story.pass(ms(201));
        assert_eq!(story.breaker.probe_due_for(story.now), Some(ms(200)));
        let probe = story.acquire();
        assert_eq!(story.breaker.probe_due_for(story.now), None, "it is under way");
        story.pass(ms(3001));
        assert_eq!(story.breaker.probe_due_for(story.now), Some(ms(1)), "and did not come back");
        let _ = story.settle(probe, Verdict::Success);
        assert_eq!(story.breaker.probe_due_for(story.now), None, "closed");
        story.breaker.force_open().unwrap();
        story.pass(ms(60_000));
        assert_eq!(story.breaker.probe_due_for(story.now), None, "by hand");
    }

    /// Opened by `observation` after three failures in a row, with twelve attempts under way.
    fn opened_beside_others(observation: &Observation) -> (Story, Vec<Permit>) {
        let mut story = Story::new(config());
        let under_way = (0..12).map(|_| story.acquire()).collect();
        story.attempts(3, Verdict::Failure);
        assert!(story.breaker.trip(observation, story.now, &mut story.rng).is_some());
        (story, under_way)
    }

    #[test]
    fn five_good_answers_in_a_row_of_what_was_under_way_close_what_a_rule_opened() {
        use Verdict::{Failure, Neutral, Success};
        let (mut story, mut under_way) = opened_beside_others(&quick(Failure));
        let mut ends = |story: &mut Story, verdict| story.settle(under_way.pop().unwrap(), verdict);
        for verdict in [Success, Success, Failure, Success, Success, Neutral, Success, Success] {
            assert_eq!(ends(&mut story, verdict), Settled::default());
        }
        assert_eq!(ends(&mut story, Success), changed(Transition::Closed));
        assert_eq!(ends(&mut story, Failure), Settled::default(), "of times gone by");
        story.attempts(2, Failure);
        let opened = story.opened_for(500);
        assert_eq!(story.tripping_attempt(Failure), Some(opened), "as if never opened");
    }

    #[test]
    fn slow_ones_are_none() {
        let mut story = Story::new(last_six());
        let under_way: Vec<_> = (0..6).map(|_| story.acquire()).collect();
        let slow = Observation::new(Verdict::Success, ms(100));
        while !story.attempt_of(ms(100), Verdict::Success).wants_trip {}
        assert!(story.trip().is_some());
        for (number, permit) in under_way.into_iter().enumerate() {
            let observation = if number == 0 { slow } else { quick(Verdict::Success) };
            let closes = (number == 5).then_some(Transition::Closed);
            assert_eq!(story.settle_as(permit, &observation).transition, closes, "{number}");
        }
    }

    #[test]
    fn one_answer_that_was_worked_for_closes_what_refusals_opened() {
        // The next power of two in microseconds is 16,384.
        let refusal = Observation {
            retry_after: Some(ms(9000)),
            ..Observation::new(Verdict::Failure, ms(3))
        };
        for (took, closes) in [(12, None), (17, Some(Transition::Closed))] {
            let (mut story, mut under_way) = opened_beside_others(&refusal);
            let good = Observation::new(Verdict::Success, ms(took));
            let settled = story.settle_as(under_way.pop().unwrap(), &good);
            assert_eq!(settled.transition, closes, "{took} ms");
        }
    }

    #[test]
    fn what_was_under_way_before_an_earlier_trip_counts_as_well() {
        let (mut story, mut under_way) = opened_beside_others(&quick(Verdict::Failure));
        for _ in 0..2 {
            let last = under_way.drain(..5).map(|it| story.settle(it, Verdict::Success)).last();
            assert_eq!(last, Some(changed(Transition::Closed)));
            story.attempts(2, Verdict::Failure);
            assert!(story.tripping_attempt(Verdict::Failure).is_some());
        }
    }

    #[test]
    fn what_hangs_or_failed_its_probe_is_not_closed_by_answers_under_way() {
        let late = Observation { late: true, ..quick(Verdict::Failure) };
        let (mut story, under_way) = opened_beside_others(&late);
        for permit in under_way {
            assert_eq!(story.settle(permit, Verdict::Success), Settled::default());
        }
        let (mut story, mut under_way) = opened_beside_others(&quick(Verdict::Failure));
        story.pass(ms(500));
        let probe = story.acquire();
        for permit in under_way.drain(..6) {
            assert_eq!(story.settle(permit, Verdict::Success), Settled::default());
        }
        let _ = story.settle(probe, Verdict::Failure);
        assert!(story.is(CircuitState::Open));
        for permit in under_way {
            assert_eq!(story.settle(permit, Verdict::Success), Settled::default(), "long ago");
        }
    }

    #[test]
    fn a_probe_closes_the_circuit_with_clean_counters() {
        let mut story = Story::tripped_by_answers(config());
        story.pass(ms(499));
        assert!(story.breaker.acquire(story.now).is_err());
        story.pass(ms(1));
        let probe = story.acquire();
        assert!(probe.probe() && story.is(CircuitState::HalfOpen));
        assert!(story.breaker.acquire(story.now).is_err(), "one probe at a time");
        assert_eq!(story.settle(probe, Verdict::Success), changed(Transition::Closed));
        (0..2).for_each(|_| assert_eq!(story.attempt(Verdict::Failure), Settled::default()));
    }

    #[test]
    fn each_failed_probe_doubles_the_wait_up_to_the_longest() {
        let mut story = Story::tripped_by_answers(config());
        for verdict in [Verdict::Failure, Verdict::Throttled].repeat(10) {
            let Some(retry_at) = story.breaker.retry_at() else { panic!("open by hand") };
            let last = retry_at.duration_since(story.now);
            story.pass(last);
            let next = (last * 2).min(ms(30_000));
            let retry_at = story.now + next;
            assert_eq!(story.attempt(verdict), changed(Transition::Opened { retry_at }));
        }
        let longest = story.breaker.retry_at().map(|at| at.duration_since(story.now));
        assert_eq!(longest, Some(ms(30_000)));
    }

    #[test]
    fn a_probe_that_cannot_connect_waits_the_short_time() {
        let mut story = Story::tripped_by_answers(config());
        for _ in 0..4 {
            let retry_at = story.breaker.retry_at().unwrap();
            story.pass(retry_at.duration_since(story.now));
            let _ = story.attempt(Verdict::Failure);
        }
        story.pass(ms(8000));
        let opened = story.opened_for(1000);
        assert_eq!(story.attempt(Verdict::Unreachable), changed(opened));
    }

    #[test]
    fn it_knows_whether_answers_opened_it() {
        let mut story = Story::tripped_by_answers(config());
        assert!(story.breaker.is_tripped_by_answers());
        story.pass(ms(500));
        let probe = story.acquire();
        assert!(story.breaker.is_tripped_by_answers(), "half-open as well");
        let _ = story.settle(probe, Verdict::Unreachable);
        assert!(!story.breaker.is_tripped_by_answers(), "its probe could not connect");
        story.pass(ms(1250));
        let _ = story.attempt(Verdict::Failure);
        assert!(story.breaker.is_tripped_by_answers(), "the next one could");
        story.breaker.force_close(story.now).unwrap();
        assert!(!story.breaker.is_tripped_by_answers(), "closed");
        story.breaker.force_open().unwrap();
        assert!(!story.breaker.is_tripped_by_answers(), "by hand");
    }

    #[test]
    fn trips_are_forgotten_after_a_stable_period_only() {
        for (closed_for, next_wait) in [(59_999, 1000), (60_000, 500)] {
            let mut story = Story::tripped_by_answers(config());
            story.pass(ms(500));
            let _ = story.attempt(Verdict::Success);
            story.pass(ms(closed_for));
            story.attempts(2, Verdict::Failure);
            let opened = story.opened_for(next_wait);
            assert_eq!(story.tripping_attempt(Verdict::Failure), Some(opened));
        }
    }

    #[test]
    fn jitter_spreads_the_wait_to_both_sides() {
        let jittery = BreakerConfig { jitter: Ratio::QUARTER, ..config() };
        let mut rng = rng();
        let mut wait = || {
            let (mut breaker, now) = (Breaker::new(Arc::new(jittery)), t0());
            let permit = breaker.acquire(now).unwrap();
            let _ = breaker.settle(permit, &quick(Verdict::Unreachable), now, &mut rng);
            breaker.retry_at().unwrap().duration_since(now)
        };
        let waits: Vec<_> = (0..500).map(|_| wait()).collect();
        assert!(waits.iter().all(|wait| (ms(375)..=ms(625)).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < ms(380)));
        assert!(waits.iter().any(|wait| *wait > ms(620)));
    }

    #[test]
    fn an_endpoint_that_asks_for_a_wait_gets_it_within_bounds() {
        for (asked, wait) in [(7_000, 7_000), (1, 500), (300_000, 30_000), (0, 500)] {
            let mut story = Story::new(config());
            story.attempts(3, Verdict::Failure);
            let opened = story.opened_for(wait);
            let trip = story.breaker.trip(&asking(ms(asked)), story.now, &mut story.rng);
            assert_eq!(trip, Some(opened), "asked for {asked} ms");
        }
    }

    #[test]
    fn a_failed_probe_may_ask_for_a_wait_as_well_and_the_next_trip_counts_on() {
        let mut story = Story::tripped_by_answers(config());
        story.pass(ms(500));
        let probe = story.acquire();
        let opened = story.opened_for(9_000);
        assert_eq!(story.settle_as(probe, &asking(ms(9_000))), changed(opened));
        story.pass(ms(9_000));
        let opened = story.opened_for(2_000);
        assert_eq!(story.attempt(Verdict::Failure), changed(opened));
    }

    #[test]
    fn several_probes_must_all_succeed() {
        let mut story = Story::tripped_by_answers(probes(2));
        story.pass(ms(500));
        let (one, two) = (story.acquire(), story.acquire());
        assert!(one.probe() && two.probe());
        assert!(story.breaker.acquire(story.now).is_err(), "two were allowed");
        assert_eq!(story.settle(one, Verdict::Success), Settled::default());
        assert!(!story.breaker.admits(story.now), "the second is still under way");
        assert_eq!(story.settle(two, Verdict::Success), changed(Transition::Closed));
    }

    #[test]
    fn one_failed_probe_of_several_opens_and_the_others_are_too_late() {
        let mut story = Story::tripped_by_answers(probes(3));
        story.pass(ms(500));
        let (one, two, three) = (story.acquire(), story.acquire(), story.acquire());
        let _ = story.settle(one, Verdict::Success);
        let opened = story.opened_for(1000);
        assert_eq!(story.settle(two, Verdict::Failure), changed(opened));
        assert_eq!(story.settle(three, Verdict::Success), Settled::default());
        assert!(story.is(CircuitState::Open));
    }

    #[test]
    fn a_cancelled_probe_gives_its_place_back() {
        let mut story = Story::tripped_by_answers(config());
        story.pass(ms(500));
        let probe = story.acquire();
        story.breaker.release(probe);
        assert!(story.breaker.admits(story.now));
        let probe = story.acquire();
        assert_eq!(story.settle(probe, Verdict::Neutral), Settled::default());
        assert!(story.acquire().probe());
    }

    #[test]
    fn a_probe_that_hangs_lets_one_more_through_per_interval() {
        let mut story = Story::tripped_by_answers(config());
        story.pass(ms(500));
        let hanging = story.acquire();
        story.pass(ms(2999));
        let retry_at = Some(story.now + ms(1));
        assert_eq!(story.breaker.acquire(story.now), Err(NotPermitted { retry_at }));
        story.pass(ms(1));
        let second = story.acquire();
        assert!(story.breaker.acquire(story.now).is_err(), "only one more");
        assert_eq!(story.settle(second, Verdict::Success), changed(Transition::Closed));
        assert_eq!(story.settle(hanging, Verdict::Failure), Settled::default());
        assert!(story.is(CircuitState::Closed));
    }

    #[test]
    fn an_outcome_from_before_the_trip_is_ignored() {
        let mut story = Story::new(config());
        let (late, later) = (story.acquire(), story.acquire());
        let _ = story.attempt(Verdict::Unreachable);
        assert_eq!(story.settle(late, Verdict::Success), Settled::default());
        story.pass(ms(500));
        let _probe = story.acquire();
        story.breaker.release(later);
        assert!(!story.breaker.admits(story.now), "no place was given back");
    }

    #[test]
    fn a_circuit_opened_by_hand_waits_for_a_hand() {
        let mut story = Story::new(config());
        assert_eq!(story.breaker.force_close(story.now), Err(AlreadyInState));
        assert_eq!(story.breaker.force_open(), Ok(()));
        assert_eq!(story.breaker.force_open(), Err(AlreadyInState));
        story.pass(Duration::from_secs(1_000_000));
        let not_permitted = NotPermitted { retry_at: None };
        assert_eq!(story.breaker.acquire(story.now), Err(not_permitted));
        assert_eq!(story.breaker.force_close(story.now), Ok(()));
        assert!(!story.acquire().probe());
    }

    #[test]
    fn a_hand_can_end_a_half_open_circuit_both_ways_and_its_probe_is_too_late() {
        for open in [true, false] {
            let mut story = Story::tripped_by_answers(config());
            assert_eq!(story.breaker.force_open(), Err(AlreadyInState));
            story.pass(ms(500));
            let probe = story.acquire();
            let by_hand = match open {
                true => story.breaker.force_open(),
                false => story.breaker.force_close(story.now),
            };
            assert_eq!(by_hand, Ok(()));
            assert_eq!(story.settle(probe, Verdict::Unreachable), Settled::default());
            assert_eq!(story.is(CircuitState::Open), open);
        }
    }

    #[test]
    fn closing_by_hand_forgets_the_trips() {
        let mut story = Story::tripped_by_answers(config());
        assert_eq!(story.breaker.force_close(story.now), Ok(()));
        let opened = story.opened_for(500);
        assert_eq!(story.attempt(Verdict::Unreachable), changed(opened));
    }

    #[test]
    fn a_disabled_circuit_lets_everything_through_and_judges_nothing() {
        let mut story = Story::tripped_by_answers(config());
        assert_eq!(story.breaker.disable(), Ok(()));
        assert_eq!(story.breaker.disable(), Err(AlreadyInState));
        for verdict in [Verdict::Failure, Verdict::Unreachable].repeat(50) {
            assert_eq!(story.attempt(verdict), Settled::default());
        }
        assert_eq!(story.trip(), None);
        assert!(story.is(CircuitState::Closed) && story.breaker.reset_since().is_none());
        let late = story.acquire();
        assert_eq!(story.breaker.force_close(story.now), Ok(()));
        assert_eq!(story.settle(late, Verdict::Unreachable), Settled::default());
        let opened = story.opened_for(500);
        assert_eq!(story.attempt(Verdict::Unreachable), changed(opened), "the rules hold again");
    }

    #[test]
    fn a_disabled_circuit_can_be_opened() {
        let mut story = Story::new(config());
        assert_eq!((story.breaker.disable(), story.breaker.force_open()), (Ok(()), Ok(())));
        assert!(story.is(CircuitState::Open) && !story.breaker.admits(story.now));
    }

    #[test]
    fn a_drained_circuit_grants_nothing_but_counts_what_is_under_way() {
        let mut story = Story::new(config());
        let under_way = [(); 3].map(|()| story.acquire());
        story.breaker.drain();
        assert!(story.is(CircuitState::Open));
        assert_eq!(story.breaker.acquire(story.now), Err(NotPermitted { retry_at: None }));
        let wishes = under_way.map(|permit| story.settle(permit, Verdict::Failure).wants_trip);
        assert_eq!(wishes, [false, false, true]);
        story.breaker.resume();
        assert!(story.is(CircuitState::Closed));
        assert!(story.attempt(Verdict::Failure).wants_trip, "the run goes on");
    }

    #[test]
    fn a_half_open_circuit_goes_on_after_a_drain() {
        let mut story = Story::tripped_by_answers(config());
        story.pass(ms(500));
        let probe = story.acquire();
        story.breaker.drain();
        assert_eq!(story.settle(probe, Verdict::Neutral), Settled::default());
        assert!(!story.breaker.admits(story.now), "its place is free, but nothing begins");
        story.breaker.resume();
        assert!(story.acquire().probe());
    }

    #[test]
    fn a_drained_circuit_names_no_time_for_a_probe() {
        let mut story = Story::tripped_by_answers(config());
        let due = story.breaker.retry_at();
        story.breaker.drain();
        assert!(due.is_some() && story.breaker.retry_at().is_none());
        story.breaker.resume();
        assert_eq!(story.breaker.retry_at(), due);
    }

    #[test]
    fn opening_and_closing_by_hand_end_a_drain() {
        let mut story = Story::new(config());
        story.breaker.drain();
        assert_eq!(story.breaker.force_close(story.now), Ok(()));
        assert!(story.breaker.admits(story.now));
        story.breaker.drain();
        assert_eq!(story.breaker.force_open(), Ok(()));
        story.breaker.resume();
        assert!(!story.breaker.admits(story.now));
    }

    #[test]
    fn a_check_that_passes_brings_the_probe_forward_and_closes_nothing() {
        let mut story = Story::tripped_by_answers(config());
        assert_eq!(story.breaker.half_open_early(story.now), Some(Transition::HalfOpened));
        assert!(story.is(CircuitState::HalfOpen) && story.breaker.admits(story.now));
        assert_eq!(story.breaker.half_open_early(story.now), None);
        let opened = story.opened_for(1000);
        assert_eq!(story.attempt(Verdict::Failure), changed(opened), "the calls still fail");
    }

    #[test]
    fn a_check_that_passes_undoes_no_hand() {
        let mut story = Story::new(config());
        assert_eq!(story.breaker.half_open_early(story.now), None, "closed");
        story.breaker.force_open().unwrap();
        assert_eq!(story.breaker.half_open_early(story.now), None);
        assert!(story.is(CircuitState::Open));
    }

    #[test]
    fn a_circuit_tells_since_when_it_is_closed_again() {
        let mut story = Story::tripped_by_answers(config());
        assert_eq!(story.breaker.reset_since(), None);
        story.pass(ms(500));
        let _ = story.attempt(Verdict::Success);
        let closed = Some(story.now);
        story.pass(ms(1234));
        assert_eq!(story.breaker.reset_since(), closed);
        story.breaker.force_open().unwrap();
        assert_eq!(story.breaker.reset_since(), None);
        story.breaker.force_close(story.now).unwrap();
        assert_eq!(story.breaker.reset_since(), Some(story.now));
        assert_eq!(Story::new(config()).breaker.reset_since(), None, "never opened");
    }

    #[test]
    fn waits_without_end_do_not_overflow() {
        let forever = BreakerConfig {
            open_base: Duration::MAX,
            open_max: Duration::MAX,
            connect_open_max: Duration::MAX,
            probe_timeout: Duration::MAX,
            jitter: Ratio::new(1.0).unwrap(),
            ..config()
        };
        let mut story = Story::new(forever);
        let _ = story.attempt(Verdict::Unreachable);
        assert!(story.breaker.retry_at().is_some());
        let mut story =
            Story::tripped_by_answers(BreakerConfig { probe_timeout: Duration::MAX, ..config() });
        story.pass(ms(500));
        let _probe = story.acquire();
        assert!(story.breaker.acquire(story.now).is_err());
    }

    /// The rules once more, as slowly and plainly as they can be put: nothing is counted, all is
    /// looked up in lists. Times are milliseconds.
    #[derive(Debug)]
    struct Model {
        probes: usize,
        span: Span,
        epoch: usize,
        trips: u32,
        phase: Phase,
        draining: bool,
    }

    #[derive(Debug)]
    enum Phase {
        Closed { since: Option<u64>, log: Vec<Seen> },
        Disabled,
        Open { until: Option<u64> },
        HalfOpen { started: Vec<u64>, returned: usize, passed: usize },
    }

    /// When, how it ended, and whether that took long.
    type Seen = (u64, Verdict, bool);

    /// How an attempt ended, whether that took long, and which wait it asked for.
    type Told = (Verdict, bool, Option<u64>);

    /// In milliseconds.
    const fn took(slow: bool) -> u64 {
        if slow { 100 } else { 99 }
    }

    impl Model {
        fn enter(&mut self, phase: Phase) {
            self.epoch += 1;
            self.phase = phase;
        }

        fn admits(&self, now: u64) -> bool {
            match &self.phase {
                _ if self.draining => false,
                Phase::Closed { .. } | Phase::Disabled => true,
                Phase::Open { until } => until.is_some_and(|until| until <= now),
                // Passed probes keep their place, so only neutral ones make room.
                Phase::HalfOpen { started, returned, .. } => {
                    let held = started.len() - returned;
                    held < self.probes || started.last().is_some_and(|last| last + 3000 <= now)
                }
            }
        }

        fn acquire(&mut self, now: u64) -> Option<(usize, bool)> {
            if !self.admits(now) {
                return None;
            }
            if matches!(self.phase, Phase::Open { .. }) {
                self.enter(Phase::HalfOpen { started: vec![], returned: 0, passed: 0 });
            }
            if let Phase::HalfOpen { started, .. } = &mut self.phase {
                started.push(now);
            }
            Some((self.epoch, matches!(self.phase, Phase::HalfOpen { .. })))
        }

        fn wait(&self, cap: u64) -> u64 {
            (0..1.max(self.trips) - 1).fold(500, |wait, _| cap.min(wait * 2)).min(cap)
        }

        fn open(&mut self, cap: u64, asked: Option<u64>, now: u64) {
            if let Phase::Closed { since: Some(since), .. } = self.phase
                && now - since >= 60_000
            {
                self.trips = 0;
            }
            if self.trips == 0 || self.wait(cap) < cap {
                self.trips += 1;
            }
            let asked = asked.map(|asked| asked.clamp(500, cap));
            let until = Some(now + asked.unwrap_or_else(|| self.wait(cap)));
            self.enter(Phase::Open { until });
        }

        fn settle(&mut self, epoch: usize, (verdict, slow, asked): Told, now: u64) {
            if epoch != self.epoch || matches!(self.phase, Phase::Disabled) {
                return;
            }
            match (&mut self.phase, verdict) {
                (Phase::Closed { log, .. }, Verdict::Unreachable)
                    if log.iter().any(|(at, verdict, _)| {
                        *verdict == Verdict::Success && now < at + took(slow)
                    }) => {}
                (_, Verdict::Unreachable) => self.open(1000, None, now),
                (Phase::Closed { .. }, Verdict::Neutral) => {}
                (Phase::Closed { log, .. }, _) => log.push((now, verdict, slow)),
                (Phase::HalfOpen { returned, .. }, Verdict::Neutral) => *returned += 1,
                (Phase::HalfOpen { passed, .. }, Verdict::Success) => {
                    *passed += 1;
                    if *passed == self.probes {
                        self.enter(Phase::Closed { since: Some(now), log: vec![] });
                    }
                }
                (Phase::HalfOpen { .. }, _) => self.open(30_000, asked, now),
                (Phase::Open { .. } | Phase::Disabled, _) => unreachable!("no permits that count"),
            }
        }

        fn wants_trip(&self, (failed, slow): (bool, bool), now: u64) -> bool {
            let Phase::Closed { log, .. } = &self.phase else {
                return false;
            };
            let run = log.iter().rev().take_while(|(_, verdict, _)| *verdict != Verdict::Success);
            let run = run.filter(|(_, verdict, _)| *verdict == Verdict::Failure).count();
            let seen = self.seen(log, now);
            let bad = seen.iter().filter(|(_, verdict, _)| *verdict != Verdict::Success).count();
            let late = seen.iter().filter(|(.., slow)| *slow).count();
            let much = |part: usize| part > 0 && seen.len() >= 4 && part * 2 >= seen.len();
            failed && (run >= 3 || much(bad)) || slow && much(late)
        }

        fn seen<'a>(&self, log: &'a [Seen], now: u64) -> Vec<&'a Seen> {
            match self.span {
                Span::Time(_) => {
                    let origin = log.first().map_or(now, |(at, ..)| *at);
                    let bucket = |at: u64| (at - origin) / 100;
                    log.iter().filter(|(at, ..)| bucket(*at) + 10 > bucket(now)).collect()
                }
                Span::Calls(size) => log.iter().rev().take(usize::from(size.get())).collect(),
            }
        }

        fn by_hand(&mut self, phase: Phase) {
            self.draining = false;
            self.enter(phase);
        }

        fn state(&self) -> CircuitState {
            match self.phase {
                _ if self.draining => CircuitState::Open,
                Phase::Closed { .. } | Phase::Disabled => CircuitState::Closed,
                Phase::Open { .. } => CircuitState::Open,
                Phase::HalfOpen { .. } => CircuitState::HalfOpen,
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Pass(u64),
        Acquire,
        Settle(prop::sample::Index, Told),
        Release(prop::sample::Index),
        Open,
        Close,
        Disable,
        Drain,
        Resume,
        Check,
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let verdicts = vec![
            Verdict::Success,
            Verdict::Success,
            Verdict::Failure,
            Verdict::Failure,
            Verdict::Failure,
            Verdict::Throttled,
            Verdict::Unreachable,
            Verdict::Neutral,
        ];
        let verdict = prop::sample::select(verdicts);
        let asked = prop::option::weighted(0.2, 1_u64..100_000);
        let pause = prop_oneof![6 => 0_u64..300, 3 => 300_u64..4000, 1 => 20_000_u64..70_000];
        prop_oneof![
            20 => pause.prop_map(Step::Pass),
            40 => Just(Step::Acquire),
            40 => (any::<prop::sample::Index>(), (verdict, any::<bool>(), asked))
                .prop_map(|(which, told)| Step::Settle(which, told)),
            4 => any::<prop::sample::Index>().prop_map(Step::Release),
            1 => Just(Step::Open),
            2 => Just(Step::Close),
            1 => Just(Step::Disable),
            1 => Just(Step::Drain),
            2 => Just(Step::Resume),
            2 => Just(Step::Check),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn agrees_with_the_plain_model(
            steps in prop::collection::vec(any_step(), 1..300),
            count in 1_u32..4,
            roster_agrees in prop::collection::vec(any::<bool>(), 300),
            by_time in any::<bool>(),
        ) {
            let (start, mut now, mut rng) = (t0(), 0, rng());
            let span = if by_time { Span::Time(ms(1000)) } else { last(6) };
            let config = BreakerConfig { span, slow_calls: last_six().slow_calls, ..probes(count) };
            let mut breaker = Breaker::new(Arc::new(config));
            let phase = Phase::Closed { since: None, log: vec![] };
            let probes = count as usize;
            let mut model = Model { probes, span, epoch: 0, trips: 0, phase, draining: false };
            let mut held: Vec<(Permit, usize)> = Vec::new();
            for (step, agrees) in steps.into_iter().zip(roster_agrees) {
                let at = start + ms(now);
                match step {
                    Step::Pass(pause) => now += pause,
                    Step::Acquire => {
                        prop_assert_eq!(breaker.admits(at), model.admits(now));
                        let (granted, expected) = (breaker.acquire(at), model.acquire(now));
                        let probe = granted.as_ref().ok().map(Permit::probe);
                        prop_assert_eq!(probe, expected.map(|(_, probe)| probe));
                        if let (Ok(permit), Some((epoch, _))) = (granted, expected) {
                            held.push((permit, epoch));
                        }
                    }
                    Step::Settle(index, told) if !held.is_empty() => {
                        let (permit, epoch) = held.swap_remove(index.index(held.len()));
                        let (current, before) = (epoch == model.epoch, model.epoch);
                        let (verdict, slow, asked) = told;
                        let elapsed = ms(took(slow));
                        let retry_after = asked.map(ms);
                        let observation = Observation { verdict, elapsed, late: false, retry_after };
                        let settled = breaker.settle(permit, &observation, at, &mut rng);
                        model.settle(epoch, told, now);
                        let changed = model.epoch != before;
                        prop_assert_eq!(settled.transition.is_some(), changed);
                        let failed = verdict != Verdict::Success;
                        let counted =
                            current && !matches!(verdict, Verdict::Neutral | Verdict::Unreachable);
                        let wants = counted && model.wants_trip((failed, slow), now);
                        prop_assert_eq!(settled.wants_trip, wants);
                        if wants && agrees {
                            prop_assert!(breaker.trip(&observation, at, &mut rng).is_some());
                            model.open(30_000, asked, now);
                        }
                    }
                    Step::Release(index) if !held.is_empty() => {
                        let (permit, epoch) = held.swap_remove(index.index(held.len()));
                        breaker.release(permit);
                        model.settle(epoch, (Verdict::Neutral, false, None), now);
                    }
                    Step::Open => {
                        let differs = !matches!(model.phase, Phase::Open { .. });
                        prop_assert_eq!(breaker.force_open().is_ok(), differs);
                        if differs {
                            model.by_hand(Phase::Open { until: None });
                        }
                    }
                    Step::Close => {
                        let differs =
                            model.draining || !matches!(model.phase, Phase::Closed { .. });
                        prop_assert_eq!(breaker.force_close(at).is_ok(), differs);
                        if differs {
                            model.trips = 0;
                            model.by_hand(Phase::Closed { since: Some(now), log: vec![] });
                        }
                    }
                    Step::Disable => {
                        let differs = model.draining || !matches!(model.phase, Phase::Disabled);
                        prop_assert_eq!(breaker.disable().is_ok(), differs);
                        if differs {
                            model.trips = 0;
                            model.by_hand(Phase::Disabled);
                        }
                    }
                    Step::Drain => {
                        breaker.drain();
                        model.draining = true;
                    }
                    Step::Resume => {
                        breaker.resume();
                        model.draining = false;
                    }
                    Step::Check => {
                        let open = matches!(model.phase, Phase::Open { until: Some(_) });
                        prop_assert_eq!(breaker.half_open_early(at).is_some(), open);
                        if open {
                            let (started, returned, passed) = (vec![], 0, 0);
                            model.enter(Phase::HalfOpen { started, returned, passed });
                        }
                    }
                    Step::Settle(..) | Step::Release(_) => {}
                }
                prop_assert_eq!(breaker.state(), model.state());
                let instant = |at: u64| start + ms(at);
                match model.phase {
                    Phase::Open { until } if !model.draining => {
                        prop_assert_eq!(breaker.retry_at(), until.map(instant));
                    }
                    Phase::Closed { since, .. } => {
                        prop_assert_eq!(breaker.reset_since(), since.map(instant));
                    }
                    _ => prop_assert_eq!(breaker.reset_since(), None),
                }
            }
        }

        /// However permits come and go: once all came back and the wait is over, as many are granted
        /// as must pass.
        #[test]
        fn no_place_is_lost(
            steps in prop::collection::vec(any_step(), 1..300),
            count in 1_u32..4,
        ) {
            let (mut now, mut rng) = (t0(), rng());
            let mut breaker = Breaker::new(Arc::new(probes(count)));
            let mut held = Vec::new();
            for step in steps {
                match step {
                    Step::Pass(pause) => now += ms(pause),
                    Step::Acquire => held.extend(breaker.acquire(now)),
                    Step::Settle(index, (verdict, ..)) if !held.is_empty() => {
                        let permit = held.swap_remove(index.index(held.len()));
                        let observation = quick(verdict);
                        if breaker.settle(permit, &observation, now, &mut rng).wants_trip {
                            let _ = breaker.trip(&observation, now, &mut rng);
                        }
                    }
                    Step::Release(index) if !held.is_empty() => {
                        breaker.release(held.swap_remove(index.index(held.len())));
                    }
                    Step::Check => drop(breaker.half_open_early(now)),
                    _ => {}
                }
            }
            held.into_iter().for_each(|permit| breaker.release(permit));
            let at = breaker.retry_at().map_or(now, |at| at.max(now));
            for _ in 0..count {
                let granted = breaker.acquire(at);
                prop_assert!(granted.is_ok());
                if let Ok(permit) = granted {
                    let _ = breaker.settle(permit, &quick(Verdict::Success), at, &mut rng);
                }
            }
            prop_assert_eq!(breaker.state(), CircuitState::Closed, "as many as must pass");
        }

        /// Permits that nobody gives back neither add up to more probes nor block the circuit.
        #[test]
        fn leaked_probes_neither_multiply_nor_stick(
            count in 1_u32..5,
            pauses in prop::collection::vec(1_u64..2000, 10..100),
            seed in any::<u64>(),
        ) {
            let (mut now, mut rng) = (t0(), StdRng::seed_from_u64(seed));
            let mut breaker = Breaker::new(Arc::new(probes(count)));
            let permit = breaker.acquire(now).unwrap();
            let _ = breaker.settle(permit, &quick(Verdict::Unreachable), now, &mut rng);
            now += ms(500);
            let mut starts: Vec<Instant> = Vec::new();
            for pause in pauses {
                starts.extend(breaker.acquire(now).is_ok().then_some(now));
                let recent = starts.iter().filter(|start| now - **start < ms(3000)).count();
                prop_assert!(recent <= count as usize);
                now += ms(pause);
            }
            now += ms(3000);
            prop_assert!(breaker.acquire(now).is_ok());
        }
    }
}
