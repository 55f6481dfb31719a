//! A value that one thread at a time works on, also where that thread calls the host meanwhile.
//!
//! A plain lock held during a callback would be locked for ever where the host ends the thread in it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::host::lost::{Cover, Covered, cover};

/// The value, and whose turn it is.
#[derive(Debug, Default)]
pub struct Exclusive<T> {
    turn: Arc<State>,
    value: Mutex<T>,
}

#[derive(Debug, Default)]
struct State {
    taken: Mutex<bool>,
    free: Condvar,
}

impl<T> Exclusive<T> {
    /// The turn, once no other thread has it.
    pub fn turn(&self) -> Turn<'_, T> {
        let taken = self.turn.lock();
        let waited = self.turn.free.wait_while(taken, |taken| *taken);
        self.take(waited.unwrap_or_else(PoisonError::into_inner))
    }

    /// The turn, where no other thread has it.
    pub fn try_turn(&self) -> Option<Turn<'_, T>> {
        let taken = self.turn.lock();
        (!*taken).then(|| self.take(taken))
    }

    fn take(&self, mut taken: MutexGuard<'_, bool>) -> Turn<'_, T> {
        *taken = true;
        drop(taken);
        Turn { exclusive: self, _cover: cover(Arc::clone(&self.turn) as Arc<dyn Covered>) }
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

impl Covered for State {
    fn thread_is_lost(&self) {
        self.release();
    }
}

/// The right to work on the value; given back on drop, and where its thread is lost.
#[derive(Debug)]
pub struct Turn<'a, T> {
    exclusive: &'a Exclusive<T>,
    _cover: Cover,
}

impl<T> Turn<'_, T> {
    /// The value. To be let go before the host is called.
    pub fn value(&self) -> MutexGuard<'_, T> {
        self.exclusive.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.exclusive.turn.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::host::lost;

    #[test]
    fn one_turn_at_a_time() {
        let exclusive = Exclusive::<u32>::default();
        let turn = exclusive.turn();
        *turn.value() += 1;
        assert!(exclusive.try_turn().is_none());
        std::thread::scope(|scope| {
            let other = scope.spawn(|| *exclusive.turn().value());
            drop(turn);
            assert_eq!(other.join().unwrap(), 1);
        });
    }

    #[test]
    fn a_lost_thread_has_no_turn() {
        let exclusive = Exclusive::<u32>::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let turn = exclusive.turn();
                lost::give_up();
                std::mem::forget(turn);
            });
        });
        assert!(exclusive.try_turn().is_some());
    }
}
