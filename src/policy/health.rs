//! Whether an endpoint passes its active checks, and when the next one is due.
//!
//! A check costs a request and tells less than a call does: that a page answers is no proof that the
//! service works. So calls come first, and a check is due only where none told anything of late. A
//! service that nobody asks is checked seldom, one endpoint that is out is checked often.
//!
//! An answer with the wrong status, or the wrong text, is the endpoint saying so itself, and is believed
//! at once. Silence may be the network's, and needs several checks in a row. What the verdict leads to
//! is not decided here: it may eject, and a pass may bring a circuit's probe forward, but never closes
//! one.
//!
//! The rules are those of Envoy's health checks. A schedule that is fixed once it is drawn, as there,
//! was not taken: the time since the last news and a factor are kept instead, so that a service which
//! wakes up is checked by the short interval at once.

use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use super::circuit::open_backoff::after;
use super::circuit::window::Ratio;
use super::retry::backoff::between;
use super::retry::config::StatusSet;

/// How endpoints are checked, and when that shows something.
#[derive(Clone, Debug, PartialEq)]
pub struct HealthConfig {
    /// The time between two checks of an endpoint in use; default 3 s.
    pub interval: Duration,
    /// The same for one that is out: unhealthy, ejected or with an open circuit; without it 1 s, as
    /// each check it passes too late keeps calls from it, or `interval` where that is less.
    pub out_interval: Option<Duration>,
    /// The same while the service is not asked at all; default 60 s.
    pub idle_interval: Duration,
    /// The random part of each interval, up and down, as a share of it; default a fifth.
    pub jitter: Ratio,
    /// Checks in a row without an answer that make an endpoint unhealthy; default 3.
    pub unhealthy_threshold: NonZeroU8,
    /// Checks in a row that an unhealthy endpoint must pass; default 2.
    pub healthy_threshold: NonZeroU8,
    /// The statuses that pass; default 200 alone.
    pub statuses: StatusSet,
    /// Text that the first 1,024 bytes of the body must hold; default none.
    pub body: Option<Box<[u8]>>,
    /// While all endpoints are unhealthy, the time after which the provider is asked for others;
    /// default 10 s.
    pub ask_again: Duration,
    /// The random part of that time, up and down; default 3 s.
    pub ask_again_jitter: Duration,
}

impl HealthConfig {
    /// The time between two checks of an endpoint that is out.
    #[must_use]
    pub fn out_interval(&self) -> Duration {
        self.out_interval.unwrap_or_else(|| Duration::from_secs(1).min(self.interval))
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        let mut statuses = StatusSet::EMPTY;
        // It lies within what a set can hold.
        let _ = statuses.insert(200);
        Self {
            interval: Duration::from_secs(3),
            out_interval: None,
            idle_interval: Duration::from_secs(60),
            jitter: Ratio::FIFTH,
            unhealthy_threshold: NonZeroU8::MIN.saturating_add(2),
            healthy_threshold: NonZeroU8::MIN.saturating_add(1),
            statuses,
            body: None,
            ask_again: Duration::from_secs(10),
            ask_again_jitter: Duration::from_secs(3),
        }
    }
}

impl HealthConfig {
    /// Judges an HTTP answer by its status and the beginning of its body.
    ///
    /// # Errors
    /// [`CheckFailure::WrongAnswer`] if either is not as it should be.
    pub fn judge(&self, status: u16, body: &[u8]) -> Result<(), CheckFailure> {
        let beginning = &body[..body.len().min(BODY_LOOKED_AT)];
        let holds =
            |text: &[u8]| text.is_empty() || beginning.windows(text.len()).any(|part| part == text);
        let passes = self.statuses.contains(status) && self.body.as_deref().is_none_or(holds);
        if passes { Ok(()) } else { Err(CheckFailure::WrongAnswer) }
    }

