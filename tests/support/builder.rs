//! The client and its builder.

use std::ffi::{CString, c_char, c_void};

use ahoy::ffi::call::request::*;
use ahoy::ffi::call::response::ahoy_response;
use ahoy::ffi::client::builder::*;
use ahoy::ffi::client::client::*;
use ahoy::ffi::client::configuration::*;
use ahoy::ffi::client::hooks::*;
use ahoy::ffi::client::protection::*;
use ahoy::ffi::client::proxy::*;
use ahoy::ffi::values::error::ahoy_error;
use ahoy::ffi::values::made_text::*;
use ahoy::ffi::values::status::ahoy_status;

use super::handles::{Balancer, Request, Retry, boxed, c, owner, shared};
use super::outcome::{Answer, Failure, Outcome, answered, checked, made, text};

owner!(
    /// `ahoy_client_builder`.
    Builder, ahoy_client_builder, ahoy_client_builder_free
);

/// A setter that takes the builder and a value; must succeed.
macro_rules! setters {
    ($($name:ident($value:ident: $type:ty) = $function:ident;)*) => {
        $(
            pub fn $name(self, $value: $type) -> Self {
                // SAFETY: the handle is ours.
                checked(|err| unsafe { $function(self.0, $value, err) }).unwrap();
                self
            }
        )*
    };
}

/// A setter that takes the builder and a text.
macro_rules! text_setters {
    ($($name:ident = $function:ident;)*) => {
        $(
            pub fn $name(&self, value: &str) -> Result<(), Failure> {
                // SAFETY: the handle is ours and the text lives through the call.
                checked(|err| unsafe { $function(self.0, c(value).as_ptr(), err) })
            }
        )*
    };
}

impl Builder {
    pub fn new() -> Self {
        Self::owning(ahoy_client_builder_new())
    }

