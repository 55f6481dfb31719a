//! `ahoy_client_builder`: everything a client is told.

use std::ffi::CStr;
use std::ffi::c_char;
use std::ptr;
use std::sync::Arc;

use super::client::ahoy_client;
use crate::client::{Client, Hooks, Log, Route, UsageToken};
use crate::config::ClientConfig;
use crate::error::Error;
use crate::event::Observer;
use crate::ffi::balancer::balancer::ahoy_balancer;
use crate::ffi::client::retry::ahoy_retry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Out, Owned};
use crate::ffi::values::setter::{Configurable, ms};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{entry, guard, handle};
use crate::options::{CLIENT, Table, Value};

/// HTTP/1.1 only.
pub const AHOY_HTTP2_OFF: i32 = 0;
/// HTTP/2 where TLS agrees on it (ALPN), and HTTP/1.1 otherwise.
pub const AHOY_HTTP2_ALPN: i32 = 1;
/// HTTP/2 always, also without TLS: every host is known to speak it.
pub const AHOY_HTTP2_PRIOR_KNOWLEDGE: i32 = 2;

/// The settings of clients to be built. Building copies them, so one builder can make several
/// clients.
///
/// Ownership: freed with ahoy_client_builder_free at any time. Thread: one at a time.
pub struct ahoy_client_builder {
    pub(crate) config: ClientConfig,
    pub(crate) route: Route,
    /// Of the route's balancer.
    usage: Option<UsageToken>,
    pub(crate) hooks: Hooks,
    pub(crate) log: Log,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
}

impl Handle for ahoy_client_builder {
    type Held = Owned;
}

impl Configurable for &mut ahoy_client_builder {
    type Config = ClientConfig;

    fn table() -> &'static Table<ClientConfig> {
        &CLIENT
    }

    fn change(
        self,
        change: impl FnOnce(&mut ClientConfig) -> Result<(), Error>,
    ) -> Result<(), Error> {
        change(&mut self.config)
    }
}

impl ahoy_client_builder {
    pub(super) fn set_route(&mut self, route: Route) {
        self.usage = route.balancer().map(|balancer| balancer.usage_token());
        self.route = route;
    }

    fn build(&self) -> Result<Arc<Client>, Error> {
        let (config, route) = (self.config.clone(), self.route.clone());
        let (hooks, log) = (self.hooks.clone(), self.log.clone());
        let client = Client::new(config, route, hooks, log, self.observers.clone())?;
        let client = Arc::new(client);
        client.warm_up();
        Ok(client)
    }
}

/// A builder with the defaults. Without a balancer and a base URL the client takes absolute URLs.
///
/// @return the builder, never NULL
#[unsafe(no_mangle)]
#[must_use]
pub extern "C" fn ahoy_client_builder_new() -> *mut ahoy_client_builder {
    guard::value_of(ptr::null_mut(), || {
        handle::new(ahoy_client_builder {
            config: ClientConfig::default(),
            route: Route::Absolute,
            usage: None,
            hooks: Hooks::default(),
            log: Log::default(),
            observers: Vec::new(),
        })
    })
}

/// Sends the client's requests to the endpoints of a balancer, in place of an earlier balancer or
/// base URL.
///
/// @param balancer frozen from here on; still the caller's to free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_balancer(
    builder: *mut ahoy_client_builder,
    balancer: *const ahoy_balancer,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, balancer: &ahoy_balancer| {
        builder.set_route(Route::Balanced(Arc::clone(balancer.live()?)));
        Ok(())
    })
}

/// Sends the client's requests to one URL, in place of an earlier balancer or base URL.
///
/// @param base_url "http://host/path" or https; its path comes before each request's. An absolute
///        URL of a request must be below it, so that no default header, Authorization for example,
///        goes elsewhere
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_base_url(
    builder: *mut ahoy_client_builder,
    base_url: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, base_url: &str| {
        builder.set_route(Route::base(base_url)?);
        Ok(())
    })
}

/// Names the client in its statistics: each of its series has the label `client` with this name, by
/// which those of several clients of one process are told apart. Default: no such label.
///
/// @param name such as "payments", without blanks around it or control characters; "off" for none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_name(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str| {
        builder.set("name", "name", name)
    })
}

/// Sets the retry rules, in place of those set before, also by name. Default: those of
/// ahoy_retry_new.
///
/// @param retry frozen from here on; still the caller's to free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_retry(
    builder: *mut ahoy_client_builder,
    retry: *const ahoy_retry,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, retry: &ahoy_retry| {
        builder.config.retry = Arc::new(retry.freeze());
        Ok(())
    })
}

