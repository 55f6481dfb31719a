//! Host code called from inside the library: what must hold around it.

use std::cell::{Cell, RefCell};

use super::signal::SigpipeGuard;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static GUARD: RefCell<Option<SigpipeGuard>> = const { RefCell::new(None) };
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
            drop(GUARD.take());
        }
    }
    GUARD.replace(Some(SigpipeGuard::new()));
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
