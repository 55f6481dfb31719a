//! `ahoy_client`: makes calls.

use std::ffi::c_char;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, header};

use crate::client::{Client, Reconfigurable};
use crate::error::Error;
use crate::ffi::call::call::ahoy_call;
use crate::ffi::call::queue::ahoy_queue;
use crate::ffi::call::request::ahoy_request;
use crate::ffi::call::response::ahoy_response;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Out, Shared};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{entry, guard, text};
use crate::request::{Request, header_value};

/// A resilient HTTP client. A blocking call does its work on the calling thread; calls by
/// ahoy_client_start and ahoy_client_submit go on in the background.
///
/// A forked child may use its parent's client: it makes connections of its own, and all circuits
/// start closed.
///
/// Ownership: freed with ahoy_client_free. Thread: any, also several at once.
pub struct ahoy_client {
    client: Reconfigurable,
}

impl Handle for ahoy_client {
    type Held = Shared;
}

impl ahoy_client {
    fn send(&self, request: &Request, response: Out<ahoy_response>) -> Result<(), Error> {
        response.fill(self.client.present().send(request)?.into());
        Ok(())
    }

    pub(crate) const fn native(&self) -> &Reconfigurable {
        &self.client
    }
}

impl From<Arc<Client>> for ahoy_client {
    fn from(client: Arc<Client>) -> Self {
        Self { client: client.into() }
    }
}

/// Sends GET and waits for the answer. Blocks up to the call's limit.
///
/// @param path path and query, starting with "/"; or an absolute URL for a client without a
///        balancer
/// @param response gets the answer, whatever its status; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_get(
    client: *const ahoy_client,
    path: *const c_char,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |response: Out<ahoy_response>, client: &ahoy_client, path: &str| {
        client.send(&Request::new(Method::GET, path), response)
    })
}

/// Sends OPTIONS and waits for the answer. Blocks up to the call's limit.
///
/// @param path path and query, starting with "/"; or an absolute URL for a client without a
///        balancer
/// @param response gets the answer, whatever its status; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_options(
    client: *const ahoy_client,
    path: *const c_char,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |response: Out<ahoy_response>, client: &ahoy_client, path: &str| {
        client.send(&Request::new(Method::OPTIONS, path), response)
    })
}

/// Sends HEAD and waits for the answer, which has no body. Blocks up to the call's limit.
///
/// @param path path and query, starting with "/"; or an absolute URL for a client without a
///        balancer
/// @param response gets the answer, whatever its status; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_head(
    client: *const ahoy_client,
    path: *const c_char,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |response: Out<ahoy_response>, client: &ahoy_client, path: &str| {
        client.send(&Request::new(Method::HEAD, path), response)
    })
}

/// Sends DELETE and waits for the answer. Blocks up to the call's limit.
///
/// @param path path and query, starting with "/"; or an absolute URL for a client without a
///        balancer
/// @param response gets the answer, whatever its status; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_delete(
    client: *const ahoy_client,
    path: *const c_char,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |response: Out<ahoy_response>, client: &ahoy_client, path: &str| {
        client.send(&Request::new(Method::DELETE, path), response)
    })
}

/// Sends POST with a body and waits for the answer. Not repeated once it may have been carried out.
/// Blocks up to the call's limit.
///
/// @param path path and query, starting with "/"; or an absolute URL for a client without a
///        balancer
/// @param content_type the body's media type; NULL for none
/// @param body not kept; (NULL, 0) for an empty body
/// @param length number of bytes
/// @param response gets the answer, whatever its status; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_post(
    client: *const ahoy_client,
    path: *const c_char,
    content_type: *const c_char,
    body: *const u8,
    length: usize,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    // SAFETY: as this function's caller promises.
    unsafe { with_body(client, Method::POST, path, content_type, (body, length), response, err) }
}

/// Sends PUT with a body and waits for the answer. Blocks up to the call's limit.
///
/// @param path path and query, starting with "/"; or an absolute URL for a client without a
///        balancer
/// @param content_type the body's media type; NULL for none
/// @param body not kept; (NULL, 0) for an empty body
/// @param length number of bytes
/// @param response gets the answer, whatever its status; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_put(
    client: *const ahoy_client,
    path: *const c_char,
    content_type: *const c_char,
    body: *const u8,
    length: usize,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    // SAFETY: as this function's caller promises.
    unsafe { with_body(client, Method::PUT, path, content_type, (body, length), response, err) }
}

