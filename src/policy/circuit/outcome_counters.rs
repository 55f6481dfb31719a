//! What a closed circuit counts, and when that is too much.
//!
//! Three rules, asked in this order: failures in a row, share of failures, share of slow calls. An
//! outcome asks only the rules that it counts towards, so a quick and good answer never opens a
//! circuit, whatever came before it.
//!
//! Both shares are taken of the same outcomes, so that there is one window to explain and one to
//! keep. A single average of latency and errors, as brpc keeps one, was rejected: nobody can say
//! beforehand which answers trip it.

use std::time::Instant;

use super::breaker_config::{BreakerConfig, SlowCalls, Span};
use super::last_calls::LastCalls;
use super::permit::Observation;
use super::window::{Counts, OutcomeFlags, Window};
use crate::outcome::Verdict;

/// What a closed circuit counts.
#[derive(Debug)]
pub(crate) struct OutcomeCounters {
    /// Failures since the last success.
    run: u32,
    /// When the last success was counted.
    succeeded_at: Option<Instant>,
    /// None if no rule looks at shares.
    sample: Option<Sample>,
}

#[derive(Debug)]
enum Sample {
    Time(Window),
    Calls(LastCalls),
}

impl OutcomeCounters {
    /// The answers in `place`, put there when they are first wanted.
    pub(crate) fn of<'a>(place: &'a mut Option<Box<Self>>, config: &BreakerConfig) -> &'a mut Self {
        place.get_or_insert_with(|| Box::new(Self::new(config)))
    }

    fn new(config: &BreakerConfig) -> Self {
        let has_shares = config.failure_ratio.is_some() || config.slow_calls.is_some();
        Self { run: 0, succeeded_at: None, sample: has_shares.then(|| Sample::new(config.span)) }
    }

    /// Counts an outcome, and says as what.
    pub(crate) fn count(
        &mut self,
        observation: &Observation,
        config: &BreakerConfig,
        now: Instant,
    ) -> OutcomeFlags {
        let is_slow = |rule: SlowCalls| observation.elapsed >= rule.duration;
        let flags = OutcomeFlags {
            failed: observation.verdict != Verdict::Success,
            slow: config.slow_calls.is_some_and(is_slow),
        };
        match observation.verdict {
            Verdict::Success => {
                self.run = 0;
                self.succeeded_at = Some(now);
            }
            // A throttled call was understood and refused: no step towards a dead endpoint.
            Verdict::Throttled => {}
            _ => self.run = self.run.saturating_add(1),
        }
        if let Some(sample) = &mut self.sample {
            sample.record(flags, now);
        }
        flags
    }

    /// Whether a success was counted after `instant`.
    pub(crate) fn has_succeeded_since(&self, instant: Instant) -> bool {
        self.succeeded_at.is_some_and(|at| at > instant)
    }

    /// Whether as many failures came in a row as the rule on them takes.
    fn failed_in_a_row(&self, config: &BreakerConfig) -> bool {
        config.consecutive_failures.is_some_and(|limit| self.run >= limit.get())
    }

    /// Whether a rule that `asking` counts towards is met.
    pub(crate) fn demand_trip(
        &mut self,
        asking: OutcomeFlags,
        config: &BreakerConfig,
        now: Instant,
    ) -> bool {
        if self.failed_in_a_row(config) {
            return true;
        }
        let Some(sample) = self.sample.as_mut().filter(|_| asking != OutcomeFlags::default())
        else {
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

impl Sample {
    fn new(span: Span) -> Self {
        match span {
            Span::Time(time) => Self::Time(Window::new(time)),
            Span::Calls(size) => Self::Calls(LastCalls::new(size)),
        }
    }

    fn record(&mut self, flags: OutcomeFlags, now: Instant) {
        match self {
            Self::Time(window) => window.record(flags, now),
            Self::Calls(calls) => calls.record(flags),
        }
    }

    fn counts(&mut self, now: Instant) -> Counts {
        match self {
            Self::Time(window) => window.counts(now),
            Self::Calls(calls) => calls.counts(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::circuit::window::Ratio;
    use crate::policy::test_inputs::{ms, t0};

    fn config() -> BreakerConfig {
        BreakerConfig {
            slow_calls: Some(SlowCalls { duration: ms(100), ratio: Ratio::HALF }),
            min_calls: 2,
            ..BreakerConfig::default()
        }
    }

    /// Counts outcomes that took this long, and says whether the last asks for a trip.
    fn told(config: &BreakerConfig, outcomes: &[(Verdict, u64)]) -> bool {
        let (mut answers, t0) = (OutcomeCounters::new(config), t0());
        let mut tell = |(verdict, took): &(Verdict, u64)| {
            let flags = answers.count(&Observation::new(*verdict, ms(*took)), config, t0);
            answers.demand_trip(flags, config, t0)
        };
        outcomes.iter().map(&mut tell).last().unwrap()
    }

    #[test]
    fn the_time_that_makes_a_call_slow_is_slow_itself() {
        let mut answers = OutcomeCounters::new(&config());
        let mut slow = |took| {
            let observation = Observation::new(Verdict::Success, took);
            answers.count(&observation, &config(), t0()).slow
        };
        assert!(!slow(ms(100) - Duration::from_nanos(1)));
        assert!(slow(ms(100)) && slow(Duration::MAX));
    }

    #[test]
    fn each_rule_trips_by_itself() {
        let run = BreakerConfig { failure_ratio: None, slow_calls: None, ..config() };
        assert!(
            told(&run, &[(Verdict::Failure, 0); 5]) && !told(&run, &[(Verdict::Failure, 0); 4])
        );
        let failures = BreakerConfig { consecutive_failures: None, slow_calls: None, ..config() };
        assert!(told(&failures, &[(Verdict::Success, 0), (Verdict::Throttled, 0)]));
        let slow = BreakerConfig { consecutive_failures: None, failure_ratio: None, ..config() };
        assert!(told(&slow, &[(Verdict::Success, 0), (Verdict::Success, 100)]));
        assert!(!told(&slow, &[(Verdict::Failure, 0), (Verdict::Failure, 99)]));
    }

    #[test]
    fn one_call_is_no_share() {
        let shares = BreakerConfig { consecutive_failures: None, ..config() };
        assert!(!told(&shares, &[(Verdict::Failure, 100)]));
        assert!(told(&BreakerConfig { min_calls: 0, ..shares }, &[(Verdict::Failure, 0)]));
    }

    #[test]
    fn nothing_slow_is_no_slowness_even_for_a_threshold_of_zero() {
        let slow_calls = Some(SlowCalls { duration: ms(100), ratio: Ratio::ZERO });
        let (zero, t0) = (BreakerConfig { slow_calls, min_calls: 0, ..config() }, t0());
        let mut answers = OutcomeCounters::new(&zero);
        let any = OutcomeFlags { failed: true, slow: true };
        assert!(!answers.demand_trip(any, &zero, t0));
        let _ = answers.count(&Observation::new(Verdict::Success, ms(99)), &zero, t0);
        assert!(!answers.demand_trip(any, &zero, t0));
        let _ = answers.count(&Observation::new(Verdict::Success, ms(100)), &zero, t0);
        assert!(answers.demand_trip(any, &zero, t0));
    }

    #[test]
    fn without_a_rule_on_shares_there_is_no_window() {
        let none = BreakerConfig { failure_ratio: None, slow_calls: None, ..config() };
        assert!(OutcomeCounters::new(&none).sample.is_none());
        assert!(size_of::<OutcomeCounters>() <= 176, "{}", size_of::<OutcomeCounters>());
    }
}
