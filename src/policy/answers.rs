//! What a closed circuit counts, and when that is too much.

use std::num::NonZeroU32;
use std::time::Instant;

use super::breaker::BreakerConfig;
use super::window::{Mark, Window};
use crate::outcome::Verdict;

/// What a closed circuit counts.
#[derive(Debug)]
pub(super) struct Answers {
    /// Failures since the last success.
    run: u32,
    window: Option<Window>,
}

impl Answers {
    /// The answers in `place`, put there when they are first wanted.
    pub(super) fn of<'a>(place: &'a mut Option<Box<Self>>, config: &BreakerConfig) -> &'a mut Self {
        place.get_or_insert_with(|| Box::new(Self::new(config)))
    }

    fn new(config: &BreakerConfig) -> Self {
        Self { run: 0, window: config.failure_ratio.map(|rule| Window::new(rule.window)) }
    }

    pub(super) fn succeeded(&mut self, now: Instant) {
        self.run = 0;
        self.record(false, now);
    }

    pub(super) fn failed(&mut self, verdict: Verdict, now: Instant) {
        // A throttled call was understood and refused: no step towards a dead endpoint.
        if verdict != Verdict::Throttled {
            self.run = self.run.saturating_add(1);
        }
        self.record(true, now);
    }

    fn record(&mut self, failed: bool, now: Instant) {
        if let Some(window) = &mut self.window {
            window.record(Mark { failed, slow: false }, now);
        }
    }

    pub(super) fn demand_trip(&mut self, config: &BreakerConfig, now: Instant) -> bool {
        let too_many = |limit: NonZeroU32| self.run >= limit.get();
        config.consecutive_failures.is_some_and(too_many) || self.ratio_reached(config, now)
    }

    fn ratio_reached(&mut self, config: &BreakerConfig, now: Instant) -> bool {
        let (Some(rule), Some(window)) = (config.failure_ratio, &mut self.window) else {
            return false;
        };
        let counts = window.counts(now);
        let reached = |ratio| ratio >= rule.ratio;
        // Without the first condition, a threshold of 0 would trip on successes.
        counts.failures > 0
            && counts.total >= rule.min_calls
            && counts.failure_ratio().is_some_and(reached)
    }
}
