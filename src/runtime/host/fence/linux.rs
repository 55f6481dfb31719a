//! A cleanup handler of the C library.
//!
//! `pthread_exit` and `pthread_cancel` unwind the stack by force, frame by frame. CPython up to 3.13 ends foreign
//! threads so that ask for its lock while it finalises. The first `catch_unwind` would swallow that unwinding, tokio's
//! around each task among them, and the C library then aborts the process: "exception not rethrown". A cleanup handler
//! runs before the unwinder touches its frame, for forced unwinding only. This one never returns: a C++ exception
//! passes it and still aborts.

#![allow(unsafe_code, reason = "cleanup handlers of the C library")]

use std::ffi::c_void;

/// Calls the host by `call`, and never comes back where the host ends this thread inside.
///
/// The unwinder passes what lies between the host and this frame, and reads this frame's own entry. So nothing here may
/// have a destructor or a catch, which `Copy` sees to, and the function must stay a frame of its own. `tests/fence.sh`
/// looks at the binary.
#[inline(never)]
pub(in crate::runtime) fn fenced<F, R>(call: F) -> R
where
    F: FnOnce() -> R + Copy,
    R: Copy,
{
    let mut buffer = handlers::Buffer::uninit();
    // SAFETY: the buffer stays in this frame until it is popped below, or the thread is parked above it.
    unsafe { handlers::_pthread_cleanup_push(&raw mut buffer, park, std::ptr::null_mut()) };
    let result = call();
    // SAFETY: pushed above, and every push since then was popped.
    unsafe { handlers::_pthread_cleanup_pop(&raw mut buffer, 0) };
    result
}

/// Where a thread ends that must not be unwound: everything that it carried is given up, and it sleeps until the process
/// ends.
extern "C" fn park(_: *mut c_void) {
    super::give_up_here();
    loop {
        // SAFETY: waits for a signal, and all are blocked.
        unsafe { libc::pause() };
    }
}

/// What `pthread_cleanup_push` of C was before it became a macro. glibc and musl both export it, also in their static
/// archives, and both fill less than this much of a buffer.
mod handlers {
    use std::ffi::{c_int, c_void};
    use std::mem::MaybeUninit;

    /// glibc's: routine, argument, a number and the buffer before; musl's: the same without the number.
    pub(in crate::runtime) type Buffer = MaybeUninit<[*mut c_void; 4]>;

    unsafe extern "C" {
        pub(in crate::runtime) fn _pthread_cleanup_push(
            buffer: *mut Buffer,
            routine: extern "C" fn(*mut c_void),
            argument: *mut c_void,
        );
        pub(in crate::runtime) fn _pthread_cleanup_pop(buffer: *mut Buffer, execute: c_int);
    }
}
