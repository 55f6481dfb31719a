//! What attempts pass on, and what answers say beside their body.

use http::HeaderName;

use crate::config::ClientConfig;
use crate::options::form::{Form, HEADER};
use crate::options::setting::Setting;
use crate::options::value::{OFF, Problem, Value};
use crate::policy::TraceStart;
use crate::request::own_header;

/// The choices of `trace`, by their numbers in C.
const TRACE: [&str; 4] = [OFF, "pass_on", "start", "start_sampled"];

pub(super) const SETTINGS: &[Setting<ClientConfig>] = &[
    Setting::new("deadline_header", HEADER)
        .or(&[OFF])
        .purpose("The header that tells the service the time left, and in which an inbound request tells it")
        .cost("A header on each attempt.")
        .setter("set_deadline_header")
        .field(
            |config| Some(name_or_off(config.deadline_header.as_ref())),
            |config, value| {
                config.deadline_header = value.unless_off(told_header)?;
                Ok(())
            },
        ),
    Setting::new("attempt_header", HEADER)
        .or(&[OFF])
        .purpose("The header that tells the service an attempt's number, from 1")
        .cost("A header on each attempt.")
        .setter("set_attempt_header")
        .field(
            |config| Some(name_or_off(config.attempt_header.as_ref())),
            |config, value| {
                config.attempt_header = value.unless_off(told_header)?;
                Ok(())
            },
        ),
    Setting::new("pushback_header", HEADER)
        .or(&[OFF])
        .purpose("The header by which an answer says whether, and after how many milliseconds, the call may be repeated")
        .cost("The service decides about retries.")
        .setter("set_pushback_header")
        .field(
            |config| Some(name_or_off(config.pushback_header.as_ref())),
            |config, value| {
                config.pushback_header = value.unless_off(Value::header)?;
                Ok(())
            },
        ),
    Setting::new("trace", Form::Choice(&TRACE))
        .purpose("What is done with W3C traces: pass_on continues one that came in, start begins one where none did, start_sampled one that is to be recorded")
        .cost("A header on each attempt; start_sampled makes services record every call.")
        .setter("set_trace")
        .field(
            |config| {
                Some(Value::Word(match config.trace {
                    None => TRACE[0],
                    Some(TraceStart::Never) => TRACE[1],
                    Some(TraceStart::Unsampled) => TRACE[2],
                    Some(TraceStart::Sampled) => TRACE[3],
                }))
            },
            |config, value| {
                config.trace = match value.word()? {
                    "pass_on" => Some(TraceStart::Never),
                    "start" => Some(TraceStart::Unsampled),
                    "start_sampled" => Some(TraceStart::Sampled),
                    _ => None,
                };
                Ok(())
            },
        ),
];

/// The name of a header that bears a number.
fn told_header(value: Value) -> Result<HeaderName, Problem> {
    Ok(own_header(value.header()?)?)
}

fn name_or_off(name: Option<&HeaderName>) -> Value {
    Value::or_off(name.map(HeaderName::as_str))
}