    /// When the provider is to be asked again, if all endpoints are unhealthy now: perhaps it knows
    /// others by then.
    pub fn ask_again_at(&self, now: Instant, rng: &mut impl Rng) -> Instant {
        let least = self.ask_again.saturating_sub(self.ask_again_jitter);
        let most = self.ask_again.saturating_add(self.ask_again_jitter);
        after(now, between(least, most, rng))
    }
}

/// Why a check did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckFailure {
    /// The endpoint answered, but not as a healthy one does.
    WrongAnswer,
    /// Not connected, timed out, or lost.
    NoAnswer,
}

/// What the checks have shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Not enough to tell; such an endpoint is used.
    Unknown,
    /// It passes.
    Healthy,
    /// It does not.
    Unhealthy,
}

/// How much an endpoint's checks matter now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The service is asked.
    Busy,
    /// The service is not asked at all.
    Idle,
    /// The service is asked, but this endpoint is out.
    Out,
}

/// The checks of one endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// The last news: a check, or calls that told as much.
    since: Instant,
    /// How many intervals after that the next check is due.
    factor: f32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not checked yet.
    New,
    /// Not known, after this number of checks in a row without an answer.
    Unknown(u8),
    /// The same.
    Healthy(u8),
    /// After this number of passes in a row.
    Unhealthy(u8),
}

impl Check {
    /// An endpoint that was never checked. Its first check comes somewhere within an interval, so
    /// that a long list is not checked in one go.
    pub fn new(now: Instant, rng: &mut impl Rng) -> Self {
        Self { since: now, factor: rng.random(), state: State::New }
    }

    /// What the checks have shown so far.
    #[must_use]
    pub const fn health(&self) -> Health {
        match self.state {
            State::New | State::Unknown(_) => Health::Unknown,
            State::Healthy(_) => Health::Healthy,
            State::Unhealthy(_) => Health::Unhealthy,
        }
    }

    /// When the next check is due, if nothing is heard before and the pace stays.
    #[must_use]
    pub fn next_due(&self, pace: Pace, config: &HealthConfig) -> Instant {
        let interval = match (pace, self.state) {
            (_, State::New) => config.interval,
            (Pace::Idle, _) => config.idle_interval,
            (Pace::Out, _) | (Pace::Busy, State::Unhealthy(_)) => config.out_interval(),
            (Pace::Busy, _) => config.interval,
        };
        let nanos = interval.as_secs_f64() * f64::from(self.factor);
        after(self.since, Duration::try_from_secs_f64(nanos).unwrap_or(Duration::MAX))
    }

    /// Calls to the endpoint came to an end, well or badly: no check could tell more for now.
    pub fn traffic_told(&mut self, now: Instant) {
        self.since = self.since.max(now);
    }

    /// Takes what a check showed, and says what the endpoint's health became if it changed.
    pub fn observe(
        &mut self,
        result: Result<(), CheckFailure>,
        config: &HealthConfig,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Health> {
        let before = self.health();
        self.state = self.state.after(result, config);
        let spread = config.jitter.value() as f32;
        (self.since, self.factor) = (now, 1.0 + rng.random_range(-spread..=spread));
        let health = self.health();
        (health != before).then_some(health)
    }
}

impl State {
    fn after(self, result: Result<(), CheckFailure>, config: &HealthConfig) -> Self {
        match (result, self) {
            (Ok(()), Self::Unhealthy(passed)) => {
                let passed = passed.saturating_add(1);
                let enough = passed >= config.healthy_threshold.get();
                if enough { Self::Healthy(0) } else { Self::Unhealthy(passed) }
            }
            // At the start one pass is enough: nothing speaks against the endpoint.
            (Ok(()), _) => Self::Healthy(0),
            (Err(CheckFailure::WrongAnswer), _) | (Err(_), Self::Unhealthy(_)) => {
                Self::Unhealthy(0)
            }
            (Err(CheckFailure::NoAnswer), Self::New) => Self::silent(0, config, Self::Unknown),
            (Err(CheckFailure::NoAnswer), Self::Unknown(silent)) => {
                Self::silent(silent, config, Self::Unknown)
            }
            (Err(CheckFailure::NoAnswer), Self::Healthy(silent)) => {
                Self::silent(silent, config, Self::Healthy)
            }
        }
    }

