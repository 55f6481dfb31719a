//! `ahoy_client_builder`: everything a client is told.

use std::ffi::c_char;
use std::sync::Arc;

use super::client::ahoy_client;
use crate::client::{Client, Hooks, Log, Route};
use crate::config::{ClientConfig, Http2};
use crate::error::Error;
use crate::ffi::balancer::balancer::ahoy_balancer;
use crate::ffi::call::error::ahoy_error;
use crate::ffi::call::request::checked;
use crate::ffi::values::handle::Out;
use crate::ffi::values::retry::ahoy_retry;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{guard, handle, text};
use crate::options;
use crate::request::header_name;

/// HTTP/1.1 only.
pub const AHOY_HTTP2_OFF: i32 = 0;
/// HTTP/2 where TLS agrees on it (ALPN), and HTTP/1.1 otherwise.
pub const AHOY_HTTP2_ALPN: i32 = 1;
/// HTTP/2 always, also without TLS: every host is known to speak it.
pub const AHOY_HTTP2_PRIOR_KNOWLEDGE: i32 = 2;

/// What a client will be. Building copies it, so that one builder can make several clients.
///
/// Ownership: freed with ahoy_client_builder_free at any time. Thread: one at a time.
pub struct ahoy_client_builder {
    pub(crate) config: ClientConfig,
    pub(crate) route: Route,
    pub(crate) hooks: Hooks,
    pub(crate) log: Log,
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
///
/// The head of an answer is bounded by 262,144 bytes, with the interim answers before it, and by 24,000 headers; a
/// larger one is AHOY_E_PROTOCOL. That is no setting.
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

/// Speaks HTTP/2: few connections to a host, each shared by many calls. Only for a client with a balancer.
/// Default AHOY_HTTP2_OFF.
///
/// The connections live on library threads, so that a blocking call is handed to one of them and hooks run
/// there.
///
/// @param mode AHOY_HTTP2_OFF, AHOY_HTTP2_ALPN or AHOY_HTTP2_PRIOR_KNOWLEDGE
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_http2(
    builder: *mut ahoy_client_builder,
    mode: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let set = |builder: &mut ahoy_client_builder| {
        builder.config.http2 = match mode {
            AHOY_HTTP2_OFF => Http2::Off,
            AHOY_HTTP2_ALPN => Http2::Alpn,
            AHOY_HTTP2_PRIOR_KNOWLEDGE => Http2::PriorKnowledge,
            _ => return Err(Error::invalid("mode", "is no AHOY_HTTP2_ number")),
        };
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
        let pem = unsafe { text::bytes(("pem", "length"), pem, length) }?;
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
/// ahoy_client_builder_add_ca_pem adds, and building a client to which nothing was added is refused.
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
        let chain = unsafe {
            text::bytes(
                ("certificate_pem", "certificate_length"),
                certificate_pem,
                certificate_length,
            )
        }?;
        // SAFETY: see the module `ffi`.
        let key = unsafe { text::bytes(("key_pem", "key_length"), key_pem, key_length) }?;
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

/// Sets an option by name; ahoy_client_option_key_at lists them.
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
        options::set(options::CLIENT, &mut builder.config, key, value)
    };
    // SAFETY: see the module `ffi`.
    unsafe { change(builder, err, set) }
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
        let client = Arc::new(client);
        client.warm_up();
        out.fill(ahoy_client::from(client));
        Ok(())
    };
    // SAFETY: see the module `ffi`.
    unsafe { guard::status(err, body) }
}

pub(crate) unsafe fn change(
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
