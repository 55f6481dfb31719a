//! Whether a call sends a copy of a slow attempt, and when.
//!
//! Most slow answers are slow by bad luck at one endpoint, and a copy elsewhere is back before them.
//! The art is to send few: a copy after the time in which 95 of 100 attempts have answered costs
//! five in a hundred, and takes the worst waits away. So the delay follows what attempts took in the
//! last seconds, and a fixed one is for users that know their service.
//!
//! When everything is slow, no copy helps and each one harms. Three bounds hold then: the share of
//! calls (the budget), the limit on what is in flight, and the time left. A copy is made of requests
//! that may be repeated only, and goes to an endpoint that the call has not tried.
//!
//! An attempt that *fails* before the delay is over is no case for a hedge: that is a retry, and
//! [`Retry`](super::Retry) decides on it. gRPC starts the next copy at once then, which lets a fast
//! failing endpoint use up the copies. The loser of a race is cancelled and says nothing of its
//! endpoint.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::policy::circuit::window::Ratio;
use crate::policy::propagation::deadline::has_time;

/// When copies are sent, and how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HedgeConfig {
    /// How long the attempt may take before its copy starts; default none: no hedging, as only the
    /// user knows which requests bear to be carried out twice.
    pub delay: Option<HedgeDelay>,
    /// Copies of one attempt at most, each started a delay after the last; default 1. A second
    /// one adds much load for little.
    pub max_copies: NonZeroU32,
    /// The share of calls that may be hedged; default 0.05. It sets the live delay and the hedges'
    /// own budget.
    pub max_extra: Ratio,
}

impl Default for HedgeConfig {
    fn default() -> Self {
        Self { delay: None, max_copies: NonZeroU32::MIN, max_extra: Ratio::TWENTIETH }
    }
}

/// How long a copy is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HedgeDelay {
    /// The time in which all but `max_extra` of the last attempts answered.
    Live,
    /// A fixed time; below 1 ms it counts as 1 ms.
    Fixed(Duration),
}

/// What the attempt loop knows when the delay is over and no answer came.
#[derive(Clone, Copy, Debug)]
pub struct HedgeFacts {
    /// Whether the request may be repeated: by its method, or because the user said so.
    pub idempotent: bool,
    /// Whether an endpoint that this call has not tried yet would admit now.
    pub untried: bool,
    /// Copies of this attempt so far.
    pub copies: u32,
    /// Whether the limit on what is in flight is reached, or turned calls away a short time ago.
    pub limit_pressed: bool,
    /// What is left until the deadline; none without a deadline.
    pub time_left: Option<Duration>,
    /// What half of the attempts take at most; none while it is not known.
    pub p50: Option<Duration>,
}

impl HedgeConfig {
    /// Which quantile of the successes of the last [`LIVE_WINDOW`] is wanted, between 0 and 1; none
    /// if the delay does not depend on it.
    #[must_use]
    pub fn quantile(&self) -> Option<f64> {
        (self.delay == Some(HedgeDelay::Live)).then(|| 1.0 - self.max_extra.value())
    }

    /// How long to wait for an attempt's answer before a copy may start; none for no copy. `quantile`
    /// is the wanted one, over that number of samples.
    #[must_use]
    pub fn delay(&self, quantile: Option<Duration>, samples: u64) -> Option<Duration> {
        let delay = match self.delay? {
            HedgeDelay::Live => quantile.filter(|_| samples >= ENOUGH_SAMPLES)?,
            HedgeDelay::Fixed(delay) => delay,
        };
        Some(delay.max(SHORTEST_DELAY))
    }

    /// Whether a copy would be worth it now, were there room and a budget for it.
    #[must_use]
    pub fn wants(&self, facts: &HedgeFacts) -> bool {
        self.delay.is_some()
            && facts.idempotent
            && facts.untried
            && facts.copies < self.max_copies.get()
            && has_time(facts.time_left, facts.p50)
    }

    /// Whether a copy starts now. `budget` draws on the client's budget for hedges and says whether it
    /// was granted; it is called once at most, when all else is settled.
    #[must_use = "a hedge that was not allowed must not be made"]
    pub fn may_start(&self, facts: &HedgeFacts, budget: impl FnOnce() -> bool) -> bool {
        self.wants(facts) && !facts.limit_pressed && budget()
    }
}

