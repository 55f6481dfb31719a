//! A request's body from a host function, and requests whose answer is streamed.

use std::ffi::c_void;
use std::sync::Arc;

use super::request::ahoy_request;
use crate::body_source::{BodySource, Produce, Produced};
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::ffi::values::{entry, text};

/// Streams the body of the answer: the call completes when the head of the answer came, and
/// ahoy_response_read returns the body while it arrives. Default false: the body is held whole.
///
/// The limits on the call and on each attempt then end with the head; from there on each piece has
/// its own (ahoy_request_set_idle_timeout_ms), and the whole body may take any time. The bound
/// max_body does not apply. The endpoint's circuit counts the attempt at the end of the body.
///
/// An answer whose status may be retried, or that fail_on_status makes an error, is held whole all
/// the same, within the usual bounds; ahoy_response_read reads that too. In an on_response hook a
/// streamed body is empty.
///
/// All hooks of such a call run on an I/O thread, also if ahoy_client_send made it.
///
/// @param streamed whether the answer's body is streamed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_streamed(
    request: *mut ahoy_request,
    streamed: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request| {
        request.of_call()?.streamed = streamed;
        Ok(())
    })
}

/// Limits the wait for the next piece of a streamed answer, while its reader has room for it; then
/// the body ends with AHOY_E_TIMEOUT. Default: the client's limit of
/// ahoy_client_builder_set_body_idle_timeout_ms, or else that of
/// ahoy_client_builder_set_attempt_timeout_ms, which is not for text/event-stream. Where neither is
/// set it is 60 s, or no limit where the call's own limit is AHOY_FOREVER.
///
/// @param timeout_ms at least 1; AHOY_FOREVER for no limit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_idle_timeout_ms(
    request: *mut ahoy_request,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request| {
        request.of_call()?.idle_timeout = Some(text::positive_duration("timeout_ms", timeout_ms)?);
        Ok(())
    })
}

/// Result of a body function: there is no more.
pub const AHOY_BODY_END: i32 = 0;
/// Result of a body function: *length bytes are in the buffer.
pub const AHOY_BODY_DATA: i32 = 1;
/// Result of a body function: nothing yet; ahoy_request_body_ready asks again.
pub const AHOY_BODY_NOT_READY: i32 = 2;
/// Result of a body function: the body breaks off here. The call ends with AHOY_E_BODY_SOURCE.
pub const AHOY_BODY_FAILED: i32 = 3;

/// A body whose length is not known before its end; it is sent in chunks.
pub const AHOY_UNKNOWN_LENGTH: u64 = u64::MAX;

/// Puts the next bytes of a request's body into a buffer and returns an AHOY_BODY_ number; with
/// AHOY_BODY_DATA, length gets their number, from 1 to capacity, which is at least 65,536. Less than
/// half of the capacity is sent before the function is called again.
///
/// Thread: the one that drives the call. That is the caller's for a blocking call, where it may
/// wait: the call's limit is looked at between two pieces. Otherwise, and also for streamed answers
/// and HTTP/2, it is an I/O thread, which it must not block.
pub type ahoy_body_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        buffer: *mut u8,
        capacity: usize,
        length: *mut usize,
    ) -> i32,
>;

/// Goes back to the first byte of a request's body, for another attempt or call. Where it returns
/// false, the call ends with the answer of an earlier attempt, such as a 503, or else with
/// AHOY_E_BODY_SOURCE. Where the body function must not block, neither may this one.
///
/// Thread: the one that drives the call.
pub type ahoy_body_rewind_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void) -> bool>;

/// Lets a function produce the body while it is sent, in place of an earlier body.
///
/// One call at a time can use it: another gets AHOY_E_IN_USE. After bytes were taken, a further
/// attempt or call needs rewind; without it the call is not retried, and no further call can be
/// made with this body. After the function failed, its call does not ask it again, and a further
/// call needs rewind.
///
/// Such a body cannot be read twice at once, so no other attempt starts beside one that is late: a
/// call waits for an endpoint that hangs, unless late attempts are cut
/// (ahoy_client_builder_set_attempt_timeout_hard). A body of ahoy_request_set_body has no such
/// limit.
///
/// A body that is shorter or longer than its length, or a result that is no AHOY_BODY_ number, ends
/// the call with AHOY_E_BODY_SOURCE and closes its connection: missing bytes are never replaced.
/// When the length is reached, the function is not called again.
///
/// @param fn produces the bytes
/// @param rewind goes back to the first byte; NULL if that cannot be done
/// @param user_data passed to both
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
/// @param length number of bytes; AHOY_UNKNOWN_LENGTH for a body that is sent in chunks
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_body_source(
    request: *mut ahoy_request,
    fn_: ahoy_body_fn,
    rewind: ahoy_body_rewind_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    length: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |request: &mut ahoy_request, fn_: Callback<ahoy_body_fn>| {
        let body = HostBody { produce: fn_, rewind };
        let length = (length != AHOY_UNKNOWN_LENGTH).then_some(length);
        request.set_source(Arc::new(BodySource::new(Box::new(body), length)))
    })
}

/// Calls a body function again that returned AHOY_BODY_NOT_READY. It may come before that result,
/// and more than once. Keep the request until the call has ended. Does not wait and calls nothing
/// itself.
///
/// Thread: any, also while the request is being sent, and inside callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_body_ready(
    request: *const ahoy_request,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &ahoy_request| {
        if let Some(source) = &request.native()?.source {
            source.resume();
        }
        Ok(())
    })
}

struct HostBody {
    produce: Callback<ahoy_body_fn>,
    rewind: ahoy_body_rewind_fn,
}

impl Produce for HostBody {
    fn produce(&self, buffer: &mut [u8]) -> Produced {
        let mut length = 0;
        let (place, room) = (buffer.as_mut_ptr(), buffer.len());
        match call_host!(self.produce, place, room, &raw mut length) {
            Some(AHOY_BODY_END) => Produced::End,
            Some(AHOY_BODY_DATA) => Produced::Data(length),
            Some(AHOY_BODY_NOT_READY) => Produced::NotReady,
            _ => Produced::Failed,
        }
    }

    fn can_rewind(&self) -> bool {
        self.rewind.is_some()
    }

    fn rewind(&self) -> bool {
        let Some(rewind) = self.rewind else { return false };
        // SAFETY: the host registered both functions with this user data.
        unsafe { self.produce.user_data().call(rewind, ()) }.unwrap_or_default()
    }
}
