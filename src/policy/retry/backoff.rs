//! How long to wait before an attempt is repeated.
//!
//! Full jitter is the default: a uniform draw below a growing ceiling. It spreads a crowd of
//! callers that failed together better than any fixed schedule with a little noise, for the least
//! work on the server. The other form keeps the words of the `retry` library, for programs that bring
//! their settings from there: each wait grows from the one before, jitter included.
//!
//! All arithmetic saturates, so no setting overflows, and a factor that is no number cannot be made.

use std::time::Duration;

use rand::{Rng, RngExt};

/// How waits grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffConfig {
    /// The first wait, or with full jitter its ceiling; default 25 ms.
    pub delay: Duration,
    /// What no wait exceeds; default 1 s.
    pub max_delay: Duration,
    /// By how much the wait grows from one to the next; default 2.
    pub backoff: Factor,
    /// The random part; default [`Jitter::Full`].
    pub jitter: Jitter,
}

impl Default for BackoffConfig {
    fn default() -> Self {
        Self {
            // A few round trips in a data centre: long enough to pass a hiccup.
            delay: Duration::from_millis(25),
            // Above this a caller would rather have the error.
            max_delay: Duration::from_secs(1),
            backoff: Factor::DOUBLE,
            jitter: Jitter::Full,
        }
    }
}

impl BackoffConfig {
    /// Whether waits are none, at once or after some: those that shrink end there, unless something is added to each.
    #[must_use]
    pub const fn vanishes(&self) -> bool {
        let adds = match self.jitter {
            Jitter::Full => false,
            Jitter::Range { min, max } => !min.is_zero() || !max.is_zero(),
        };
        let shrinks = self.backoff.value() < 1.0;
        self.delay.is_zero() || self.max_delay.is_zero() || shrinks && !adds
    }
}

/// The random part of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Anything from nothing up to the ceiling: `U[0, min(max_delay, delay * backoff^(n-1)))`.
    Full,
    /// Something between the two is added to each wait, and so also grows into the next one. Equal
    /// bounds add a fixed time; a `max` below `min` counts as `min`.
    Range {
        /// The least that is added.
        min: Duration,
        /// The most that is added.
        max: Duration,
    },
}

/// A number to multiply by, as a wait or a count of calls: finite, not negative.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Factor(f64);

impl Factor {
    /// One in ten.
    pub const TENTH: Self = Self(0.1);
    /// Twice as long each time.
    pub const DOUBLE: Self = Self(2.0);
    /// How many standard deviations make an outlier: 1.9, so that one endpoint among five that
    /// fails half of its calls is one, and two are not.
    pub const OUTLIER: Self = Self(1.9);

    /// Takes a finite number of at least 0 (below 1, waits shrink); none for any other.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value.is_finite() && value >= 0.0).then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }

    fn times(self, wait: Duration) -> Duration {
        // Both sides are finite and not negative: the only possible error is overflow.
        Duration::try_from_secs_f64(wait.as_secs_f64() * self.0).unwrap_or(Duration::MAX)
    }
}

/// The waits of one call.
#[derive(Clone, Debug)]
pub struct Backoff {
    config: BackoffConfig,
    /// What the next wait grows from: the last ceiling, or the last wait itself.
    last: Option<Duration>,
}

impl Backoff {
    /// A sequence that has not waited yet.
    #[must_use]
    pub const fn new(config: BackoffConfig) -> Self {
        Self { config, last: None }
    }

    /// The next wait, at most `max_delay`.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let (config, base) = (self.config, self.base());
        let (last, wait) = match config.jitter {
            Jitter::Full => (base, below(base.min(config.max_delay), rng)),
            Jitter::Range { min, max } => {
                let wait = base.saturating_add(between(min, max, rng)).min(config.max_delay);
                (wait, wait)
            }
        };
        self.last = Some(last);
        wait
    }

    /// Starts over from `delay`: what the earlier waits answered to is gone.
    pub const fn restart(&mut self) {
        self.last = None;
    }

    fn base(&self) -> Duration {
        self.last.map_or(self.config.delay, |last| self.config.backoff.times(last))
    }
}

/// A uniform draw from `low` to `high`, both included; `low` if `high` lies below it.
pub(crate) fn between(low: Duration, high: Duration, rng: &mut impl Rng) -> Duration {
    let (low, high) = (nanos(low), nanos(high));
    Duration::from_nanos(rng.random_range(low..=high.max(low)))
}

/// A uniform draw from nothing up to, but without, `end`; nothing if `end` is nothing.
pub(crate) fn below(end: Duration, rng: &mut impl Rng) -> Duration {
    let last = nanos(end).saturating_sub(1);
    Duration::from_nanos(rng.random_range(0..=last))
}

