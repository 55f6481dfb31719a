//! `ahoy_client_builder`: everything a client is told.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::balancer::ahoy_balancer;
use super::callback::{UserData, ahoy_destroy_fn};
use super::client::ahoy_client;
use super::error::ahoy_error;
use super::handle::Out;
use super::request::{ahoy_request, checked};
use super::response::ahoy_response;
use super::retry::ahoy_retry;
use super::status::{AHOY_OK, ahoy_status};
use super::{guard, handle, text};
use crate::client::{Client, Hooks, Level, Log, Route};
use crate::config::ClientConfig;
use crate::error::Error;
use crate::options;
use crate::request::{Request, header_name};

/// What a client will be. Building copies it, so that one builder can make several clients.
///
/// Ownership: freed with ahoy_client_builder_free at any time. Thread: one at a time.
pub struct ahoy_client_builder {
    config: ClientConfig,
    route: Route,
    hooks: Hooks,
    log: Log,
}

/// A builder with the defaults. Without a balancer and a base URL the client takes absolute URLs.
///
/// @return the builder, never NULL
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_client_builder_new() -> *mut ahoy_client_builder {
    guard::value(std::ptr::null_mut(), || {
        handle::new(ahoy_client_builder {
            config: ClientConfig::default(),
            route: Route::Absolute,
            hooks: Hooks::default(),
            log: Log::default(),
        })
    })
}

/// Sends the client's requests to the endpoints of a balancer, in place of an earlier balancer or base URL.
///
/// @param balancer frozen from here on; still the caller's to free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_balancer(
    builder: *mut ahoy_client_builder,
    balancer: *const ahoy_balancer,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let balancer = unsafe { handle::required("balancer", balancer) }?;
        builder.route = Route::Balanced(Arc::clone(balancer.live()));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sends the client's requests to one URL, in place of an earlier balancer or base URL.
