//! Hooks of a client: host functions around each attempt, for its messages, and for signals.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::builder::ahoy_client_builder;
use crate::client::{AttemptInfo, Log, Severity};
use crate::error::Error;
use crate::ffi::call::request::ahoy_request;
use crate::ffi::call::response::ahoy_response;
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::Configurable;
use crate::ffi::values::status::{AHOY_OK, ahoy_status, described};
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::ffi::values::{entry, text};
use crate::request::Request;
use crate::runtime::host::callback;

/// Runs before each attempt. It may read the attempt's method, path, headers, body and endpoint. It
/// may change its path and headers and nothing else, so that each attempt can be signed for itself.
/// Any status but AHOY_OK refuses the call, which then ends with AHOY_E_HOOK_REFUSED.
///
/// Thread: the one that drives the call, several at once.
pub type ahoy_request_fn = Option<
    unsafe extern "C-unwind" fn(user_data: *mut c_void, request: *mut ahoy_request) -> ahoy_status,
>;

/// Runs after each attempt that got an answer, whatever its status. The response belongs to the
/// library and is valid inside the hook only.
///
/// Thread: the one that drives the call, several at once.
pub type ahoy_response_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, response: *const ahoy_response)>;

/// Runs after each attempt that got no answer. The error belongs to the library and is valid inside
/// the hook only.
///
/// Thread: the one that drives the call, several at once.
pub type ahoy_error_fn =
    Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, error: *const ahoy_error)>;

/// Sets the hook before each attempt, in place of an earlier one.
///
/// @param fn the hook
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_request(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_request_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_request_fn>| {
        builder.hooks.on_request =
            Some(Arc::new(move |request, attempt| ask(&fn_, request, attempt)));
        Ok(())
    })
}

/// Lets the hook change an attempt's request, or refuse it.
fn ask(
    on_request: &Callback<ahoy_request_fn>,
    request: &mut Request,
    attempt: &AttemptInfo<'_>,
) -> Result<(), String> {
    let mut shown = ahoy_request::for_hook(request.clone(), attempt);
    let status = call_host!(on_request, &raw mut shown);
    *request = shown.request;
    match status {
        Some(AHOY_OK) => Ok(()),
        Some(other) => Err(format!("the hook returned {}", described(other))),
        None => Err(callback::STOPPED.to_owned()),
    }
}

/// Sets the hook after each answer, in place of an earlier one.
///
/// @param fn the hook
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_response(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_response_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_response_fn>| {
        builder.hooks.on_response = Some(Arc::new(move |response| {
            let shown = ahoy_response::from(response.clone());
            call_host!(fn_, &raw const shown);
        }));
        Ok(())
    })
}

/// Sets the hook after each failed attempt, in place of an earlier one.
///
/// @param fn the hook
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_error(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_error_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_error_fn>| {
        builder.hooks.on_error = Some(Arc::new(move |error| {
            let shown = ahoy_error::from(error.clone());
            call_host!(fn_, &raw const shown);
        }));
        Ok(())
    })
}

/// Returns true if a blocking call should end now. It must not block.
///
/// Thread: the caller's, several at once.
pub type ahoy_should_stop_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void) -> bool>;

/// Lets signals end blocking calls. The function is asked on the calling thread after each signal
/// that the host caught there, and at least every 50 ms. Where it returns true, the call ends with
/// AHOY_E_INTERRUPTED. It must not block.
///
/// @param fn returns whether to stop
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_should_stop(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_should_stop_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_should_stop_fn>| {
        builder.hooks.should_stop = Some(Arc::new(move || call_host!(fn_).unwrap_or_default()));
        Ok(())
    })
}

/// Ends a blocking call with AHOY_E_INTERRUPTED when a signal is caught on its thread, unless the
/// function of ahoy_client_builder_set_should_stop says otherwise. A signal that comes in the
/// moment when the thread does not wait leaves no trace; with ahoy_client_builder_set_should_stop
/// none is missed. Linux ends a wait also where the process is stopped and goes on, by job control
/// or a debugger: that counts as a caught signal. Default false.
///
/// @param interruptible whether a caught signal ends a blocking call
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_interruptible(
    builder: *mut ahoy_client_builder,
    interruptible: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("interruptible", "interruptible", interruptible)
    })
}

/// Severity of a message: the library could not do its work.
pub const AHOY_LOG_ERROR: i32 = 1;
/// Severity of a message: something is wrong with a peer or a provider.
pub const AHOY_LOG_WARN: i32 = 2;
/// Severity of a message: a state changed.
pub const AHOY_LOG_INFO: i32 = 3;
/// Severity of a message: one attempt.
pub const AHOY_LOG_DEBUG: i32 = 4;

/// Gets a message: its severity (an AHOY_LOG_ number), its target (the part of the library) and its
/// text, both valid inside the callback only.
///
/// Thread: any, several at once.
pub type ahoy_log_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        level: i32,
        part: *const c_char,
        message: *const c_char,
    ),
>;

/// Sets where the client's messages go, in place of an earlier function. Default: nowhere. No
/// message holds a header value, a body or a query string.
///
/// @param level the lowest severity that is passed on: an AHOY_LOG_ number
/// @param fn gets each message
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_log(
    builder: *mut ahoy_client_builder,
    level: i32,
    fn_: ahoy_log_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_log_fn>| {
        builder.log = Log::new(severity(level)?, Arc::new(sink(fn_)));
        Ok(())
    })
}

fn sink(on_log: Callback<ahoy_log_fn>) -> impl Fn(Severity, &str, &str) + Send + Sync {
    move |severity, part, message| {
        // The texts outlive the call.
        let (part, message) = (text::owned(part), text::owned(message));
        call_host!(on_log, number(severity), part.as_ptr(), message.as_ptr());
    }
}

fn severity(level: i32) -> Result<Severity, Error> {
    match level {
        AHOY_LOG_ERROR => Ok(Severity::Error),
        AHOY_LOG_WARN => Ok(Severity::Warn),
        AHOY_LOG_INFO => Ok(Severity::Info),
        AHOY_LOG_DEBUG => Ok(Severity::Debug),
        _ => Err(Error::invalid("level", "is no AHOY_LOG_ number")),
    }
}

fn number(level: Severity) -> i32 {
    match level {
        Severity::Error => AHOY_LOG_ERROR,
        Severity::Warn => AHOY_LOG_WARN,
        Severity::Info => AHOY_LOG_INFO,
        Severity::Debug => AHOY_LOG_DEBUG,
    }
}
