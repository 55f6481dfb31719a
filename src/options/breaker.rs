//! The settings of `ahoy_breaker`.

use std::num::NonZeroU16;
use std::time::Duration;

use super::form::{COUNT, Form, LIMIT, POSITIVE};
use super::setting::Setting;
use super::table::Table;
use super::value::{OFF, Problem, Value};
use crate::policy::{BreakerConfig, SlowCalls, Span};
use crate::runtime::racy_lazy::RacyLazy;

/// The settings of circuit breakers.
pub static BREAKER: RacyLazy<Table<BreakerConfig>> =
    RacyLazy::new(|| Table::new("ahoy_breaker_", BreakerConfig::default, &[SETTINGS]));

/// A share that opens a circuit.
const SHARE: Form = Form::RealAbove0(1.0);
/// A window has ten parts of at least 1 ms.
const WINDOW: Form = Form::Duration(Duration::from_millis(10), Duration::MAX);

const SETTINGS: &[Setting<BreakerConfig>] = &[
    Setting::new("consecutive_failures", POSITIVE)
        .or(&[OFF])
        .purpose("How many failures in a row open a circuit")
        .cost("More calls fail at an endpoint that is down.")
        .setter("set_consecutive_failures")
        .field(
            |config| Some(Value::or_off(config.consecutive_failures)),
            |config, value| {
                config.consecutive_failures = value.unless_off(Value::positive)?;
                Ok(())
            },
        ),
    Setting::new("failure_ratio", SHARE)
        .or(&[OFF])
        .purpose("The share of failed calls that opens a circuit")
        .cost("An endpoint that fails half of its calls keeps them.")
        .setter("set_failure_ratio")
        .field(
            |config| Some(Value::or_off(config.failure_ratio)),
            |config, value| {
                config.failure_ratio = value.unless_off(Value::ratio)?;
                Ok(())
            },
        ),
    Setting::new("failure_ratio_window", WINDOW)
        .purpose("The time over which calls are counted for failure_ratio and slow_calls, in place of failure_ratio_count")
        .cost("Failures of the past count for longer.")
        .setter("set_failure_ratio")
        .field(
            |config| match config.span {
                Span::Time(window) => Some(window.into()),
                Span::Calls(_) => None,
            },
            |config, value| {
                config.span = Span::Time(value.duration()?);
                Ok(())
            },
        ),
    Setting::new("failure_ratio_count", Form::Count(1, 65_535))
        .purpose("How many of the last calls are counted for failure_ratio and slow_calls, in place of failure_ratio_window: for endpoints that are asked seldom")
        .cost("2 bytes for each endpoint and call; failures of the past count for longer.")
        .setter("set_failure_ratio_count")
        .field(
            |config| match config.span {
                Span::Time(_) => None,
                Span::Calls(count) => Some(u32::from(count.get()).into()),
            },
            |config, value| {
                let count = u16::try_from(value.count()?).ok().and_then(NonZeroU16::new);
                let problem = || Problem::from("is not between 1 and 65535");
                config.span = Span::Calls(count.ok_or_else(problem)?);
                Ok(())
            },
        ),
    Setting::new("failure_ratio_min_calls", POSITIVE)
        .purpose("How many calls must be counted before failure_ratio and slow_calls act")
        .cost("An endpoint with few calls keeps them for longer.")
        .setter("set_failure_ratio")
        .field(
            |config| Some(config.min_calls.into()),
            |config, value| {
                config.min_calls = value.count()?;
                Ok(())
            },
        ),
    Setting::new("slow_calls_duration", LIMIT)
        .or(&[OFF])
        .within(with_slow_calls)
        .purpose("The time from which a call is slow, whether it fails or not")
        .cost("Slower endpoints keep their traffic.")
        .setter("set_slow_calls")
        .field(
            |config| Some(Value::or_off(config.slow_calls.map(|rule| rule.duration))),
            |config, value| {
                let rule = config.slow_calls.unwrap_or_default();
                let duration = value.unless_off(Value::duration)?;
                config.slow_calls = duration.map(|duration| SlowCalls { duration, ..rule });
                Ok(())
            },
        ),
    Setting::new("slow_calls_ratio", SHARE)
        .within(with_slow_calls)
        .purpose("The share of slow calls that opens a circuit; switches the rule on")
        .cost("Slow endpoints keep their traffic.")
        .setter("set_slow_calls")
        .field(
            |config| config.slow_calls.map(|rule| rule.ratio.into()),
            |config, value| {
                let ratio = value.ratio()?;
                let rule = config.slow_calls.unwrap_or_default();
                config.slow_calls = Some(SlowCalls { ratio, ..rule });
                Ok(())
            },
        ),
    Setting::new("open_base", LIMIT)
        .purpose("How long a circuit stays open the first time, give or take a quarter; doubled with each further trip")
        .cost("An endpoint that is back waits for longer.")
        .setter("set_open_ms")
        .field(
            |config| Some(config.open_base.into()),
            |config, value| {
                config.open_base = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("open_max", LIMIT)
        .purpose("How long a circuit stays open at most, give or take a quarter, unless an answer asked for longer")
        .cost("An endpoint that is back after a long outage waits for longer.")
        .setter("set_open_ms")
        .field(
            |config| Some(config.open_max.into()),
            |config, value| {
                config.open_max = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("retry_after_max", LIMIT)
        .purpose("How long a circuit stays open at most where the answer that opened it asked for a time (Retry-After); up to a quarter is added at random")
        .cost("An endpoint that asks for a long time is left alone for that long, even if it is back before.")
        .setter("set_retry_after_max_ms")
        .field(
            |config| Some(config.retry_after_max.into()),
            |config, value| {
                config.retry_after_max = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("connect_open_max", LIMIT)
        .purpose("The same for an endpoint that could not be connected to, whose probes cost their callers nothing. While no endpoint takes calls it is probed sooner: after a twentieth of `open_base`, and once the outage has lasted for longer, a quarter of that time")
        .cost("An endpoint that restarted waits for longer.")
        .setter("set_connect_open_max_ms")
        .field(
            |config| Some(config.connect_open_max.into()),
            |config, value| {
                config.connect_open_max = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("half_open_probes", POSITIVE)
        .purpose("How many probes a half-open circuit lets through at once, all of which must succeed")
        .cost("More calls are risked on an endpoint that may still be down.")
        .setter("set_half_open_probes")
        .field(
            |config| Some(config.half_open_probes.into()),
            |config, value| {
                config.half_open_probes = value.positive()?;
                Ok(())
            },
        ),
    Setting::new("probe_timeout", LIMIT)
        .purpose("How long a probe may take until one more is let through")
        .cost("A probe that hangs keeps its endpoint out for longer.")
        .setter("set_probe_timeout_ms")
        .field(
            |config| Some(config.probe_timeout.into()),
            |config, value| {
                config.probe_timeout = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("reset_after", LIMIT)
        .purpose("How long a circuit must be closed until its earlier trips are forgotten")
        .cost("An endpoint that fails now and then stays out for longer each time.")
        .setter("set_reset_after_ms")
        .field(
            |config| Some(config.stable_period.into()),
            |config, value| {
                config.stable_period = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("min_closed", COUNT)
        .purpose("How many circuits failed answers leave closed; failed connects may open those too")
        .cost("Endpoints that fail keep more of the traffic.")
        .setter("set_min_closed")
        .field(
            |config| Some(config.min_closed.into()),
            |config, value| {
                config.min_closed = value.count()?;
                Ok(())
            },
        ),
];

fn with_slow_calls() -> BreakerConfig {
    BreakerConfig { slow_calls: Some(SlowCalls::default()), ..BreakerConfig::default() }
}
