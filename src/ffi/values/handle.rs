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
pub(crate) trait Freeable {}
impl Freeable for Owned {}
impl Freeable for Shared {}

/// What one thread at a time uses.
pub(crate) trait Exclusive {}
impl Exclusive for Owned {}
impl Exclusive for Lent {}

/// Gives `value` to the host.
pub(crate) fn new<T: Handle<Held: Freeable>>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Takes a handle back; NULL is fine.
pub(crate) unsafe fn free<T: Handle<Held: Freeable>>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: made by `new` and freed once, as the host promises.
        drop(unsafe { Box::from_raw(handle) });
    }
}

/// Leaves a handle of the parent process as it is: a forked child frees nothing of what its parent built.
pub(crate) fn leave<T: Handle<Held: Freeable>>(handle: Box<T>) {
    std::mem::forget(handle);
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

impl<T: Handle<Held: Freeable>> Out<T> {
    /// `None` for NULL; else `place` is valid for one pointer.
    pub(crate) unsafe fn new(place: *mut *mut T) -> Option<Self> {
        if place.is_null() {
            return None;
        }
        // SAFETY: not NULL, so valid as the caller promises.
        unsafe { place.write(ptr::null_mut()) };
        Some(Self { place })
    }

    pub(crate) fn fill(self, value: T) {
        // SAFETY: checked in `new`.
        unsafe { self.place.write(new(value)) };
    }
}

/// Places for several handles to return.
pub(crate) struct OutArray<T> {
    start: *mut *mut T,
    room: usize,
}

impl<T: Handle<Held: Freeable>> OutArray<T> {
    /// `None` where there is no place; else `start` is valid for `room` pointers.
    pub(crate) unsafe fn new(start: *mut *mut T, room: usize) -> Option<Self> {
        (!start.is_null() && room > 0).then_some(Self { start, room })
    }

    pub(crate) fn room(&self) -> usize {
        self.room
    }

    /// Gives `values` to the host, as far as there is room. No slice: its length would be the host's word, which
    /// may be larger than any memory.
    pub(crate) fn fill<V: Into<T>>(self, values: Vec<V>) {
        for (index, value) in values.into_iter().take(self.room).enumerate() {
            // SAFETY: below `room`, for which `new` was told that there are places.
            unsafe { self.start.add(index).write(new(value.into())) };
        }
    }
}

/// A place for a number or a truth to return; 0 or false is in it until it is set.
pub(crate) struct OutValue<T> {
    place: *mut T,
}

impl<T: Default> OutValue<T> {
    /// `None` for NULL; else `place` is valid for one value.
    pub(crate) unsafe fn new(place: *mut T) -> Option<Self> {
        if place.is_null() {
            return None;
        }
        // SAFETY: not NULL, so valid as the caller promises.
        unsafe { place.write(T::default()) };
        Some(Self { place })
    }

    pub(crate) fn set(self, value: T) {
        // SAFETY: checked in `new`.
        unsafe { self.place.write(value) };
    }
}
