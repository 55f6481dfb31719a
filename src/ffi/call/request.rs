//! `ahoy_request`: what to ask for, beyond what the seven verbs take.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use bytes::Bytes;

use super::error::ahoy_error;
use crate::error::Error;
use crate::ffi::values::handle::{Native, Out};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{guard, handle, text};
use crate::policy::balance::hash_bytes;
use crate::request::{Request, check_target, header, header_name, method};
use crate::source::Source;

/// How many headers of an inbound request are looked at.
const MAX_INBOUND: usize = 1024;

/// One request, independent of where it will go.
///
/// Ownership: freed with ahoy_request_free; sending it copies it, so it may be sent again. Inside an
/// on_request hook it is the library's and stands for one attempt. Thread: one at a time.
pub struct ahoy_request {
    pub(crate) request: Request,
    method: CString,
    path: CString,
    endpoint_url: Option<CString>,
    /// Where its body's source was set: a call of the parent may hold it for ever.
    source_from: Option<Native>,
}

impl ahoy_request {
    /// The request, unless the source of its body is a parent's.
    pub(crate) fn native(&self) -> Result<&Request, Error> {
        let native = self.source_from.as_ref().map_or(Ok(()), |native| native.check("request"));
        native.map(|()| &self.request)
    }

    /// Sets where the body comes from.
    pub(crate) fn set_source(&mut self, source: Arc<Source>) {
        self.request.body = Bytes::new();
        self.request.source = Some(source);
        self.source_from = Some(Native::here());
    }

    pub(crate) fn new(request: Request, endpoint_url: Option<&str>) -> Self {
        Self {
            method: text::owned(request.method.as_str()),
            path: text::owned(&request.target),
            endpoint_url: endpoint_url.map(text::owned),
            source_from: None,
            request,
        }
    }
}

/// A request.
///
/// @param method such as "GET" or "PURGE"; case matters
/// @param path path and query, starting with "/", or an absolute URL for a client without a balancer; other
///        than printable ASCII must be percent-encoded
/// @param request gets the request; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_new(
    method_: *const c_char,
    path: *const c_char,
    request: *mut *mut ahoy_request,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let out = unsafe { Out::new("request", request) }?;
        // SAFETY: see the module `ffi`.
        let method = method(unsafe { text::required("method", method_) }?)?;
        // SAFETY: see the module `ffi`.
        let path = unsafe { text::required("path", path) }?;
        check_target("path", path)?;
        out.fill(ahoy_request::new(Request::new(method, path), None));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// Adds a header; the same name may be added more than once. It replaces the client's default of that name.
///
/// @param name a header name; framing headers such as Content-Length are refused
/// @param value without CR, LF and other control characters; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_add_header(
    request: *mut ahoy_request,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        // SAFETY: see the module `ffi`.
        let (name, value) = unsafe { checked(name, value) }?;
        request.headers.append(name, value);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Sets a header in place of all others of its name.