/// Nanoseconds in 64 bits: a longer wait than 584 years is not told apart from that.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::test_inputs::{ms, rng};

    fn fixed(delay: u64, max_delay: u64, backoff: f64, added: u64) -> Backoff {
        Backoff::new(BackoffConfig {
            delay: ms(delay),
            max_delay: ms(max_delay),
            backoff: Factor::new(backoff).unwrap(),
            jitter: Jitter::Range { min: ms(added), max: ms(added) },
        })
    }

    #[test]
    fn waits_that_last_are_told_from_those_that_vanish() {
        let full = |backoff| BackoffConfig {
            backoff: Factor::new(backoff).unwrap(),
            ..BackoffConfig::default()
        };
        assert!(!full(2.0).vanishes() && !full(1.0).vanishes());
        assert!(full(0.9).vanishes() && full(0.0).vanishes());
        assert!(!fixed(5, 10, 0.0, 1).config.vanishes(), "1 ms is added each time");
        assert!(fixed(5, 10, 0.0, 0).config.vanishes());
        assert!(fixed(0, 10, 2.0, 0).config.vanishes() && fixed(5, 0, 2.0, 1).config.vanishes());
    }

    fn first(backoff: &mut Backoff, count: usize) -> Vec<Duration> {
        let mut rng = rng();
        (0..count).map(|_| backoff.next(&mut rng)).collect()
    }

    #[test]
    fn a_factor_is_finite_and_not_negative() {
        assert_eq!(Factor::new(2.0), Some(Factor::DOUBLE));
        assert_eq!(Factor::new(0.0).map(Factor::value), Some(0.0));
        for refused in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Factor::new(refused), None, "{refused}");
        }
    }

    #[test]
    fn without_jitter_waits_double_up_to_the_longest() {
        let waits = first(&mut fixed(100, 1000, 2.0, 0), 6);
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000].map(ms));
    }

    #[test]
    fn added_jitter_grows_into_the_next_wait() {
        let waits = first(&mut fixed(100, 1000, 2.0, 10), 5);
        assert_eq!(waits, [110, 230, 470, 950, 1000].map(ms));
    }

    #[test]
    fn the_first_wait_is_bounded_too() {
        assert_eq!(first(&mut fixed(500, 80, 2.0, 10), 2), [80, 80].map(ms));
    }

    #[test]
    fn a_restart_goes_back_to_the_first_wait() {
        let mut backoff = fixed(100, 1000, 2.0, 0);
        first(&mut backoff, 4);
        backoff.restart();
        assert_eq!(first(&mut backoff, 2), [100, 200].map(ms));
    }

    #[test]
    fn full_jitter_uses_the_whole_range_below_the_ceiling() {
        let mut rng = rng();
        let mut drawn = || {
            let mut backoff = Backoff::new(BackoffConfig::default());
            backoff.next(&mut rng);
            backoff.next(&mut rng)
        };
        let waits: Vec<_> = (0..2000).map(|_| drawn()).collect();
        let mean = waits.iter().sum::<Duration>() / 2000;
        assert!(waits.iter().all(|wait| *wait < ms(50)));
        assert!(waits.iter().any(|wait| *wait < ms(2)));
        assert!(waits.iter().any(|wait| *wait > ms(48)));
        assert!((ms(24)..ms(26)).contains(&mean), "{mean:?}");
    }

    #[test]
    fn the_ceiling_itself_is_never_drawn() {
        let mut rng = rng();
        let draws = (0..100).map(|_| below(Duration::from_nanos(1), &mut rng));
        assert_eq!(draws.max(), Some(Duration::ZERO));
        assert_eq!(below(Duration::ZERO, &mut rng), Duration::ZERO);
    }

    #[test]
    fn a_range_draws_from_end_to_end() {
        let mut rng = rng();
        let draws: Vec<_> = (0..500).map(|_| between(ms(10), ms(20), &mut rng)).collect();
        assert!(draws.iter().all(|wait| (ms(10)..=ms(20)).contains(wait)));
        assert!(draws.iter().any(|wait| *wait < ms(11)) && draws.iter().any(|wait| *wait > ms(19)));
        assert_eq!(between(ms(7), ms(3), &mut rng), ms(7));
    }

    fn any_duration() -> impl Strategy<Value = Duration> {
        prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::MAX),
            any::<u64>().prop_map(Duration::from_nanos),
            any::<u64>().prop_map(Duration::from_secs),
        ]
    }

    fn any_config() -> impl Strategy<Value = BackoffConfig> {
        let range = (any_duration(), any_duration());
        let jitter = prop_oneof![
            Just(Jitter::Full),
            range.prop_map(|(min, max)| Jitter::Range { min, max }),
        ];
        let factor = prop_oneof![0.0..10.0, Just(0.0), Just(f64::MAX), Just(f64::MIN_POSITIVE)];
        (any_duration(), any_duration(), factor, jitter).prop_map(
            |(delay, max_delay, backoff, jitter)| BackoffConfig {
                delay,
                max_delay,
                backoff: Factor::new(backoff).unwrap(),
                jitter,
            },
        )
    }

    proptest! {
        #[test]
        fn no_setting_overflows_or_waits_longer_than_allowed(
            config in any_config(),
            seed in any::<u64>(),
        ) {
            let (mut rng, mut backoff) = (StdRng::seed_from_u64(seed), Backoff::new(config));
            for _ in 0..40 {
                prop_assert!(backoff.next(&mut rng) <= config.max_delay);
            }
        }

        #[test]
        fn full_jitter_stays_below_its_own_ceiling(
            delay in 1_u64..1000,
            max_delay in 1_u64..5000,
            seed in any::<u64>(),
        ) {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut backoff = Backoff::new(BackoffConfig {
                delay: ms(delay),
                max_delay: ms(max_delay),
                ..BackoffConfig::default()
            });
            for retry in 0..20 {
                prop_assert!(backoff.next(&mut rng) < ms(max_delay.min(delay << retry)));
            }
        }
    }
}
