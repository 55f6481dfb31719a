//! `ahoy_retry`: what is tried again, how often and after which wait.

use std::ffi::c_char;
use std::ptr;

use crate::error::Error;
use crate::ffi::values::argument::Array;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Shared};
use crate::ffi::values::setter::{Configurable, ms};
use crate::ffi::values::settings::Settings;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::text::duration;
use crate::ffi::values::{entry, guard, handle};
use crate::options::{RETRY, Table, Value, jitter_text};
use crate::policy::RetryConfig;

/// Which failures are tried again, how often and after which wait.
///
/// - A call makes up to 3 tries, at endpoints that it has not tried yet while there are any.
/// - Only idempotent requests are repeated, and those that certainly were not processed.
/// - An attempt that sent nothing (refused, unreachable, unresolved, connect timed out) costs no
///   try and no wait while an untried endpoint is left.
/// - Waits are random up to 25 ms, doubled with each retry up to 1 s (full jitter).
///
/// Ownership: freed with ahoy_retry_free; builders copy it. Thread: configured from one, and frozen
/// when a builder takes it; then any.
pub struct ahoy_retry {
    rules: Settings<RetryConfig>,
}

impl Handle for ahoy_retry {
    type Held = Shared;
}

/// Try again when refused, unreachable or unresolved.
pub const AHOY_RETRY_ON_CONNECT: u32 = 1;
/// Try again when connecting took too long.
pub const AHOY_RETRY_ON_CONNECT_TIMEOUT: u32 = 2;
/// Try again when an attempt took too long.
pub const AHOY_RETRY_ON_TIMEOUT: u32 = 4;
/// Try again when the connection was lost before the request's first byte was sent.
pub const AHOY_RETRY_ON_LOST_UNSENT: u32 = 8;
/// Try again when the connection was lost, or the answer was broken, after bytes were sent.
pub const AHOY_RETRY_ON_LOST_SENT: u32 = 16;
/// Try again on certain statuses: see ahoy_retry_set_statuses.
pub const AHOY_RETRY_ON_STATUS: u32 = 32;
/// Try again when the server refused the stream unprocessed (HTTP/2).
pub const AHOY_RETRY_ON_REFUSED_STREAM: u32 = 64;
/// All of these: the default.
pub const AHOY_RETRY_ON_ALL: u32 = 127;

impl Configurable for &ahoy_retry {
    type Config = RetryConfig;

    fn table() -> &'static Table<RetryConfig> {
        &RETRY
    }

    fn change(
        self,
        change: impl FnOnce(&mut RetryConfig) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.rules.change("retry", change)
    }
}

impl ahoy_retry {
    /// The first use.
    pub(crate) fn freeze(&self) -> RetryConfig {
        self.rules.freeze()
    }
}

/// Retry rules with the defaults.
///
/// @return the rules, never NULL
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn ahoy_retry_new() -> *mut ahoy_retry {
    guard::value_of(ptr::null_mut(), || {
        handle::new(ahoy_retry { rules: Settings::new(RetryConfig::default()) })
    })
}

/// Sets how many attempts a call may make, the first included. Default 3.
///
/// An attempt that sent nothing, as where connecting is refused, is free while another endpoint
/// stands by: it costs no try. With 1 none is free, and such a failure ends the call.
///
/// @param tries at least 1; -1 for no limit but the deadline
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_tries(
    retry: *const ahoy_retry,
    tries: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry| retry.set("tries", "tries", number_of(tries)?))
}

/// The value of a number of tries as C has it.
pub(crate) fn number_of(tries: i32) -> Result<Value, Error> {
    match tries {
        -1 => Ok(Value::Word("unlimited")),
        ..0 => {
            Err(Error::invalid("tries", format!("is {tries}; the least is 1, or -1 for no limit")))
        }
        _ => Ok(tries.into()),
    }
}

/// Sets the wait before the first retry, with full jitter its upper bound. Default 25 ms.
///
/// @param delay_ms from 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_delay_ms(
    retry: *const ahoy_retry,
    delay_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry| retry.set("delay", "delay_ms", ms(delay_ms)))
}

