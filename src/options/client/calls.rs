//! What limits a call, and what becomes of its answer.

use std::sync::Arc;

use crate::config::{ClientConfig, Commit};
use crate::options::form::{COUNT, Form, LIMIT, WAIT};
use crate::options::setting::Setting;
use crate::options::statuses::{NONE, STATUSES, print_statuses, statuses};
use crate::options::value::{OFF, Problem, Value};
use crate::policy::StatusSet;

const AUTO: &str = "auto";

/// The choices of `commit`, by their numbers in C.
const COMMIT: [&str; 2] = ["head", "first_byte"];

pub(super) const SETTINGS: &[Setting<ClientConfig>] = &[
    Setting::new("name", Form::Text("a name"))
        .or(&[OFF])
        .purpose("The name that statistics tell clients of one process apart by: the label client of each of their series")
        .cost("Nothing.")
        .setter("set_name")
        .field(
            |config| Some(Value::or_off(config.name.as_deref())),
            |config, value| {
                config.name = value.unless_off(client_name)?;
                Ok(())
            },
        ),
    Setting::new("timeout", WAIT)
        .purpose("Limit on a whole call, its attempts, waits and connects included")
        .cost("A caller waits for longer for a service that is down.")
        .setter("set_timeout_ms")
        .field(
            |config| Some(config.timeout.into()),
            |config, value| {
                config.timeout = value.duration()?;
                Ok(())
            },
        ),
    Setting::new("attempt_timeout", LIMIT)
        .or(&[AUTO])
        .purpose("How long an attempt may take before its call looks elsewhere; auto follows the service: five times the 99th percentile of its answers and at least 500ms, or 1s before there are any, but no more than the attempt's share of the time left, unless that is less than twice the percentile")
        .cost("An endpoint that hangs holds a call for longer before another is tried.")
        .setter("set_attempt_timeout_ms")
        .field(
            |config| Some(config.attempt_timeout.map_or(Value::Word(AUTO), Value::from)),
            |config, value| {
                config.attempt_timeout = match value {
                    Value::Word(_) => None,
                    value => Some(value.duration()?),
                };
                Ok(())
            },
        ),
    Setting::new("attempt_timeout_hard", Form::Flag)
        .purpose("Whether an attempt that passes its limit is cut and counts as failed, instead of going on beside another; where attempt_timeout is auto it is then 10s, or the attempt's share of the time left if that is less")
        .cost("A service that becomes slower than the limit answers no call at all.")
        .setter("set_attempt_timeout_hard")
        .field(
            |config| Some(config.attempt_timeout_hard.into()),
            |config, value| {
                config.attempt_timeout_hard = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("commit", Form::Choice(&COMMIT))
        .purpose("When a streamed answer is handed over, after which no other attempt is made: with its head or with the first byte of its body")
        .cost("With first_byte, a stream whose first event comes late is handed over late.")
        .setter("set_commit")
        .field(
            |config| Some(Value::Word(COMMIT[config.commit as usize])),
            |config, value| {
                config.commit = match value.word()? {
                    "first_byte" => Commit::FirstByte,
                    _ => Commit::Head,
                };
                Ok(())
            },
        ),
    Setting::new("connect_timeout", LIMIT)
        .or(&[AUTO])
        .purpose("Limit on resolving, TCP and TLS together; auto is the lesser of 3s and the attempt's share of the time left, and at least 1250ms where half of that time is as much: a lost SYN is sent again after a second. With TLS it is at least 250ms, or what is left")
        .cost("An endpoint that is unreachable holds a call for longer before another is tried.")
        .setter("set_connect_timeout_ms")
        .field(
            |config| Some(config.connect_timeout.map_or(Value::Word(AUTO), Value::from)),
            |config, value| {
                config.connect_timeout = match value {
                    Value::Word(_) => None,
                    value => Some(value.duration()?),
                };
                Ok(())
            },
        ),
    Setting::new("body_idle_timeout", LIMIT)
        .or(&[OFF])
        .purpose("How long the body of an answer, held whole or streamed, may bring nothing until its attempt ends; for a streamed one, a request's own idle limit comes first. off leaves a body that is held whole to the other limits. A streamed one then has attempt_timeout, unless it is text/event-stream, or else 60s, and no limit where the call's timeout is forever")
        .cost("A server that stops in the middle of an answer holds its call for longer.")
        .setter("set_body_idle_timeout_ms")
        .field(
            |config| Some(Value::or_off(config.body_idle_timeout)),
            |config, value| {
                config.body_idle_timeout = value.unless_off(Value::duration)?;
                Ok(())
            },
        ),
    Setting::new("endpoint_updates", COUNT)
        .purpose("How often a call asks the provider for a new list when no endpoint is left")
        .cost("More work for the provider while the service is down.")
        .setter("set_endpoint_updates")
        .field(
            |config| Some(config.endpoint_updates.into()),
            |config, value| {
                config.endpoint_updates = value.count()?;
                Ok(())
            },
        ),
    Setting::new("wait_for_ready", WAIT)
        .or(&[AUTO])
        .purpose("How long a call waits for an endpoint while none takes calls, as while the only one restarts, counted from the beginning of that outage; 0s fails it at once. In an outage that is older than that, no call waits. auto is 250ms, and half of the time left at most, where a probe will show whether one is back. Only for a client with a balancer")
        .cost("A call to a service that is down fails later, and holds its thread or memory until then.")
        .setter("set_wait_for_ready_ms")
        .field(
            |config| Some(config.wait_for_ready.map_or(Value::Word(AUTO), Value::from)),
            |config, value| {
                config.wait_for_ready = match value {
                    Value::Word(_) => None,
                    value => Some(value.duration()?),
                };
                Ok(())
            },
        ),
    Setting::new("max_body", Form::Size)
        .purpose("Bound on the decoded body of an answer")
        .cost("An answer may take that much memory.")
        .setter("set_max_body_bytes")
        .field(
            |config| Some(config.max_body.into()),
            |config, value| {
                config.max_body = value.size()?;
                Ok(())
            },
        ),
    Setting::new("gzip", Form::Flag)
        .purpose("Whether compressed answers are asked for and decoded: gzip, and brotli and zstd where they are built in")
        .cost("Decoding takes processor time, and saves network.")
        .setter("set_gzip")
        .field(
            |config| Some(config.gzip.into()),
            |config, value| {
                config.gzip = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("redirects", Form::Count(0, 50))
        .purpose("How many redirects are followed; only for a client without a balancer")
        .cost("A call may take that many requests more.")
        .setter("set_redirects")
        .field(
            |config| Some(config.redirects.into()),
            |config, value| {
                config.redirects = value.count()?;
                Ok(())
            },
        ),
    Setting::new("fail_on_status", Form::Flag)
        .purpose("Whether an answer of 4xx or 5xx is an error, which keeps the answer")
        .cost("None.")
        .setter("set_fail_on_status")
        .field(
            |config| Some(config.fail_on_status.into()),
            |config, value| {
                config.fail_on_status = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("failure_statuses", STATUSES)
        .or(&[NONE])
        .purpose("Statuses of answers by which an endpoint has failed, for its circuit and for outlier detection; 429 asks for less where it is not among them")
        .cost("An endpoint that answers with one of them is taken out, although it works.")
        .setter("set_failure_statuses")
        .field(
            |config| Some(print_statuses(&config.failure_statuses.unwrap_or(StatusSet::SERVER_FAULTS))),
            |config, value| {
                let statuses = statuses(value)?;
                config.failure_statuses = Some(statuses).filter(|it| *it != StatusSet::SERVER_FAULTS);
                Ok(())
            },
        ),
    Setting::new("interruptible", Form::Flag)
        .purpose("Whether a signal that is caught on the thread of a blocking call ends the call")
        .cost("Any signal that the host handles ends calls, unless its function for it says otherwise.")
        .setter("set_interruptible")
        .field(
            |config| Some(config.interruptible.into()),
            |config, value| {
                config.interruptible = value.flag()?;
                Ok(())
            },
        ),
    Setting::new("expect_continue", Form::Flag)
        .purpose("Whether a body waits, for at most 1 s, until the server has said that it wants it (Expect: 100-continue); not with a proxy")
        .cost("A round trip for each request with a body, and 1 s where a server does not know the header.")
        .setter("set_expect_continue")
        .field(
            |config| Some(config.expect_continue.into()),
            |config, value| {
                config.expect_continue = value.flag()?;
                Ok(())
            },
        ),
];

fn client_name(value: Value) -> Result<Arc<str>, Problem> {
    match value.text()? {
        name if name.is_empty() => Err("is empty".into()),
        name if name.trim() != name => Err("has blanks around it".into()),
        name if name.contains(char::is_control) => Err("has a control character".into()),
        name => Ok(name.into()),
    }
}
