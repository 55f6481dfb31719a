//! The number that a wait leaves behind where a signal ended it.

#![allow(unsafe_code, reason = "errno is the only trace that a signal leaves of itself")]

/// Forgets the trace.
pub(super) fn clear() {
    set_errno(0);
}

/// Whether the wait since then was ended by a signal.
pub(super) fn was_interrupted() -> bool {
    errno() == libc::EINTR
}

#[cfg(target_os = "linux")]
fn errno_location() -> *mut libc::c_int {
    // SAFETY: always valid for the calling thread.
    unsafe { libc::__errno_location() }
}

#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
fn errno_location() -> *mut libc::c_int {
    // SAFETY: always valid for the calling thread.
    unsafe { libc::__error() }
}

fn errno() -> libc::c_int {
    // SAFETY: the location is valid and this thread's own.
    unsafe { *errno_location() }
}

fn set_errno(value: libc::c_int) {
    // SAFETY: the location is valid and this thread's own.
    unsafe { *errno_location() = value };
}