    /// One more check without an answer.
    fn silent(before: u8, config: &HealthConfig, stays: fn(u8) -> Self) -> Self {
        let silent = before.saturating_add(1);
        let too_many = silent >= config.unhealthy_threshold.get();
        if too_many { Self::Unhealthy(0) } else { stays(silent) }
    }
}

/// A page that says it is well says so at its beginning.
const BODY_LOOKED_AT: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::test_inputs::{ms, rng, t0};

    const NO_ANSWER: Result<(), CheckFailure> = Err(CheckFailure::NoAnswer);
    const WRONG_ANSWER: Result<(), CheckFailure> = Err(CheckFailure::WrongAnswer);

    /// The defaults without jitter, so that times can be told.
    fn config() -> HealthConfig {
        HealthConfig { jitter: Ratio::ZERO, ..HealthConfig::default() }
    }

    /// One endpoint with its own clock.
    struct Story {
        check: Check,
        config: HealthConfig,
        now: Instant,
        rng: StdRng,
    }

    impl Story {
        fn new(config: HealthConfig) -> Self {
            let (now, mut rng) = (t0(), rng());
            Self { check: Check::new(now, &mut rng), config, now, rng }
        }

        fn healthy() -> Self {
            let mut story = Self::new(config());
            assert_eq!(story.observe(Ok(())), Some(Health::Healthy));
            story
        }

        fn observe(&mut self, result: Result<(), CheckFailure>) -> Option<Health> {
            self.check.observe(result, &self.config, self.now, &mut self.rng)
        }

        fn due_in(&self, pace: Pace) -> Duration {
            self.check.next_due(pace, &self.config).duration_since(self.now)
        }
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = HealthConfig::default();
        assert_eq!((config.interval, config.out_interval()), (ms(3000), ms(1000)));
        let quick = HealthConfig { interval: ms(200), ..config.clone() };
        assert_eq!(quick.out_interval(), ms(200), "not more seldom than one in use");
        let stated = HealthConfig { out_interval: Some(ms(500)), ..quick };
        assert_eq!(stated.out_interval(), ms(500));
        assert_eq!((config.idle_interval, config.jitter.value()), (ms(60_000), 0.2));
        assert_eq!((config.unhealthy_threshold.get(), config.healthy_threshold.get()), (3, 2));
        let passing: Vec<_> = (100..600).filter(|s| config.statuses.contains(*s)).collect();
        assert_eq!((passing, config.body), (vec![200], None));
        assert_eq!((config.ask_again, config.ask_again_jitter), (ms(10_000), ms(3000)));
    }

    #[test]
    fn the_checks_of_an_endpoint_take_24_bytes() {
        assert!(size_of::<Check>() <= 24, "{}", size_of::<Check>());
    }

    #[test]
    fn one_pass_is_enough_at_the_start() {
        let mut story = Story::new(config());
        assert_eq!(story.check.health(), Health::Unknown);
        assert_eq!(story.observe(NO_ANSWER), None);
        assert_eq!(story.observe(Ok(())), Some(Health::Healthy));
        assert_eq!(story.observe(Ok(())), None);
    }

    #[test]
    fn silence_needs_three_checks_in_a_row() {
        for mut story in [Story::new(config()), Story::healthy()] {
            assert_eq!(story.observe(NO_ANSWER), None);
            assert_eq!(story.observe(NO_ANSWER), None);
            assert_eq!(story.observe(NO_ANSWER), Some(Health::Unhealthy));
        }
        let mut story = Story::healthy();
        for result in [NO_ANSWER, NO_ANSWER, Ok(())].repeat(10) {
            assert_eq!(story.observe(result), None);
        }
    }

