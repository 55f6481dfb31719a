//! How a service that was out as a whole gets its traffic back.
//!
//! After a total outage endpoints come back one by one, and the first to do so gets what all of them
//! are meant to share. It falls over, its circuit opens, and the next one meets the same: the service
//! never gets up. So from the moment that all were out, an attempt is let through only with the
//! probability that enough endpoints are there to bear it: of the number that can, q are back. Once q
//! has not changed for a while, what is there is all that will come, and everything goes through.
//!
//! This is brpc's rule for a cluster that recovers. A ramp over time alone was rejected, as it
//! presumes to know how long a restart takes.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rand::{Rng, RngExt};

/// When a service counts as recovered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoveryConfig {
    /// How many endpoints can just bear the whole traffic. Without a default: the operator of the service
    /// must know.
    pub min_working: NonZeroU32,
    /// How long the number of endpoints must stay the same; default 10 s, as in brpc's documents.
    pub hold: Duration,
}

impl RecoveryConfig {
    /// A service whose traffic this number of endpoints can just bear.
    #[must_use]
    pub const fn new(min_working: NonZeroU32) -> Self {
        Self { min_working, hold: Duration::from_secs(10) }
    }
}

/// The throttle of one service.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    config: RecoveryConfig,
    /// None while all is well.
    outage: Option<Outage>,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    /// How many endpoints admitted when it was last asked.
    usable: u32,
    /// Since when there was this number of them.
    since: Instant,
}

impl Recovery {
    /// Its rule.
    #[must_use]
    pub const fn config(&self) -> RecoveryConfig {
        self.config
    }

    /// The same by another rule; an outage goes on.
    #[must_use]
    pub const fn by(&self, config: RecoveryConfig) -> Self {
        Self { config, outage: self.outage }
    }

    /// A service that is well.
    #[must_use]
    pub const fn new(config: RecoveryConfig) -> Self {
        Self { config, outage: None }
    }

    /// Whether attempts may be refused. To be asked first: while all is well nothing else is.
    #[must_use]
    pub const fn is_recovering(&self) -> bool {
        self.outage.is_some()
    }

    /// No endpoint admits: the throttle begins, or begins anew.
    pub const fn all_out(&mut self, now: Instant) {
        self.outage = Some(Outage { usable: 0, since: now });
    }

    /// Whether one attempt may go now that this number of endpoints admits; the count may be some
    /// milliseconds old. An attempt that is refused must not be repeated: the retries would make up
    /// for what is held back.
    #[must_use]
    pub fn admits(&mut self, usable: usize, now: Instant, rng: &mut impl Rng) -> bool {
        let Some(outage) = &mut self.outage else {
            return true;
        };
        let usable = u32::try_from(usable).unwrap_or(u32::MAX);
        if outage.usable != usable {
            *outage = Outage { usable, since: now };
        }
        let stable = now.saturating_duration_since(outage.since) >= self.config.hold;
        if usable > 0 && stable {
            self.outage = None;
            return true;
        }
        rng.random_range(0..self.config.min_working.get()) < usable
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::test_inputs::{ms, rng, t0};

    /// A service with its own clock, of which six endpoints bear the traffic.
    struct Story {
        recovery: Recovery,
        now: Instant,
        rng: StdRng,
    }

    impl Story {
        fn new() -> Self {
            let config = RecoveryConfig::new(NonZeroU32::new(6).unwrap());
            Self { recovery: Recovery::new(config), now: t0(), rng: rng() }
        }

        fn out() -> Self {
            let mut story = Self::new();
            story.recovery.all_out(story.now);
            story
        }

        /// How many of a thousand attempts go with this number of endpoints.
        fn admitted(&mut self, usable: usize) -> usize {
            let mut admits = || self.recovery.admits(usable, self.now, &mut self.rng);
            (0..1000).filter(|_| admits()).count()
        }
    }

    #[test]
    fn a_service_that_is_well_refuses_nothing() {
        let mut story = Story::new();
        assert_eq!((story.admitted(0), story.admitted(1)), (1000, 1000));
        assert!(!story.recovery.is_recovering());
        assert_eq!(story.recovery.config.hold, ms(10_000));
    }

    #[test]
    fn after_an_outage_traffic_comes_back_with_the_endpoints() {
        let mut story = Story::out();
        assert_eq!(story.admitted(0), 0);
        assert!((120..220).contains(&story.admitted(1)), "a sixth");
        assert!((450..550).contains(&story.admitted(3)), "a half");
        assert_eq!((story.admitted(6), story.admitted(50)), (1000, 1000));
        assert!(story.recovery.is_recovering());
    }

    #[test]
    fn what_has_been_there_for_a_while_is_all_that_will_come() {
        let mut story = Story::out();
        let _ = story.admitted(2);
        story.now += ms(9_999);
        assert!(story.admitted(2) < 1000);
        story.now += ms(1);
        assert_eq!(story.admitted(2), 1000);
        assert!(!story.recovery.is_recovering());
    }

    #[test]
    fn each_endpoint_that_comes_or_goes_starts_the_wait_anew() {
        let mut story = Story::out();
        for usable in [1, 2, 1, 2, 3] {
            story.now += ms(9_000);
            assert!(story.admitted(usable) < 1000, "{usable}");
        }
        story.now += ms(10_000);
        assert_eq!(story.admitted(3), 1000);
    }

    #[test]
    fn an_outage_that_lasts_is_no_recovery() {
        let mut story = Story::out();
        story.now += ms(3_600_000);
        assert_eq!(story.admitted(0), 0);
        assert!(story.admitted(1) < 1000, "the first endpoint is there only now");
    }

    #[test]
    fn a_second_outage_begins_anew() {
        let mut story = Story::out();
        let _ = story.admitted(2);
        story.now += ms(9_000);
        story.recovery.all_out(story.now);
        let _ = story.admitted(2);
        story.now += ms(9_000);
        assert!(story.admitted(2) < 1000);
    }

    proptest! {
        /// Everything goes through before an outage and once it is over, and nothing while none is
        /// there; in between, a number of them by which each endpoint gets no more than its share.
        #[test]
        fn nobody_gets_more_than_a_share(
            min_working in 1_u32..20,
            hold_ms in 0_u64..5000,
            steps in prop::collection::vec((0_usize..25, 0_u64..2000), 1..60),
            seed in any::<u64>(),
        ) {
            let config = RecoveryConfig {
                min_working: NonZeroU32::new(min_working).unwrap(),
                hold: ms(hold_ms),
            };
            let (mut recovery, mut now) = (Recovery::new(config), t0());
            let mut rng = StdRng::seed_from_u64(seed);
            recovery.all_out(now);
            let (mut before, mut changed) = (0, now);
            for (usable, pause) in steps {
                now += ms(pause);
                if usable != before {
                    (before, changed) = (usable, now);
                }
                let was_recovering = recovery.is_recovering();
                let all = (0..200).filter(|_| recovery.admits(usable, now, &mut rng)).count();
                let over = !was_recovering || usable > 0 && now - changed >= ms(hold_ms);
                prop_assert_eq!(recovery.is_recovering(), !over);
                let share = usable as f64 / f64::from(min_working);
                match (over, share) {
                    (true, _) => prop_assert_eq!(all, 200),
                    (false, share) if share >= 1.0 => prop_assert_eq!(all, 200),
                    // Eight standard deviations.
                    (false, share) => {
                        let spread = 8.0 * (200.0 * share * (1.0 - share)).sqrt();
                        prop_assert!((all as f64 - 200.0 * share).abs() <= spread);
                    }
                }
            }
        }
    }
}