/// Sets the longest wait before a retry. Default 1,000 ms.
///
/// @param max_delay_ms from 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_max_delay_ms(
    retry: *const ahoy_retry,
    max_delay_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry| {
        retry.set("max_delay", "max_delay_ms", ms(max_delay_ms))
    })
}

/// Sets the factor by which the wait grows from one retry to the next. Default 2.
///
/// @param backoff a finite number, at least 0; 1 keeps the wait
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_backoff(
    retry: *const ahoy_retry,
    backoff: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry| retry.set("backoff", "backoff", backoff))
}

/// Adds a random time between min and max to each wait, instead of full jitter: the first wait is
/// the delay plus such a time, each further one the wait before it times the backoff plus such a
/// time.
///
/// @param min_ms the least that is added
/// @param max_ms at least min_ms; the same adds a fixed time
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_jitter_ms(
    retry: *const ahoy_retry,
    min_ms: u64,
    max_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let jitter = jitter_text(duration(min_ms), duration(max_ms));
    entry::status!(err, |retry: &ahoy_retry| retry.set("jitter", "max_ms", jitter))
}

/// Draws each wait between 0 and the delay that has grown so far, which spreads callers that failed
/// together. The default.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_full_jitter(
    retry: *const ahoy_retry,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry| retry.set("jitter", "jitter", Value::Word("full")))
}

/// Sets the kinds of failure that are tried again. Default AHOY_RETRY_ON_ALL.
///
/// @param mask AHOY_RETRY_ON_ numbers, combined with |; 0 for none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_on(
    retry: *const ahoy_retry,
    mask: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry| retry.set("on", "mask", mask))
}

/// Sets the statuses that AHOY_RETRY_ON_STATUS means. Default 429 and every 5xx but 501.
///
/// @param statuses each 100 to 599; copied
/// @param count how many; 0 for none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_statuses(
    retry: *const ahoy_retry,
    statuses: *const i32,
    count: usize,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let statuses = (statuses, ("count", count));
    entry::status!(err, |retry: &ahoy_retry, statuses: Array<'_, i32>| {
        retry.set("statuses", "statuses", listed(&statuses)?)
    })
}

/// Statuses as their row reads them.
pub(super) fn listed(statuses: &Array<'_, i32>) -> Result<Value, Error> {
    if statuses.len() > 500 {
        return Err(Error::invalid("count", "is above the number of statuses"));
    }
    // A minus would be read as a range; 0 is as far out of range.
    let statuses: Vec<_> = statuses.iter().map(|status| status.max(0).to_string()).collect();
    Ok(if statuses.is_empty() { Value::Word("none") } else { statuses.join(",").into() })
}

/// Repeats requests of any method, also those that may have been carried out. Default false: only
/// idempotent ones (by method, or by ahoy_request_set_idempotent), or those that certainly were not
/// processed.
///
/// @param any_method whether requests of any method are repeated
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_any_method(
    retry: *const ahoy_retry,
    any_method: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry| retry.set("any_method", "any_method", any_method))
}

/// Sets the longest Retry-After of a 429 or 503 that is waited for, never beyond the deadline; a
/// longer one ends the call with that answer. Default 300,000 ms.
///
/// @param max_ms from 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set_retry_after_max_ms(
    retry: *const ahoy_retry,
    max_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry| retry.set("retry_after_max", "max_ms", ms(max_ms)))
}

/// Sets an option by name, the same as its function does; ahoy_retry_option_key_at lists them.
///
/// @param key such as "max_delay"
/// @param value such as "1.5s" or "full"; a duration needs a unit. A value that is refused changes
///        nothing
/// @return AHOY_E_UNKNOWN_OPTION for a key that does not exist; the error names the nearest
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_set(
    retry: *const ahoy_retry,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |retry: &ahoy_retry, key: &str, value: &str| retry.set_text(key, value))
}

/// Frees retry rules; NULL is fine. Builders that took them go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_retry_free(retry: *mut ahoy_retry) {
    guard::value!((), |retry: Option<Box<ahoy_retry>>| drop(retry));
}
