//! `ahoy_attempt`: one attempt of a call, as responses and errors tell it.

use std::ffi::{CString, c_char};
use std::ptr;

use crate::ffi::values::handle::{Handle, Lent};
use crate::ffi::values::status::{ahoy_status, of_attempt};
use crate::ffi::values::{argument, text};
use crate::outcome::{AttemptLog, AttemptResult, CircuitNote};

/// One attempt of a call. Borrowed from its response or error and valid until that is freed.
/// Thread: any.
pub struct ahoy_attempt {
    url: CString,
    detail: CString,
    status: ahoy_status,
    http_status: i32,
    elapsed_us: u64,
    ambiguous: bool,
    opened_circuit: bool,
    is_hedge: bool,
}

impl Handle for ahoy_attempt {
    type Held = Lent;
}

impl From<&AttemptLog> for ahoy_attempt {
    fn from(attempt: &AttemptLog) -> Self {
        Self {
            url: text::owned(&attempt.url),
            detail: text::owned(&attempt.detail),
            status: of_attempt(&attempt.result),
            http_status: match attempt.result {
                AttemptResult::Answered(status) => i32::from(status),
                AttemptResult::Failed(_) => 0,
            },
            elapsed_us: u64::try_from(attempt.elapsed.as_micros()).unwrap_or(u64::MAX),
            ambiguous: attempt.ambiguous,
            opened_circuit: matches!(attempt.circuit, Some(CircuitNote::Opened(_))),
            is_hedge: attempt.is_hedge,
        }
    }
}

/// "scheme://address:port" of the endpoint. NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_url(attempt: *const ahoy_attempt) -> *const c_char {
    argument::lent!(attempt).map_or(ptr::null(), |attempt| attempt.url.as_ptr())
}

/// AHOY_OK if an answer came, whatever its status; else why none came. AHOY_E_INVALID_ARGUMENT for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_status(attempt: *const ahoy_attempt) -> ahoy_status {
    argument::lent!(attempt)
        .map_or(crate::ffi::values::status::AHOY_E_INVALID_ARGUMENT, |attempt| attempt.status)
}

/// The answer's status, such as 503; 0 where none came.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_http_status(attempt: *const ahoy_attempt) -> i32 {
    argument::lent!(attempt).map_or(0, |attempt| attempt.http_status)
}

/// What happened in a few words, such as "connect refused"; empty where an answer came. NULL for
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_detail(attempt: *const ahoy_attempt) -> *const c_char {
    argument::lent!(attempt).map_or(ptr::null(), |attempt| attempt.detail.as_ptr())
}

/// How long it took, in microseconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_elapsed_us(attempt: *const ahoy_attempt) -> u64 {
    argument::lent!(attempt).map_or(0, |attempt| attempt.elapsed_us)
}

/// Whether the request may have been carried out although no answer came.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_is_ambiguous(attempt: *const ahoy_attempt) -> bool {
    argument::lent!(attempt).is_some_and(|attempt| attempt.ambiguous)
}

/// Whether it opened the endpoint's circuit.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_opened_circuit(attempt: *const ahoy_attempt) -> bool {
    argument::lent!(attempt).is_some_and(|attempt| attempt.opened_circuit)
}

/// Whether it was a hedge: a copy sent beside another attempt that took long
/// (ahoy_client_builder_set_hedge).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_attempt_is_hedge(attempt: *const ahoy_attempt) -> bool {
    argument::lent!(attempt).is_some_and(|attempt| attempt.is_hedge)
}
