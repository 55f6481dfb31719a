//! Whether something holds of a client, as observers are told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::runtime::clock;

/// Under an overload calls are turned away and let in by turns, and the budget refuses and grants, hundreds of times a
/// second. An observer hears once a second at most that it begins.
const BETWEEN: Duration = Duration::from_secs(1);

/// What is told when it begins to hold and when it ends.
#[derive(Debug)]
pub(crate) struct Condition {
    holds: AtomicBool,
    made: Instant,
    /// When it was told last that it holds, in milliseconds since this was made; 0 if never.
    told: AtomicU64,
}

impl Condition {
    /// It does not hold.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { holds: AtomicBool::new(false), made: now, told: AtomicU64::new(0) }
    }

    /// Notes whether it holds; true where that is to be told. Written only where it changes, as many threads read it.
    #[inline]
    pub(crate) fn is_news(&self, holds: bool) -> bool {
        self.holds.load(Ordering::Relaxed) != holds && self.changes(holds, clock::now())
    }

    fn changes(&self, holds: bool, now: Instant) -> bool {
        if !holds {
            return self.holds.swap(false, Ordering::Relaxed);
        }
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let (now, told) = (ms(now.duration_since(self.made)), self.told.load(Ordering::Relaxed));
        let is_told = told != 0 && now - told.min(now) < ms(BETWEEN);
        if is_told || self.holds.swap(true, Ordering::Relaxed) {
            return false;
        }
        self.told.store(now, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_it_holds_is_told_once_a_second_and_that_it_ends_after_that() {
        let made = clock::now();
        let condition = Condition::new(made);
        let changes = |at: u64, holds| condition.changes(holds, made + Duration::from_millis(at));
        assert!(!changes(0, false), "as at the start");
        assert!(changes(0, true) && !changes(0, true));
        assert!(changes(500, false) && !changes(500, false));
        assert!(!changes(1000, true) && !changes(1000, false), "neither is told");
        assert!(changes(1001, true) && changes(1002, false));
    }
}
