//! What a client holds back for its service and its callers: budgets, hedges, limits and throttles; and what its
//! attempts pass on.

use std::ffi::c_char;

use super::builder::ahoy_client_builder;
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::{Configurable, ms, off};
use crate::ffi::values::status::ahoy_status;
use crate::options::{Value, adaptive_limit_text};

/// Limits the extra attempts that retries and hedges of all calls together make: to a share of the
/// calls, plus a number a second for clients with few calls. When the budget is used up, a failed
/// attempt ends its call, so that a service in trouble does not get several times its load.
///
/// Two kinds of extra attempt are not charged: those that follow an attempt that sent nothing, and
/// those that repeat what was in flight to an endpoint that hangs or whose circuit opens, as long
/// as most other endpoints are well, or those that are well have failed nothing for 10 s.
///
/// Default 0.1 and 1 over 10,000 ms: 10 extra attempts at once, then one for each ten calls; and
/// the stock of ahoy_client_builder_set_retry_budget_stock. Without limit on the tries
/// (ahoy_retry_set_tries) there is no budget by default.
///
/// @param share extra attempts for each call, from 0; 0.2 is Finagle's, 0.1 keeps the load of a
///        chain of services low
/// @param floor_per_second extra attempts that are allowed in any case; 0 is better in a fleet of
///        more than 1,000 clients
/// @param window_ms the time over which calls are counted, 1000 to 60000
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_retry_budget(
    builder: *mut ahoy_client_builder,
    share: f64,
    floor_per_second: u32,
    window_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("retry_budget", "share", share.into()),
        ("retry_budget_floor", "floor_per_second", floor_per_second.into()),
        ("retry_budget_window", "window_ms", ms(window_ms)),
    ];
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set_all(parameters))
}

/// Sets a stock of extra attempts that are granted when the retry budget has none left, as in a
/// burst of calls on a new client. A call draws on it at most twice, once for a failed attempt and
/// once for a late one. Ten successful calls put one back; a forked child begins with 10 at most.
/// Default 100, or 0 once ahoy_client_builder_set_retry_budget was called. Switches on a budget
/// that was off.
///
/// @param attempts 0 for none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_retry_budget_stock(
    builder: *mut ahoy_client_builder,
    attempts: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("retry_budget_stock", "attempts", attempts)
    })
}

/// Switches on two protections that have a price: hedges for the slowest twentieth of calls that
/// may be carried out twice, and a limit of 1,024 calls in flight. With the limit comes a queue:
/// 1,024 more calls wait for room, each for up to 1 s. What is on already stays as it is. Neither
/// is a default: hedges send up to 5 % more requests, and calls for which no room comes are refused
/// with AHOY_E_OVERLOADED. Take it for services whose requests are cheap to repeat, together with
/// ahoy_balancer_use_resilient_profile. README compares it with the defaults by measurement.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_use_resilient_profile(
    builder: *mut ahoy_client_builder,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("profile", "profile", Value::Word("resilient"))
    })
}

/// Limits retries and hedges by their other rules only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_disable_retry_budget(
    builder: *mut ahoy_client_builder,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("retry_budget", "share", off())
    })
}

/// Hedges: sends a copy of an attempt to another endpoint when no answer came within this time. The
/// first good answer wins, and the losing attempt is cancelled. Only requests that may be carried
/// out twice are hedged, within the budget and max_extra, and none while the limit on calls in
/// flight is reached or has refused or delayed calls in the last 3 s. Default: off.
///
/// @param delay_ms at least 1
/// @param max_extra the share of calls that may be hedged, 0 to 1; 0.05 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_hedge_delay_ms(
    builder: *mut ahoy_client_builder,
    delay_ms: u64,
    max_extra: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("hedge_delay", "delay_ms", ms(delay_ms)),
        ("hedge_max_extra", "max_extra", max_extra.into()),
    ];
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set_all(parameters))
}

/// Hedges like ahoy_client_builder_set_hedge_delay_ms, after the time in which all but max_extra of
/// the last answers came: 0.05 hedges the slowest twentieth. The answers are those of the last 3 s,
/// or of the last minute where 3 s had fewer than 50. Before there are 20, an attempt is hedged
/// when it passes its limit. Default: off.
///
/// @param max_extra the share of calls that may be hedged, 0 to 1; 0.05 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_hedge(
    builder: *mut ahoy_client_builder,
    max_extra: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("hedge_delay", "max_extra", Value::Word("live")),
        ("hedge_max_extra", "max_extra", max_extra.into()),
    ];
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set_all(parameters))
}

