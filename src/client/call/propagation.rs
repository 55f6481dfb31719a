//! What goes with an attempt to the service and on to those behind it: the time left, the place in the trace,
//! the attempt's number. And what of it came in with the request that this one is made for.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::ClientConfig;
use crate::policy::TraceParent;
use crate::policy::propagation::deadline;
use crate::request::Request;
use crate::runtime::entropy;

/// The header of the W3C's Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What vendors of tracing add to it; handed on as it came.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Adds what this attempt carries beside the call's own headers.
pub(crate) fn add(
    config: &ClientConfig,
    trace: Option<&TraceParent>,
    limit: Duration,
    number: usize,
    headers: &mut HeaderMap,
) {
    if let Some(name) = &config.deadline_header
        && limit < Duration::MAX
    {
        insert(headers, name, deadline::told(name.as_str(), limit).as_bytes());
    }
    if let Some(name) = &config.attempt_header {
        insert(headers, name, number.to_string().as_bytes());
    }
    if let Some(trace) = trace {
        let span = entropy::with_rng(|rng| trace.attempt(rng));
        insert(headers, &TRACEPARENT, &span.to_bytes());
    }
}

fn insert(headers: &mut HeaderMap, name: &HeaderName, value: &[u8]) {
    // Digits, letters and dashes: always a valid value.
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}

/// The trace that a call belongs to; `None` where traces are not passed on, or there is none. What cannot be read
/// does not go on, nor what came along with it: it would belong to another trace.
pub(crate) fn trace(
    config: &ClientConfig,
    request: &Request,
    headers: &mut Cow<'_, HeaderMap>,
) -> Option<TraceParent> {
    let start = config.trace?;
    let name = TRACEPARENT;
    let own = request.headers.contains_key(&name);
    let received = match own {
        true => only(request.headers.get_all(&name).iter()),
        false => only(inbound(request, &name)),
    };
    if received.and_then(TraceParent::parse).is_none() {
        remove(headers, &TRACEPARENT);
        remove(headers, &TRACESTATE);
    } else if !own && !headers.contains_key(TRACESTATE) {
        for state in inbound(request, &TRACESTATE) {
            headers.to_mut().append(TRACESTATE, state.clone());
        }
    }
    entropy::with_rng(|rng| TraceParent::of_call(received, start, rng))
}

fn remove(headers: &mut Cow<'_, HeaderMap>, name: &HeaderName) {
    if headers.contains_key(name) {
        headers.to_mut().remove(name);
    }
}

/// The value of a header that may be there once. Of several, none can be told to be the right one.
fn only<'a>(mut values: impl Iterator<Item = &'a HeaderValue>) -> Option<&'a [u8]> {
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes())
}

/// The limit of a call: its own, or what the callers before it have left, the least of them.
pub(crate) fn timeout(config: &ClientConfig, request: &Request) -> Duration {
    let own = request.timeout.unwrap_or(config.timeout);
    let Some(name) = &config.deadline_header else { return own };
    // A server in between may have joined several into one.
    let values =
        inbound(request, name).flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let received = values.filter_map(|value| deadline::parse(name.as_str(), value));
    received.fold(own, Duration::min)
}

fn inbound<'a>(
    request: &'a Request,
    name: &'a HeaderName,
) -> impl Iterator<Item = &'a HeaderValue> {
    request.inbound.iter().filter(move |(other, _)| other == name).map(|(_, value)| value)
}