///
/// @param base_url "http://host/path" or https; its path comes before each request's
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_base_url(
    builder: *mut ahoy_client_builder,
    base_url: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let url = unsafe { text::required("base_url", base_url) }?;
        crate::request::check_target("base_url", url)?;
        builder.route = Route::base(url)?;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sets what is tried again. Default: the rules of ahoy_retry_new.
///
/// @param retry frozen from here on; still the caller's to free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_retry(
    builder: *mut ahoy_client_builder,
    retry: *const ahoy_retry,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let retry = unsafe { handle::required("retry", retry) }?;
        builder.config.retry = Arc::new(retry.freeze());
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Adds a header to every request, unless the request has one of the same name. User-Agent, by default
/// "ahoy/VERSION", is replaced.
///
/// @param name a header name; framing headers such as Content-Length are refused
/// @param value without CR, LF and other control characters; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_add_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let (name, value) = unsafe { checked(name, value) }?;
        if name == http::header::USER_AGENT {
            builder.config.headers.remove(&name);
        }
        builder.config.headers.append(name, value);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Lets an inbound header pass that ahoy_request_forward_headers hands over.
///
/// @param name a header name; "Cookie" passes all cookies
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_forward_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let name = header_name(unsafe { text::required("name", name) }?)?;
        if name == http::header::HOST {
            return Err(Error::invalid(
                "name",
                "host is the endpoint's, not the inbound request's",
            ));
        }
        builder.config.forward_headers.push(name);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Lets one cookie pass of an inbound Cookie header that ahoy_request_forward_headers hands over.
///
/// @param name the cookie's name; case matters
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_forward_cookie(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let name = unsafe { text::required("name", name) }?;
        if name.is_empty() || name.contains(['=', ';', ' ', ',']) {
            return Err(Error::invalid("name", "is not a cookie name"));
        }
        builder.config.forward_cookies.push(name.to_owned());
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sets how often a call asks the provider for a new list when no endpoint is left. Default 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_endpoint_updates(
    builder: *mut ahoy_client_builder,
    updates: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.endpoint_updates = updates;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Limits a whole call: its attempts, waits and connects. Default 30,000 ms.
///
/// @param timeout_ms 0 ends each call at once; AHOY_FOREVER for no limit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.timeout = text::duration(timeout_ms);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Limits one attempt. Default: the lesser of 10,000 ms and the attempt's share of the time left.
///
/// @param timeout_ms at least 1; AHOY_FOREVER for no limit but the call's
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_attempt_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.attempt_timeout = Some(text::positive_duration("timeout_ms", timeout_ms)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Limits resolving, TCP and TLS together. Default: the lesser of 3,000 ms and the attempt's share of the time
/// left.
///
/// @param timeout_ms at least 1; AHOY_FOREVER for no limit but the attempt's
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_connect_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.connect_timeout = Some(text::positive_duration("timeout_ms", timeout_ms)?);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sets how long an unused connection is kept. Default 60,000 ms.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_idle_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.idle_timeout = text::duration(timeout_ms);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Bounds the decoded body of an answer; a larger one is AHOY_E_BODY_TOO_LARGE. Default 64 MiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_max_body_bytes(
    builder: *mut ahoy_client_builder,
    bytes: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.max_body = usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Asks for gzip and decodes it. Default true.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_gzip(
    builder: *mut ahoy_client_builder,
    gzip: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.gzip = gzip;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Follows so many redirects; only for a client without a balancer. Authorization and Cookie are not sent on
/// to another host, and https is not left for http. Default 0.
///
/// @param redirects up to 50
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_redirects(
    builder: *mut ahoy_client_builder,
    redirects: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        if redirects > 50 {
            return Err(Error::invalid("redirects", "is above 50"));
        }
        builder.config.redirects = redirects;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Makes an answer of 4xx or 5xx AHOY_E_HTTP_STATUS, whose error keeps the answer. Default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_fail_on_status(
    builder: *mut ahoy_client_builder,
    fail: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.fail_on_status = fail;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Trusts more certificates for https, beside the platform's.
///
/// @param pem one or more certificates in PEM; copied, and checked when the client is built
/// @param length number of bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_add_ca_pem(
    builder: *mut ahoy_client_builder,
    pem: *const u8,
    length: usize,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let pem = unsafe { text::bytes("pem", pem, length) }?;
        if pem.is_empty() {
            return Err(Error::invalid("pem", "is empty"));
        }
        builder.config.tls.extra_roots_pem.push(pem.to_vec());
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Trusts the platform's certificates for https. Default true; with false nothing is trusted but what
/// ahoy_client_builder_add_ca_pem adds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_platform_roots(
    builder: *mut ahoy_client_builder,
    trust: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.tls.platform_roots = trust;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Says who this client is to servers that ask for a certificate.
///
/// @param certificate_pem the chain in PEM, own certificate first; copied, and checked when the client is built
/// @param certificate_length number of bytes
/// @param key_pem the private key in PEM; copied
/// @param key_length number of bytes
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_client_certificate_pem(
    builder: *mut ahoy_client_builder,
    certificate_pem: *const u8,
    certificate_length: usize,
    key_pem: *const u8,
    key_length: usize,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let chain = unsafe { text::bytes("certificate_pem", certificate_pem, certificate_length) }?;
        // SAFETY: see the module `ffi`.
        let key = unsafe { text::bytes("key_pem", key_pem, key_length) }?;
        if chain.is_empty() {
            return Err(Error::invalid("certificate_pem", "is empty"));
        }
        if key.is_empty() {
            return Err(Error::invalid("key_pem", "is empty"));
        }
        builder.config.tls.identity = Some((chain.to_vec(), key.to_vec()));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sets an option by name; ahoy_option_key_at lists them.
///
/// @param key such as "attempt_timeout"
/// @param value text with a unit, such as "250ms" or "64KiB"; an unusable one changes nothing
/// @return AHOY_E_UNKNOWN_OPTION for a key that is none; the error names the nearest
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set(
    builder: *mut ahoy_client_builder,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        // SAFETY: see the module `ffi`.
        let key = unsafe { text::required("key", key) }?;
        // SAFETY: see the module `ffi`.
        let value = unsafe { text::required("value", value) }?;
        options::set(&mut builder.config, key, value)
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Runs before each attempt, on the thread that drives the call. It may look at the request, change its path
/// and headers for this attempt, or refuse the call by a status other than AHOY_OK, which ends it with
/// AHOY_E_HOOK_REFUSED.
pub type ahoy_request_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, request: *mut ahoy_request) -> ahoy_status>;

/// Runs after each attempt that brought an answer, whatever its status, on the thread that drives the call.
/// The response is the library's and valid inside the hook only.
pub type ahoy_response_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, response: *const ahoy_response)>;

/// Runs after each attempt that brought no answer, on the thread that drives the call. The error is the
/// library's and valid inside the hook only.
pub type ahoy_error_fn =
    Option<unsafe extern "C" fn(user_data: *mut c_void, error: *const ahoy_error)>;

/// Sets the hook before each attempt, in place of an earlier one.
///
/// @param fn the hook
/// @param user_data handed to fn
/// @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_request(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_request_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let user_data = UserData::new(user_data, destroy);
    let set = |builder: &mut ahoy_client_builder| {
        let function = fn_.ok_or_else(|| Error::invalid("fn", "is NULL"))?;
        let hook = move |request: &mut Request, endpoint_url: &str| {
            let mut shown = ahoy_request::new(request.clone(), Some(endpoint_url));
            let place = &raw mut shown;
            // SAFETY: the host's own function and data; `shown` outlives the call.
            let status = user_data.call(|user_data| unsafe { function(user_data, place) });
            *request = shown.request;
            match status {
                AHOY_OK => Ok(()),
                other => Err(format!("the hook returned status {other}")),
            }
        };
        builder.hooks.on_request = Some(Arc::new(hook));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sets the hook after each answer, in place of an earlier one.
///
/// @param fn the hook
/// @param user_data handed to fn
/// @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_response(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_response_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let user_data = UserData::new(user_data, destroy);
    let set = |builder: &mut ahoy_client_builder| {
        let function = fn_.ok_or_else(|| Error::invalid("fn", "is NULL"))?;
        builder.hooks.on_response = Some(Arc::new(move |response| {
            let shown = ahoy_response::from(response.clone());
            // SAFETY: the host's own function and data; `shown` outlives the call.
            user_data.call(|user_data| unsafe { function(user_data, &raw const shown) });
        }));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Sets the hook after each failed attempt, in place of an earlier one.
///
/// @param fn the hook
/// @param user_data handed to fn
/// @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_error(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_error_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let user_data = UserData::new(user_data, destroy);
    let set = |builder: &mut ahoy_client_builder| {
        let function = fn_.ok_or_else(|| Error::invalid("fn", "is NULL"))?;
        builder.hooks.on_error = Some(Arc::new(move |error| {
            let shown = ahoy_error::from(error.clone());
            // SAFETY: the host's own function and data; `shown` outlives the call.
            user_data.call(|user_data| unsafe { function(user_data, &raw const shown) });
        }));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Returns true where a blocking call should end now.
pub type ahoy_should_stop_fn = Option<unsafe extern "C" fn(user_data: *mut c_void) -> bool>;

/// Lets signals end blocking calls: the function is asked on the calling thread after each signal that the host
/// caught there, and at least every 50 ms; its yes ends the call with AHOY_E_INTERRUPTED. It must not block.
///
/// @param fn the question
/// @param user_data handed to fn
/// @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_should_stop(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_should_stop_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let user_data = UserData::new(user_data, destroy);
    let set = |builder: &mut ahoy_client_builder| {
        let function = fn_.ok_or_else(|| Error::invalid("fn", "is NULL"))?;
        builder.hooks.should_stop = Some(Arc::new(move || {
            // SAFETY: the host's own function and data.
            user_data.call(|user_data| unsafe { function(user_data) })
        }));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// Ends a blocking call with AHOY_E_INTERRUPTED when a signal is caught on its thread, unless
/// ahoy_client_builder_set_should_stop says otherwise. Default false.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_interruptible(
    builder: *mut ahoy_client_builder,
    interruptible: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.interruptible = interruptible;
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

/// How much a message matters: the library could not do its work.
pub const AHOY_LOG_ERROR: i32 = 1;
/// How much a message matters: something is wrong with a peer or a provider.
pub const AHOY_LOG_WARN: i32 = 2;
/// How much a message matters: a state changed.
pub const AHOY_LOG_INFO: i32 = 3;
/// How much a message matters: one attempt.
pub const AHOY_LOG_DEBUG: i32 = 4;

/// Gets a message: its level (an AHOY_LOG_ number), its target (the part of the library) and its text, both
/// valid inside the callback only. Called on any thread that works for the client, also on several at once.
pub type ahoy_log_fn = Option<
    unsafe extern "C" fn(
        user_data: *mut c_void,
        level: i32,
        target: *const c_char,
        message: *const c_char,
    ),
>;

/// Sets where the client's messages go, in place of an earlier one. Default: nowhere. No message holds a
/// header value, a body or a query string.
///
/// @param level the least that matters: an AHOY_LOG_ number
/// @param fn gets each message
/// @param user_data handed to fn
/// @param destroy told once when user_data is no longer needed, also where this function fails; may be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_log(
    builder: *mut ahoy_client_builder,
    level: i32,
    fn_: ahoy_log_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let user_data = UserData::new(user_data, destroy);
    let set = |builder: &mut ahoy_client_builder| {
        let threshold = match level {
            AHOY_LOG_ERROR => Level::Error,
            AHOY_LOG_WARN => Level::Warn,
            AHOY_LOG_INFO => Level::Info,
            AHOY_LOG_DEBUG => Level::Debug,
            _ => return Err(Error::invalid("level", "is no AHOY_LOG_ number")),
        };
        let function = fn_.ok_or_else(|| Error::invalid("fn", "is NULL"))?;
        let sink = move |level: Level, target: &str, message: &str| {
            let (target, message) = (text::owned(target), text::owned(message));
            user_data.call(|user_data| {
                // SAFETY: the host's own function and data; the texts outlive the call.
                unsafe { function(user_data, number(level), target.as_ptr(), message.as_ptr()) }
            });
        };
        builder.log = Log::new(threshold, Arc::new(sink));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
}

fn number(level: Level) -> i32 {
    match level {
        Level::Error => AHOY_LOG_ERROR,
        Level::Warn => AHOY_LOG_WARN,
        Level::Info => AHOY_LOG_INFO,
        Level::Debug => AHOY_LOG_DEBUG,
    }
}

/// Builds a client. Nothing is contacted: the provider is asked and connections are made by the first call.
///
/// @param client gets the client; NULL on failure
/// @return AHOY_E_INVALID_ARGUMENT where options do not go together, or a certificate or key is unusable
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_build(
    builder: *const ahoy_client_builder,
    client: *mut *mut ahoy_client,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let body = || {
        // SAFETY: see the module `ffi`.
        let out = unsafe { Out::new("client", client) }?;
        // SAFETY: see the module `ffi`.
        let builder = unsafe { handle::required("builder", builder) }?;
        let client = Client::new(
            builder.config.clone(),
            builder.route.clone(),
            builder.hooks.clone(),
            builder.log.clone(),
        )?;
        out.fill(ahoy_client::from(client));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

unsafe fn change(
    builder: *mut ahoy_client_builder,
    err: *mut *mut ahoy_error,
    set: impl FnOnce(&mut ahoy_client_builder) -> Result<(), Error>,
) -> ahoy_status {
    // SAFETY: as this function's callers promise.
    unsafe { guard::status(err, || set(handle::required_mut("builder", builder)?)) }
}

/// Frees a builder; NULL is fine. Clients made from it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_free(builder: *mut ahoy_client_builder) {
    // SAFETY: see the module `ffi`.
    guard::value((), || unsafe { handle::free(builder) });
}
