//! What a client holds back for its service and its callers: budgets, hedges, limits and throttles; and what its
//! attempts pass on.

use std::ffi::c_char;
use std::num::NonZeroU32;

use super::builder::{ahoy_client_builder, change};
use crate::config::BudgetChoice;
use crate::criticality::Criticality;
use crate::error::Error;
use crate::ffi::balancer::balancing::ratio;
use crate::ffi::call::error::ahoy_error;
use crate::ffi::call::request::{ahoy_request, change as change_request};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::text::{self, duration, positive_duration};
use crate::policy::{
    BudgetConfig, Factor, GradientConfig, HedgeConfig, HedgeDelay, LimitConfig, SheddingConfig,
    ThrottleConfig, TraceStart,
};
use crate::request::{Request, header_name};

/// Sets what retries and hedges of all calls together may add to the calls themselves: a share of them, and so many a
/// second beside, which a rare caller would be without otherwise. When the budget is used up, a failed attempt is the call's
/// end; so a service in trouble is not asked several times as much. An attempt of which nothing was sent costs
/// nothing. Default 0.1 and 1 over 10,000 ms: 10 extra attempts at once, and then one for each ten calls; for tries
/// without limit (ahoy_retry_set_tries) no budget unless this sets one.
///
/// @param share of the calls, from 0; 0.2 is Finagle's, 0.1 keeps the load of a chain of services low
/// @param floor_per_second 0 is better in a fleet of more than 1,000 clients
/// @param window_ms over which is counted; 1000 to 60000
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_retry_budget(
    builder: *mut ahoy_client_builder,
    share: f64,
    floor_per_second: u32,
    window_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        let ratio = Factor::new(share)
            .ok_or_else(|| Error::invalid("share", "is negative or not finite"))?;
        if !(1_000..=60_000).contains(&window_ms) {
            return Err(Error::invalid("window_ms", "is not between 1000 and 60000"));
        }
        let window = duration(window_ms);
        builder.config.budget =
            BudgetChoice::Set(BudgetConfig { ratio, floor_per_second, window, stock: 0 });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Switches on what helps where endpoints fail in odd ways: hedges for the slowest twentieth of calls that may be
/// carried out twice, and a limit of 1,024 calls in flight. What was set before stays as it was set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_use_resilient_profile(
    builder: *mut ahoy_client_builder,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.make_resilient();
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Lets retries and hedges cost the service whatever the other rules allow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_disable_retry_budget(
    builder: *mut ahoy_client_builder,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.budget = BudgetChoice::Off;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sends a copy of an attempt to another endpoint where no answer came within this time; the first good answer
/// wins, and the other exchange is dropped. Only for requests that may be carried out twice, within the budget and
/// within max_extra, and none while the limit on calls in flight is reached or has turned calls away or let them wait
/// in the last 3 s. Default: off.
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
    let set = |builder: &mut ahoy_client_builder| {
        let delay = HedgeDelay::Fixed(positive_duration("delay_ms", delay_ms)?);
        set_hedge(builder, delay, max_extra)
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// The same, after the time in which all but max_extra of the answers of the last 3 s came: 0.05 hedges the
/// slowest twentieth. Nothing is hedged until 50 answers were seen. Default: off.
///
/// @param max_extra the share of calls that may be hedged, 0 to 1; 0.05 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_hedge(
    builder: *mut ahoy_client_builder,
    max_extra: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| set_hedge(builder, HedgeDelay::Live, max_extra);
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

fn set_hedge(
    builder: &mut ahoy_client_builder,
    delay: HedgeDelay,
    max_extra: f64,
) -> Result<(), Error> {
    let max_extra = ratio("max_extra", max_extra)?;
    builder.config.hedge = HedgeConfig { delay: Some(delay), max_extra, ..HedgeConfig::default() };
    Ok(())
}

/// Sends no more calls than this at once; a further one is AHOY_E_OVERLOADED, unless it may wait
/// (ahoy_client_builder_set_wait_queue). A streamed call counts until the end of its body. Default: no limit.
///
/// @param calls at least 1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_max_in_flight(
    builder: *mut ahoy_client_builder,
    calls: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.limit = Some(LimitConfig::Fixed(at_least_one("calls", calls)?));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sends as many calls at once as the service answers in good time (Gradient2, as in Netflix's concurrency-limits):
/// the limit falls where answers take longer than they used to, and grows where they do not. Default: no limit.
///
/// @param start before anything was seen; 20 is a good start
/// @param floor what it does not fall below, at least 1; 20 is a good start
/// @param ceiling what it does not exceed, at least floor; 200 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_adaptive_limit(
    builder: *mut ahoy_client_builder,
    start: u32,
    floor: u32,
    ceiling: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        at_least_one("floor", floor)?;
        if ceiling < floor {
            return Err(Error::invalid("ceiling", "is below floor"));
        }
        if !(floor..=ceiling).contains(&start) {
            return Err(Error::invalid("start", "is not between floor and ceiling"));
        }
        let gradient = GradientConfig { start, floor, ceiling };
        builder.config.limit = Some(LimitConfig::Gradient(gradient));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Lets calls above the limit wait for room: the more important first (ahoy_request_set_criticality), then whoever came
/// first. In a full queue a more important call takes the place of the least important. Default: none may wait.
///
/// @param length how many may wait; 0 for none
/// @param wait_ms how long at most, within the call's deadline; 100 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_wait_queue(
    builder: *mut ahoy_client_builder,
    length: u32,
    wait_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.shedding = SheddingConfig {
            queue_length: length as usize,
            queue_wait: duration(wait_ms),
            ..builder.config.shedding
        };
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Refuses calls by itself (AHOY_E_OVERLOADED) while the service refuses most of them by 429 or 503 or does not
/// answer: of what is asked, about k times what it accepts is sent (client-side throttling, as in Google's SRE book).
/// Default: off.
///
/// @param k at least 1; 2 is a good start
/// @param window_ms over which is counted; 120000 is a good start
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_adaptive_throttle(
    builder: *mut ahoy_client_builder,
    k: f64,
    window_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        let k = Factor::new(k).filter(|factor| factor.value() >= 1.0);
        let k = k.ok_or_else(|| Error::invalid("k", "is below 1 or not finite"))?;
        let window = positive_duration("window_ms", window_ms)?;
        builder.config.throttle = Some(ThrottleConfig { k, window });
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Tells the service how long each attempt may take, in whole milliseconds (for grpc-timeout in gRPC's form), and
/// shortens the call's own limit to what such a header of the inbound request says (ahoy_request_forward_headers): so the time
/// left shrinks from hop to hop. Default: off.
///
/// @param name a header name, such as X-Request-Timeout-Ms
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_deadline_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let name = unsafe { text::required("name", name) }?;
        builder.config.deadline_header = Some(header_name(name)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
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
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let name = unsafe { text::required("name", name) }?;
        builder.config.attempt_header = Some(header_name(name)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Lets an answer say by a header whether a call may be repeated: after so many milliseconds, or, where the value
/// is negative or no number, not at all. A service that is itself refused passes -1 on, and spares the one behind
/// it. Default: off.
///
/// @param name a header name, such as grpc-retry-pushback-ms
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_pushback_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let name = unsafe { text::required("name", name) }?;
        builder.config.pushback_header = Some(header_name(name)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Traces are not touched: a traceparent header of the request is sent as it is.
pub const AHOY_TRACE_OFF: i32 = 0;
/// A trace that came in goes on, each attempt a span of its own.
pub const AHOY_TRACE_PASS_ON: i32 = 1;
/// The same; where none came in, one is started that need not be recorded.
pub const AHOY_TRACE_START: i32 = 2;
/// The same; where none came in, one is started that is to be recorded.
pub const AHOY_TRACE_START_SAMPLED: i32 = 3;

/// Says what is done with W3C traces: the traceparent header of the request, or else of the inbound request
/// (ahoy_request_forward_headers), whose tracestate goes along. Default AHOY_TRACE_OFF.
///
/// @param mode one of the AHOY_TRACE_ numbers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_trace(
    builder: *mut ahoy_client_builder,
    mode: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.trace = match mode {
            AHOY_TRACE_OFF => None,
            AHOY_TRACE_PASS_ON => Some(TraceStart::Never),
            AHOY_TRACE_START => Some(TraceStart::Unsampled),
            AHOY_TRACE_START_SAMPLED => Some(TraceStart::Sampled),
            _ => return Err(Error::invalid("mode", "is no AHOY_TRACE_ number")),
        };
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Its failure does great harm.
pub const AHOY_CRITICAL_PLUS: i32 = 0;
/// Somebody waits for it; the default.
pub const AHOY_CRITICAL: i32 = 1;
/// It can be repeated in minutes; may fill three quarters of a limit.
pub const AHOY_SHEDDABLE_PLUS: i32 = 2;
/// It may fail for hours; may fill half of a limit.
pub const AHOY_SHEDDABLE: i32 = 3;

/// Says how important the request is where a limit on calls in flight cannot let in all (the classes are those of
/// Google's SRE book). Default AHOY_CRITICAL.
///
/// @param criticality one of the numbers above
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_criticality(
    request: *mut ahoy_request,
    criticality: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        let number = u32::try_from(criticality).ok();
        let class = number.and_then(Criticality::from_number);
        request.criticality =
            class.ok_or_else(|| Error::invalid("criticality", "is not between 0 and 3"))?;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change_request(request, err, set) }
}

fn at_least_one(name: &str, value: u32) -> Result<NonZeroU32, Error> {
    NonZeroU32::new(value).ok_or_else(|| Error::invalid(name, "is 0; the least is 1"))
}