///
/// @param name a header name; framing headers such as Content-Length are refused
/// @param value without CR, LF and other control characters; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_header(
    request: *mut ahoy_request,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        // SAFETY: see the module `ffi`.
        let (name, value) = unsafe { checked(name, value) }?;
        request.headers.insert(name, value);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Hands over the headers of an inbound request; the client passes on only those that it was told to (by
/// ahoy_client_builder_forward_header and ahoy_client_builder_forward_cookie). Headers that cannot be passed
/// on are left out.
///
/// @param names count header names; copied
/// @param values count values; copied
/// @param count up to 1024
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_forward_headers(
    request: *mut ahoy_request,
    names: *const *const c_char,
    values: *const *const c_char,
    count: usize,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        if count > MAX_INBOUND {
            return Err(Error::invalid("count", "is above 1024"));
        }
        if count > 0 && names.is_null() {
            return Err(Error::invalid("names", "is NULL but count is not 0"));
        }
        if count > 0 && values.is_null() {
            return Err(Error::invalid("values", "is NULL but count is not 0"));
        }
        let mut inbound = Vec::with_capacity(count);
        for index in 0..count {
            // SAFETY: not NULL, and `count` long as the host promises.
            let (name, value) = unsafe { (*names.add(index), *values.add(index)) };
            // SAFETY: as above.
            unsafe { inbound_header(name, value, &mut inbound) }?;
        }
        request.inbound = inbound;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

unsafe fn inbound_header(
    name: *const c_char,
    value: *const c_char,
    inbound: &mut Vec<(http::HeaderName, http::HeaderValue)>,
) -> Result<(), Error> {
    // SAFETY: as this function's caller promises.
    let name = unsafe { text::required("names", name) }?;
    if value.is_null() {
        return Err(Error::invalid("values", "holds NULL"));
    }
    // SAFETY: not NULL, so NUL-terminated as the host promises.
    let value = unsafe { std::ffi::CStr::from_ptr(value) };
    // What cannot be a header of ours was not ours to pass on.
    if let Ok(pair) = header(name, value.to_bytes()) {
        inbound.push(pair);
    }
    Ok(())
}

/// Sets the body, in place of an earlier one or its source.
///
/// @param bytes copied; (NULL, 0) for none
/// @param length number of bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_body(
    request: *mut ahoy_request,
    bytes: *const u8,
    length: usize,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let request = unsafe { handle::required_mut("request", request) }?;
        // SAFETY: see the module `ffi`.
        request.request.body =
            Bytes::copy_from_slice(unsafe { text::bytes(("bytes", "length"), bytes, length) }?);
        (request.request.source, request.source_from) = (None, None);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// Limits this call, its attempts, waits and connects included. Default: the client's limit.
///
/// @param timeout_ms 0 ends it at once; AHOY_FOREVER for no limit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_timeout_ms(
    request: *mut ahoy_request,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        request.timeout = Some(text::duration(timeout_ms));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Sets how long an attempt of this call may take before the call looks elsewhere: see
/// ahoy_client_builder_set_attempt_timeout_ms. Default: the client's limit.
///
/// @param timeout_ms at least 1; AHOY_FOREVER for never
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_attempt_timeout_ms(
    request: *mut ahoy_request,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        request.attempt_timeout = Some(text::positive_duration("timeout_ms", timeout_ms)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Says whether an attempt of this call that passes its limit is cut: see
/// ahoy_client_builder_set_attempt_timeout_hard. Default: as the client has it.
///
/// @param hard whether it is cut, instead of going on beside another
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_attempt_timeout_hard(
    request: *mut ahoy_request,
    hard: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        request.attempt_timeout_hard = Some(hard);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Names the group of calls that this one belongs to. Calls of a group take about as long as each other: each
/// group has its own 99th percentile, and by that its own limit on an attempt and its own hedge delay. Without
/// groups, a few slow reports make the limits of all calls long. A client keeps the first 16 names; calls of any
/// other group count with those that name none. Default: none.
///
/// @param group 1 to 64 bytes, such as "reports"
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_group(
    request: *mut ahoy_request,
    group: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        // SAFETY: see the module `ffi`.
        let group = unsafe { text::required("group", group) }?;
        if group.is_empty() || group.len() > MOST_GROUP_NAME {
            return Err(Error::invalid("group", "must have 1 to 64 bytes"));
        }
        request.group = Some(group.into());
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// It is kept for as long as its client.
const MOST_GROUP_NAME: usize = 64;

/// Says whether the request may be carried out twice. Default: by its method (GET, HEAD, OPTIONS, TRACE, PUT
/// and DELETE may).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_idempotent(
    request: *mut ahoy_request,
    idempotent: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        request.idempotent = Some(idempotent);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Sets the key that a balancer goes by which sends the same key to the same endpoint: ring hash, maglev and
/// rendezvous. It is hashed by xxHash64. Without it the key is what the balancer was told (ahoy_balancer_set_hash_header), and a
/// call without any goes anywhere.
///
/// @param key any bytes; not kept
/// @param length number of bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_hash_key(
    request: *mut ahoy_request,
    key: *const u8,
    length: usize,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        // SAFETY: see the module `ffi`.
        let key = unsafe { text::bytes(("key", "length"), key, length) }?;
        request.key = Some(hash_bytes(key));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Sets the key's hash itself, for hosts that have one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_hash(
    request: *mut ahoy_request,
    hash: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |request: &mut Request| {
        request.key = Some(hash);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(request, err, set) }
}

/// Changes the path, also inside an on_request hook.
///
/// @param path as for ahoy_request_new; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_path(
    request: *mut ahoy_request,
    path: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let request = unsafe { handle::required_mut("request", request) }?;
        // SAFETY: see the module `ffi`.
        let path = unsafe { text::required("path", path) }?;
        check_target("path", path)?;
        if request.endpoint_url.is_some() && !path.starts_with('/') {
            return Err(Error::invalid("path", "must start with / inside a hook"));
        }
        request.path = text::owned(path);
        path.clone_into(&mut request.request.target);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

/// The method. Valid until the request is freed; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_method(request: *const ahoy_request) -> *const c_char {
    // SAFETY: see the module `ffi`.
    unsafe { request.as_ref() }.map_or(ptr::null(), |request| request.method.as_ptr())
}

/// The path, or absolute URL. Valid until it is changed or the request is freed; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_path(request: *const ahoy_request) -> *const c_char {
    // SAFETY: see the module `ffi`.
    unsafe { request.as_ref() }.map_or(ptr::null(), |request| request.path.as_ptr())
}

/// Inside an on_request hook "scheme://address:port" of the attempt's endpoint; elsewhere NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_endpoint_url(request: *const ahoy_request) -> *const c_char {
    // SAFETY: see the module `ffi`.
    let request = unsafe { request.as_ref() };
    let url = request.and_then(|request| request.endpoint_url.as_ref());
    url.map_or(ptr::null(), |url| url.as_ptr())
}

/// A name and a value from the host, checked.
pub(crate) unsafe fn checked(
    name: *const c_char,
    value: *const c_char,
) -> Result<(http::HeaderName, http::HeaderValue), Error> {
    // SAFETY: as this function's caller promises.
    let name = unsafe { text::required("name", name) }?;
    header_name(name)?;
    if value.is_null() {
        return Err(Error::invalid("value", "is NULL"));
    }
    // SAFETY: not NULL, so NUL-terminated as the host promises.
    header(name, unsafe { std::ffi::CStr::from_ptr(value) }.to_bytes())
}

pub(crate) unsafe fn change(
    request: *mut ahoy_request,
    err: *mut *mut ahoy_error,
    set: impl FnOnce(&mut Request) -> Result<(), Error>,
) -> ahoy_status {
    // SAFETY: as this function's callers promise.
    unsafe { guard::status(err, || set(&mut handle::required_mut("request", request)?.request)) }
}

/// Frees a request; NULL is fine. Not for the one that a hook is given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_free(request: *mut ahoy_request) {
    // SAFETY: see the module `ffi`.
    guard::value((), || unsafe { handle::free(request) });
}
