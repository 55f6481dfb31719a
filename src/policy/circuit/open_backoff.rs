//! How long a circuit stays open.
//!
//! Doubled with each trip up to a cap, with jitter to both sides, so that clients which tripped
//! together do not probe together. The trips of a flapping endpoint add up until it was closed for a
//! stable period: a wait that began anew after each good probe, as with peers that keep no memory,
//! would let it fail its callers several times a minute for ever.
//!
//! The cap is short, since a probe is cheap: it fails at once, or it has a limit of some 50 ms. A host
//! that is back after a minute is to be used within three seconds. An endpoint that asks for a longer
//! wait itself gets it, up to a cap of its own.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

use super::breaker_config::BreakerConfig;

/// Trips since the circuit was last stable: the exponent of the open wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenBackoff {
    trips: u8,
}

impl OpenBackoff {
    /// No trip so far.
    pub(crate) const NONE: Self = Self { trips: 0 };

    /// Raises the exponent while that makes the wait longer. An endpoint that was down for hours
    /// would otherwise come back with an exponent whose short cap had hidden it, and pay for its
    /// first bad answers with the longest wait of all.
    pub(crate) fn count_trip(&mut self, config: &BreakerConfig, cap: Duration) {
        if self.trips == 0 || self.plain(config, cap) < cap {
            self.trips = self.trips.saturating_add(1);
        }
    }

    /// The open wait after the last trip. One that was asked for has a cap of its own, and is only ever
    /// lengthened by jitter: to come early would be no better than not to have listened. A wish for no
    /// wait is none.
    pub(crate) fn draw(
        self,
        config: &BreakerConfig,
        cap: Duration,
        asked: Option<Duration>,
        rng: &mut impl Rng,
    ) -> Duration {
        let spread = config.jitter.value();
        let (plain, least) = match asked.filter(|asked| !asked.is_zero()) {
            Some(asked) => (asked.max(config.open_base).min(config.retry_after_max), 0.0),
            None => (self.plain(config, cap), -spread),
        };
        plain.min(FAR).mul_f64(1.0 + rng.random_range(least..=spread))
    }

    /// The open wait before jitter.
    fn plain(self, config: &BreakerConfig, cap: Duration) -> Duration {
        let doublings = u32::from(self.trips).saturating_sub(1).min(31);
        config.open_base.saturating_mul(1 << doublings).min(cap)
    }
}

/// The instant that lies a wait ahead.
pub(crate) fn after(now: Instant, wait: Duration) -> Instant {
    now + wait.min(FAR)
}

/// A century: as good as never, and no platform's clock overflows when it is added.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::circuit::window::Ratio;
    use crate::policy::test_inputs::{ms, rng, t0};

    fn config(jitter: Ratio) -> BreakerConfig {
        BreakerConfig { jitter, ..BreakerConfig::default() }
    }

    const CAP: Duration = ms(30_000);

    /// The plain waits of this number of trips.
    fn waits(cap: Duration, trips: usize) -> Vec<Duration> {
        let (config, mut wait) = (config(Ratio::ZERO), OpenBackoff::NONE);
        let mut trip = || {
            wait.count_trip(&config, cap);
            wait.draw(&config, cap, None, &mut rng())
        };
        (0..trips).map(|_| trip()).collect()
    }

    #[test]
    fn each_trip_doubles_the_wait_up_to_the_cap() {
        let doubled = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].map(ms);
        assert_eq!(waits(CAP, 8), doubled);
        assert_eq!(waits(CAP, 1000)[999], CAP);
    }

    #[test]
    fn a_short_cap_hides_no_growth_that_a_long_one_would_show() {
        let (config, mut wait) = (config(Ratio::ZERO), OpenBackoff::NONE);
        (0..1000).for_each(|_| wait.count_trip(&config, ms(1000)));
        wait.count_trip(&config, CAP);
        assert_eq!(wait.draw(&config, CAP, None, &mut rng()), ms(2000));
    }

    #[test]
    fn a_cap_below_the_base_holds() {
        assert_eq!(waits(ms(100), 3), [ms(100); 3]);
        let retry_after_max = ms(600);
        let config = BreakerConfig { retry_after_max, ..config(Ratio::ZERO) };
        let mut wait = OpenBackoff::NONE;
        assert_eq!(wait.draw(&config, ms(100), Some(ms(700)), &mut rng()), ms(600));
        wait.count_trip(&config, ms(100));
        wait.count_trip(&config, CAP);
        assert_eq!(wait.draw(&config, CAP, None, &mut rng()), ms(1000), "the second trip");
    }

    #[test]
    fn a_wish_is_kept_within_base_and_its_own_cap_and_none_at_all_is_no_wish() {
        let (config, mut wait) = (config(Ratio::ZERO), OpenBackoff::NONE);
        (0..3).for_each(|_| wait.count_trip(&config, CAP));
        for (asked, given) in [(1, 500), (7000, 7000), (u64::MAX, 30_000), (0, 2000)] {
            let asked = Some(ms(asked));
            assert_eq!(wait.draw(&config, CAP, asked, &mut rng()), ms(given), "{asked:?}");
        }
    }

    #[test]
    fn never_is_a_century_and_no_overflow() {
        let t0 = t0();
        assert!(after(t0, Duration::MAX) > t0 + Duration::from_secs(99 * 365 * 24 * 3600));
    }

    proptest! {
        /// Jitter stays within its share, and never shortens a wait that was asked for.
        #[test]
        fn the_wait_keeps_its_bounds(
            trips in 0_usize..300,
            jitter in 0.0..=1.0,
            base_ms in 0_u64..100_000,
            cap_ms in 0_u64..100_000,
            asked in prop::option::of(1_u64..200_000),
            seed in any::<u64>(),
        ) {
            let jitter = Ratio::new(jitter).unwrap();
            let retry_after_max = ms(cap_ms);
            let config =
                BreakerConfig { open_base: ms(base_ms), retry_after_max, ..config(jitter) };
            let (cap, mut wait) = (ms(cap_ms), OpenBackoff::NONE);
            let mut rng = StdRng::seed_from_u64(seed);
            (0..trips).for_each(|_| wait.count_trip(&config, cap));
            let drawn = wait.draw(&config, cap, asked.map(ms), &mut rng);
            let rounding = Duration::from_nanos(1000);
            prop_assert!(drawn <= cap.mul_f64(1.0 + jitter.value()) + rounding);
            if let Some(asked) = asked {
                prop_assert!(drawn + rounding >= ms(asked.max(base_ms)).min(cap));
            }
        }
    }
}
