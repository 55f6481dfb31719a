//! Host code called from inside the library: what must hold around it.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::time::Duration;

use super::super::signal::SigpipeGuard;
use super::fence::fenced;
use super::gate::{self, HostCallGuard};
use super::thread_cancel;

pub use super::gate::is_shut as are_stopped;
pub(in crate::runtime) use super::gate::leave_for_good;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// Without a destructor: a callback may run after those of this thread's values, as in a host's `atexit` function.
    static GUARD: RefCell<Option<ManuallyDrop<SigpipeGuard>>> = const { RefCell::new(None) };
}

/// Runs a host callback: the caller's signal mask is back in force, and blocking calls made inside are told
/// that they would deadlock.
pub fn run<R>(callback: impl FnOnce() -> R) -> R {
    let _inside = Inside::enter();
    GUARD.with_borrow(|guard| match guard {
        Some(guard) => guard.lifted(callback),
        None => callback(),
    })
}

/// Calls a function of the host, and tells its result; `None` where no callback may run any more. Does not come back
/// where the host ends this thread inside.
pub fn call_host<F, R>(call: F) -> Option<R>
where
    F: FnOnce() -> R + Copy,
    R: Copy,
{
    let _guard = HostCallGuard::begin()?;
    let unwound = AbortWhenUnwound;
    let result = run(|| thread_cancel::lifted(|| fenced(call)));
    std::mem::forget(unwound);
    Some(result)
}

/// What a callback that may not run any more says instead.
pub const STOPPED: &str = "callbacks were stopped by ahoy_callbacks_stop";

/// Lets no callback begin any more in this process, and waits up to `timeout` for those under way. False where one of
/// them lasts longer.
#[must_use]
pub fn stop(timeout: Duration) -> bool {
    gate::shut(timeout)
}

/// An exception that leaves a callback cannot be passed on: the process is aborted.
struct AbortWhenUnwound;

impl Drop for AbortWhenUnwound {
    fn drop(&mut self) {
        std::process::abort();
    }
}

/// Whether this thread is inside a host callback, or inside a runtime that a blocking call would stall.
#[must_use]
pub fn is_inside() -> bool {
    is_in_callback() || tokio::runtime::Handle::try_current().is_ok()
}

/// Whether this thread is inside a host callback.
#[must_use]
pub fn is_in_callback() -> bool {
    DEPTH.get() > 0
}

/// Runs `drive` with SIGPIPE kept from this thread, but for the callbacks in it.
pub fn without_sigpipe<R>(drive: impl FnOnce() -> R) -> R {
    struct Lift;
    impl Drop for Lift {
        fn drop(&mut self) {
            drop(GUARD.take().map(ManuallyDrop::into_inner));
        }
    }
    GUARD.replace(Some(ManuallyDrop::new(SigpipeGuard::new())));
    let _lift = Lift;
    drive()
}

struct Inside;

impl Inside {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_is_known_also_after_a_panic() {
        assert!(!is_inside());
        run(|| assert!(is_inside()));
        let _ = std::panic::catch_unwind(|| run(|| panic!("in the callback")));
        assert!(!is_inside());
    }
}