/// Sends PATCH with a body and waits for the answer. Not repeated once it may have been carried
/// out. Blocks up to the call's limit.
///
/// @param path path and query, starting with "/"; or an absolute URL for a client without a
///        balancer
/// @param content_type the body's media type; NULL for none
/// @param body not kept; (NULL, 0) for an empty body
/// @param length number of bytes
/// @param response gets the answer, whatever its status; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_patch(
    client: *const ahoy_client,
    path: *const c_char,
    content_type: *const c_char,
    body: *const u8,
    length: usize,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    // SAFETY: as this function's caller promises.
    unsafe { with_body(client, Method::PATCH, path, content_type, (body, length), response, err) }
}

/// Sends a request and waits for the answer. Blocks up to the call's limit.
///
/// @param request not changed; may be sent again
/// @param response gets the answer, whatever its status; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_send(
    client: *const ahoy_client,
    request: *const ahoy_request,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |response: Out<ahoy_response>,
                         client: &ahoy_client,
                         request: &ahoy_request| {
        client.send(request.lend()?.request(), response)?;
        Ok(())
    })
}

/// Starts a request on an I/O thread and returns at once. Blocks while the provider is asked on this
/// thread: only where its option "callbacks" is "caller", and at the first use of the balancer.
///
/// @param request not changed; may be sent again
/// @param call gets the call, to be freed with ahoy_call_free; NULL on failure
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_start(
    client: *const ahoy_client,
    request: *const ahoy_request,
    call: *mut *mut ahoy_call,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |call: Out<ahoy_call>, client: &ahoy_client, request: &ahoy_request| {
        let client = client.client.kept();
        let completion = client.start(request.native()?.clone())?;
        call.fill(ahoy_call::new(client, completion));
        Ok(())
    })
}

/// Starts a request on an I/O thread and returns at once; its completion comes on a queue. Blocks
/// while the provider is asked on this thread: only where its option "callbacks" is "caller", and at
/// the first use of the balancer.
///
/// @param request not changed; may be sent again
/// @param queue where the completion comes, exactly one
/// @param tag any number; the completion carries it
/// @return AHOY_E_OVERLOADED where the queue is full; then and with any other failure no completion
///        comes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_submit(
    client: *const ahoy_client,
    request: *const ahoy_request,
    queue: *const ahoy_queue,
    tag: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |client: &ahoy_client, request: &ahoy_request, queue: &ahoy_queue| {
        let client = client.client.present();
        let queue = queue.native()?;
        client.submit(request.native()?.clone(), queue, tag)
    })
}

/// Closes a client: refuses new calls, waits for those under way, and ends the rest with
/// AHOY_E_CLOSED when the time is up; blocked callers wake. The handle is still to be freed. Blocks
/// up to timeout_ms, and 1 s more where calls are ended.
///
/// After AHOY_OK no callback of this client runs or will run: no completion, hook, log, event,
/// should_stop, body or readable function, and no provider or balancer function on behalf of its
/// calls; nor do its queues get events. A balancer that other clients share goes on for them, and
/// destroy functions run when their handles are freed.
///
/// @param timeout_ms 0 ends all calls at once; AHOY_FOREVER waits for the last. Calls that were
///        ended get 1 s more to say so
/// @return AHOY_OK also where calls had to be ended, and for a client that is closed already;
///         AHOY_E_DEADLINE where a callback outlasts the limit: the client is closed, and this
///         function may be called again; AHOY_E_WOULD_DEADLOCK inside a callback
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_close(
    client: *const ahoy_client,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |client: &ahoy_client| client
        .client
        .present()
        .close(text::duration(timeout_ms)))
}

unsafe fn with_body(
    client: *const ahoy_client,
    method: Method,
    path: *const c_char,
    content_type: *const c_char,
    (body, length): (*const u8, usize),
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = (body, ("length", length));
    entry::status!(err, |response: Out<ahoy_response>,
                         client: &ahoy_client,
                         path: &str,
                         content_type: Option<&str>,
                         body: &[u8]| {
        let mut request = Request::new(method, path);
        if let Some(media_type) = content_type {
            let value = header_value(media_type.as_bytes())
                .map_err(|_| Error::invalid("content_type", "is not a header value"))?;
            request.headers.insert(header::CONTENT_TYPE, value);
        }
        request.body = Bytes::copy_from_slice(body);
        client.send(&request, response)
    })
}

/// Frees a client; NULL is fine. Does not block: calls under way go on, and idle connections close
/// within about a second.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_free(client: *mut ahoy_client) {
    guard::value!((), |client: Option<Box<ahoy_client>>| drop(client));
}
