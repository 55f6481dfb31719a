//! What steers one call, and what is told of it.

use std::ptr;

use ahoy::ffi::call::repetition::*;

use super::handles::{Request, Retry, c};
use super::outcome::{Failure, checked};

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
}