/// Adds a header to every request, unless the request has one of the same name. User-Agent, by
/// default "ahoy/VERSION", is replaced. A client that takes absolute URLs sends it to each of them:
/// credentials belong to a client with a base URL.
///
/// @param name a header name; framing headers such as Content-Length are refused
/// @param value without CR, LF and other control characters; copied without blanks around it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_add_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str, value: &CStr| {
        builder.config.add_header(name, value.to_bytes())
    })
}

/// Passes on a header of the inbound request (ahoy_request_forward_headers) with each attempt, in
/// place of the client's default of that name. A header of the request itself replaces both.
///
/// @param name a header name; "Cookie" passes all cookies
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_forward_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str| {
        builder.config.forward_header(name)
    })
}

/// Passes on one cookie of the inbound request (ahoy_request_forward_headers) with each attempt.
/// All cookies stand in one header.
///
/// @param name the cookie's name; case matters
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_forward_cookie(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str| {
        builder.config.forward_cookie(name)
    })
}

/// Sets how often a call asks the provider for a new list when no endpoint is left. Default 1.
///
/// @param updates from 0; 0 never asks again
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_endpoint_updates(
    builder: *mut ahoy_client_builder,
    updates: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("endpoint_updates", "updates", updates)
    })
}

/// Sets how long a call waits for an endpoint while none takes calls: while the only one restarts,
/// all circuits are open, or the provider lists none. The time counts from the beginning of that
/// outage. Once it has passed, calls no longer wait but fail at once, with AHOY_E_NO_ENDPOINTS
/// where they made no attempt. The limit on the whole call ends a wait as well.
///
/// Default: 250 ms, and at most half of the time that the call has left, for a process that is
/// replaced on its port. By default a call waits only where a probe will show whether an endpoint
/// is back: not where the provider lists none, and not where all circuits were opened by hand.
/// 3,000 ms, as in linkerd2's proxy, outlast most restarts. Only for a client with a balancer.
///
/// @param wait_ms from 0; 0 fails calls at once; AHOY_FOREVER lets them wait as long as they may
///        take, as gRPC's wait for ready
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_wait_for_ready_ms(
    builder: *mut ahoy_client_builder,
    wait_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("wait_for_ready", "wait_ms", ms(wait_ms))
    })
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
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("timeout", "timeout_ms", ms(timeout_ms))
    })
}

/// Sets how long an attempt may take before its call looks elsewhere. The limit is soft: an attempt
/// that passes it goes on, and where the request may be repeated, another starts at another
/// endpoint (with no other, on a new connection). The first good answer wins. A request that may
/// not be repeated waits for its answer until the call's limit. The time counts anew with each 16
/// KiB sent or received.
///
/// Default: the limit follows the service. It is five times the 99th percentile of the client's
/// answers and at least 500 ms, or 1,000 ms before there are any. It is no more than the attempt's
/// share of the time left, such as 66 ms of a call's 200 ms and three tries, unless that is less
/// than twice the percentile.
///
/// @param timeout_ms at least 1; AHOY_FOREVER for never
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_attempt_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("attempt_timeout", "timeout_ms", ms(timeout_ms))
    })
}

/// Sets whether an attempt that passes its limit is cut and counts as failed, instead of going on
/// beside another. For servers that must not see a request twice at once. An answer that was on its
/// way is lost then: a service that becomes slower than the limit answers no call at all. Where no
/// limit is set, it is then 10,000 ms, or the attempt's share of the time left if that is less.
/// Default false.
///
/// @param hard whether it is cut
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_attempt_timeout_hard(
    builder: *mut ahoy_client_builder,
    hard: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("attempt_timeout_hard", "hard", hard)
    })
}

/// Sets when a streamed answer is handed over, after which no other attempt is made: with its head,
/// or with the first byte of its body. With the byte, a server that sends a head and then hangs
/// costs no call; a stream whose first event comes late is handed over late. Default
/// AHOY_COMMIT_HEAD.
///
/// @param commit AHOY_COMMIT_HEAD or AHOY_COMMIT_FIRST_BYTE
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_commit(
    builder: *mut ahoy_client_builder,
    commit: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("commit", "commit", commit)
    })
}

/// A streamed answer is handed over with its head.
pub const AHOY_COMMIT_HEAD: i32 = 0;
/// A streamed answer is handed over with the first byte of its body, or at its end.
pub const AHOY_COMMIT_FIRST_BYTE: i32 = 1;

/// Limits name resolution, TCP connect and TLS handshake together. Default: the attempt's share of
/// the time left, and at most 3,000 ms. The share is at least 1,250 ms where twice that is left,
/// because a lost SYN is sent again after 1 s. With less left, it is at least 250 ms for TLS, or
/// all that is left.
///
/// @param timeout_ms at least 1; AHOY_FOREVER for no limit but the attempt's
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_connect_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("connect_timeout", "timeout_ms", ms(timeout_ms))
    })
}

