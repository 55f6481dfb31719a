//! What stands around every entry point that can fail: no panic crosses, and every failure has a status and an error.

use std::ptr;

use super::error::ahoy_error;
use super::status::{AHOY_OK, ahoy_status, number};
use super::{guard, handle};
use crate::error::{Error, ErrorKind};

/// Runs a body that can fail, with its arguments checked; the status and `err` tell how it went.
macro_rules! status {
    ($err:ident, || $body:expr) => {
        // SAFETY: `err` is NULL or a place for one pointer, as the host promises.
        unsafe { $crate::ffi::values::entry::status_of($err, || $body) }
    };
    ($err:ident, |$($name:ident: $kind:ty),+| $body:expr) => {{
        let body = |$($name: $kind),+| -> Result<(), $crate::error::Error> { $body };
        // SAFETY: the parameters of an entry point are what its documentation says, as the host promises.
        unsafe {
            $crate::ffi::values::entry::status_of($err, || {
                $(let $name = <$kind as $crate::ffi::values::argument::Argument>::take(
                    stringify!($name),
                    $name,
                );)+
                body($($name?),+)
            })
        }
    }};
}

pub(crate) use status;

/// Runs the body of a function that returns a status; `err` may be NULL.
pub(crate) unsafe fn status_of(
    err: *mut *mut ahoy_error,
    body: impl FnOnce() -> Result<(), Error>,
) -> ahoy_status {
    // SAFETY: as the caller promises.
    unsafe { tell(err, guard::caught_body(body)) }
}

#[inline(never)]
unsafe fn tell(err: *mut *mut ahoy_error, result: Option<Result<(), Error>>) -> ahoy_status {
    let (status, error) = match result.unwrap_or_else(|| Err(defect())) {
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
        let status = unsafe { status_of(&raw mut err, || panic!("on purpose")) };
        assert_eq!(status, AHOY_E_INTERNAL);
        assert!(!err.is_null());
        // SAFETY: made by `status_of` above and freed once.
        unsafe { handle::free(err) };
    }

    #[test]
    fn success_clears_the_error() {
        let mut err = ptr::dangling_mut::<ahoy_error>();
        // SAFETY: `err` is a local and is only overwritten.
        let status = unsafe { status_of(&raw mut err, || Ok(())) };
        assert_eq!((status, err.is_null()), (AHOY_OK, true));
    }
}
