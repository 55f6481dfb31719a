//! What steers one call, and what is told of it.

use std::ffi::{c_char, c_void};
use std::ptr;

use ahoy::ffi::call::attempt_request::*;
use ahoy::ffi::call::repetition::*;
use ahoy::ffi::call::request::*;
use ahoy::ffi::call::response::ahoy_response;
use ahoy::ffi::call::source::*;
use ahoy::ffi::client::judging::*;
use ahoy::ffi::client::trace::*;
use ahoy::ffi::values::error::ahoy_error;
use ahoy::ffi::values::status::{AHOY_OK, ahoy_status};

use super::builder::{Builder, HookRequest};
use super::handles::{Request, Retry, boxed, c, shared};
use super::outcome::{Answer, Failure, Outcome, checked, text};

impl Request {
    pub fn tries(self, tries: i32) -> Self {
        self.try_tries(tries).unwrap();
        self
    }

    pub fn try_tries(&self, tries: i32) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_request_set_tries(self.raw(), tries, err) })
    }

    pub fn retry(self, retry: &Retry) -> Self {
        // SAFETY: both handles live.
        checked(|err| unsafe { ahoy_request_set_retry(self.raw(), retry.raw(), err) }).unwrap();
        self
    }

    pub fn idempotency_key(self, header: Option<&str>, value: Option<&str>) -> Self {
        self.try_idempotency_key(header, value).unwrap();
        self
    }

    pub fn try_idempotency_key(
        &self,
        header: Option<&str>,
        value: Option<&str>,
    ) -> Result<(), Failure> {
        let (header, value) = (header.map(c), value.map(c));
        let (header, value) = (header.as_ref(), value.as_ref());
        let (header, value) = (
            header.map_or(ptr::null(), |it| it.as_ptr()),
            value.map_or(ptr::null(), |it| it.as_ptr()),
        );
        // SAFETY: the handle is ours, and the texts live through the call.
        checked(|err| unsafe { ahoy_request_set_idempotency_key(self.raw(), header, value, err) })
    }

    /// User data that is this number.
    pub fn user_data(self, number: usize) -> Self {
        let pointer = ptr::without_provenance_mut(number);
        // SAFETY: the handle is ours, and nobody looks behind the pointer.
        checked(|err| unsafe { ahoy_request_set_user_data(self.raw(), pointer, None, err) })
            .unwrap();
        self
    }

    /// User data that is dropped when nothing has it any more.
    pub fn owned_user_data<T: Send + Sync + 'static>(self, value: T) -> Self {
        let (pointer, free) = boxed(value);
        // SAFETY: the handle is ours; data and destroy belong together.
        checked(|err| unsafe { ahoy_request_set_user_data(self.raw(), pointer, free, err) })
            .unwrap();
        self
    }
}

impl HookRequest {
    /// What the call is known by.
    pub fn user_data(&self) -> usize {
        // SAFETY: the request lives as long as the hook runs.
        unsafe { ahoy_request_user_data(self.raw()) }.addr()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        // SAFETY: as above.
        let value = unsafe { ahoy_request_header(self.raw(), c(name).as_ptr()) };
        (!value.is_null()).then(|| text(value))
    }

    /// Names and values, in order.
    pub fn headers(&self) -> Vec<(String, String)> {
        let request: *const ahoy_request = self.raw();
        // SAFETY: as above, and the texts are copied at once.
        unsafe {
            let count = ahoy_request_header_count(request);
            assert!(ahoy_request_header_name_at(request, count).is_null());
            let pair = |index| {
                let name = text(ahoy_request_header_name_at(request, index));
                (name, text(ahoy_request_header_value_at(request, index)))
            };
            (0..count).map(pair).collect()
        }
    }

    pub fn body(&self) -> Vec<u8> {
        let mut length = usize::MAX;
        // SAFETY: as above; the bytes are copied at once.
        unsafe {
            let body = ahoy_request_body(self.raw(), &raw mut length);
            std::slice::from_raw_parts(body, length).to_vec()
        }
    }

    pub fn authority(&self) -> String {
        // SAFETY: as above.
        text(unsafe { ahoy_request_authority(self.raw()) })
    }

    pub fn attempt_number(&self) -> usize {
        // SAFETY: as above.
        unsafe { ahoy_request_attempt_number(self.raw()) }
    }
}

