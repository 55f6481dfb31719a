//! How many requests may be in flight at once.
//!
//! A service that gets more than it can do answers all of it late, and late answers are of no use:
//! work is done that nobody waits for any more. A limit at the client turns the excess away before
//! anything was sent, and what is admitted is answered in time. By Little's law the right number is
//! the rate that the service bears times the time it takes, and neither is known beforehand: so
//! there is a fixed limit for users that know it, and one that follows the answers
//! ([`GradientConfig`]).
//!
//! Copies of slow attempts take no permit, so at the limit they must not be sent. To ask whether it is full does not do:
//! a permit that has just come free is for a call that would be turned away otherwise, and an adaptive limit that has
//! grown is full again before long. So a caller that turns a call away says so, and copies stop for a while
//! ([`Limiter::is_pressed`]).
//!
//! It counts and compares; which calls are turned away first and which wait is [`shedding`](super::shedding).
//! Everything is an atomic, as it is on the way of every request.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::gradient::{Gradient, GradientConfig, Recent};
use crate::policy::load::tick::Tick;

/// How many requests may be in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitConfig {
    /// As many as this; default 1024 for a service.
    Fixed(NonZeroU32),
    /// As many as the answers' times allow.
    Gradient(GradientConfig),
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self::Fixed(const { NonZeroU32::new(1024).unwrap() })
    }
}

/// The requests in flight, and their limit.
#[derive(Debug)]
pub struct Limiter {
    in_flight: AtomicU32,
    /// Until when it counts as pressed, in microseconds.
    pressed: AtomicU64,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    Fixed(u32),
    Gradient {
        config: GradientConfig,
        state: AtomicU64,
        /// A word of its own, for it need not agree with the limit.
        recent: AtomicU64,
    },
}

impl Limiter {
    /// A limiter with nothing in flight.
    #[must_use]
    pub fn new(config: LimitConfig) -> Self {
        let rule = match config {
            LimitConfig::Fixed(limit) => Rule::Fixed(limit.get()),
            LimitConfig::Gradient(config) => {
                let state = AtomicU64::new(Gradient::new(&config).pack());
                Rule::Gradient { config, state, recent: AtomicU64::new(0) }
            }
        };
        Self { in_flight: AtomicU32::new(0), pressed: AtomicU64::new(0), rule }
    }

    /// The present limit.
    #[must_use]
    pub fn limit(&self) -> u32 {
        match &self.rule {
            Rule::Fixed(limit) => *limit,
            Rule::Gradient { state, .. } => Gradient::unpack(state.load(Ordering::Relaxed)).limit(),
        }
    }

    /// The requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether the limit is reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.in_flight() >= self.limit()
    }

    /// Takes in that a call was turned away now, or has to wait.
    pub fn turned_away(&self, now: Tick) {
        let until = now.micros().saturating_add(PRESSED_MICROS);
        self.pressed.fetch_max(until, Ordering::Relaxed);
    }

    /// Whether the limit is reached, or has turned a call away in the last seconds: what room there is, calls need.
    #[must_use]
    pub fn is_pressed(&self, now: Tick) -> bool {
        self.is_full() || now.micros() < self.pressed.load(Ordering::Relaxed)
    }

    /// Asks to send one more, within the limit. Returns how many are in flight with it, which
    /// [`Limiter::record`] wants to know later.
    ///
    /// What is granted must be given back by [`Limiter::release`], once and however the request
    /// ends: the caller's guard does that.
    #[must_use = "what was granted must be released"]
    pub fn try_acquire(&self) -> Option<u32> {
        self.try_acquire_below(self.limit())
    }

    /// The same within `ceiling`, if that is less than the limit: what less important requests get.
    #[must_use = "what was granted must be released"]
    pub fn try_acquire_below(&self, ceiling: u32) -> Option<u32> {
        let ceiling = ceiling.min(self.limit());
        let one_more = |count| if count < ceiling { Some(count + 1) } else { None };
        let before =
            self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(before + 1)
    }

    /// Gives back what [`Limiter::try_acquire`] granted.
    pub fn release(&self) {
        let one_less = |count: u32| count.checked_sub(1);
        let released = self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        debug_assert!(released.is_ok(), "released more often than acquired");
    }

    /// Takes in how long an answer took to a request that began with this number in flight, itself
    /// included. Not for failures: a refusal that comes at once would make every answer look slow.
    pub fn record(&self, rtt: Duration, in_flight: u32) {
        let Rule::Gradient { state, recent, .. } = &self.rule else { return };
        let usual = Gradient::unpack(state.load(Ordering::Relaxed));
        let with = |word| Recent::unpack(word).with(rtt, usual);
        let next = |word| Some(with(word).pack());
        let recent =
            recent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).map_or_else(with, with);
        self.learn(|gradient, config| gradient.answered(rtt, recent, in_flight, config));
    }

    /// Takes in that a request was cut off by its time limit, one that is long enough for most. Not
    /// for cancelled ones, such as the loser of a hedge.
    pub fn record_cut(&self, in_flight: u32) {
        self.learn(|gradient, config| gradient.cut(in_flight, config));
    }

    fn learn(&self, next: impl Fn(Gradient, &GradientConfig) -> Gradient) {
        if let Rule::Gradient { config, state, .. } = &self.rule {
            let next = |word| Some(next(Gradient::unpack(word), config).pack());
            let _ = state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        }
    }
}

