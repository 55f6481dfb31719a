//! What a closed circuit counts, and when that is too much.
//!
//! Three rules, asked in this order: failures in a row, share of failures, share of slow calls. An
//! outcome asks only the rules that it counts towards, so a quick and good answer never opens a
//! circuit, whatever came before it.
//!
//! Both shares are taken of the same outcomes, so that there is one window to explain and one to
//! keep. A single average of latency and errors, as brpc keeps one, was rejected: nobody can say
//! beforehand which answers trip it.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::{Duration, Instant};

use super::breaker::{BreakerConfig, Evidence};
use super::last_calls::LastCalls;
use super::window::{Counts, Mark, Ratio, Window};
use crate::outcome::Verdict;

/// The rule on the share of slow calls. An endpoint that crawls fails nobody, and still every call
/// that waits for it holds a thread or a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SlowCalls {
    /// From this time on a call is slow, whether it succeeded or failed; default 1 s.
    pub duration: Duration,
    /// The share that trips, itself included; default one half. With 0, any slow call trips.
    pub ratio: Ratio,
}

impl Default for SlowCalls {
    fn default() -> Self {
        Self { duration: Duration::from_secs(1), ratio: Ratio::HALF }
    }
}

/// Which calls a share is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Those of the last stretch of time.
    Time(Duration),
    /// The last so many, however long ago; at two bytes each for every endpoint.
    Calls(NonZeroU16),
}

/// What a closed circuit counts.
#[derive(Debug)]
pub(super) struct Answers {
    /// Failures since the last success.
    run: u32,
    /// None if no rule looks at shares.
    sample: Option<Sample>,
}

#[derive(Debug)]
enum Sample {
    Time(Window),
    Calls(LastCalls),
}

impl Answers {
    /// The answers in `place`, put there when they are first wanted.
    pub(super) fn of<'a>(place: &'a mut Option<Box<Self>>, config: &BreakerConfig) -> &'a mut Self {
        place.get_or_insert_with(|| Box::new(Self::new(config)))
    }

    fn new(config: &BreakerConfig) -> Self {
        let has_shares = config.failure_ratio.is_some() || config.slow_calls.is_some();
        Self { run: 0, sample: has_shares.then(|| Sample::new(config.span)) }
    }

    /// Counts an outcome, and says as what.
    pub(super) fn count(
        &mut self,
        evidence: &Evidence,
        config: &BreakerConfig,
        now: Instant,
    ) -> Mark {
        let is_slow = |rule: SlowCalls| evidence.elapsed >= rule.duration;
        let mark = Mark {
            failed: evidence.verdict != Verdict::Success,
            slow: config.slow_calls.is_some_and(is_slow),
        };
        match evidence.verdict {
            Verdict::Success => self.run = 0,
            // A throttled call was understood and refused: no step towards a dead endpoint.
            Verdict::Throttled => {}
            _ => self.run = self.run.saturating_add(1),
        }
        if let Some(sample) = &mut self.sample {
            sample.record(mark, now);
        }
        mark
    }

    /// Whether a rule that `asking` counts towards is met.
    pub(super) fn demand_trip(
        &mut self,
        asking: Mark,
        config: &BreakerConfig,
        now: Instant,
    ) -> bool {
        let too_many = |limit: NonZeroU32| self.run >= limit.get();
        if asking.failed && config.consecutive_failures.is_some_and(too_many) {
            return true;
        }
        let Some(sample) = self.sample.as_mut().filter(|_| asking != Mark::default()) else {
            return false;
        };
        let counts = sample.counts(now);
        counts.total >= config.span.least(config.min_calls)
            && (asking.failed && failures_reached(counts, config)
                || asking.slow && slowness_reached(counts, config))
    }
}

// Without the first condition of each, a threshold of 0 would trip on what it does not count.

fn failures_reached(counts: Counts, config: &BreakerConfig) -> bool {
    let reached = |limit| counts.failure_ratio().is_some_and(|ratio| ratio >= limit);
    counts.failures > 0 && config.failure_ratio.is_some_and(reached)
}

fn slowness_reached(counts: Counts, config: &BreakerConfig) -> bool {
    let reached = |rule: SlowCalls| counts.slow_ratio().is_some_and(|ratio| ratio >= rule.ratio);
    counts.slow > 0 && config.slow_calls.is_some_and(reached)
}

impl Span {
    /// The calls below which a share means nothing: no more than there can ever be.
    fn least(self, min_calls: u32) -> u32 {
        match self {
            Self::Time(_) => min_calls,
            Self::Calls(size) => min_calls.min(u32::from(size.get())),
        }
    }
}

impl Sample {
    fn new(span: Span) -> Self {
        match span {
            Span::Time(time) => Self::Time(Window::new(time)),
            Span::Calls(size) => Self::Calls(LastCalls::new(size)),
        }
    }

    fn record(&mut self, mark: Mark, now: Instant) {
        match self {
            Self::Time(window) => window.record(mark, now),
            Self::Calls(calls) => calls.record(mark),
        }
    }

    fn counts(&mut self, now: Instant) -> Counts {
        match self {
            Self::Time(window) => window.counts(now),
            Self::Calls(calls) => calls.counts(),
        }
    }
}
