//! The cancel state that POSIX gives each thread.

#![allow(unsafe_code, reason = "the cancel state of the thread")]

use std::ffi::c_int;

#[cfg(target_os = "macos")]
pub(super) const DISABLE: c_int = 0;
#[cfg(not(target_os = "macos"))]
pub(super) const DISABLE: c_int = 1;

/// Sets the cancel state of this thread and tells what it was.
#[cfg(any(
    target_os = "macos",
    target_os = "freebsd",
    all(target_os = "linux", any(target_env = "gnu", target_env = "musl"))
))]
pub(super) fn change(state: c_int) -> c_int {
    unsafe extern "C" {
        // Left out of the `libc` crate.
        fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    }
    let mut before = DISABLE;
    // SAFETY: one of the two states, and a local.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// Threads cannot be cancelled here.
#[cfg(not(any(
    target_os = "macos",
    target_os = "freebsd",
    all(target_os = "linux", any(target_env = "gnu", target_env = "musl"))
)))]
pub(super) fn change(_: c_int) -> c_int {
    DISABLE
}