/// Limits the calls in flight. A further call is AHOY_E_OVERLOADED, unless it may wait
/// (ahoy_client_builder_set_wait_queue). A streamed call counts until the end of its body. Replaces
/// an adaptive limit. Default: no limit.
///
/// @param calls at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_max_in_flight(
    builder: *mut ahoy_client_builder,
    calls: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("max_in_flight", "calls", calls)
    })
}

/// Limits the calls in flight to what the service answers in good time (Gradient2, as in Netflix's
/// concurrency-limits): the limit falls while answers take longer than they used to, and grows
/// while they do not. Replaces a fixed limit. Default: no limit.
///
/// @param start the limit before the first answer, from floor to ceiling; 20 is a good start
/// @param floor the least limit, at least 1; 20 is a good start
/// @param ceiling the greatest limit, at least floor; 200 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_adaptive_limit(
    builder: *mut ahoy_client_builder,
    start: u32,
    floor: u32,
    ceiling: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("adaptive_limit", "start", adaptive_limit_text(start, floor, ceiling))
    })
}

/// Lets calls above the limit wait for room. The most important goes first
/// (ahoy_request_set_criticality), and of equal ones the oldest. In a full queue a more important
/// call takes the place of the least important. A call for which no room came in time is
/// AHOY_E_OVERLOADED, also if its deadline ended the wait. Default: no call may wait.
///
/// @param length how many calls may wait; 0 for none
/// @param timeout_ms how long a call waits at most, within its deadline; 100 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_wait_queue(
    builder: *mut ahoy_client_builder,
    length: u32,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("wait_queue_length", "length", length.into()),
        ("wait_queue_timeout", "timeout_ms", ms(timeout_ms)),
    ];
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set_all(parameters))
}

/// Refuses calls in the client (AHOY_E_OVERLOADED) while the service refuses most of them by 429 or
/// 503 or does not answer: about k calls are sent for each that is accepted (client-side
/// throttling, as in Google's SRE book). One call a second is sent in any case, and calls of which
/// nothing was sent do not count. Default: off.
///
/// @param k at least 1; 2 is a good start
/// @param window_ms the time over which calls are counted, at least 1; 120000 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_adaptive_throttle(
    builder: *mut ahoy_client_builder,
    k: f64,
    window_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameters = [
        ("adaptive_throttle", "k", k.into()),
        ("adaptive_throttle_window", "window_ms", ms(window_ms)),
    ];
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set_all(parameters))
}

/// Tells the service how long each attempt may take, in whole milliseconds, or in gRPC's form for
/// grpc-timeout. A header of this name of the inbound request (ahoy_request_forward_headers)
/// shortens the call's own limit: the time left shrinks from hop to hop. Default: off.
///
/// @param name a header name, such as X-Request-Timeout-Ms
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_deadline_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str| {
        builder.set("deadline_header", "name", name)
    })
}

/// Tells the service an attempt's number, from 1. Default: off.
///
/// @param name a header name, such as X-Attempt
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_attempt_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str| {
        builder.set("attempt_header", "name", name)
    })
}

/// Lets an answer say by a header when its call may be repeated: after that many milliseconds, or
/// never where the value is negative or no number. A service that is refused itself passes -1 on to
/// spare the one behind it. Default: off.
///
/// @param name a header name, such as grpc-retry-pushback-ms
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_pushback_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str| {
        builder.set("pushback_header", "name", name)
    })
}

/// Traces are not touched: a traceparent header of the request is sent as it is.
pub const AHOY_TRACE_OFF: i32 = 0;
/// A trace of the inbound request is continued; each attempt is a span of its own.
pub const AHOY_TRACE_PASS_ON: i32 = 1;
/// As AHOY_TRACE_PASS_ON; without an inbound trace, one is started that is not sampled.
pub const AHOY_TRACE_START: i32 = 2;
/// As AHOY_TRACE_PASS_ON; without an inbound trace, one is started that is sampled.
pub const AHOY_TRACE_START_SAMPLED: i32 = 3;

/// Says what is done with W3C traces: the traceparent header of the request, or else of the inbound
/// request (ahoy_request_forward_headers), whose tracestate goes along. Default AHOY_TRACE_OFF.
///
/// @param mode one of the AHOY_TRACE_ numbers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_trace(
    builder: *mut ahoy_client_builder,
    mode: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set("trace", "mode", mode))
}