    /// An attempt that passes its limit is cut.
    pub fn attempt_timeout_hard(self) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_set_attempt_timeout_hard(self.0, true, err) })
            .unwrap();
        self
    }

    setters! {
        commit(commit: i32) = ahoy_client_builder_set_commit;
        endpoint_updates(updates: u32) = ahoy_client_builder_set_endpoint_updates;
        wait_for_ready_ms(wait_ms: u64) = ahoy_client_builder_set_wait_for_ready_ms;
        timeout_ms(timeout_ms: u64) = ahoy_client_builder_set_timeout_ms;
        attempt_timeout_ms(timeout_ms: u64) = ahoy_client_builder_set_attempt_timeout_ms;
        connect_timeout_ms(timeout_ms: u64) = ahoy_client_builder_set_connect_timeout_ms;
        body_idle_timeout_ms(timeout_ms: u64) = ahoy_client_builder_set_body_idle_timeout_ms;
        idle_timeout_ms(timeout_ms: u64) = ahoy_client_builder_set_idle_timeout_ms;
        max_body_bytes(bytes: u64) = ahoy_client_builder_set_max_body_bytes;
        gzip(gzip: bool) = ahoy_client_builder_set_gzip;
        redirects(redirects: u32) = ahoy_client_builder_set_redirects;
        proxy_from_environment(take: bool) = ahoy_client_builder_set_proxy_from_environment;
        expect_continue(wait: bool) = ahoy_client_builder_set_expect_continue;
        fail_on_status(fail: bool) = ahoy_client_builder_set_fail_on_status;
        platform_roots(trust: bool) = ahoy_client_builder_set_platform_roots;
        max_in_flight(calls: u32) = ahoy_client_builder_set_max_in_flight;
    }

    text_setters! {
        try_base_url = ahoy_client_builder_set_base_url;
        try_proxy = ahoy_client_builder_set_proxy;
        try_no_proxy = ahoy_client_builder_set_no_proxy;
        try_forward_header = ahoy_client_builder_forward_header;
        try_forward_cookie = ahoy_client_builder_forward_cookie;
        try_deadline_header = ahoy_client_builder_set_deadline_header;
        try_attempt_header = ahoy_client_builder_set_attempt_header;
        try_pushback_header = ahoy_client_builder_set_pushback_header;
    }

    pub fn balancer(self, balancer: &Balancer) -> Self {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_client_builder_set_balancer(self.0, balancer.raw(), err) })
            .unwrap();
        self
    }

    pub fn retry(self, retry: &Retry) -> Self {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_client_builder_set_retry(self.0, retry.raw(), err) }).unwrap();
        self
    }

    pub fn without_retry_budget(self) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_disable_retry_budget(self.raw(), err) })
            .unwrap();
        self
    }

    pub fn retry_budget(self, share: f64, floor_per_second: u32, window_ms: u64) -> Self {
        self.try_retry_budget(share, floor_per_second, window_ms).unwrap();
        self
    }

    pub fn try_retry_budget(
        &self,
        share: f64,
        floor_per_second: u32,
        window_ms: u64,
    ) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_client_builder_set_retry_budget(self.0, share, floor_per_second, window_ms, err)
        })
    }

    /// A copy after so long.
    pub fn hedge_delay_ms(self, delay_ms: u64, max_extra: f64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_client_builder_set_hedge_delay_ms(self.0, delay_ms, max_extra, err)
        })
        .unwrap();
        self
    }

    /// A copy after the time that answers take of late.
    pub fn hedge(self, max_extra: f64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_set_hedge(self.0, max_extra, err) }).unwrap();
        self
    }

    pub fn adaptive_limit(self, start: u32, floor: u32, ceiling: u32) -> Self {
        self.try_adaptive_limit(start, floor, ceiling).unwrap();
        self
    }

    pub fn try_adaptive_limit(&self, start: u32, floor: u32, ceiling: u32) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_client_builder_set_adaptive_limit(self.0, start, floor, ceiling, err)
        })
    }

    pub fn wait_queue(self, length: u32, wait_ms: u64) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_set_wait_queue(self.0, length, wait_ms, err) })
            .unwrap();
        self
    }

    pub fn throttle(self, k: f64, window_ms: u64) -> Self {
        self.try_throttle(k, window_ms).unwrap();
        self
    }

    pub fn try_throttle(&self, k: f64, window_ms: u64) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_client_builder_set_adaptive_throttle(self.0, k, window_ms, err)
        })
    }

    pub fn trace(self, mode: i32) -> Self {
        self.try_trace(mode).unwrap();
        self
    }

    pub fn try_trace(&self, mode: i32) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_set_trace(self.0, mode, err) })
    }

    pub fn deadline_header(self, name: &str) -> Self {
        self.try_deadline_header(name).unwrap();
        self
    }

    pub fn attempt_header(self, name: &str) -> Self {
        self.try_attempt_header(name).unwrap();
        self
    }

    pub fn pushback_header(self, name: &str) -> Self {
        self.try_pushback_header(name).unwrap();
        self
    }

    /// So many tries, the rest as by default.
    pub fn tries(self, tries: i32) -> Self {
        self.retry(&Retry::new().tries(tries))
    }

    pub fn base_url(self, url: &str) -> Self {
        self.try_base_url(url).unwrap();
        self
    }

    pub fn proxy(self, url: &str) -> Self {
        self.try_proxy(url).unwrap();
        self
    }

    pub fn no_proxy(self, hosts: &str) -> Self {
        self.try_no_proxy(hosts).unwrap();
        self
    }

    pub fn forward_header(self, name: &str) -> Self {
        self.try_forward_header(name).unwrap();
        self
    }

    pub fn forward_cookie(self, name: &str) -> Self {
        self.try_forward_cookie(name).unwrap();
        self
    }

    pub fn header(self, name: &str, value: &str) -> Self {
        self.try_header(name, value.as_bytes()).unwrap();
        self
    }

    pub fn try_header(&self, name: &str, value: &[u8]) -> Result<(), Failure> {
        let (name, value) = (c(name), c(value));
        // SAFETY: the handle is ours.
        checked(|err| unsafe {
            ahoy_client_builder_add_header(self.0, name.as_ptr(), value.as_ptr(), err)
        })
    }

    /// An option by name.
    pub fn name(&self, name: &str) -> Result<(), Failure> {
        let name = c(name);
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_set_name(self.0, name.as_ptr(), err) })
    }

    pub fn option(&self, key: &str, value: &str) -> Result<(), Failure> {
        let (key, value) = (c(key), c(value));
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_set(self.0, key.as_ptr(), value.as_ptr(), err) })
    }

    pub fn try_http2(&self, mode: i32) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_set_http2(self.0, mode, err) })
    }

    pub fn ca(self, pem: &str) -> Self {
        // SAFETY: pointer and length belong together.
        checked(|err| unsafe {
            ahoy_client_builder_add_ca_pem(self.0, pem.as_ptr(), pem.len(), err)
        })
        .unwrap();
        self
    }

    pub fn identity(self, (certificate, key): &(String, String)) -> Self {
        // SAFETY: pointers and lengths belong together.
        checked(|err| unsafe {
            ahoy_client_builder_set_client_certificate_pem(
                self.0,
                certificate.as_ptr(),
                certificate.len(),
                key.as_ptr(),
                key.len(),
                err,
            )
        })
        .unwrap();
        self
    }

    pub fn on_request<F: Fn(&HookRequest) -> ahoy_status + Send + Sync + 'static>(
        self,
        hook: F,
    ) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(&HookRequest) -> ahoy_status>(
            user_data: *mut c_void,
            request: *mut ahoy_request,
        ) -> ahoy_status {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function(&HookRequest(request))
        }
        let (data, free) = boxed(hook);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_on_request(self.0, Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }

    pub fn on_response<F: Fn(Answer) + Send + Sync + 'static>(self, hook: F) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(Answer)>(
            data: *mut c_void,
            response: *const ahoy_response,
        ) {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(data) };
            function(Answer::lent(response));
        }
        let (data, free) = boxed(hook);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_on_response(self.0, Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }

    pub fn on_error<F: Fn(Failure) + Send + Sync + 'static>(self, hook: F) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(Failure)>(
            user_data: *mut c_void,
            error: *const ahoy_error,
        ) {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function(Failure::lent(error));
        }
        let (data, free) = boxed(hook);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_on_error(self.0, Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }

    pub fn on_log<F: Fn(i32, String, String) + Send + Sync + 'static>(
        self,
        level: i32,
        sink: F,
    ) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(i32, String, String)>(
            user_data: *mut c_void,
            level: i32,
            target: *const c_char,
            message: *const c_char,
        ) {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function(level, text(target), text(message));
        }
        let (data, free) = boxed(sink);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_on_log(self.0, level, Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }

    pub fn try_build(&self) -> Result<Client, Failure> {
        // SAFETY: the handle is ours.
        made(|out, err| unsafe { ahoy_client_builder_build(self.0, out, err) }).map(Client::owning)
    }

    pub fn build(&self) -> Client {
        self.try_build().unwrap()
    }
}

