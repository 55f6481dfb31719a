//! What stands around every entry point: no panic crosses, and every failure has a status and an error.

use std::ptr;

use super::handle;
use super::status::{AHOY_OK, ahoy_status, number};
use crate::error::{Error, ErrorKind};
use crate::ffi::values::error::ahoy_error;
use crate::runtime::host::panics::caught;
use crate::runtime::host::thread_cancel::deferred;

/// Runs the body of a function that returns a status; `err` may be NULL.
pub(crate) unsafe fn status(
    err: *mut *mut ahoy_error,
    body: impl FnOnce() -> Result<(), Error>,
) -> ahoy_status {
    let result = caught(|| deferred(body)).unwrap_or_else(|| Err(defect()));
    let (status, error) = match result {
        Ok(()) => (AHOY_OK, ptr::null_mut()),
        Err(error) => (number(error.kind()), error_handle(err, error)),
    };
    if !err.is_null() {
        // SAFETY: the caller passed NULL or a place for one pointer.
        unsafe { err.write(error) };
    }
    status
}

fn error_handle(err: *mut *mut ahoy_error, error: Error) -> *mut ahoy_error {
    if err.is_null() {
        return ptr::null_mut();
    }
    handle::new(ahoy_error::from(error))
}

/// Runs the body of a function that cannot fail but returns something; `fallback` stands in for a
/// panic.
pub(crate) fn value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    caught(|| deferred(body)).unwrap_or(fallback)
}

fn defect() -> Error {
    let message = "a defect of libahoy: a panic was stopped; the handles involved should be freed";
    Error::new(ErrorKind::Internal, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::values::status::AHOY_E_INTERNAL;

    #[test]
    fn a_panic_becomes_a_status_and_an_error() {
        let mut err = ptr::null_mut();
        // SAFETY: `err` is a local.
        let status = unsafe { status(&raw mut err, || panic!("on purpose")) };
        assert_eq!(status, AHOY_E_INTERNAL);
        assert!(!err.is_null());
        // SAFETY: made by `status` above and freed once.
        unsafe { handle::free(err) };
        assert_eq!(value(7, || panic!("on purpose")), 7);
    }

    #[test]
    fn success_clears_the_error() {
        let mut err = ptr::dangling_mut::<ahoy_error>();
        // SAFETY: `err` is a local and is only overwritten.
        let status = unsafe { status(&raw mut err, || Ok(())) };
        assert_eq!((status, err.is_null()), (AHOY_OK, true));
    }
}
