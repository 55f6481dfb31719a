//! What a circuit breaker is told.
//!
//! A file of its own, as the state machine, what a closed circuit counts and the open wait all read it.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use super::window::Ratio;

/// When a circuit opens, and how it closes again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerConfig {
    /// Failures in a row that trip; default 5, none turns the rule off.
    pub consecutive_failures: Option<NonZeroU32>,
    /// The share of failures that trips, itself included; default half, none turns the rule off.
    /// With 0, any failure trips.
    pub failure_ratio: Option<Ratio>,
    /// The slowness that trips; default none, as what is slow depends on the service.
    pub slow_calls: Option<SlowCalls>,
    /// Which calls the two shares are taken of; default those of the last 10 s.
    pub span: Span,
    /// The calls below which the two shares mean nothing; default 10.
    pub min_calls: u32,
    /// The first open wait, doubled by each further trip; default 500 ms.
    pub open_base: Duration,
    /// What the open wait does not exceed before jitter; default 2.4 s, which is 3 s with jitter.
    pub open_max: Duration,
    /// The same where an answer asked for a wait (`Retry-After`); default 30 s.
    pub retry_after_max: Duration,
    /// The same for an endpoint that could not be connected to; default 1 s. `open_max` bounds it
    /// as well.
    pub connect_open_max: Duration,
    /// The random part of the open wait, up and down, as a share of it; default a quarter.
    pub jitter: Ratio,
    /// Probes that must succeed to close a half-open circuit, and how many may be under way at
    /// once; default 1.
    pub half_open_probes: NonZeroU32,
    /// After this time without news from the last probe one more may go, so that a probe which
    /// hangs cannot keep the circuit from closing; default 3 s.
    pub probe_timeout: Duration,
    /// Closed for this long, a circuit forgets its earlier trips; default 60 s.
    pub stable_period: Duration,
    /// How many circuits of a roster stay closed when answers would trip them; default 1. Enforced
    /// by the roster: a breaker does not know its neighbours.
    pub min_closed: u32,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: NonZeroU32::new(5),
            failure_ratio: Some(Ratio::HALF),
            slow_calls: None,
            span: Span::Time(Duration::from_secs(10)),
            min_calls: 10,
            open_base: Duration::from_millis(500),
            open_max: Duration::from_millis(2400),
            retry_after_max: Duration::from_secs(30),
            connect_open_max: Duration::from_secs(1),
            jitter: Ratio::QUARTER,
            half_open_probes: NonZeroU32::MIN,
            probe_timeout: Duration::from_secs(3),
            stable_period: Duration::from_secs(60),
            min_closed: 1,
        }
    }
}

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
    /// This number of last calls, however long ago; at two bytes each for every endpoint.
    Calls(NonZeroU16),
}

impl Span {
    /// The calls below which a share means nothing: no more than there can ever be.
    pub(crate) fn least(self, min_calls: u32) -> u32 {
        match self {
            Self::Time(_) => min_calls,
            Self::Calls(size) => min_calls.min(u32::from(size.get())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::ms;

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = BreakerConfig::default();
        assert_eq!(config.consecutive_failures.map(NonZeroU32::get), Some(5));
        assert_eq!((config.failure_ratio, config.slow_calls), (Some(Ratio::HALF), None));
        assert_eq!((config.span, config.min_calls), (Span::Time(ms(10_000)), 10));
        let slow = SlowCalls::default();
        assert_eq!((slow.duration, slow.ratio), (ms(1000), Ratio::HALF));
        assert_eq!((config.open_base, config.open_max), (ms(500), ms(2400)));
        assert_eq!(config.retry_after_max, ms(30_000));
        assert_eq!(config.connect_open_max, ms(1000));
        assert_eq!((config.jitter.value(), config.half_open_probes.get()), (0.25, 1));
        assert_eq!((config.probe_timeout, config.stable_period), (ms(3000), ms(60_000)));
        assert_eq!(config.min_closed, 1);
    }

    #[test]
    fn a_minimum_above_the_span_can_be_reached_all_the_same() {
        let last = |calls| Span::Calls(NonZeroU16::new(calls).unwrap());
        assert_eq!(Span::Time(ms(1)).least(100), 100);
        assert_eq!(last(99).least(100), 99);
        assert_eq!(last(100).least(100), 100);
        assert_eq!(last(101).least(100), 100);
    }
}
