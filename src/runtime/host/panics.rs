//! A library prints nothing into its host's output, not even when it has a defect.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static QUIET: Cell<u32> = const { Cell::new(0) };
}

/// Whether panics come by [`QUIET`].
static IS_SET: AtomicBool = AtomicBool::new(false);

/// Runs `body`; a panic in it prints nothing and ends here.
pub fn caught<T>(body: impl FnOnce() -> T) -> Option<T> {
    let _quiet = Quiet::enter();
    catch_unwind(AssertUnwindSafe(body)).ok()
}

/// While it lives, a panic on this thread prints nothing. Panics elsewhere go to the hook that was there
/// before, for in an rlib it is the program's.
struct Quiet;

impl Quiet {
    fn enter() -> Self {
        if !IS_SET.load(Ordering::Acquire) {
            set_hook();
        }
        QUIET.set(QUIET.get() + 1);
        Self
    }
}

/// Threads that are first together set it once each, which does no harm. They do not wait for one another: a child that was
/// forked in that moment would wait for ever.
#[cold]
fn set_hook() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if QUIET.get() == 0 {
            before(info);
        }
    }));
    IS_SET.store(true, Ordering::Release);
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(QUIET.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_here() {
        assert_eq!(caught(|| 7), Some(7));
        assert_eq!(caught(|| -> i32 { panic!("on purpose") }), None);
        assert_eq!(QUIET.get(), 0);
    }
}
