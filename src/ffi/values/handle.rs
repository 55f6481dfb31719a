//! Raw pointers to and from handles.

use std::ptr;

use crate::error::{Error, ErrorKind};
use crate::runtime::process;

/// A type that the host has pointers to. How it holds them is stated here once, so that what does
/// not fit, as the free of what is only lent, does not compile.
pub(crate) trait Handle {
    type Held;
}

/// The host frees it, and uses it from one thread at a time.
pub(crate) enum Owned {}

/// The host frees it, and any thread may use it, so that it is never changed through its pointer.
pub(crate) enum Shared {}

/// It belongs to another handle, or to the library while a callback runs: the host never frees it.
pub(crate) enum Lent {}

/// What the host frees.
pub(crate) trait Freed {}
impl Freed for Owned {}
impl Freed for Shared {}

/// What one thread at a time uses.
pub(crate) trait Exclusive {}
impl Exclusive for Owned {}
impl Exclusive for Lent {}

/// Gives `value` to the host.
pub(crate) fn new<T: Handle<Held: Freed>>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Takes a handle back; NULL is fine.
pub(crate) unsafe fn free<T: Handle<Held: Freed>>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: made by `new` and freed once, as the host promises.
        drop(unsafe { Box::from_raw(handle) });
    }
}

/// A handle that must be there.
pub(crate) unsafe fn required<'a, T: Handle>(
    name: &str,
    pointer: *const T,
) -> Result<&'a T, Error> {
    // SAFETY: NULL or valid, as the host promises.
    unsafe { pointer.as_ref() }.ok_or_else(|| is_null(name))
}

/// A handle that is changed, which its documentation reserves to one thread.
pub(crate) unsafe fn required_mut<'a, T: Handle<Held: Exclusive>>(
    name: &str,
    pointer: *mut T,
) -> Result<&'a mut T, Error> {
    // SAFETY: NULL or valid and used by one thread, as the host promises.
    unsafe { pointer.as_mut() }.ok_or_else(|| is_null(name))
}

fn is_null(name: &str) -> Error {
    Error::invalid(name, "is NULL")
}

/// Which process a handle was made in, for handles that mean nothing in a forked child.
#[derive(Debug)]
pub(crate) struct Native(u32);

impl Native {
    pub(crate) fn here() -> Self {
        Self(process::generation())
    }

    /// Refuses a handle called `name` that a parent process made.
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        if self.0 == process::generation() {
            return Ok(());
        }
        let message = format!("{name}: belongs to the parent process");
        Err(Error::new(ErrorKind::Forked, message))
    }
}

/// A place for a handle to return; NULL is in it until it is filled.
pub(crate) struct Out<T> {
    place: *mut *mut T,
}

impl<T: Handle<Held: Freed>> Out<T> {
    pub(crate) unsafe fn new(name: &str, place: *mut *mut T) -> Result<Self, Error> {
        if place.is_null() {
            return Err(is_null(name));
        }
        // SAFETY: not NULL, so valid for one pointer, as the host promises.
        unsafe { place.write(ptr::null_mut()) };
        Ok(Self { place })
    }

    pub(crate) fn fill(self, value: T) {
        // SAFETY: checked in `new`.
        unsafe { self.place.write(new(value)) };
    }
}

/// A place for a number or a truth to return; 0 or false is in it until it is set.
pub(crate) struct OutValue<T> {
    place: *mut T,
}

impl<T: Default> OutValue<T> {
    pub(crate) unsafe fn new(name: &str, place: *mut T) -> Result<Self, Error> {
        if place.is_null() {
            return Err(is_null(name));
        }
        // SAFETY: not NULL, so valid for one value, as the host promises.
        unsafe { place.write(T::default()) };
        Ok(Self { place })
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY: checked in `new`.
        unsafe { self.place.write(value) };
    }
}
