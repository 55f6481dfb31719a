//! `ahoy_error`: why a function failed.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use super::handle::{Handle, Shared};
use super::status::{AHOY_E_INVALID_ARGUMENT, ahoy_status, number};
use super::user_data::pointer_of;
use super::{argument, guard, text};
use crate::error::Error;
use crate::ffi::call::attempt::ahoy_attempt;
use crate::ffi::call::response::ahoy_response;

/// Why a function failed; for a call, with all its attempts.
///
/// Ownership: freed with ahoy_error_free. Thread: any.
pub struct ahoy_error {
    error: Error,
    message: CString,
    attempts: Vec<ahoy_attempt>,
    response: Option<Box<ahoy_response>>,
}

impl Handle for ahoy_error {
    type Held = Shared;
}

impl From<Error> for ahoy_error {
    fn from(error: Error) -> Self {
        Self {
            message: text::owned(error.message()),
            attempts: error.attempts().iter().map(ahoy_attempt::from).collect(),
            response: error.response().cloned().map(|response| Box::new(response.into())),
            error,
        }
    }
}

/// The status that the function returned. AHOY_E_INVALID_ARGUMENT for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_status(error: *const ahoy_error) -> ahoy_status {
    argument::lent!(error).map_or(AHOY_E_INVALID_ARGUMENT, |error| number(error.error.kind()))
}

/// A description of the failure: one line, and for a failed call a further line for each attempt;
/// an error about several settings has a line for each. It holds no header values, bodies or query
/// strings. Valid until the error is freed; empty for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_message(error: *const ahoy_error) -> *const c_char {
    argument::lent!(error).map_or(c"".as_ptr(), |error| error.message.as_ptr())
}

/// Whether the same call may succeed later and repeating it does no harm. Of AHOY_E_HTTP_STATUS: for
/// a 429, and for a 5xx but 501 of a request that may be carried out twice.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_is_retryable(error: *const ahoy_error) -> bool {
    argument::lent!(error).is_some_and(|error| error.error.is_retryable())
}

/// Whether the request may have been carried out although no answer came.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_is_ambiguous(error: *const ahoy_error) -> bool {
    argument::lent!(error).is_some_and(|error| error.error.is_ambiguous())
}

/// How many attempts the call made; 0 for errors that are not of a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_attempt_count(error: *const ahoy_error) -> usize {
    argument::lent!(error).map_or(0, |error| error.error.attempt_count())
}

/// What ahoy_request_set_user_data gave the call; NULL where nothing did, and for errors that are
/// not of a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_user_data(error: *const ahoy_error) -> *mut c_void {
    pointer_of(argument::lent!(error).and_then(|error| error.error.user_data()))
}

/// How long the call took, in microseconds; 0 for errors that are not of a call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_elapsed_us(error: *const ahoy_error) -> u64 {
    argument::lent!(error).map_or(0, |error| text::micros(error.error.elapsed()))
}

/// One attempt, from 0. Borrowed; NULL where there is none or it is past the first 64, which are
/// kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_attempt_at(
    error: *const ahoy_error,
    index: usize,
) -> *const ahoy_attempt {
    let error = argument::lent!(error);
    error.and_then(|error| error.attempts.get(index)).map_or(ptr::null(), ptr::from_ref)
}

/// For AHOY_E_HTTP_STATUS, the answer with its status, headers and body; else NULL. Borrowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_response(error: *const ahoy_error) -> *const ahoy_response {
    let error = argument::lent!(error);
    error.and_then(|error| error.response.as_deref()).map_or(ptr::null(), ptr::from_ref)
}

/// Frees an error; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_error_free(error: *mut ahoy_error) {
    guard::value!((), |error: Option<Box<ahoy_error>>| drop(error));
}
