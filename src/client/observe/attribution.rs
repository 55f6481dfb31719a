//! Which call an event comes from: what the host knows that call by goes along.
//!
//! Balancers and limits tell of changes and know no calls. So the call that works on this thread is noted here, where
//! its host has given it user data, and only while something of it may make an event.

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use crate::user_data::UserData;

thread_local! {
    /// Without a destructor: a host may open a circuit after those of this thread's values, in an `atexit` function.
    static CURRENT: RefCell<Option<ManuallyDrop<UserData>>> = const { RefCell::new(None) };
}

/// Runs `work`, whose events are of the call that the host knows by this.
#[inline]
pub(crate) fn of_call<R>(user_data: Option<&UserData>, work: impl FnOnce() -> R) -> R {
    match user_data {
        None => work(),
        Some(user_data) => noted(user_data, work),
    }
}

#[cold]
fn noted<R>(user_data: &UserData, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<ManuallyDrop<UserData>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            let ended = CURRENT.replace(self.0.take());
            // It may call the host.
            drop(ended.map(ManuallyDrop::into_inner));
        }
    }
    let _restore = Restore(CURRENT.replace(Some(ManuallyDrop::new(user_data.clone()))));
    work()
}

/// What the host knows the call by that works on this thread.
pub(super) fn current() -> Option<UserData> {
    CURRENT.with_borrow(|current| current.as_deref().cloned())
}
