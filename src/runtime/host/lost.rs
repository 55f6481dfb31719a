//! What a thread carries, in case its host ends it inside a callback: see [`super::fence`].
//!
//! Destructors do not run there, for the thread's frames stay as they are. What others wait for is covered instead:
//! a place in a list, a turn, the calls of an I/O thread.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

thread_local! {
    static COVERED: RefCell<Vec<Arc<dyn Covered>>> = const { RefCell::new(Vec::new()) };
}

/// Something that a thread holds and that others need back.
pub trait Covered: Send + Sync {
    /// Gives it back. Runs on the lost thread, where no callback can be made and nothing may wait for one.
    fn thread_is_lost(&self);
}

/// Covers what this thread holds until the return value drops; the last one covered drops first.
#[must_use]
pub fn cover(what: Arc<dyn Covered>) -> Cover {
    // A thread that is about to end has no list any more, and is not ended again.
    let _ = COVERED.try_with(|covered| covered.borrow_mut().push(what));
    Cover(PhantomData)
}

/// See [`cover`]. It stays on its thread.
#[derive(Debug)]
pub struct Cover(PhantomData<*const ()>);

impl Drop for Cover {
    fn drop(&mut self) {
        let last = COVERED.try_with(|covered| covered.borrow_mut().pop());
        drop(last);
    }
}

/// Gives back all that this thread holds, the last first.
pub(in crate::runtime) fn give_up() {
    while let Ok(Some(last)) = COVERED.try_with(|covered| covered.borrow_mut().pop()) {
        last.thread_is_lost();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Noted(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Covered for Noted {
        fn thread_is_lost(&self) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    #[test]
    fn a_lost_thread_gives_back_what_it_still_holds_and_the_last_first() {
        let noted: Arc<Mutex<Vec<_>>> = Arc::default();
        let covered = |name| cover(Arc::new(Noted(name, Arc::clone(&noted))));
        let _first = covered("first");
        drop(covered("given back before"));
        let _last = covered("last");
        give_up();
        assert_eq!(*noted.lock().unwrap(), ["last", "first"]);
    }
}
