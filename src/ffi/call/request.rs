//! `ahoy_request`: what to ask for, beyond what the seven verbs take.

use std::ffi::CStr;
use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::HeaderMap;

use super::header_text::HeaderText;
use crate::body_source::BodySource;
use crate::client::AttemptInfo;
use crate::criticality::Criticality;
use crate::error::{Error, ErrorKind};
use crate::ffi::values::argument::{Argument, Array};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Native, Out, Owned};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{argument, entry, guard, text};
use crate::policy::balance::hash_bytes;
use crate::request::{Request, add_header, check_target, header, method};

/// How many headers of an inbound request are looked at.
const MAX_INBOUND: usize = 1024;

/// One request, independent of where it will go.
///
/// Ownership: freed with ahoy_request_free; sending it copies it, so it may be sent again. Inside
/// an on_request hook it is the library's and stands for one attempt: path and headers may be
/// changed, and what its call goes by is refused with AHOY_E_INVALID_ARGUMENT. Callbacks of a
/// blocking call can neither change the request that it sends, which is AHOY_E_IN_USE, nor free it.
/// Thread: one at a time.
pub struct ahoy_request {
    pub(crate) request: Request,
    method: CString,
    path: CString,
    endpoint_url: Option<CString>,
    /// The attempt that it stands for, inside of a hook.
    pub(super) attempt: Option<HookAttempt>,
    pub(super) headers: OnceLock<HeaderText>,
    /// Where its body's source was set: a call of the parent may hold it for ever.
    source_from: Option<Native>,
    /// How many blocking calls go by it now.
    uses: AtomicU32,
}

/// A request for as long as a call goes by it.
pub(crate) struct RequestInUse<'a>(&'a ahoy_request);

impl RequestInUse<'_> {
    pub(crate) fn request(&self) -> &Request {
        &self.0.request
    }
}

impl Drop for RequestInUse<'_> {
    fn drop(&mut self) {
        self.0.uses.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The attempt that a request stands for.
pub(super) struct HookAttempt {
    /// What its `Host` names unless a header says otherwise.
    pub(super) authority: CString,
    pub(super) number: usize,
}

impl Handle for ahoy_request {
    type Held = Owned;
}

impl ahoy_request {
    /// The request, unless the source of its body is a parent's.
    pub(crate) fn native(&self) -> Result<&Request, Error> {
        let native = self.source_from.as_ref().map_or(Ok(()), |native| native.check("request"));
        native.map(|()| &self.request)
    }

    /// The request for a call that copies nothing of it, and whose callbacks may try to change it meanwhile.
    pub(crate) fn lend(&self) -> Result<RequestInUse<'_>, Error> {
        self.native()?;
        self.uses.fetch_add(1, Ordering::Relaxed);
        Ok(RequestInUse(self))
    }

    /// What may be changed of an attempt as well.
    ///
    /// # Errors
    /// A call goes by it now.
    fn of_attempt(&mut self) -> Result<&mut Self, Error> {
        match *self.uses.get_mut() {
            0 => Ok(self),
            _ => Err(Error::new(
                ErrorKind::InUse,
                "request: is being sent; a callback cannot change it",
            )),
        }
    }

    /// What a call goes by as a whole, to be set before it is made.
    ///
    /// # Errors
    /// A call goes by it now, or it stands for an attempt, whose call goes by what it was made with.
    pub(super) fn of_call(&mut self) -> Result<&mut Request, Error> {
        let request = self.of_attempt()?;
        match request.attempt {
            None => Ok(&mut request.request),
            Some(_) => Err(Error::invalid(
                "request",
                "stands for an attempt, of which an on_request hook may change path and headers alone",
            )),
        }
    }

    /// Sets where the body comes from.
    ///
    /// # Errors
    /// It stands for an attempt.
    pub(crate) fn set_source(&mut self, source: Arc<BodySource>) -> Result<(), Error> {
        let request = self.of_call()?;
        (request.body, request.source) = (Bytes::new(), Some(source));
        self.source_from = Some(Native::here());
        Ok(())
    }

    pub(crate) fn new(request: Request) -> Self {
        Self {
            method: text::owned(request.method.as_str()),
            path: text::owned(&request.target),
            endpoint_url: None,
            attempt: None,
            headers: OnceLock::new(),
            source_from: None,
            uses: AtomicU32::new(0),
            request,
        }
    }

    /// The request of an attempt, for a hook.
    pub(crate) fn for_hook(request: Request, attempt: &AttemptInfo<'_>) -> Self {
        let authority = text::owned(attempt.endpoint.authority());
        Self {
            endpoint_url: Some(text::owned(attempt.endpoint.url())),
            attempt: Some(HookAttempt { authority, number: attempt.number }),
            ..Self::new(request)
        }
    }

    /// The headers, which are about to be changed.
    ///
    /// # Errors
    /// A call goes by it now.
    fn headers(&mut self) -> Result<&mut HeaderMap, Error> {
        let request = self.of_attempt()?;
        request.headers.take();
        Ok(&mut request.request.headers)
    }
}

