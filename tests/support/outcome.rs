//! Responses and errors, copied out of their handles, which are freed at once.

use std::ffi::{CStr, c_char};
use std::ptr;
use std::time::Duration;

use ahoy::ffi::call::attempt::*;
use ahoy::ffi::call::response::*;
use ahoy::ffi::values::error::*;
use ahoy::ffi::values::status::{AHOY_OK, ahoy_status};

/// How a call ended.
pub type Outcome = Result<Answer, Failure>;

/// One line of the attempt list.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub url: String,
    pub status: ahoy_status,
    pub http_status: i32,
    pub detail: String,
    pub elapsed: Duration,
    pub ambiguous: bool,
    pub opened_circuit: bool,
    pub is_hedge: bool,
    pub number: usize,
    /// AHOY_FAULT_ numbers.
    pub faults: u32,
    /// How long the call waited before it.
    pub wait: Duration,
    /// By the AHOY_PHASE_ numbers.
    pub phases: [Duration; 6],
    pub is_reused: bool,
    pub protocol: String,
    pub local_address: String,
    pub remote_address: String,
}

/// What `ahoy_response` tells.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: i32,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub endpoint_url: String,
    pub url: String,
    pub elapsed: Duration,
    pub attempt_count: usize,
    pub attempts: Vec<Attempt>,
    pub stop_reason: String,
    /// As a number.
    pub user_data: usize,
}

/// What `ahoy_error` tells.
#[derive(Clone, Debug)]
pub struct Failure {
    pub status: ahoy_status,
    pub message: String,
    pub is_retryable: bool,
    pub is_ambiguous: bool,
    pub elapsed: Duration,
    pub attempt_count: usize,
    pub attempts: Vec<Attempt>,
    pub response: Option<Box<Answer>>,
    /// As a number.
    pub user_data: usize,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(&found.1).into_owned())
    }

    /// The endpoints tried, in order.
    pub fn tried(&self) -> Vec<&str> {
        self.attempts.iter().map(|attempt| attempt.url.as_str()).collect()
    }

    /// Copies a lent response.
    pub fn lent(response: *const ahoy_response) -> Self {
        let mut length = usize::MAX;
        // SAFETY: the response lives while this runs.
        unsafe {
            let body = ahoy_response_body(response, &raw mut length);
            assert_eq!(body.add(length).read(), 0, "a NUL follows the body");
            let headers = (0..ahoy_response_header_count(response)).map(|index| {
                let value = CStr::from_ptr(ahoy_response_header_value_at(response, index));
                (text(ahoy_response_header_name_at(response, index)), value.to_bytes().to_vec())
            });
            let attempts =
                (0..).map_while(|index| copied(ahoy_response_attempt_at(response, index)));
            Self {
                status: ahoy_response_status(response),
                headers: headers.collect(),
                body: std::slice::from_raw_parts(body, length).to_vec(),
                endpoint_url: text(ahoy_response_endpoint_url(response)),
                url: text(ahoy_response_url(response)),
                elapsed: Duration::from_micros(ahoy_response_elapsed_us(response)),
                attempt_count: ahoy_response_attempt_count(response),
                attempts: attempts.collect(),
                stop_reason: text(ahoy_response_stop_reason(response)),
                user_data: ahoy_response_user_data(response).addr(),
            }
        }
    }
}

impl Failure {
    /// The endpoints tried, in order.
    pub fn tried(&self) -> Vec<&str> {
        self.attempts.iter().map(|attempt| attempt.url.as_str()).collect()
    }

    /// Copies a lent error.
    pub fn lent(error: *const ahoy_error) -> Self {
        // SAFETY: the error lives while this runs.
        unsafe {
            let response = ahoy_error_response(error);
            let attempts = (0..).map_while(|index| copied(ahoy_error_attempt_at(error, index)));
            Self {
                status: ahoy_error_status(error),
                message: text(ahoy_error_message(error)),
                is_retryable: ahoy_error_is_retryable(error),
                is_ambiguous: ahoy_error_is_ambiguous(error),
                elapsed: Duration::from_micros(ahoy_error_elapsed_us(error)),
                attempt_count: ahoy_error_attempt_count(error),
                attempts: attempts.collect(),
                response: (!response.is_null()).then(|| Box::new(Answer::lent(response))),
                user_data: ahoy_error_user_data(error).addr(),
            }
        }
    }
}

fn copied(attempt: *const ahoy_attempt) -> Option<Attempt> {
    if attempt.is_null() {
        return None;
    }
    // SAFETY: it belongs to a response or error that lives while this runs.
    unsafe {
        Some(Attempt {
            url: text(ahoy_attempt_url(attempt)),
            status: ahoy_attempt_status(attempt),
            http_status: ahoy_attempt_http_status(attempt),
            detail: text(ahoy_attempt_detail(attempt)),
            elapsed: Duration::from_micros(ahoy_attempt_elapsed_us(attempt)),
            ambiguous: ahoy_attempt_is_ambiguous(attempt),
            opened_circuit: ahoy_attempt_opened_circuit(attempt),
            is_hedge: ahoy_attempt_is_hedge(attempt),
            number: ahoy_attempt_number(attempt),
            faults: ahoy_attempt_faults(attempt),
            wait: Duration::from_micros(ahoy_attempt_wait_us(attempt)),
            phases: [0, 1, 2, 3, 4, 5]
                .map(|phase| Duration::from_micros(ahoy_attempt_phase_us(attempt, phase))),
            is_reused: ahoy_attempt_is_reused(attempt),
            protocol: text(ahoy_attempt_protocol(attempt)),
            local_address: text(ahoy_attempt_local_address(attempt)),
            remote_address: text(ahoy_attempt_remote_address(attempt)),
        })
    }
}

/// A lent string.
pub(super) fn text(pointer: *const c_char) -> String {
    assert!(!pointer.is_null(), "a string is never NULL here");
    // SAFETY: strings from the library end with NUL and live as long as their handle.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Calls a function that can fail and holds it to the rules on `err`.
pub(super) fn checked(
    call: impl FnOnce(*mut *mut ahoy_error) -> ahoy_status,
) -> Result<(), Failure> {
    // Not NULL: on success it must be set to NULL, on failure to the new error.
    let mut err = ptr::dangling_mut::<ahoy_error>();
    let status = call(&raw mut err);
    if status == AHOY_OK {
        assert!(err.is_null(), "on success *err is NULL");
        return Ok(());
    }
    let failure = Failure::lent(err);
    assert_eq!(failure.status, status, "the error carries the status that was returned");
    // SAFETY: the error is ours.
    unsafe { ahoy_error_free(err) };
    Err(failure)
}

/// The same for a function that makes a handle.
pub(super) fn made<T>(
    call: impl FnOnce(*mut *mut T, *mut *mut ahoy_error) -> ahoy_status,
) -> Result<*mut T, Failure> {
    let mut handle = ptr::dangling_mut::<T>();
    let result = checked(|err| call(&raw mut handle, err));
    assert_eq!(handle.is_null(), result.is_err(), "NULL on failure, and only then");
    result.map(|()| handle)
}

/// The same for a call: the response is copied and freed.
pub(super) fn answered(
    call: impl FnOnce(*mut *mut ahoy_response, *mut *mut ahoy_error) -> ahoy_status,
) -> Outcome {
    let response = made(call)?;
    let answer = Answer::lent(response);
    // SAFETY: the response is ours.
    unsafe { ahoy_response_free(response) };
    Ok(answer)
}
