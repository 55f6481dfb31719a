//! The functions of ahoy.h that are used, written out. `tests/tool.sh` compares them with the header.

use std::ffi::{c_char, c_void};

macro_rules! handles {
    ($($name:ident),* $(,)?) => {
        $(
            /// As in ahoy.h.
            #[allow(non_camel_case_types, reason = "as in ahoy.h")]
            #[repr(C)]
            pub(crate) struct $name([u8; 0]);
        )*
    };
}

handles! {
    ahoy_attempt, ahoy_balancer, ahoy_client, ahoy_client_builder, ahoy_endpoint, ahoy_error,
    ahoy_provider, ahoy_request, ahoy_response, ahoy_text,
}

#[allow(non_camel_case_types, reason = "as in ahoy.h")]
pub(crate) type ahoy_status = i32;

pub(crate) const AHOY_OK: ahoy_status = 0;
pub(crate) const AHOY_LIST_NONE: i32 = 0;
pub(crate) const AHOY_LIST_CURRENT: i32 = 1;
pub(crate) const AHOY_LIST_LAST: i32 = 2;
pub(crate) const AHOY_LIST_STALE: i32 = 3;
pub(crate) const AHOY_LIST_REFUSED: i32 = 4;
pub(crate) const AHOY_FOREVER: u64 = u64::MAX;
pub(crate) const AHOY_LOG_WARN: i32 = 2;

/// As in ahoy.h.
#[allow(non_camel_case_types, reason = "as in ahoy.h")]
pub(crate) type ahoy_log_fn =
    Option<unsafe extern "C" fn(*mut c_void, i32, *const c_char, *const c_char)>;

/// As in ahoy.h.
#[allow(non_camel_case_types, reason = "as in ahoy.h")]
pub(crate) type ahoy_destroy_fn = Option<unsafe extern "C" fn(*mut c_void)>;