/// A request.
///
/// @param method such as "GET" or "PURGE"; case matters
/// @param path path and query, starting with "/", or an absolute URL for a client without a
///        balancer (with a base URL only one below it). It is sent byte for byte, up to 65000 of
///        them. A byte that no request line can carry is refused: percent-encode all but printable
///        ASCII, and #, <, > and ` in the path and " in the query. Below a base URL's path no ..
///        may stand, in whatever form
/// @param request gets the request; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_new(
    method_: *const c_char,
    path: *const c_char,
    request: *mut *mut ahoy_request,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: Out<ahoy_request>, method_: &str, path: &str| {
        let method = method(method_)?;
        check_target("path", path)?;
        request.fill(ahoy_request::new(Request::new(method, path)));
        Ok(())
    })
}

/// Adds a header; the same name may be added more than once, but Host, which must be a host with an
/// optional port. It replaces the client's default of that name.
///
/// @param name a header name; framing headers such as Content-Length are refused
/// @param value without CR, LF and other control characters; copied without blanks around it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_add_header(
    request: *mut ahoy_request,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request, name: &str, value: &CStr| {
        let (name, value) = header(name, value.to_bytes())?;
        add_header(request.headers()?, name, value)
    })
}

/// Sets a header in place of all others of its name.
///
/// @param name a header name; framing headers such as Content-Length are refused
/// @param value without CR, LF and other control characters; copied without blanks around it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_header(
    request: *mut ahoy_request,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request, name: &str, value: &CStr| {
        let (name, value) = header(name, value.to_bytes())?;
        request.headers()?.insert(name, value);
        Ok(())
    })
}

/// Takes the headers of an inbound request. The client passes on only those chosen by
/// ahoy_client_builder_forward_header and ahoy_client_builder_forward_cookie; headers that cannot
/// be passed on are left out.
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
    let (names, values) = ((names, ("count", count)), (values, ("count", count)));
    entry::status!(err, |request: &mut ahoy_request, names: Texts<'_>, values: Texts<'_>| {
        if names.len() > MAX_INBOUND {
            return Err(Error::invalid("count", "is above 1024"));
        }
        request.of_call()?.inbound = inbound_headers(&names, &values)?;
        Ok(())
    })
}

type Texts<'a> = Array<'a, *const c_char>;

fn inbound_headers(
    names: &Texts<'_>,
    values: &Texts<'_>,
) -> Result<Vec<(http::HeaderName, http::HeaderValue)>, Error> {
    let mut inbound = Vec::with_capacity(names.len());
    for (name, value) in names.iter().zip(values.iter()) {
        // SAFETY: each is NULL or text, as the host promises.
        let (name, value) = unsafe { (<&str>::take("names", name), <&CStr>::take("", value)) };
        let (name, value) = (name?, value.map_err(|_| Error::invalid("values", "holds NULL"))?);
        // What cannot be a header of ours was not ours to pass on.
        if let Ok(pair) = header(name, value.to_bytes()) {
            inbound.push(pair);
        }
    }
    Ok(inbound)
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
    let bytes = (bytes, ("length", length));
    entry::status!(err, |request: &mut ahoy_request, bytes: &[u8]| {
        let of_call = request.of_call()?;
        (of_call.body, of_call.source) = (Bytes::copy_from_slice(bytes), None);
        request.source_from = None;
        Ok(())
    })
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
    entry::status!(err, |request: &mut ahoy_request| {
        request.of_call()?.timeout = Some(text::duration(timeout_ms));
        Ok(())
    })
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
    entry::status!(err, |request: &mut ahoy_request| {
        request.of_call()?.attempt_timeout =
            Some(text::positive_duration("timeout_ms", timeout_ms)?);
        Ok(())
    })
}

/// Sets whether an attempt of this call that passes its limit is cut: see
/// ahoy_client_builder_set_attempt_timeout_hard. Default: as the client has it.
///
/// @param hard whether it is cut, instead of going on beside another
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_attempt_timeout_hard(
    request: *mut ahoy_request,
    hard: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request| {
        request.of_call()?.attempt_timeout_hard = Some(hard);
        Ok(())
    })
}

