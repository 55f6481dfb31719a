//! `pthread_cancel` of a thread that is inside the library: held off until it is outside again.
//!
//! Many system calls are cancellation points, and a cancelled thread is unwound by force: see [`super::fence`].

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::cell::Cell;
use std::ffi::c_int;

use self::platform::{DISABLE, change};

thread_local! {
    /// What the host had set when it entered the library; none outside of it, and on library threads.
    static CALLERS: Cell<Option<c_int>> = const { Cell::new(None) };
}

/// Runs the body of an entry point: a cancel of this thread waits until it is over.
pub fn deferred<R>(body: impl FnOnce() -> R) -> R {
    let callers = change(DISABLE);
    let _restore = Restore { callers, outer: CALLERS.replace(Some(callers)) };
    body()
}

/// Runs a callback under what the host had set.
pub(in crate::runtime) fn lifted<R>(callback: impl FnOnce() -> R) -> R {
    match CALLERS.get() {
        Some(callers) if callers != DISABLE => {
            change(callers);
            let result = callback();
            change(DISABLE);
            result
        }
        _ => callback(),
    }
}

/// Lets no cancel of this thread count, for as long as it lives.
pub(in crate::runtime) fn ignore_here() {
    change(DISABLE);
}

struct Restore {
    callers: c_int,
    outer: Option<c_int>,
}

impl Drop for Restore {
    fn drop(&mut self) {
        CALLERS.set(self.outer);
        if self.callers != DISABLE {
            change(self.callers);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn is_cancellable() -> bool {
        let before = change(DISABLE);
        change(before);
        before != DISABLE
    }

    #[test]
    fn cancellable_outside_and_in_callbacks_only() {
        assert!(is_cancellable());
        deferred(|| {
            assert!(!is_cancellable());
            lifted(|| {
                assert!(is_cancellable());
                deferred(|| assert!(!is_cancellable()));
                assert!(is_cancellable());
            });
            assert!(!is_cancellable());
        });
        assert!(is_cancellable());
    }
}
