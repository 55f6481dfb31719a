//! Which process this is: everything that owns a thread, a lock or a socket belongs to one generation.
//!
//! A forked child inherits memory but no threads, so a lock may be held for ever by a thread that is not
//! there. The child therefore never touches what its parent built: [`PerProcess`] gives it a fresh value and
//! leaves the old one alone, neither locked nor dropped.

use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

static GENERATION: AtomicU32 = AtomicU32::new(1);
static WATCH_FORKS: Once = Once::new();

/// The number of this process among its forks; one load, no system call.
#[must_use]
pub fn generation() -> u32 {
    WATCH_FORKS.call_once(|| {
        // SAFETY: `in_child` only raises an atomic, which is allowed in a forked child of a threaded process.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
    GENERATION.load(Ordering::Relaxed)
}

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// A static with one value for each process generation, made at its first use there and never dropped.
#[derive(Debug)]
pub struct PerProcess<T: 'static> {
    current: AtomicPtr<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T: 'static> {
    generation: u32,
    value: T,
    /// Keeps the parent's value reachable for leak checkers; it is never followed.
    _inherited: *mut Self,
}

impl<T: Default + Send + Sync> PerProcess<T> {
    /// No value yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            current: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// This generation's value.
    pub fn get(&'static self) -> &'static T {
        let generation = generation();
        loop {
            let current = self.current.load(Ordering::Acquire);
            // SAFETY: entries are leaked once published, so a non-null pointer is valid for ever.
            if let Some(entry) = unsafe { current.as_ref() }
                && entry.generation == generation
            {
                return &entry.value;
            }
            self.publish(current, generation);
        }
    }

    /// Puts a fresh entry in place of `current` unless another thread was faster.
    fn publish(&'static self, current: *mut Entry<T>, generation: u32) {
        let fresh = Box::into_raw(Box::new(Entry {
            generation,
            value: T::default(),
            _inherited: current,
        }));
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        if self.current.compare_exchange(current, fresh, success, failure).is_err() {
            // SAFETY: `fresh` was not published, so this is its only owner.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

impl<T: Default + Send + Sync> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_for_all_threads_of_a_process() {
        static VALUE: PerProcess<AtomicU32> = PerProcess::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| VALUE.get().fetch_add(1, Ordering::Relaxed));
            }
        });
        assert_eq!(VALUE.get().load(Ordering::Relaxed), 8);
    }

    #[test]
    fn a_forked_child_gets_a_fresh_value() {
        static VALUE: PerProcess<AtomicU32> = PerProcess::new();
        VALUE.get().store(7, Ordering::Relaxed);
        // SAFETY: the child only reads atomics and leaves by `_exit`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fresh = VALUE.get().load(Ordering::Relaxed);
            // SAFETY: leaves without running anything of the parent's.
            unsafe { libc::_exit(fresh as i32) };
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 0));
        assert_eq!(VALUE.get().load(Ordering::Relaxed), 7);
    }
}