/// Names the group of calls that this one belongs to. Calls of a group take about the same time:
/// each group has its own 99th percentile, and from it its own attempt limit and hedge delay.
/// Without groups, a few slow reports make the limits of all calls long. A client keeps the first
/// 16 names; calls of further groups count with those that name none. Default: none.
///
/// @param group 1 to 64 bytes, such as "reports"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_group(
    request: *mut ahoy_request,
    group: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request, group: &str| {
        if group.is_empty() || group.len() > MOST_GROUP_NAME {
            return Err(Error::invalid("group", "must have 1 to 64 bytes"));
        }
        request.of_call()?.group = Some(group.into());
        Ok(())
    })
}

/// It is kept for as long as its client.
const MOST_GROUP_NAME: usize = 64;

/// Sets whether the request may be carried out twice. Default: by its method (GET, HEAD, OPTIONS,
/// TRACE, PUT and DELETE may).
///
/// @param idempotent whether it may
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_idempotent(
    request: *mut ahoy_request,
    idempotent: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request| {
        request.of_call()?.idempotent = Some(idempotent);
        Ok(())
    })
}

/// Class of a request: its failure does great harm.
/// cbindgen:enum=criticality
pub const AHOY_CRITICAL_PLUS: i32 = 0;
/// Class of a request: a person waits for it. The default.
/// cbindgen:enum=criticality
pub const AHOY_CRITICAL: i32 = 1;
/// Class of a request: it can be repeated within minutes. May fill three quarters of a limit.
/// cbindgen:enum=criticality
pub const AHOY_SHEDDABLE_PLUS: i32 = 2;
/// Class of a request: it may fail for hours. May fill half of a limit.
/// cbindgen:enum=criticality
pub const AHOY_SHEDDABLE: i32 = 3;

/// Sets how important the request is when a limit on calls in flight cannot admit all (the classes
/// are those of Google's SRE book). Default AHOY_CRITICAL.
///
/// @param criticality AHOY_CRITICAL_PLUS, AHOY_CRITICAL, AHOY_SHEDDABLE_PLUS or AHOY_SHEDDABLE
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_criticality(
    request: *mut ahoy_request,
    criticality: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request| {
        let number = u32::try_from(criticality).ok();
        let class = number.and_then(Criticality::from_number);
        request.of_call()?.criticality =
            class.ok_or_else(|| Error::invalid("criticality", "is not between 0 and 3"))?;
        Ok(())
    })
}

/// Sets the key by which ring hash, maglev and rendezvous balancers pick: the same key goes to the
/// same endpoint. It is hashed by xxHash64. Without it, the key comes from the balancer's source
/// (ahoy_balancer_set_hash_header), and a call without any key goes to any endpoint.
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
    let key = (key, ("length", length));
    entry::status!(err, |request: &mut ahoy_request, key: &[u8]| {
        request.of_call()?.key = Some(hash_bytes(key));
        Ok(())
    })
}

/// Sets the hash of the key, for hosts that have one already.
///
/// @param hash any number; replaces the key. All 64 bits count: spread a smaller hash or an id over
///        them, or a ring has all keys at one endpoint
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_hash(
    request: *mut ahoy_request,
    hash: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request| {
        request.of_call()?.key = Some(hash);
        Ok(())
    })
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
    entry::status!(err, |request: &mut ahoy_request, path: &str| {
        check_target("path", path)?;
        if request.attempt.is_some() && !path.starts_with('/') {
            return Err(Error::invalid("path", "must start with / inside a hook"));
        }
        let request = request.of_attempt()?;
        request.path = text::owned(path);
        request.request.target = path.into();
        Ok(())
    })
}

/// The method. Valid until the request is freed; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_method(request: *const ahoy_request) -> *const c_char {
    argument::lent!(request).map_or(ptr::null(), |request| request.method.as_ptr())
}

/// The path, or absolute URL. Valid until it is changed or the request is freed; NULL for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_path(request: *const ahoy_request) -> *const c_char {
    argument::lent!(request).map_or(ptr::null(), |request| request.path.as_ptr())
}

/// Inside an on_request hook "scheme://address:port" of the attempt's endpoint; elsewhere NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_endpoint_url(request: *const ahoy_request) -> *const c_char {
    let request = argument::lent!(request);
    let url = request.and_then(|request| request.endpoint_url.as_ref());
    url.map_or(ptr::null(), |url| url.as_ptr())
}

/// Frees a request; NULL is fine. Not for the one that a hook is given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_free(request: *mut ahoy_request) {
    guard::value!((), |request: Option<Box<ahoy_request>>| drop(request));
}
