//! How long an attempt may take before the call looks elsewhere.
//!
//! The limit is soft: an attempt that passes it goes on, and another may start beside it. So it may be
//! short, and it has to follow the service: a fixed limit of a second is an age for a service that
//! answers in 5 ms, and cuts off all answers of one that needs 1.2 s.
//!
//! The limit is a multiple of what 99 of 100 answers took. Attempts that were overtaken are left out,
//! or else an endpoint that hangs would raise the limit by which it is found out. The factor matters
//! little; the floor does: below half a second, pauses of a healthy service (garbage collection, a
//! cold cache) would be met by copies.
//!
//! An endpoint that may hang gets a much shorter limit, see [`LatencyEstimate::short`]: an attempt there is a
//! probe, and the call goes on elsewhere before its caller notices.

use std::time::Duration;

use super::quantile::Sample;

/// How long answers take, as far as that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyEstimate(Option<(Sample, Duration)>);

impl LatencyEstimate {
    /// What [`Watched::read_any`](super::quantile::Watched::read_any) has read of the 99th percentile.
    #[must_use]
    pub const fn new(p99: Option<(Sample, Duration)>) -> Self {
        Self(p99)
    }

    /// The limit of an attempt that has `share` of the time left, where none is set.
    ///
    /// Never below twice the p99, even if that is more than the share: a limit that cuts through the
    /// usual answers only doubles the load.
    #[must_use]
    pub fn soft(self, share: Duration) -> Duration {
        let (wanted, least) = match self.0 {
            None => (UNKNOWN, Duration::ZERO),
            Some((Sample::Enough, p99)) => (p99.saturating_mul(FACTOR).max(FLOOR), 2 * p99),
            Some((Sample::Few, longest)) => {
                (longest.saturating_mul(FACTOR_OF_FEW).clamp(FLOOR, UNKNOWN), 2 * longest)
            }
        };
        wanted.min(share).max(least)
    }

    /// The limit of an attempt at an endpoint that may hang; `soft` bounds it.
    ///
    /// An attempt that has taken this long also marks its endpoint for calls that may not be
    /// repeated: see [`overdue`](super::overdue).
    #[must_use]
    pub fn short(self, soft: Duration) -> Duration {
        let short = match self.0 {
            None => UNKNOWN_SHORT,
            Some((Sample::Enough, p99)) => (p99 + p99 / 2).max(SHORT_FLOOR),
            Some((Sample::Few, longest)) => (3 * longest).max(SHORT_FLOOR),
        };
        short.min(soft)
    }
}

/// Five times the p99 is beyond what a queue or a lost packet adds to a healthy answer.
const FACTOR: u32 = 5;

/// The longest of a few answers is far below their p99.
const FACTOR_OF_FEW: u32 = 20;

/// Pauses of this length are common in healthy services, and people hardly notice the wait.
const FLOOR: Duration = Duration::from_millis(500);

/// Before anything is known: as long as a slow page takes, a thirtieth of the call's default limit.
const UNKNOWN: Duration = Duration::from_secs(1);

/// A probe's limit costs its caller that much, once in a few seconds.
const SHORT_FLOOR: Duration = Duration::from_millis(50);

/// At ten calls a second to a host that hangs, two or three of them find it out.
const UNKNOWN_SHORT: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::ms;

    const ALL: Duration = Duration::MAX;

    fn enough(p99: u64) -> LatencyEstimate {
        LatencyEstimate::new(Some((Sample::Enough, ms(p99))))
    }

    fn few(longest: u64) -> LatencyEstimate {
        LatencyEstimate::new(Some((Sample::Few, ms(longest))))
    }

    #[test]
    fn five_times_the_p99_but_never_below_half_a_second() {
        for (p99, limit) in [(1, 500), (100, 500), (101, 505), (1200, 6000)] {
            assert_eq!(enough(p99).soft(ALL), ms(limit), "{p99}");
        }
    }

    #[test]
    fn the_share_of_the_deadline_bounds_it_down_to_twice_the_p99() {
        assert_eq!(enough(300).soft(ms(1000)), ms(1000));
        assert_eq!(enough(300).soft(ms(400)), ms(600));
        assert_eq!(enough(1200).soft(ms(1000)), ms(2400), "healthy answers are not cut");
        assert_eq!(enough(5).soft(ms(300)), ms(300));
    }

    #[test]
    fn a_second_or_the_share_before_there_are_answers() {
        assert_eq!(LatencyEstimate::default().soft(ALL), ms(1000));
        assert_eq!(LatencyEstimate::default().soft(ms(700)), ms(700));
    }

    #[test]
    fn a_few_answers_tell_a_quick_service_from_a_slow_one() {
        assert_eq!(few(5).soft(ALL), ms(500));
        assert_eq!(few(40).soft(ALL), ms(800));
        assert_eq!(few(200).soft(ALL), ms(1000));
        assert_eq!(few(8000).soft(ms(10_000)), ms(16_000));
    }

    #[test]
    fn an_endpoint_that_may_hang_costs_little() {
        assert_eq!(enough(5).short(ms(500)), ms(50));
        assert_eq!(enough(100).short(ms(500)), ms(150));
        assert_eq!(few(100).short(ms(1000)), ms(300));
        assert_eq!(LatencyEstimate::default().short(ms(1000)), ms(250));
        assert_eq!(enough(1000).short(ms(700)), ms(700), "what is set by hand bounds it");
    }

    proptest! {
        #[test]
        fn a_usual_answer_is_never_late(
            p99 in 0_u64..100_000,
            share in 0_u64..100_000,
            enough in any::<bool>(),
        ) {
            let sample = if enough { Sample::Enough } else { Sample::Few };
            let known = LatencyEstimate::new(Some((sample, ms(p99))));
            let soft = known.soft(ms(share));
            prop_assert!(soft >= 2 * ms(p99));
            prop_assert!(soft <= ms(share).max(2 * ms(p99)));
            prop_assert!(known.short(soft) <= soft && known.short(soft) >= ms(50).min(soft));
        }
    }
}
