//! The cleanup handlers of a thread, in case its host ends it inside a callback: see [`super::fence`].
//!
//! Destructors do not run there, for the thread's frames stay as they are. What others wait for has a cleanup handler
//! instead: a place in a list, a lock, the calls of an I/O thread.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

thread_local! {
    static CLEANUPS: RefCell<Vec<Arc<dyn ThreadCleanup>>> = const { RefCell::new(Vec::new()) };
}

/// Something that a thread holds and that others need back.
pub trait ThreadCleanup: Send + Sync {
    /// Gives it back. Runs on the lost thread, where no callback can be made and nothing may wait for one.
    fn thread_is_lost(&self);
}

/// Adds a cleanup handler to this thread until the return value drops; the last one added drops first.
#[must_use]
pub fn push_cleanup(what: Arc<dyn ThreadCleanup>) -> CleanupGuard {
    // A thread that is about to end has no list any more, and is not ended again.
    let _ = CLEANUPS.try_with(|all| all.borrow_mut().push(what));
    CleanupGuard(PhantomData)
}

/// See [`push_cleanup`]. It stays on its thread.
#[derive(Debug)]
pub struct CleanupGuard(PhantomData<*const ()>);

impl Drop for CleanupGuard {
    fn drop(&mut self) {
        let last = CLEANUPS.try_with(|all| all.borrow_mut().pop());
        drop(last);
    }
}

/// Gives back all that this thread holds, the last first.
pub(in crate::runtime) fn run_cleanups() {
    while let Ok(Some(last)) = CLEANUPS.try_with(|all| all.borrow_mut().pop()) {
        last.thread_is_lost();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Noted(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl ThreadCleanup for Noted {
        fn thread_is_lost(&self) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn a_lost_thread_gives_back_what_it_still_holds_and_the_last_first() {
        let noted: Arc<Mutex<Vec<_>>> = Arc::default();
        let cleanup = |name| push_cleanup(Arc::new(Noted(name, Arc::clone(&noted))));
        let _first = cleanup("first");
        drop(cleanup("given back before"));
        let _last = cleanup("last");
        run_cleanups();
        assert_eq!(*noted.lock().unwrap(), ["last", "first"]);
    }
}
