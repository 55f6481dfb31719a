//! `ahoy_response`: what a call brought.

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes};

use super::attempt::ahoy_attempt;
use super::header_text::HeaderText;
use crate::client::{BodyStream, Delivery, Read};
use crate::error::Error;
use crate::ffi::values::handle::OutValue;
use crate::ffi::values::handle::{Handle, Native, Shared};
use crate::ffi::values::user_data::pointer_of;
use crate::ffi::values::{argument, guard, handle, text};
use crate::response::Response;

/// An HTTP answer with the attempts that led to it, and its whole body; or, if the request was
/// streamed (ahoy_request_set_streamed), a body to be read by ahoy_response_read.
///
/// Ownership: freed with ahoy_response_free; all that its accessors return is borrowed and valid
/// until then. Thread: any. In a forked child the body of a streamed one stays AHOY_E_FORKED for
/// ever.
pub struct ahoy_response {
    response: Box<Response>,
    headers: OnceLock<HeaderText>,
    /// The body with a NUL behind it.
    body: OnceLock<Bytes>,
    endpoint_url: OnceLock<CString>,
    url: OnceLock<CString>,
    attempts: OnceLock<Vec<ahoy_attempt>>,
    stop_reason: OnceLock<CString>,
    stream: Option<(Native, BodyStream)>,
    /// How much of a whole body was read by the piece.
    read: AtomicUsize,
}

impl Handle for ahoy_response {
    type Held = Shared;
}

impl From<Delivery> for ahoy_response {
    fn from(delivery: Delivery) -> Self {
        let stream = delivery.stream.map(|stream| (Native::here(), stream));
        Self { stream, ..Self::from(delivery.response) }
    }
}

impl From<Response> for ahoy_response {
    fn from(response: Response) -> Self {
        Self::from(Box::new(response))
    }
}

impl From<Box<Response>> for ahoy_response {
    fn from(mut response: Box<Response>) -> Self {
        let body = terminated_in_place(&mut response.body);
        Self {
            response,
            stream: None,
            read: AtomicUsize::new(0),
            headers: OnceLock::new(),
            body: body.map_or_else(OnceLock::new, OnceLock::from),
            endpoint_url: OnceLock::new(),
            url: OnceLock::new(),
            attempts: OnceLock::new(),
            stop_reason: OnceLock::new(),
        }
    }
}

impl ahoy_response {
    fn header_text(&self) -> &HeaderText {
        self.headers.get_or_init(|| HeaderText::new(&self.response.headers))
    }

    /// The body that is still to come, unless it is a parent's.
    pub(crate) fn stream(&self) -> Result<Option<&BodyStream>, Error> {
        let Some((native, stream)) = &self.stream else {
            return Ok(None);
        };
        native.check("response").map(|()| Some(stream))
    }

    /// The next bytes of the body.
    pub(crate) fn read(&self, buffer: &mut [u8], timeout: Duration) -> Result<Read, Error> {
        if let Some(stream) = self.stream()? {
            return stream.read(buffer, timeout);
        }
        let body = &self.response.body;
        let begin = self.read.load(Ordering::Relaxed).min(body.len());
        let length = buffer.len().min(body.len() - begin);
        buffer[..length].copy_from_slice(&body[begin..begin + length]);
        self.read.store(begin + length, Ordering::Relaxed);
        Ok(Read { length, ended: begin + length == body.len() })
    }
}

/// The HTTP status, such as 200; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_status(response: *const ahoy_response) -> i32 {
    argument::lent!(response).map_or(0, |response| i32::from(response.response.status.as_u16()))
}

/// The first value of a header, NUL-terminated; NULL where there is none. It need not be UTF-8.
///
/// @param name in any case
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_header(
    response: *const ahoy_response,
    name: *const c_char,
) -> *const c_char {
    guard::value!(ptr::null(), |response: &ahoy_response, name: &CStr| {
        response.header_text().find(name).unwrap_or(ptr::null())
    })
}

/// How many headers there are, each value of a repeated name counted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_header_count(response: *const ahoy_response) -> usize {
    argument::lent!(response).map_or(0, |response| response.response.headers.len())
}

/// The name of the header at an index, in lower case; NULL out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_header_name_at(
    response: *const ahoy_response,
    index: usize,
) -> *const c_char {
    guard::value!(ptr::null(), |response: Option<&ahoy_response>| {
        response.and_then(|response| response.header_text().name(index)).unwrap_or(ptr::null())
    })
}

/// The value of the header at an index, NUL-terminated; NULL out of range. It need not be UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_header_value_at(
    response: *const ahoy_response,
    index: usize,
) -> *const c_char {
    guard::value!(ptr::null(), |response: Option<&ahoy_response>| {
        response.and_then(|response| response.header_text().value(index)).unwrap_or(ptr::null())
    })
}