    #[test]
    fn a_wrong_answer_is_believed_at_once() {
        for mut story in [Story::new(config()), Story::healthy()] {
            assert_eq!(story.observe(WRONG_ANSWER), Some(Health::Unhealthy));
            assert_eq!(story.observe(WRONG_ANSWER), None);
        }
    }

    #[test]
    fn recovery_needs_two_passes_in_a_row() {
        let mut story = Story::healthy();
        let _ = story.observe(WRONG_ANSWER);
        for fault in [NO_ANSWER, WRONG_ANSWER] {
            assert_eq!(story.observe(Ok(())), None);
            assert_eq!(story.observe(fault), None, "it starts anew");
        }
        assert_eq!(story.observe(Ok(())), None);
        assert_eq!(story.observe(Ok(())), Some(Health::Healthy));
    }

    #[test]
    fn a_check_is_due_by_how_much_it_matters() {
        let mut story = Story::healthy();
        let due =
            |story: &Story| [Pace::Busy, Pace::Idle, Pace::Out].map(|pace| story.due_in(pace));
        assert_eq!(due(&story), [ms(3000), ms(60_000), ms(1000)]);
        let _ = story.observe(WRONG_ANSWER);
        assert_eq!(due(&story), [ms(1000), ms(60_000), ms(1000)]);
    }

    #[test]
    fn calls_put_a_check_off_for_as_long_as_they_last() {
        let mut story = Story::healthy();
        for _ in 0..100 {
            story.now += ms(2900);
            assert_eq!(story.due_in(Pace::Busy), ms(100));
            story.check.traffic_told(story.now);
        }
        assert_eq!(story.due_in(Pace::Busy), ms(3000));
        story.check.traffic_told(story.now - ms(5000));
        assert_eq!(story.due_in(Pace::Busy), ms(3000), "old news are none");
    }

    #[test]
    fn a_service_that_wakes_up_is_checked_at_once() {
        let mut story = Story::healthy();
        story.now += ms(30_000);
        assert_eq!(story.due_in(Pace::Idle), ms(30_000));
        assert!(story.check.next_due(Pace::Busy, &story.config) < story.now);
    }

    #[test]
    fn a_long_list_is_not_checked_in_one_go() {
        let (config, now, mut rng) = (config(), t0(), rng());
        let mut first = || {
            let due = Check::new(now, &mut rng).next_due(Pace::Idle, &config);
            due.duration_since(now)
        };
        let all: Vec<_> = (0..1000).map(|_| first()).collect();
        assert!(all.iter().all(|wait| *wait < ms(3000)));
        for part in 0..10 {
            let within = |wait: &&Duration| (ms(300 * part)..ms(300 * part + 300)).contains(*wait);
            assert!((60..140).contains(&all.iter().filter(within).count()), "part {part}");
        }
    }

    #[test]
    fn answers_are_judged_by_status_and_the_beginning_of_the_body() {
        let config = config();
        assert_eq!(config.judge(200, b""), Ok(()));
        for status in [0, 204, 301, 404, 500, 503, 999] {
            assert_eq!(config.judge(status, b""), WRONG_ANSWER, "{status}");
        }
        let body = |text: &[u8]| HealthConfig { body: Some(text.into()), ..config.clone() };
        assert_eq!(body(b"UP").judge(200, b"{\"status\":\"UP\"}"), Ok(()));
        assert_eq!(body(b"UP").judge(200, b"{\"status\":\"DOWN\"}"), WRONG_ANSWER);
        assert_eq!(body(b"UP").judge(503, b"UP"), WRONG_ANSWER);
        assert_eq!(body(b"").judge(200, b""), Ok(()));
        assert_eq!(body(b"UP").judge(200, b"U"), WRONG_ANSWER);
        let at = |blanks: usize| [vec![b' '; blanks], b"UP".to_vec()].concat();
        assert_eq!(body(b"UP").judge(200, &at(1022)), Ok(()));
        assert_eq!(body(b"UP").judge(200, &at(1023)), WRONG_ANSWER, "too far behind");
    }

