//! What a request says, for hooks that sign it or read it; and what its host knows it by.

use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::Arc;

use super::header_text::HeaderText;
use super::request::{HookAttempt, ahoy_request};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::OutValue;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn, pointer_of};
use crate::ffi::values::{argument, entry, guard};

impl ahoy_request {
    fn header_text(&self) -> &HeaderText {
        self.headers.get_or_init(|| HeaderText::new(&self.request.headers))
    }
}

/// The first value of a header, NUL-terminated; NULL where there is none. It need not be UTF-8.
/// Inside an on_request hook the client's headers and those of this attempt are among them; Host,
/// Content-Length and Accept-Encoding are added later where they were not set. Valid until a header
/// is changed or the request is freed.
///
/// @param name in any case
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_header(
    request: *const ahoy_request,
    name: *const c_char,
) -> *const c_char {
    guard::value!(ptr::null(), |request: &ahoy_request, name: &CStr| {
        request.header_text().find(name).unwrap_or(ptr::null())
    })
}

/// How many headers there are, each value of a repeated name counted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_header_count(request: *const ahoy_request) -> usize {
    argument::lent!(request).map_or(0, |request| request.request.headers.len())
}

/// The name of the header at an index, in lower case; NULL out of range. Valid until a header is
/// changed or the request is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_header_name_at(
    request: *const ahoy_request,
    index: usize,
) -> *const c_char {
    guard::value!(ptr::null(), |request: Option<&ahoy_request>| {
        request.and_then(|request| request.header_text().name(index)).unwrap_or(ptr::null())
    })
}

/// The value of the header at an index, NUL-terminated; NULL out of range. It need not be UTF-8.
/// Valid until a header is changed or the request is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_header_value_at(
    request: *const ahoy_request,
    index: usize,
) -> *const c_char {
    guard::value!(ptr::null(), |request: Option<&ahoy_request>| {
        request.and_then(|request| request.header_text().value(index)).unwrap_or(ptr::null())
    })
}

/// The body; empty where there is none, or it is drawn from a source. Valid until it is set anew or
/// the request is freed.
///
/// @param length gets the number of bytes; may be NULL
/// @return the bytes, never NULL for a request; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_body(
    request: *const ahoy_request,
    length: *mut usize,
) -> *const u8 {
    guard::value!(ptr::null(), |request: Option<&ahoy_request>, length: Option<OutValue<usize>>| {
        let body = request.map(|request| &request.request.body);
        if let Some(length) = length {
            length.set(body.map_or(0, |body| body.len()));
        }
        body.map_or(ptr::null(), |body| body.as_ptr())
    })
}

/// Inside an on_request hook the authority that the attempt's Host names, "host" or "host:port";
/// elsewhere NULL. Valid until a header is changed, inside the hook only.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_authority(request: *const ahoy_request) -> *const c_char {
    guard::value!(ptr::null(), |request: &ahoy_request| {
        let stated = || request.header_text().find(c"host");
        let authority =
            |attempt: &HookAttempt| stated().unwrap_or_else(|| attempt.authority.as_ptr());
        request.attempt.as_ref().map_or(ptr::null(), authority)
    })
}

/// Inside an on_request hook the attempt's number within its call, from 1; elsewhere 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_attempt_number(request: *const ahoy_request) -> usize {
    let attempt = argument::lent!(request).and_then(|request| request.attempt.as_ref());
    attempt.map_or(0, |attempt| attempt.number)
}

/// Sets what the host knows the call by. It goes along with all that is told of the call:
/// ahoy_request_user_data in on_request, ahoy_response_user_data and ahoy_error_user_data in the
/// other hooks and in its result, ahoy_event_user_data in the events that it causes.
///
/// @param user_data handed out as it is
/// @param destroy called once when neither the request nor a call of it, its result or an event of
///        it is left, also if this function fails; may be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_user_data(
    request: *mut ahoy_request,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let user_data = UserData::new(user_data, destroy);
    entry::status!(err, |request: &mut ahoy_request| {
        request.of_call()?.user_data = Some(Arc::new(user_data));
        Ok(())
    })
}

/// What ahoy_request_set_user_data gave the request, also inside an on_request hook; NULL where
/// nothing did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_user_data(request: *const ahoy_request) -> *mut c_void {
    pointer_of(argument::lent!(request).and_then(|request| request.request.user_data.as_ref()))
}