/// Limits the pauses of an answer's body, held whole or streamed: when no byte has come for this
/// long, its attempt ends with AHOY_E_TIMEOUT. For a streamed body the request's own limit
/// (ahoy_request_set_idle_timeout_ms) comes first. Default: off. A body that is held whole then has
/// only the limits of its attempt and its call; a streamed one has the default of
/// ahoy_request_set_idle_timeout_ms, which is 60 s where nothing is set.
///
/// @param timeout_ms at least 1; AHOY_FOREVER for no limit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_body_idle_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("body_idle_timeout", "timeout_ms", ms(timeout_ms))
    })
}

/// Sets how long an unused connection is kept. Default 60,000 ms. Where its server says that it
/// keeps it for less (Keep-Alive: timeout=5), it is kept for a second less than that.
///
/// @param timeout_ms 0 keeps none; AHOY_FOREVER until the server closes it
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_idle_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("idle_timeout", "timeout_ms", ms(timeout_ms))
    })
}

/// Sets how many unused connections to one endpoint each I/O thread, and each blocking caller,
/// keeps. Not over HTTP/2, where there are at most 4. Default 256.
///
/// @param connections from 0; 0 keeps none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_max_idle_per_endpoint(
    builder: *mut ahoy_client_builder,
    connections: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("max_idle_per_endpoint", "connections", connections)
    })
}

/// Limits the connections of each I/O thread to one endpoint, used and unused. A call that finds
/// none free waits for one, up to its own limit; while another endpoint could take it, it waits no
/// longer than the limit on connecting. A blocking call has one connection at a time; over HTTP/2
/// there are at most 4, and a call waits in the same way for a stream of one. Only for a client
/// with a balancer. Default 256.
///
/// Where the process may have fewer descriptors (`ulimit -n`), calls wait in the same way before
/// they are used up: an I/O thread with many connections leaves the last eighth of them to the
/// host. Unused connections are closed first. Not behind a proxy.
///
/// @param connections at least 1; the key max_connections_per_endpoint takes "off" as well
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_max_connections_per_endpoint(
    builder: *mut ahoy_client_builder,
    connections: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("max_connections_per_endpoint", "connections", connections)
    })
}

/// Limits how long a connection is used, give or take a tenth, so that load follows changes of the
/// endpoints. Only for a client with a balancer. Default 600,000 ms.
///
/// @param age_ms at least 1; AHOY_FOREVER for no limit
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_max_connection_age_ms(
    builder: *mut ahoy_client_builder,
    age_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("max_connection_age", "age_ms", ms(age_ms))
    })
}

/// Opens connections to each endpoint before a call needs them: in the background, when the client
/// is built and when an endpoint joins, at most 256 at a time. A connect that fails is not repeated
/// and counts for no circuit; calls then connect themselves. Only for a client with a balancer.
/// Default 0.
///
/// @param connections 0 to 64 for each endpoint and I/O thread; HTTP/2 opens one for any number
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_warm_up(
    builder: *mut ahoy_client_builder,
    connections: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("warm_up", "connections", connections)
    })
}

/// Bounds the decoded body of an answer; a larger one is AHOY_E_BODY_TOO_LARGE. Default 64 MiB.
///
/// The head of an answer is bounded by 262,144 bytes, with the interim answers before it, and by
/// 24,000 headers; a larger one is AHOY_E_PROTOCOL. That is no setting.
///
/// @param bytes from 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_max_body_bytes(
    builder: *mut ahoy_client_builder,
    bytes: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("max_body", "bytes", Value::Count(bytes))
    })
}

/// Asks for compressed answers and decodes them: gzip, brotli (br) and zstd, of which a build may
/// leave out the last two. Default true.
///
/// @param gzip whether compressed answers are asked for
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_gzip(
    builder: *mut ahoy_client_builder,
    gzip: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set("gzip", "gzip", gzip))
}

/// Speaks HTTP/2: few connections to an endpoint, each shared by many calls. Only for a client with
/// a balancer. Default AHOY_HTTP2_OFF.
///
/// The connections live on I/O threads, so a blocking call is handed to one of them and hooks run
/// there.
///
/// @param mode AHOY_HTTP2_OFF, AHOY_HTTP2_ALPN or AHOY_HTTP2_PRIOR_KNOWLEDGE
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_http2(
    builder: *mut ahoy_client_builder,
    mode: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set("http2", "mode", mode))
}