    #[test]
    fn the_provider_is_asked_again_in_about_ten_seconds() {
        let (config, now, mut rng) = (config(), t0(), rng());
        let waits: Vec<_> =
            (0..500).map(|_| config.ask_again_at(now, &mut rng).duration_since(now)).collect();
        assert!(waits.iter().all(|wait| (ms(7000)..=ms(13_000)).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < ms(7200)));
        assert!(waits.iter().any(|wait| *wait > ms(12_800)));
        let wild = HealthConfig { ask_again_jitter: Duration::MAX, ..config };
        assert!(wild.ask_again_at(now, &mut rng) >= now);
    }

    #[test]
    fn intervals_without_end_do_not_overflow() {
        let forever = HealthConfig { interval: Duration::MAX, ..HealthConfig::default() };
        let mut story = Story::new(forever);
        let _ = story.observe(Ok(()));
        assert!(story.due_in(Pace::Busy) > Duration::from_secs(80 * 365 * 24 * 3600));
    }

    proptest! {
        /// The state against the whole list of results.
        #[test]
        fn agrees_with_the_list_of_all_results(
            results in prop::collection::vec(0_usize..5, 1..100),
            unhealthy in 1_u8..6,
            healthy in 1_u8..6,
        ) {
            let mut story = Story::new(HealthConfig {
                unhealthy_threshold: NonZeroU8::new(unhealthy).unwrap(),
                healthy_threshold: NonZeroU8::new(healthy).unwrap(),
                ..config()
            });
            let (mut list, mut expected) = (Vec::new(), Health::Unknown);
            let kinds = [Ok(()), Ok(()), NO_ANSWER, NO_ANSWER, WRONG_ANSWER];
            for result in results.into_iter().map(|kind| kinds[kind]) {
                let before = expected;
                list.push(result);
                let last = |wanted: Result<(), CheckFailure>| {
                    list.iter().rev().take_while(|result| **result == wanted).count()
                };
                expected = match before {
                    _ if result == WRONG_ANSWER => Health::Unhealthy,
                    Health::Unhealthy if last(Ok(())) >= usize::from(healthy) => Health::Healthy,
                    Health::Unhealthy => Health::Unhealthy,
                    _ if last(NO_ANSWER) >= usize::from(unhealthy) => Health::Unhealthy,
                    _ if result.is_ok() => Health::Healthy,
                    same => same,
                };
                let change = (expected != before).then_some(expected);
                prop_assert_eq!(story.observe(result), change);
                prop_assert_eq!(story.check.health(), expected);
            }
        }

        /// Jitter keeps to its share of the interval, however the endpoint fares.
        #[test]
        fn the_next_check_is_never_far_from_its_interval(
            seed in any::<u64>(),
            jitter in 0.0..=1.0,
            interval in 1_u64..1_000_000,
            results in prop::collection::vec(any::<bool>(), 1..20),
        ) {
            let every = ms(interval);
            let mut story = Story::new(HealthConfig {
                interval: every,
                out_interval: Some(every),
                jitter: Ratio::new(jitter).unwrap(),
                ..HealthConfig::default()
            });
            story.rng = StdRng::seed_from_u64(seed);
            for passed in results {
                let _ = story.observe(if passed { Ok(()) } else { NO_ANSWER });
                let (due, rounding) = (story.due_in(Pace::Busy), every.mul_f64(1e-6));
                prop_assert!(due + rounding >= every.mul_f64(1.0 - jitter));
                prop_assert!(due <= every.mul_f64(1.0 + jitter) + rounding);
                story.now += due;
            }
        }
    }
}