/// Short enough to follow a service that becomes slow, long enough to hold [`ENOUGH_SAMPLES`] of most
/// services.
pub const LIVE_WINDOW: Duration = Duration::from_secs(3);
/// Below fifty samples the slowest twentieth is two attempts or less.
const ENOUGH_SAMPLES: u64 = 50;
/// Timers are no finer, and an answer this fast cannot be bettered by a copy.
const SHORTEST_DELAY: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;
    use rand::RngExt;

    use super::*;
    use crate::policy::retry::budget::{Budget, BudgetConfig};
    use crate::policy::test_inputs::{ms, rng, t0};

    fn live() -> HedgeConfig {
        HedgeConfig { delay: Some(HedgeDelay::Live), ..HedgeConfig::default() }
    }

    fn fixed(delay: Duration) -> HedgeConfig {
        HedgeConfig { delay: Some(HedgeDelay::Fixed(delay)), ..HedgeConfig::default() }
    }

    fn facts() -> HedgeFacts {
        HedgeFacts {
            idempotent: true,
            untried: true,
            copies: 0,
            limit_pressed: false,
            time_left: Some(ms(1000)),
            p50: Some(ms(10)),
        }
    }

    #[test]
    fn hedging_is_off_by_default() {
        let config = HedgeConfig::default();
        assert_eq!(config.quantile(), None);
        assert_eq!(config.delay(Some(ms(5)), 1000), None);
        assert!(!config.may_start(&facts(), || panic!("no budget is needed")));
    }

    #[test]
    fn the_live_delay_is_the_time_of_all_but_the_extra_share() {
        assert_eq!(live().quantile(), Some(0.95));
        assert_eq!(live().delay(Some(ms(40)), 50), Some(ms(40)));
        let tenth = HedgeConfig { max_extra: Ratio::new(0.1).unwrap(), ..live() };
        assert_eq!(tenth.quantile(), Some(0.9));
        assert_eq!(fixed(ms(20)).quantile(), None);
    }

    #[test]
    fn few_samples_make_no_delay() {
        assert_eq!(live().delay(Some(ms(40)), 49), None);
        assert_eq!(live().delay(None, 1000), None);
        assert_eq!(fixed(ms(20)).delay(None, 0), Some(ms(20)));
    }

    #[test]
    fn no_delay_is_below_a_millisecond() {
        assert_eq!(live().delay(Some(Duration::from_micros(80)), 100), Some(ms(1)));
        assert_eq!(fixed(Duration::ZERO).delay(None, 0), Some(ms(1)));
    }

    #[test]
    fn each_condition_alone_holds_a_copy_back() {
        assert!(live().may_start(&facts(), || true));
        assert!(!live().may_start(&facts(), || false));
        let held_back = [
            HedgeFacts { idempotent: false, ..facts() },
            HedgeFacts { untried: false, ..facts() },
            HedgeFacts { copies: 1, ..facts() },
            HedgeFacts { limit_pressed: true, ..facts() },
            HedgeFacts { time_left: Some(ms(10)), ..facts() },
        ];
        for facts in held_back {
            let asked = || panic!("the budget is asked last: {facts:?}");
            assert!(!live().may_start(&facts, asked));
        }
    }

    #[test]
    fn without_a_deadline_or_a_history_time_holds_nothing_back() {
        assert!(live().may_start(&HedgeFacts { time_left: None, ..facts() }, || true));
        assert!(live().may_start(&HedgeFacts { p50: None, ..facts() }, || true));
    }

    /// Calls whose attempts take 10 ms, one in ten of them 100 ms, hedged after 20 ms. Returns the
    /// slow calls and the copies.
    fn story(budget: &Budget, t0: Instant, calls: u64, slow_share: f64) -> (u64, u64) {
        let (config, mut rng) = (fixed(ms(20)), rng());
        let mut time = || if rng.random_bool(slow_share) { ms(100) } else { ms(10) };
        let (mut slow, mut copies) = (0, 0);
        for call in 0..calls {
            let now = t0 + ms(call);
            budget.deposit(now);
            let delay = config.delay(None, 0).unwrap();
            let mut took = time();
            if took > delay && config.may_start(&facts(), || budget.try_hedge(now)) {
                copies += 1;
                took = took.min(delay + time());
            }
            slow += u64::from(took > ms(50));
        }
        (slow, copies)
    }

    #[test]
    fn a_few_copies_take_most_of_the_slow_answers_away() {
        let t0 = t0();
        let budget = Budget::new(&BudgetConfig::default(), Some(Ratio::TWENTIETH), t0);
        let (slow, copies) = story(&budget, t0, 20_000, 0.04);
        assert!(copies < 1000, "{copies}");
        assert!(slow < 100, "{slow} instead of 800");
    }

    #[test]
    fn when_everything_is_slow_copies_stay_within_their_share() {
        let t0 = t0();
        let budget = Budget::new(&BudgetConfig::default(), Some(Ratio::TWENTIETH), t0);
        let (slow, copies) = story(&budget, t0, 20_000, 1.0);
        assert_eq!((slow, copies), (20_000, 1000));
    }

    proptest! {
        #[test]
        fn a_delay_is_never_short_and_never_without_samples(
            quantile in prop::option::of((0_u64..5000).prop_map(Duration::from_micros)),
            samples in 0_u64..100,
            extra in 0.0..=1.0,
        ) {
            let config = HedgeConfig { max_extra: Ratio::new(extra).unwrap(), ..live() };
            let delay = config.delay(quantile, samples);
            prop_assert_eq!(delay.is_some(), quantile.is_some() && samples >= 50);
            prop_assert!(delay.is_none_or(|delay| delay >= ms(1)));
            prop_assert!((0.0..=1.0).contains(&config.quantile().unwrap()));
        }

        #[test]
        fn no_attempt_gets_more_copies_than_allowed(most in 1_u32..5, tries in 0_u32..20) {
            let config = HedgeConfig { max_copies: NonZeroU32::new(most).unwrap(), ..live() };
            let mut copies = 0;
            for _ in 0..tries {
                copies += u32::from(config.may_start(&HedgeFacts { copies, ..facts() }, || true));
            }
            prop_assert!(copies == tries.min(most));
        }
    }
}
