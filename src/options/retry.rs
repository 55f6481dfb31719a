//! The settings of `ahoy_retry`.

use std::time::Duration;

use super::duration;
use super::form::{FACTOR, Form, WAIT, listed};
use super::setting::Setting;
use super::statuses::{NONE, STATUSES, print_statuses, statuses};
use super::table::Table;
use super::value::{Problem, Value};
use crate::policy::{Jitter, RetryConfig, RetryOn};
use crate::runtime::racy_lazy::RacyLazy;

/// The settings of retry rules.
pub static RETRY: RacyLazy<Table<RetryConfig>> =
    RacyLazy::new(|| Table::new("ahoy_retry_", RetryConfig::default, &[SETTINGS]));

const UNLIMITED: &str = "unlimited";
const FULL: &str = "full";

const SETTINGS: &[Setting<RetryConfig>] = &[
    Setting::new("tries", Form::Count(1, i32::MAX as u64))
        .or(&[UNLIMITED])
        .purpose("How many attempts a call may make, the first included; one that sent nothing, as where connecting is refused, is free while another endpoint stands by, but with 1 it ends the call")
        .cost("More tries mean more load on a service in trouble, within the retry budget.")
        .setter("set_tries")
        .field(
            |config| Some(config.tries.map_or(Value::Word(UNLIMITED), Value::from)),
            |config, value| {
                config.tries = match value {
                    Value::Word(UNLIMITED) => None,
                    value => Some(value.positive()?),
                };
                Ok(())
            },
        ),
    Setting::new("delay", WAIT)
        .purpose("The wait before the first retry, and with full jitter its ceiling")
        .cost("Calls that fail once take longer.")
        .setter("set_delay_ms")
        .field(
            |config| Some(config.backoff.delay.into()),
            |config, value| {
                config.backoff.delay = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("max_delay", WAIT)
        .purpose("The longest wait before a retry")
        .cost("Calls that fail several times take longer.")
        .setter("set_max_delay_ms")
        .field(
            |config| Some(config.backoff.max_delay.into()),
            |config, value| {
                config.backoff.max_delay = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("backoff", FACTOR)
        .purpose("The factor by which the wait grows from one retry to the next; 1 keeps the wait")
        .cost("Late retries come later, or not within the deadline.")
        .setter("set_backoff")
        .field(
            |config| Some(config.backoff.backoff.into()),
            |config, value| {
                config.backoff.backoff = value.factor()?;
                Ok(())
            },
        ),
    Setting::new("jitter", Form::Text("the least and the most time that is added to each wait, such as 5ms-20ms"))
        .or(&[FULL])
        .purpose("The random part of a wait; full draws each wait between 0 and the delay grown so far")
        .cost("Without full jitter, callers that failed together come back together.")
        .setter("set_jitter_ms")
        .field(
            |config| Some(print_jitter(config.backoff.jitter)),
            |config, value| {
                config.backoff.jitter = match value {
                    Value::Word(_) => Jitter::Full,
                    value => parse_jitter(&value.text()?)?,
                };
                Ok(())
            },
        ),
    Setting::new("on", Form::Text("names joined by commas: connect, connect_timeout, timeout, lost_unsent, lost_sent, status and refused_stream"))
        .or(&["all", "none"])
        .purpose("The kinds of failure that are tried again")
        .cost("More kinds mean more attempts; lost_sent repeats what may have been carried out.")
        .setter("set_on")
        .field(
            |config| Some(print_kinds(config.on)),
            |config, value| {
                config.on = kinds(value)?;
                Ok(())
            },
        ),
    Setting::new("statuses", STATUSES)
        .or(&[NONE])
        .purpose("The statuses that are tried again where `on` holds status")
        .cost("More statuses mean more attempts.")
        .setter("set_statuses")
        .field(
            |config| Some(print_statuses(&config.statuses)),
            |config, value| {
                config.statuses = statuses(value)?;
                Ok(())
            },
        ),
    Setting::new("any_method", Form::Flag)
        .purpose("Whether requests of any method are repeated, also those that may have been carried out")
        .cost("What is not idempotent may be done twice.")
        .setter("set_any_method")
        .field(
            |config| Some(config.any_method.into()),
            |config, value| {
                config.any_method = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("retry_after_max", WAIT)
        .purpose("The longest Retry-After of a 429 or 503 that is waited for; a longer one ends the call")
        .cost("Calls wait for longer, within their deadline.")
        .setter("set_retry_after_max_ms")
        .field(
            |config| Some(config.retry_after_cap.into()),
            |config, value| {
                config.retry_after_cap = value.duration()?;
                Ok(())
            },
        ),
];

fn print_jitter(jitter: Jitter) -> Value {
    match jitter {
        Jitter::Full => Value::Word(FULL),
        Jitter::Range { min, max } => jitter_text(min, max).into(),
    }
}

/// A range of jitter as text that the row reads.
pub(crate) fn jitter_text(min: Duration, max: Duration) -> String {
    format!("{}-{}", duration::print(min), duration::print(max))
}

fn parse_jitter(text: &str) -> Result<Jitter, Problem> {
    let no_range = || Problem::from(format!("{text} is no range such as 5ms-20ms"));
    let (min, max) = text.split_once('-').ok_or_else(no_range)?;
    let (min, max) = (duration::parse(min.trim())?, duration::parse(max.trim())?);
    match min <= max {
        true => Ok(Jitter::Range { min, max }),
        false => Err(Problem::Part("max_ms", "is below min_ms".to_owned())),
    }
}

const KINDS: [(&str, RetryOn); 7] = [
    ("connect", RetryOn::CONNECT),
    ("connect_timeout", RetryOn::CONNECT_TIMEOUT),
    ("timeout", RetryOn::TIMEOUT),
    ("lost_unsent", RetryOn::LOST_UNSENT),
    ("lost_sent", RetryOn::LOST_SENT),
    ("status", RetryOn::STATUS),
    ("refused_stream", RetryOn::REFUSED_STREAM),
];

fn print_kinds(on: RetryOn) -> Value {
    let names = KINDS.iter().filter(|(_, kind)| on.contains(*kind)).map(|(name, _)| *name);
    match on.bits() {
        0 => Value::Word("none"),
        _ if on == RetryOn::ALL => Value::Word("all"),
        _ => names.collect::<Vec<_>>().join(",").into(),
    }
}

/// Of names, or of the bits that C has.
fn kinds(value: Value) -> Result<RetryOn, Problem> {
    let unknown = || Problem::from("has a bit that is no AHOY_RETRY_ON_ number");
    match value {
        Value::Word("none") => RetryOn::from_bits(0).ok_or_else(unknown),
        Value::Word(_) => Ok(RetryOn::ALL),
        Value::Count(_) => RetryOn::from_bits(value.count()?).ok_or_else(unknown),
        value => {
            let names = value.text()?;
            let mut bits = names.split(',').map(|name| kind(name.trim()).map(RetryOn::bits));
            let bits = bits.try_fold(0, |all, bits| bits.map(|bits| all | bits))?;
            RetryOn::from_bits(bits).ok_or_else(unknown)
        }
    }
}

fn kind(name: &str) -> Result<RetryOn, Problem> {
    let found = KINDS.iter().find(|(known, _)| *known == name);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        let names: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
        format!("{name} is not {}", listed(&names)).into()
    })
}
