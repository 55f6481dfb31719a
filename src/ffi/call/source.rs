//! A request's body from a host function, and requests whose answer is streamed.

use std::ffi::c_void;
use std::sync::Arc;

use super::request::{ahoy_request, change};
use crate::error::Error;
use crate::ffi::values::callback::{UserData, ahoy_destroy_fn};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{guard, handle, text};
use crate::request::Request;
use crate::source::{Produce, Produced, Source};

/// Asks for the body of the answer piece by piece: the call completes when the answer's head is there, and
/// ahoy_response_read brings the body while it comes. Default false: answers are held whole.
///
/// The call's limit and the limit on each attempt then end with the head; from there on each piece has its own
/// (ahoy_request_set_idle_timeout_ms), and the body may take as long as it likes. The bound on bodies (max_body)
/// does not hold for it. The endpoint's circuit learns at the end of the body how it went.
///
/// An answer that may be retried by its status, or that fail_on_status makes an error, is read whole all the same,
/// within the usual bounds; ahoy_response_read reads that too. In an on_response hook a streamed body is empty.
///
/// All hooks of such a call run on an I/O thread, also where it was made by ahoy_client_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_streamed(
    request: *mut ahoy_request,
    streamed: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        request.streamed = streamed;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Limits how long the next piece of a streamed answer may take to come, while its reader has room for it; then
/// the body ends with AHOY_E_TIMEOUT. Default: the client's limit on one attempt, or 10 s where that is not set.
///
/// @param timeout_ms at least 1; AHOY_FOREVER for no limit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_idle_timeout_ms(
    request: *mut ahoy_request,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        request.idle_timeout = Some(text::positive_duration("timeout_ms", timeout_ms)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// What a body function says: there is no more.
pub const AHOY_BODY_END: i32 = 0;
/// What a body function says: *length bytes are in the buffer.
pub const AHOY_BODY_DATA: i32 = 1;
/// What a body function says: nothing yet; ahoy_request_body_ready says when to ask again.
pub const AHOY_BODY_NOT_READY: i32 = 2;
/// What a body function says: there will be no more, and the body is not complete. The call ends with
/// AHOY_E_BODY_SOURCE.
pub const AHOY_BODY_FAILED: i32 = 3;

/// A body whose length is not known before its end; it is sent in chunks.
pub const AHOY_UNKNOWN_LENGTH: u64 = u64::MAX;

/// Puts the next bytes of a request's body into a buffer and returns an AHOY_BODY_ number; after AHOY_BODY_DATA
/// length holds their number, from 1 to capacity, which is at least 65,536. Called by one thread at a time, the one that drives the call:
/// the caller's for a blocking call, else (also where the answer is streamed, and with HTTP/2) an I/O thread,
/// which it must not block.
pub type ahoy_body_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        buffer: *mut u8,
        capacity: usize,
        length: *mut usize,
    ) -> i32,
>;

/// Goes back to the first byte of a request's body, for another attempt or call; returns false where that failed,
/// which ends the call with AHOY_E_BODY_SOURCE. Called as the body function is.
pub type ahoy_body_rewind_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void) -> bool>;

/// Lets a function produce the body while it is sent, in place of an earlier body.
///
/// One call at a time can use it: another gets AHOY_E_IN_USE. Once bytes were taken, a further attempt or call needs
/// rewind; without it the call is not retried any more, and no further call can be made with this body.
///
/// A body that is shorter or longer than its length, or a number that is no AHOY_BODY_ number, ends the call with
/// AHOY_E_BODY_SOURCE and its connection with it: nothing is ever sent in place of what is missing. Where the
/// length is reached, nothing more is asked for.
///
/// @param fn produces the bytes
/// @param rewind goes back to the first byte; NULL where that cannot be done
/// @param user_data handed to both
/// @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
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
    let user_data = UserData::new(user_data, destroy);
    // SAFETY: see the module `ffi`.
    unsafe {
        guard::status(err, || {
            let request = handle::required_mut("request", request)?;
            let function = fn_.ok_or_else(|| Error::invalid("fn", "is NULL"))?;
            let body = HostBody { function, rewind, user_data };
            let length = (length != AHOY_UNKNOWN_LENGTH).then_some(length);
            request.set_source(Arc::new(Source::new(Box::new(body), length)));
            Ok(())
        })
    }
}

/// Asks a body function again that said AHOY_BODY_NOT_READY. It may come before that answer, and more than once.
/// The request must not be freed before; keep it until the call has ended. Does not wait and calls nothing itself.
///
/// Thread: any, also while the request is being sent, and inside callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_body_ready(
    request: *const ahoy_request,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    // SAFETY: see the module `ffi`.
    unsafe {
        guard::status(err, || {
            let request = handle::required("request", request)?;
            if let Some(source) = &request.native()?.source {
                source.resume();
            }
            Ok(())
        })
    }
}

struct HostBody {
    function: unsafe extern "C-unwind" fn(*mut c_void, *mut u8, usize, *mut usize) -> i32,
    rewind: ahoy_body_rewind_fn,
    user_data: UserData,
}

impl Produce for HostBody {
    fn produce(&self, buffer: &mut [u8]) -> Produced {
        let mut length = 0;
        let function = self.function;
        let (place, room, count) = (buffer.as_mut_ptr(), buffer.len(), &raw mut length);
        // SAFETY: the host's own function and data; the buffer is that long and outlives the call.
        let said = self.user_data.call(move |data| unsafe { function(data, place, room, count) });
        match said {
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
        // SAFETY: the host's own function and data.
        self.user_data.call(move |data| unsafe { rewind(data) }).unwrap_or_default()
    }
}
