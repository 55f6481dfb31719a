//! Questions to the host that only its own library calls may ask: see `callbacks = caller`.
//!
//! A host with one thread starts calls and then waits in the library for their end. The function that tells its list must
//! run on that thread, so that such a wait is cut into slices as long as there may be a question of that kind.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::super::process::PerProcess;
use super::callback;

static WISHES: PerProcess<Wishes> = PerProcess::new();

#[derive(Default)]
struct Wishes {
    open: AtomicUsize,
    all: Mutex<Vec<Wish>>,
}

struct Wish {
    /// Whose it is: each has one.
    owner: usize,
    ask: Box<dyn FnOnce() + Send>,
}

/// Whether there is any wish.
static MAY_BE: AtomicBool = AtomicBool::new(false);

/// There is, from now on.
pub fn expect() {
    MAY_BE.store(true, Ordering::Relaxed);
}

/// `owner` wants `ask` to be done, in place of what it wanted before and is not done yet: that may have been answered
/// otherwise meanwhile, where this is not.
pub fn make(owner: usize, ask: impl FnOnce() + Send + 'static) {
    WISHES.get().put(Wish { owner, ask: Box::new(ask) });
}

impl Wishes {
    fn put(&self, wish: Wish) {
        let mut all = self.lock();
        match all.iter_mut().find(|before| before.owner == wish.owner) {
            Some(before) => *before = wish,
            None => all.push(wish),
        }
        self.open.store(all.len(), Ordering::Release);
    }

    fn take(&self) -> Vec<Wish> {
        let mut all = self.lock();
        self.open.store(0, Ordering::Release);
        std::mem::take(&mut *all)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Wish>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for what is wished for, on this thread, which is inside a library call of the host's.
pub fn serve() {
    let Some(wishes) = WISHES.existing() else { return };
    if wishes.open.load(Ordering::Acquire) == 0 || callback::is_in_callback() {
        return;
    }
    wishes.take().into_iter().for_each(|wish| (wish.ask)());
}

/// Waits up to `timeout` by `wait`, and serves wishes meanwhile where there may be any.
pub fn serving<T>(timeout: Duration, wait: impl Fn(Duration) -> Option<T>) -> Option<T> {
    if !MAY_BE.load(Ordering::Relaxed) {
        return wait(timeout);
    }
    let until = Instant::now().checked_add(timeout);
    loop {
        serve();
        let left = until.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
        let begun = Instant::now();
        let found = wait(left.min(SLICE));
        // One that ends before its time found something else.
        if found.is_some() || left <= SLICE || begun.elapsed() < SLICE {
            return found;
        }
    }
}

/// As long as this a call waits for its list beside what its provider takes.
const SLICE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_last_wish_of_an_owner_is_served() {
        let (wishes, served) = (Wishes::default(), Arc::new(Mutex::new(Vec::new())));
        for (owner, name) in [(1, "one, before"), (2, "two"), (1, "one")] {
            let served = Arc::clone(&served);
            wishes.put(Wish { owner, ask: Box::new(move || served.lock().unwrap().push(name)) });
        }
        assert_eq!(wishes.open.load(Ordering::Acquire), 2);
        wishes.take().into_iter().for_each(|wish| (wish.ask)());
        assert_eq!(*served.lock().unwrap(), ["one", "two"]);
        assert!(wishes.take().is_empty());
    }
}