/// The request that a hook is shown.
#[derive(Debug)]
pub struct HookRequest(*mut ahoy_request);

impl HookRequest {
    /// The request, which is the library's.
    pub fn raw(&self) -> *mut ahoy_request {
        self.0
    }

    pub fn method(&self) -> String {
        // SAFETY: the request lives as long as the hook runs.
        text(unsafe { ahoy_request_method(self.0) })
    }

    pub fn path(&self) -> String {
        // SAFETY: as above.
        text(unsafe { ahoy_request_path(self.0) })
    }

    pub fn endpoint_url(&self) -> String {
        // SAFETY: as above.
        text(unsafe { ahoy_request_endpoint_url(self.0) })
    }

    pub fn set_path(&self, path: &str) -> Result<(), Failure> {
        // SAFETY: as above.
        checked(|err| unsafe { ahoy_request_set_path(self.0, c(path).as_ptr(), err) })
    }

    pub fn set_header(&self, name: &str, value: &str) -> Result<(), Failure> {
        let (name, value) = (c(name), c(value));
        // SAFETY: as above.
        checked(|err| unsafe {
            ahoy_request_set_header(self.0, name.as_ptr(), value.as_ptr(), err)
        })
    }
}

owner!(
    /// `ahoy_client`.
    Client, ahoy_client, ahoy_client_free
);

/// One of the four verbs without a body.
type Bodyless = unsafe extern "C" fn(
    *const ahoy_client,
    *const c_char,
    *mut *mut ahoy_response,
    *mut *mut ahoy_error,
) -> ahoy_status;

/// One of the three verbs with a body.
type WithBody = unsafe extern "C" fn(
    *const ahoy_client,
    *const c_char,
    *const c_char,
    *const u8,
    usize,
    *mut *mut ahoy_response,
    *mut *mut ahoy_error,
) -> ahoy_status;

impl Client {
    pub fn get(&self, path: &str) -> Outcome {
        self.bodyless(ahoy_client_get, path)
    }

    pub fn options(&self, path: &str) -> Outcome {
        self.bodyless(ahoy_client_options, path)
    }

    pub fn head(&self, path: &str) -> Outcome {
        self.bodyless(ahoy_client_head, path)
    }

    pub fn delete(&self, path: &str) -> Outcome {
        self.bodyless(ahoy_client_delete, path)
    }

    /// With a body of a stated media type.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Outcome {
        self.with_body(ahoy_client_post, path, content_type, body)
    }

    pub fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Outcome {
        self.with_body(ahoy_client_put, path, content_type, body)
    }

    pub fn patch(&self, path: &str, content_type: &str, body: &[u8]) -> Outcome {
        self.with_body(ahoy_client_patch, path, content_type, body)
    }

    /// Its settings as text.
    pub fn config_text(&self) -> String {
        // SAFETY: the handle is ours.
        let handle = made(|out, err| unsafe { ahoy_client_config_text(self.0, out, err) }).unwrap();
        let mut length = 0;
        // SAFETY: the handle is ours until it is freed, once.
        let config = unsafe {
            let config = text(ahoy_text_bytes(handle, &raw mut length));
            ahoy_text_free(handle);
            config
        };
        assert_eq!(config.len(), length);
        config
    }

    pub fn send(&self, request: &Request) -> Outcome {
        // SAFETY: both handles live.
        answered(|out, err| unsafe { ahoy_client_send(self.0, request.raw(), out, err) })
    }

    fn bodyless(&self, verb: Bodyless, path: &str) -> Outcome {
        let path = c(path);
        // SAFETY: the handle is ours.
        answered(|out, err| unsafe { verb(self.0, path.as_ptr(), out, err) })
    }

    fn with_body(&self, verb: WithBody, path: &str, content_type: &str, body: &[u8]) -> Outcome {
        let (path, content_type): (CString, CString) = (c(path), c(content_type));
        // SAFETY: the handle is ours; pointer and length belong together.
        answered(|out, err| unsafe {
            let (body, length) = (body.as_ptr(), body.len());
            verb(self.0, path.as_ptr(), content_type.as_ptr(), body, length, out, err)
        })
    }
}
