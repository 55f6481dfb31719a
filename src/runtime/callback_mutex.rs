//! A value that one thread at a time works on, also where that thread calls the host meanwhile.
//!
//! A plain lock held during a callback would be locked for ever where the host ends the thread in it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::host::lost::{CleanupGuard, ThreadCleanup, push_cleanup};

/// A mutex that may stay locked while the host is called.
#[derive(Debug, Default)]
pub struct CallbackMutex<T> {
    held: Arc<State>,
    value: Mutex<T>,
}

#[derive(Debug, Default)]
struct State {
    taken: Mutex<bool>,
    free: Condvar,
}

impl<T> CallbackMutex<T> {
    /// Locks it, once no other thread has it locked.
    pub fn lock(&self) -> CallbackGuard<'_, T> {
        let taken = self.held.lock();
        let waited = self.held.free.wait_while(taken, |taken| *taken);
        self.take(waited.unwrap_or_else(PoisonError::into_inner))
    }

    /// Locks it, where no other thread has it locked.
    pub fn try_lock(&self) -> Option<CallbackGuard<'_, T>> {
        let taken = self.held.lock();
        (!*taken).then(|| self.take(taken))
    }

    fn take(&self, mut taken: MutexGuard<'_, bool>) -> CallbackGuard<'_, T> {
        *taken = true;
        drop(taken);
        CallbackGuard {
            mutex: self,
            _cleanup: push_cleanup(Arc::clone(&self.held) as Arc<dyn ThreadCleanup>),
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self) {
        *self.lock() = false;
        self.free.notify_one();
    }
}

impl ThreadCleanup for State {
    fn thread_is_lost(&self) {
        self.release();
    }
}

/// The right to work on the value: unlocks on drop, and where its thread is lost.
#[derive(Debug)]
pub struct CallbackGuard<'a, T> {
    mutex: &'a CallbackMutex<T>,
    _cleanup: CleanupGuard,
}

impl<T> CallbackGuard<'_, T> {
    /// The value. To be let go before the host is called.
    pub fn value(&self) -> MutexGuard<'_, T> {
        self.mutex.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for CallbackGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.held.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::host::lost;

    #[test]
    fn one_thread_at_a_time() {
        let mutex = CallbackMutex::<u32>::default();
        let guard = mutex.lock();
        *guard.value() += 1;
        assert!(mutex.try_lock().is_none());
        std::thread::scope(|scope| {
            let other = scope.spawn(|| *mutex.lock().value());
            drop(guard);
            assert_eq!(other.join().unwrap(), 1);
        });
    }

    #[test]
    fn a_lost_thread_holds_no_lock() {
        let mutex = CallbackMutex::<u32>::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let guard = mutex.lock();
                lost::run_cleanups();
                std::mem::forget(guard);
            });
        });
        assert!(mutex.try_lock().is_some());
    }
}