/// The whole body, decoded; empty for a streamed answer. A NUL follows its last byte and is not
/// counted; the body itself may hold others.
///
/// @param length gets the number of bytes; may be NULL
/// @return the bytes, never NULL for a response; NULL for NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_body(
    response: *const ahoy_response,
    length: *mut usize,
) -> *const u8 {
    guard::value!(ptr::null(), |response: Option<&ahoy_response>,
                                length: Option<OutValue<usize>>| {
        let body = response.map(|response| &response.response.body);
        if let Some(length) = length {
            length.set(body.map_or(0, Bytes::len));
        }
        let bytes =
            |it: &ahoy_response| it.body.get_or_init(|| terminated(&it.response.body)).as_ptr();
        response.map_or(ptr::null(), bytes)
    })
}

fn terminated(body: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(body.len() + 1);
    text.extend_from_slice(body);
    text.push(0);
    text.into()
}

/// The same without a copy, where there is room behind the body and nobody else has it.
fn terminated_in_place(body: &mut Bytes) -> Option<Bytes> {
    let length = body.len();
    if length < WORTH_A_LOOK {
        return None;
    }
    match std::mem::take(body).try_into_mut() {
        Ok(mut text) if text.capacity() > length => {
            text.put_u8(0);
            let text = text.freeze();
            *body = text.slice(..length);
            Some(text)
        }
        Ok(text) => {
            *body = text.freeze();
            None
        }
        Err(shared) => {
            *body = shared;
            None
        }
    }
}

/// A smaller body is copied as quickly as it is looked at.
const WORTH_A_LOOK: usize = 4096;

/// "scheme://address:port" of the endpoint that answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_endpoint_url(
    response: *const ahoy_response,
) -> *const c_char {
    guard::value!(ptr::null(), |response: Option<&ahoy_response>| {
        response.map_or(ptr::null(), |response| {
            let url = &response.response.endpoint_url;
            response.endpoint_url.get_or_init(|| text::owned(url)).as_ptr()
        })
    })
}

/// The URL that brought the answer, "scheme://address:port" and the path with its query: after
/// redirects, and after what an on_request hook changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_url(response: *const ahoy_response) -> *const c_char {
    guard::value!(ptr::null(), |response: Option<&ahoy_response>| {
        response.map_or(ptr::null(), |it| {
            it.url.get_or_init(|| text::owned(&it.response.url())).as_ptr()
        })
    })
}

/// How long the call took, in microseconds, with all its attempts and waits; of a streamed answer
/// until its head was there. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_elapsed_us(response: *const ahoy_response) -> u64 {
    argument::lent!(response).map_or(0, |response| text::micros(response.response.elapsed))
}

/// What ahoy_request_set_user_data gave the call; NULL where nothing did.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_user_data(response: *const ahoy_response) -> *mut c_void {
    let response = argument::lent!(response);
    pointer_of(response.and_then(|response| response.response.user_data.as_ref()))
}

/// How many attempts the call made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_attempt_count(response: *const ahoy_response) -> usize {
    argument::lent!(response).map_or(0, |response| response.response.attempt_count)
}

/// Why the call ended with an answer after which another attempt might have followed, such as "the
/// client's retry budget is used up" or "not repeated, for the request is not idempotent". Empty if
/// no attempt would have followed, if all tries were made, and for NULL. For people and logs: the
/// wording may change.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_stop_reason(
    response: *const ahoy_response,
) -> *const c_char {
    guard::value!(c"".as_ptr(), |response: Option<&ahoy_response>| {
        let told = response.and_then(|it| Some((it, it.response.stop_reason.as_ref()?)));
        told.map_or(c"".as_ptr(), |(response, why)| {
            response.stop_reason.get_or_init(|| text::owned(why)).as_ptr()
        })
    })
}

/// One attempt, from 0. Borrowed; NULL where there is none or it is past the first 64, which are
/// kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_attempt_at(
    response: *const ahoy_response,
    index: usize,
) -> *const ahoy_attempt {
    guard::value!(ptr::null(), |response: Option<&ahoy_response>| {
        let attempts = response.map(|response| {
            let told = || response.response.attempts.iter().map(ahoy_attempt::from).collect();
            response.attempts.get_or_init(told)
        });
        attempts.and_then(|attempts| attempts.get(index)).map_or(ptr::null(), ptr::from_ref)
    })
}

/// Frees a response and all that was borrowed from it; NULL is fine. The rest of a streamed body is
/// cancelled: its exchange is dropped, and the server sees the connection close. Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_response_free(response: *mut ahoy_response) {
    guard::value!((), |response: Option<Box<ahoy_response>>| {
        if let Some(response) = response.filter(|response| response.stream().is_err()) {
            handle::leave(response);
        }
    });
}