impl Builder {
    pub fn on_classify<F: Fn(Answer) -> i32 + Send + Sync + 'static>(self, hook: F) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(Answer) -> i32>(
            data: *mut c_void,
            response: *const ahoy_response,
        ) -> i32 {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(data) };
            function(Answer::lent(response))
        }
        let (data, free) = boxed(hook);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_on_classify(self.raw(), Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }

    pub fn on_call_end<F: Fn(Outcome) + Send + Sync + 'static>(self, hook: F) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(Outcome)>(
            data: *mut c_void,
            status: ahoy_status,
            response: *const ahoy_response,
            error: *const ahoy_error,
        ) {
            assert_eq!(status == AHOY_OK, error.is_null() && !response.is_null());
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(data) };
            match status {
                AHOY_OK => function(Ok(Answer::lent(response))),
                _ => function(Err(Failure::lent(error))),
            }
        }
        let (data, free) = boxed(hook);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_on_call_end(self.raw(), Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }

    pub fn failure_statuses(self, statuses: &[i32]) -> Self {
        let (start, count) = (statuses.as_ptr(), statuses.len());
        // SAFETY: the handle is ours; pointer and count belong together.
        checked(|err| unsafe {
            ahoy_client_builder_set_failure_statuses(self.raw(), start, count, err)
        })
        .unwrap();
        self
    }

    pub fn key_log<F: Fn(String) + Send + Sync + 'static>(self, told: F) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(String)>(data: *mut c_void, line: *const c_char) {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(data) };
            function(text(line));
        }
        let (data, free) = boxed(told);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_set_key_log(self.raw(), Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }

    pub fn wire_trace<F: Fn(u64, i32, Vec<u8>) + Send + Sync + 'static>(self, told: F) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn(u64, i32, Vec<u8>)>(
            data: *mut c_void,
            connection: u64,
            kind: i32,
            bytes: *const u8,
            length: usize,
        ) {
            // SAFETY: the boxed closure, shared, and bytes that live while this runs.
            let (function, bytes) =
                unsafe { (shared::<F>(data), std::slice::from_raw_parts(bytes, length)) };
            function(connection, kind, bytes.to_vec());
        }
        let (data, free) = boxed(told);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_set_wire_trace(self.raw(), Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }
}

impl HookRequest {
    /// What each setter says that sets what a call goes by as a whole.
    pub fn changes_of_call(&self) -> Vec<(&'static str, Result<(), Failure>)> {
        changes_of_call(self.raw())
    }
}

/// What each setter of a request says that sets what a call goes by as a whole.
pub fn changes_of_call(request: *mut ahoy_request) -> Vec<(&'static str, Result<(), Failure>)> {
    let retry = Retry::new();
    let (name, body) = (c("x-a"), b"y");
    let names = [name.as_ptr()];
    let change =
        |setter, change: &dyn Fn(*mut *mut ahoy_error) -> ahoy_status| (setter, checked(change));
    // SAFETY: request and retry live through this function, and what is lent through each call.
    unsafe {
        vec![
            change("forward_headers", &|err| {
                ahoy_request_forward_headers(request, names.as_ptr(), names.as_ptr(), 1, err)
            }),
            change("set_body", &|err| ahoy_request_set_body(request, body.as_ptr(), 1, err)),
            change("set_body_source", &|err| {
                let (fn_, data) = (Some(nothing as _), ptr::null_mut());
                ahoy_request_set_body_source(request, fn_, None, data, None, 1, err)
            }),
            change("set_timeout_ms", &|err| ahoy_request_set_timeout_ms(request, 1, err)),
            change("set_attempt_timeout_ms", &|err| {
                ahoy_request_set_attempt_timeout_ms(request, 1, err)
            }),
            change("set_attempt_timeout_hard", &|err| {
                ahoy_request_set_attempt_timeout_hard(request, true, err)
            }),
            change("set_idle_timeout_ms", &|err| ahoy_request_set_idle_timeout_ms(request, 1, err)),
            change("set_group", &|err| ahoy_request_set_group(request, names[0], err)),
            change("set_idempotent", &|err| ahoy_request_set_idempotent(request, true, err)),
            change("set_idempotency_key", &|err| {
                ahoy_request_set_idempotency_key(request, ptr::null(), ptr::null(), err)
            }),
            change("set_criticality", &|err| ahoy_request_set_criticality(request, 0, err)),
            change("set_hash_key", &|err| {
                ahoy_request_set_hash_key(request, body.as_ptr(), 1, err)
            }),
            change("set_hash", &|err| ahoy_request_set_hash(request, 1, err)),
            change("set_tries", &|err| ahoy_request_set_tries(request, 1, err)),
            change("set_retry", &|err| ahoy_request_set_retry(request, retry.raw(), err)),
            change("set_user_data", &|err| {
                ahoy_request_set_user_data(request, ptr::null_mut(), None, err)
            }),
            change("set_streamed", &|err| ahoy_request_set_streamed(request, true, err)),
        ]
    }
}

/// What each setter of a request says that may change an attempt, too.
pub fn changes_of_attempt(request: *mut ahoy_request) -> Vec<(&'static str, Result<(), Failure>)> {
    let (name, path) = (c("x-a"), c("/other"));
    let (name, path) = (name.as_ptr(), path.as_ptr());
    // SAFETY: the request lives through this function, and the texts through each call.
    unsafe {
        vec![
            ("set_path", checked(|err| ahoy_request_set_path(request, path, err))),
            ("set_header", checked(|err| ahoy_request_set_header(request, name, name, err))),
            ("add_header", checked(|err| ahoy_request_add_header(request, name, name, err))),
        ]
    }
}

/// A body without bytes.
unsafe extern "C-unwind" fn nothing(_: *mut c_void, _: *mut u8, _: usize, _: *mut usize) -> i32 {
    AHOY_BODY_END
}
