//! Which process this is: everything that owns a thread, a lock or a socket belongs to one generation.
//!
//! A forked child inherits memory but no threads, so a lock may be held for ever by a thread that is not
//! there. The child therefore never touches what its parent built: [`PerProcess`] gives it a fresh value and
//! leaves the old one alone, neither locked nor dropped. The parent's sockets it closes without a write, at
//! once: later their numbers may be the host's.

#![allow(unsafe_code, reason = "values that outlive their process generation")]

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

pub use platform::{generation, sockets, without_fork};

/// The number of a process that descends from no other one that used the library.
const FIRST: u32 = 1;

/// Whether this process was forked from one that used the library.
#[must_use]
pub fn is_child() -> bool {
    generation() != FIRST
}

/// One value for each process generation, made at its first use there.
///
/// A value of an earlier generation is never touched again, not even to drop it.
#[derive(Debug)]
pub struct PerProcess<T> {
    current: AtomicPtr<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    value: T,
    /// Keeps the parent's value reachable for leak checkers; it is never followed.
    _inherited: *mut Self,
}

impl<T: Send + Sync> PerProcess<T> {
    /// No value yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { current: AtomicPtr::new(ptr::null_mut()) }
    }

    /// This value for the present generation.
    #[must_use]
    pub fn holding(value: T) -> Self {
        let cell = Self::new();
        cell.publish(ptr::null_mut(), generation(), value);
        cell
    }

    /// This generation's value; `make` makes it where there is none, and may run more than once where
    /// several threads are first.
    #[inline]
    pub fn get_or(&self, make: impl Fn() -> T) -> &T {
        let generation = generation();
        loop {
            let current = self.current.load(Ordering::Acquire);
            // SAFETY: a published entry lives until `self` drops, which cannot happen during a borrow.
            if let Some(entry) = unsafe { current.as_ref() }
                && entry.generation == generation
            {
                return &entry.value;
            }
            self.publish(current, generation, make());
        }
    }

    /// This generation's value, if it was made.
    pub fn existing(&self) -> Option<&T> {
        // SAFETY: as in `get_or`.
        let entry = unsafe { self.current.load(Ordering::Acquire).as_ref() }?;
        (entry.generation == generation()).then_some(&entry.value)
    }

    /// Puts a fresh entry in place of `current` unless another thread was faster.
    fn publish(&self, current: *mut Entry<T>, generation: u32, value: T) {
        let fresh = Box::into_raw(Box::new(Entry { generation, value, _inherited: current }));
        let (success, failure) = (Ordering::AcqRel, Ordering::Relaxed);
        if self.current.compare_exchange(current, fresh, success, failure).is_err() {
            // SAFETY: `fresh` was not published, so this is its only owner.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

impl<T: Default + Send + Sync> PerProcess<T> {
    /// This generation's value; the default where there is none yet.
    pub fn get(&self) -> &T {
        self.get_or(T::default)
    }
}

impl<T: Send + Sync> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let current = *self.current.get_mut();
        // SAFETY: published entries are valid, and a value that drops is not borrowed.
        let generation_of = unsafe { current.as_ref() }.map(|entry| entry.generation);
        if generation_of == Some(generation()) {
            // SAFETY: as above; entries are owned by this cell alone.
            drop(unsafe { Box::from_raw(current) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

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
}