/// Follows redirects (301, 302, 303, 307, 308), within one attempt and its limits; only for a
/// client without a balancer. Default 0, which hands each over as an answer.
///
/// POST becomes GET on 301 and 302, any method but HEAD on 303, without the body. 307 and 308 keep
/// method and body, and are handed over where the body comes from a source that cannot rewind.
/// Another origin (scheme, host or port) gets none of the headers that you set but Accept,
/// Accept-Charset, Accept-Encoding, Accept-Language, Cache-Control, If-*, Pragma, Range, User-Agent
/// and those that describe the body: also where https is left for http, which is followed as curl
/// does. A redirect that cannot be followed, such as ftp: or a url with credentials, is handed
/// over. One redirect too many is AHOY_E_PROTOCOL and not tried again.
///
/// @param redirects 0 to 50
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_redirects(
    builder: *mut ahoy_client_builder,
    redirects: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("redirects", "redirects", redirects)
    })
}

/// Holds each request's body back until the server has asked for it (Expect: 100-continue), for at
/// most 1 s, and sends none where the server answers first. Not with a proxy. Default false; a
/// request with a header Expect of that value does so in any case.
///
/// @param expect_continue whether bodies are held back
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_expect_continue(
    builder: *mut ahoy_client_builder,
    expect_continue: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("expect_continue", "expect_continue", expect_continue)
    })
}

/// Makes an answer of 4xx or 5xx AHOY_E_HTTP_STATUS, whose error keeps the answer. Default false.
///
/// @param fail whether such an answer is an error
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_fail_on_status(
    builder: *mut ahoy_client_builder,
    fail: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("fail_on_status", "fail", fail)
    })
}

/// Trusts further certificates for https, beside the platform's.
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
    let pem = (pem, ("length", length));
    entry::status!(err, |builder: &mut ahoy_client_builder, pem: &[u8]| {
        builder.config.add_roots(None, present("pem", pem)?);
        Ok(())
    })
}

/// Trusts the platform's certificates for https. Default true. With false nothing is trusted but
/// what ahoy_client_builder_add_ca_pem and ahoy_client_builder_set_ca_file name; without either the
/// client cannot be built.
///
/// @param trust whether the platform's certificates are trusted
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_platform_roots(
    builder: *mut ahoy_client_builder,
    trust: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("platform_roots", "trust", trust)
    })
}

/// Sets the certificate that the client presents to servers that ask for one (mutual TLS). Default:
/// none.
///
/// Keys are RSA (2048 to 4096 bits), P-256, P-384 or Ed25519. Those of servers are as well, and of
/// the authorities behind them, whose RSA may have up to 8192 bits. P-521 is not among them.
///
/// @param certificate_pem the chain in PEM, own certificate first; copied, and checked when the
///        client is built
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
    let certificate_pem = (certificate_pem, ("certificate_length", certificate_length));
    let key_pem = (key_pem, ("key_length", key_length));
    entry::status!(err, |builder: &mut ahoy_client_builder,
                         certificate_pem: &[u8],
                         key_pem: &[u8]| {
        let chain = present("certificate_pem", certificate_pem)?;
        let key = present("key_pem", key_pem)?;
        builder.config.tls.identity = Some((chain, key));
        builder.config.tls_files.identity = None;
        Ok(())
    })
}

/// Sets an option by name, the same as its function does; ahoy_client_option_key_at lists them. The
/// rules of retries are options of the client as well, as in "retry_tries".
///
/// @param key such as "attempt_timeout"
/// @param value such as "1.5s", "64KiB" or "off"; a duration needs a unit. A value that is refused
///        changes nothing
/// @return AHOY_E_UNKNOWN_OPTION for a key that does not exist; the error names the nearest
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set(
    builder: *mut ahoy_client_builder,
    key: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, key: &str, value: &str| {
        builder.set_text(key, value)
    })
}

/// Builds a client. Nothing is contacted, except by ahoy_client_builder_set_warm_up: the provider
/// is asked and connections are made by the first call.
///
/// @param client gets the client, to be freed with ahoy_client_free; NULL on failure
/// @return AHOY_E_INVALID_ARGUMENT if settings do not go together, and the error names all of them;
///        also if a certificate or key is unusable
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_build(
    builder: *const ahoy_client_builder,
    client: *mut *mut ahoy_client,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |client: Out<ahoy_client>, builder: &ahoy_client_builder| {
        client.fill(ahoy_client::from(builder.build()?));
        Ok(())
    })
}

/// PEM that must be there.
fn present(name: &str, pem: &[u8]) -> Result<Vec<u8>, Error> {
    if pem.is_empty() { Err(Error::invalid(name, "is empty")) } else { Ok(pem.to_vec()) }
}

/// Frees a builder; NULL is fine. Clients made from it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_free(builder: *mut ahoy_client_builder) {
    guard::value!((), |builder: Option<Box<ahoy_client_builder>>| drop(builder));
}
