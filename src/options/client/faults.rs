//! Faults on demand, for tests.

use std::time::Duration;

use http::HeaderName;

use crate::config::ClientConfig;
use crate::options::form::{COUNT, Form, HEADER, RATIO};
use crate::options::setting::Setting;
use crate::options::value::{OFF, Problem, Value};
use crate::options::{duration, number};
use crate::policy::Ratio;

pub(super) const SETTINGS: &[Setting<ClientConfig>] = &[
    Setting::new("fault_abort", Form::Text("a status and the share of attempts, such as 503@0.01"))
        .or(&[OFF])
        .purpose("For tests: attempts that are answered with this status and not sent, and the share of all that are")
        .cost("That share of attempts fails.")
        .setter("set_fault_abort")
        .field(
            |config| Some(Value::or_off(config.faults.abort.map(|(status, share)| shared(status, share)))),
            |config, value| {
                config.faults.abort = value.unless_off(|value| {
                    let text = value.text()?;
                    let (status, share) = parts(&text, "503@0.01")?;
                    Ok((status_of(number::count(status)?)?, share))
                })?;
                Ok(())
            },
        ),
    Setting::new("fault_delay", Form::Text("a duration and the share of attempts, such as 200ms@0.05"))
        .or(&[OFF])
        .purpose("For tests: attempts that are sent after this time, and the share of all that are")
        .cost("That share of attempts takes longer.")
        .setter("set_fault_delay")
        .field(
            |config| {
                let text = |(delay, share): (_, Ratio)| fault_delay_text(delay, share.value());
                Some(Value::or_off(config.faults.delay.map(text)))
            },
            |config, value| {
                config.faults.delay = value.unless_off(|value| {
                    let text = value.text()?;
                    let (delay, share) = parts(&text, "200ms@0.05")?;
                    Ok((duration::parse(delay)?, share))
                })?;
                Ok(())
            },
        ),
    Setting::new("fault_reset", RATIO)
        .or(&[OFF])
        .purpose("For tests: the share of attempts whose connection is lost after the request seems to be sent, which it is not")
        .cost("That share of attempts fails, and may have been carried out.")
        .setter("set_fault_reset")
        .field(
            |config| Some(Value::or_off(config.faults.reset)),
            |config, value| {
                config.faults.reset = value.unless_off(Value::ratio)?;
                Ok(())
            },
        ),
    Setting::new("fault_header", HEADER)
        .or(&[OFF])
        .purpose("For tests: only requests that have this header suffer faults")
        .cost("None.")
        .setter("set_fault_header")
        .field(
            |config| Some(Value::or_off(config.fault_header.as_ref().map(HeaderName::as_str))),
            |config, value| {
                config.fault_header = value.unless_off(Value::header)?;
                Ok(())
            },
        ),
    Setting::new("fault_seed", COUNT)
        .or(&[OFF])
        .purpose("For tests: with the same number, a client's attempts suffer the same faults in the same order; off draws others each time")
        .cost("None.")
        .setter("set_fault_seed")
        .field(
            |config| Some(Value::or_off(config.fault_seed)),
            |config, value| {
                config.fault_seed = value.unless_off(Value::count)?;
                Ok(())
            },
        ),
];

/// A delay with its share, as text that its row reads.
pub(crate) fn fault_delay_text(delay: Duration, share: f64) -> String {
    format!("{}@{share}", duration::print(delay))
}

fn shared(fault: impl std::fmt::Display, share: Ratio) -> String {
    format!("{fault}@{}", share.value())
}

fn parts<'a>(text: &'a str, example: &str) -> Result<(&'a str, Ratio), Problem> {
    let (fault, share) = text
        .split_once('@')
        .ok_or_else(|| Problem::from(format!("{text} is not like {example}")))?;
    let share = number::real(share.trim()).map_err(|_| outside())?;
    let share = Ratio::new(share);
    Ok((fault.trim(), share.ok_or_else(outside)?))
}

fn outside() -> Problem {
    Problem::Part("share", "is not between 0 and 1".to_owned())
}

fn status_of(number: u64) -> Result<u16, Problem> {
    let status = u16::try_from(number).ok().filter(|status| (200..=599).contains(status));
    status.ok_or_else(|| Problem::Part("status", "is not between 200 and 599".to_owned()))
}