/// What the latencies of hedges look back on: a delay from better times is over by then.
const PRESSED_MICROS: u64 = 3_000_000;

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::policy::test_inputs::ms;

    fn fixed(limit: u32) -> LimitConfig {
        LimitConfig::Fixed(NonZeroU32::new(limit).unwrap())
    }

    #[test]
    fn a_fixed_limit_admits_so_many_at_once() {
        let limiter = Limiter::new(fixed(2));
        assert_eq!(limiter.try_acquire(), Some(1));
        assert_eq!(limiter.try_acquire(), Some(2));
        assert_eq!(limiter.try_acquire(), None);
        assert!(limiter.is_full());
        limiter.release();
        assert_eq!((limiter.in_flight(), limiter.is_full()), (1, false));
        assert_eq!(limiter.try_acquire(), Some(2));
        assert_eq!(LimitConfig::default(), fixed(1024));
    }

    #[test]
    fn requests_that_differ_by_themselves_are_no_queue() {
        let limiter = Limiter::new(LimitConfig::Gradient(GradientConfig::default()));
        let mut rng = StdRng::seed_from_u64(7);
        let mut least = u32::MAX;
        for sample in 0..20_000 {
            // Exponential with a mean of 20 ms: a coefficient of variation of 1.
            let rtt = Duration::from_secs_f64(-0.02 * (1.0 - rng.random::<f64>()).ln());
            limiter.record(rtt, limiter.limit());
            if sample > 1000 {
                least = least.min(limiter.limit());
            }
        }
        assert!(least > 40, "{least}");
    }

    /// Requests that come at random to a service that takes any number at once, 60 of them on average; the share that is
    /// turned away.
    fn turned_away_in_health(took: impl Fn(&mut StdRng) -> f64, mean: f64) -> f64 {
        let limiter = Limiter::new(LimitConfig::Gradient(GradientConfig::default()));
        let (mut rng, mut ends) = (StdRng::seed_from_u64(7), BinaryHeap::new());
        let (mut now, mut away) = (0.0, 0);
        for _ in 0..REQUESTS {
            now -= mean / 60.0 * (1.0 - rng.random::<f64>()).ln();
            while let Some(Reverse((at, rtt, in_flight))) = ends.pop() {
                if at > (now * 1e9) as u64 {
                    ends.push(Reverse((at, rtt, in_flight)));
                    break;
                }
                limiter.release();
                limiter.record(rtt, in_flight);
            }
            let Some(in_flight) = limiter.try_acquire() else {
                away += 1;
                continue;
            };
            let rtt = took(&mut rng);
            let end = ((now + rtt) * 1e9) as u64;
            ends.push(Reverse((end, Duration::from_secs_f64(rtt), in_flight)));
        }
        f64::from(away) / f64::from(REQUESTS)
    }

    const REQUESTS: u32 = 20_000;

    #[test]
    fn quick_and_slow_requests_are_no_queue() {
        for (quick, slow, share) in [(0.002, 0.3, 0.1), (0.005, 0.1, 0.5), (0.01, 0.01, 0.0)] {
            let took = |rng: &mut StdRng| if rng.random_bool(share) { slow } else { quick };
            let away = turned_away_in_health(took, quick + (slow - quick) * share);
            // What the limit needs to grow to.
            assert!(away < 0.04, "{quick} and {slow}: {away}");
        }
    }

    #[test]
    fn it_is_pressed_while_full_and_for_a_while_after_a_call_was_turned_away() {
        let (limiter, at) = (Limiter::new(fixed(1)), |millis| Tick::after_origin(ms(millis)));
        assert!(!limiter.is_pressed(at(0)));
        assert!(limiter.try_acquire().is_some() && limiter.is_pressed(at(0)), "full");
        limiter.release();
        assert!(!limiter.is_pressed(at(0)), "nobody was turned away");
        limiter.turned_away(at(1000));
        limiter.turned_away(at(900));
        assert!(limiter.is_pressed(at(1000)) && limiter.is_pressed(at(3999)));
        assert!(!limiter.is_pressed(at(4000)));
        limiter.turned_away(at(u64::MAX));
        assert!(limiter.is_pressed(at(4000)), "no overflow");
    }

    #[test]
    fn a_fixed_limit_learns_nothing() {
        let limiter = Limiter::new(fixed(100));
        (0..1000).for_each(|_| limiter.record(ms(10_000), 100));
        limiter.record_cut(100);
        assert_eq!(limiter.limit(), 100);
    }

    #[test]
    fn the_less_important_stop_at_their_ceiling() {
        let limiter = Limiter::new(fixed(4));
        assert_eq!(limiter.try_acquire_below(2), Some(1));
        assert_eq!(limiter.try_acquire_below(2), Some(2));
        assert_eq!(limiter.try_acquire_below(2), None);
        assert_eq!(limiter.try_acquire(), Some(3));
        assert_eq!(limiter.try_acquire_below(1000), Some(4));
        assert_eq!(limiter.try_acquire_below(1000), None, "no ceiling is above the limit");
        assert_eq!(limiter.try_acquire_below(0), None);
    }

    #[test]
    fn an_adaptive_limit_that_shrinks_waits_for_the_surplus_to_end() {
        let config = GradientConfig { start: 10, floor: 2, ceiling: 20 };
        let limiter = Limiter::new(LimitConfig::Gradient(config));
        (0..10).for_each(|_| assert!(limiter.try_acquire().is_some()));
        (0..100).for_each(|_| limiter.record_cut(10));
        assert!(limiter.limit() < 10, "{}", limiter.limit());
        while limiter.in_flight() >= limiter.limit() {
            assert_eq!(limiter.try_acquire(), None);
            limiter.release();
        }
        assert!(limiter.try_acquire().is_some());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the threads are what this tests")]
    fn threads_never_exceed_the_limit_and_leave_nothing_behind() {
        let config = GradientConfig { start: 5, floor: 3, ceiling: 5 };
        for config in [fixed(5), LimitConfig::Gradient(config)] {
            let (limiter, inside) = (Limiter::new(config), AtomicU32::new(0));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for turn in 0..5000 {
                            let Some(in_flight) = limiter.try_acquire() else { continue };
                            let others = inside.fetch_add(1, Ordering::SeqCst);
                            assert!(others < 5 && in_flight <= 5);
                            inside.fetch_sub(1, Ordering::SeqCst);
                            limiter.release();
                            limiter.record(ms(turn % 50), in_flight);
                        }
                    });
                }
            });
            assert_eq!(limiter.in_flight(), 0);
            assert!((3..=5).contains(&limiter.limit()));
        }
    }

    /// Clients before a service, which does not notice where a request is given up.
    struct World {
        clients: Vec<Option<Limiter>>,
        /// When each of the service's places is free, in nanoseconds.
        free: BinaryHeap<Reverse<u64>>,
        /// Ends of requests: when, whose, how long it took, in flight at its start.
        ends: BinaryHeap<Reverse<(u64, usize, u64, u32)>>,
        rng: StdRng,
        given_up: u64,
        /// How long a request takes the service on average.
        work: u64,
        /// Answers in time, by the second.
        useful: Vec<u32>,
    }

    struct Shape {
        clients: usize,
        /// How many requests the service does at a time.
        places: usize,
        /// After so many milliseconds.
        given_up: u64,
    }

    /// 8,000 requests a second of 10 ms.
    const LARGE: Shape = Shape { clients: 10, places: 80, given_up: 250 };
    const CAPACITY: u32 = 8000;

    /// For so many seconds, so many requests in each, which take the service so many milliseconds.
    type Phase = (u64, u64, u64);

    const SECOND: u64 = 1_000_000_000;
    const MILLISECOND: u64 = SECOND / 1000;

    impl World {
        /// What the service achieved in each second, asked for 80 % of what it can do, and from 2 s on for three times as
        /// much for `loud` of them.
        fn run(limit: Option<LimitConfig>, loud: u64, seed: u64) -> Vec<u32> {
            Self::through(LARGE, &[(2, 6400, 10), (loud, 19_200, 10), (4, 6400, 10)], limit, seed)
        }

        fn through(
            shape: Shape,
            phases: &[Phase],
            limit: Option<LimitConfig>,
            seed: u64,
        ) -> Vec<u32> {
            let seconds: u64 = phases.iter().map(|(seconds, ..)| seconds).sum();
            let mut world = Self {
                clients: (0..shape.clients).map(|_| limit.map(Limiter::new)).collect(),
                free: (0..shape.places).map(|_| Reverse(0)).collect(),
                ends: BinaryHeap::new(),
                rng: StdRng::seed_from_u64(seed),
                given_up: shape.given_up * MILLISECOND,
                work: 0,
                useful: vec![0; seconds as usize + 1],
            };
            let (mut now, mut until) = (0, 0);
            for (seconds, rate, work) in phases {
                until += seconds * SECOND;
                world.work = work * MILLISECOND;
                while now < until {
                    now += world.draw(SECOND / rate);
                    world.end_until(now);
                    world.ask(now);
                }
            }
            world.useful
        }

        /// An exponential draw.
        fn draw(&mut self, mean: u64) -> u64 {
            (-(mean as f64) * (1.0 - self.rng.random::<f64>()).ln()) as u64
        }

        fn ask(&mut self, now: u64) {
            let client = self.rng.random_range(0..self.clients.len());
            let limiter = self.clients[client].as_ref();
            let Some(in_flight) = limiter.map_or(Some(0), Limiter::try_acquire) else { return };
            let work = self.draw(self.work);
            let Reverse(free) = self.free.pop().unwrap();
            let done = free.max(now) + work;
            self.free.push(Reverse(done));
            let took = (done - now).min(self.given_up);
            self.ends.push(Reverse((now + took, client, took, in_flight)));
        }

        fn end_until(&mut self, now: u64) {
            while self.ends.peek().is_some_and(|Reverse((at, ..))| *at <= now) {
                let Some(Reverse((at, client, took, in_flight))) = self.ends.pop() else { return };
                let useful = took < self.given_up;
                self.useful[(at / SECOND) as usize] += u32::from(useful);
                match &self.clients[client] {
                    Some(limiter) if useful => {
                        limiter.release();
                        limiter.record(Duration::from_nanos(took), in_flight);
                    }
                    Some(limiter) => {
                        limiter.release();
                        limiter.record_cut(in_flight);
                    }
                    None => {}
                }
            }
        }
    }

    const ADAPTIVE: Option<LimitConfig> =
        Some(LimitConfig::Gradient(GradientConfig { start: 20, floor: 20, ceiling: 200 }));

    #[test]
    fn without_a_limit_an_overload_ends_all_useful_work_for_good() {
        let useful = World::run(None, 5, 1);
        assert!(useful[1] > CAPACITY * 3 / 4);
        assert!(useful[3..11].iter().all(|count| *count == 0), "{useful:?}");
    }

    #[test]
    fn with_a_limit_an_overload_costs_the_surplus_only() {
        for seed in 0..5 {
            for limit in [Some(fixed(20)), ADAPTIVE] {
                let useful = World::run(limit, 5, seed);
                let mean = useful[2..7].iter().sum::<u32>() / 5;
                assert!(mean >= CAPACITY * 95 / 100, "seed {seed}, {limit:?}: {useful:?}");
                assert!(useful[8] >= 6400 * 95 / 100, "seed {seed}, {limit:?}: {useful:?}");
            }
        }
    }

    /// By then the limit has grown to ten times of what the service does at once.
    #[test]
    fn a_service_that_slows_down_after_an_overload_still_answers_in_time() {
        let phases = [(4, 240, 20), (4, 800, 20), (4, 240, 20), (4, 240, 80)];
        let slow = |seed| {
            let small = Shape { clients: 1, places: 8, given_up: 1000 };
            World::through(small, &phases, ADAPTIVE, seed)[12..16].iter().sum::<u32>() / 4
        };
        let each: Vec<u32> = (0..10).map(slow).collect();
        assert!(each.iter().sum::<u32>() / 10 >= 85, "of 100 a second: {each:?}");
    }

    #[test]
    fn a_long_overload_does_not_come_to_be_taken_for_usual() {
        for seed in 0..3 {
            let useful = World::run(ADAPTIVE, 30, seed);
            let mean = useful[2..32].iter().sum::<u32>() / 30;
            assert!(mean >= CAPACITY * 95 / 100, "seed {seed}: {useful:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_in_flight_is_what_was_granted_and_not_released(
            steps in prop::collection::vec((any::<bool>(), 0_u32..20), 0..200),
            limit in 1_u32..10,
        ) {
            let (limiter, mut granted) = (Limiter::new(fixed(limit)), 0);
            for (ask, ceiling) in steps {
                if ask {
                    let expected = (granted < limit.min(ceiling)).then_some(granted + 1);
                    prop_assert_eq!(limiter.try_acquire_below(ceiling), expected);
                    granted += u32::from(expected.is_some());
                } else if granted > 0 {
                    limiter.release();
                    granted -= 1;
                }
                prop_assert_eq!(limiter.in_flight(), granted);
            }
        }
    }
}