unsafe extern "C" {
    pub(crate) fn ahoy_status_name(status: ahoy_status) -> *const c_char;

    pub(crate) fn ahoy_error_message(error: *const ahoy_error) -> *const c_char;
    pub(crate) fn ahoy_error_attempt_count(error: *const ahoy_error) -> usize;
    pub(crate) fn ahoy_error_free(error: *mut ahoy_error);

    pub(crate) fn ahoy_text_bytes(text: *const ahoy_text, length: *mut usize) -> *const c_char;
    pub(crate) fn ahoy_text_free(text: *mut ahoy_text);

    pub(crate) fn ahoy_provider_from_url(
        url: *const c_char,
        provider: *mut *mut ahoy_provider,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_provider_set(
        provider: *const ahoy_provider,
        key: *const c_char,
        value: *const c_char,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_provider_describe(
        provider: *const ahoy_provider,
        text: *mut *mut ahoy_text,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_provider_free(provider: *mut ahoy_provider);

    pub(crate) fn ahoy_balancer_new(provider: *const ahoy_provider) -> *mut ahoy_balancer;
    pub(crate) fn ahoy_balancer_wait_ready(
        balancer: *const ahoy_balancer,
        timeout_ms: u64,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_balancer_list_state(balancer: *const ahoy_balancer) -> i32;
    pub(crate) fn ahoy_balancer_list_age_ms(balancer: *const ahoy_balancer) -> u64;
    pub(crate) fn ahoy_balancer_list_error(balancer: *const ahoy_balancer) -> *mut ahoy_text;
    pub(crate) fn ahoy_balancer_endpoint_count(balancer: *const ahoy_balancer) -> usize;
    pub(crate) fn ahoy_balancer_endpoint_at(
        balancer: *const ahoy_balancer,
        index: usize,
        endpoint: *mut *mut ahoy_endpoint,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_balancer_free(balancer: *mut ahoy_balancer);

    pub(crate) fn ahoy_endpoint_url(endpoint: *const ahoy_endpoint) -> *const c_char;
    pub(crate) fn ahoy_endpoint_weight(endpoint: *const ahoy_endpoint) -> u32;
    pub(crate) fn ahoy_endpoint_priority(endpoint: *const ahoy_endpoint) -> u32;
    pub(crate) fn ahoy_endpoint_zone(endpoint: *const ahoy_endpoint) -> *const c_char;
    pub(crate) fn ahoy_endpoint_reason(
        endpoint: *const ahoy_endpoint,
        reason: *mut i32,
        text: *mut *mut ahoy_text,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_endpoint_free(endpoint: *mut ahoy_endpoint);

    pub(crate) fn ahoy_client_builder_new() -> *mut ahoy_client_builder;
    pub(crate) fn ahoy_client_builder_set_balancer(
        builder: *mut ahoy_client_builder,
        balancer: *const ahoy_balancer,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_client_builder_set_base_url(
        builder: *mut ahoy_client_builder,
        url: *const c_char,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_client_builder_set(
        builder: *mut ahoy_client_builder,
        key: *const c_char,
        value: *const c_char,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_client_builder_on_log(
        builder: *mut ahoy_client_builder,
        level: i32,
        log: ahoy_log_fn,
        user_data: *mut c_void,
        destroy: ahoy_destroy_fn,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_client_builder_build(
        builder: *const ahoy_client_builder,
        client: *mut *mut ahoy_client,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_client_builder_free(builder: *mut ahoy_client_builder);
    pub(crate) fn ahoy_client_from_config(
        json: *const c_char,
        client: *mut *mut ahoy_client,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_client_config_text(
        client: *const ahoy_client,
        text: *mut *mut ahoy_text,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_client_send(
        client: *const ahoy_client,
        request: *const ahoy_request,
        response: *mut *mut ahoy_response,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_client_free(client: *mut ahoy_client);

    pub(crate) fn ahoy_request_new(
        method: *const c_char,
        path: *const c_char,
        request: *mut *mut ahoy_request,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_request_add_header(
        request: *mut ahoy_request,
        name: *const c_char,
        value: *const c_char,
        err: *mut *mut ahoy_error,
    ) -> ahoy_status;
    pub(crate) fn ahoy_request_free(request: *mut ahoy_request);

    pub(crate) fn ahoy_response_status(response: *const ahoy_response) -> i32;
    pub(crate) fn ahoy_response_header_count(response: *const ahoy_response) -> usize;
    pub(crate) fn ahoy_response_header_name_at(
        response: *const ahoy_response,
        index: usize,
    ) -> *const c_char;
    pub(crate) fn ahoy_response_header_value_at(
        response: *const ahoy_response,
        index: usize,
    ) -> *const c_char;
    pub(crate) fn ahoy_response_body(
        response: *const ahoy_response,
        length: *mut usize,
    ) -> *const u8;
    pub(crate) fn ahoy_response_attempt_count(response: *const ahoy_response) -> usize;
    pub(crate) fn ahoy_response_attempt_at(
        response: *const ahoy_response,
        index: usize,
    ) -> *const ahoy_attempt;
    pub(crate) fn ahoy_response_stop_reason(response: *const ahoy_response) -> *const c_char;
    pub(crate) fn ahoy_response_free(response: *mut ahoy_response);

    pub(crate) fn ahoy_attempt_url(attempt: *const ahoy_attempt) -> *const c_char;
    pub(crate) fn ahoy_attempt_status(attempt: *const ahoy_attempt) -> ahoy_status;
    pub(crate) fn ahoy_attempt_http_status(attempt: *const ahoy_attempt) -> i32;
    pub(crate) fn ahoy_attempt_detail(attempt: *const ahoy_attempt) -> *const c_char;
    pub(crate) fn ahoy_attempt_elapsed_us(attempt: *const ahoy_attempt) -> u64;
    pub(crate) fn ahoy_attempt_opened_circuit(attempt: *const ahoy_attempt) -> bool;
    pub(crate) fn ahoy_attempt_is_hedge(attempt: *const ahoy_attempt) -> bool;

    pub(crate) fn ahoy_client_option_count() -> usize;
    pub(crate) fn ahoy_client_option_key_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_client_option_description_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_balancer_option_count() -> usize;
    pub(crate) fn ahoy_balancer_option_key_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_balancer_option_description_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_retry_option_count() -> usize;
    pub(crate) fn ahoy_retry_option_key_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_retry_option_description_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_breaker_option_count() -> usize;
    pub(crate) fn ahoy_breaker_option_key_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_breaker_option_description_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_provider_option_count() -> usize;
    pub(crate) fn ahoy_provider_option_key_at(index: usize) -> *const c_char;
    pub(crate) fn ahoy_provider_option_description_at(index: usize) -> *const c_char;
}
