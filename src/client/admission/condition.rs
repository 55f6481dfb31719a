//! Whether something holds of a client, as observers are told.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::runtime::clock;

/// Under an overload calls are turned away and let in by turns, and the budget refuses and grants, hundreds of times a
/// second. An observer hears once a second at most that it begins.
const BETWEEN: Duration = Duration::from_secs(1);

/// What is told when it begins to hold and when it ends. It outlasts a change of the rules by which it holds.
#[derive(Debug)]
pub(crate) struct Condition {
    holds: AtomicBool,
    made: Instant,
    /// When it was told last that it holds, in milliseconds since this was made; 0 if never.
    told: AtomicU64,
    /// The number of the latest rules. Calls under way go by older ones, and what those say would never end.
    latest: Mutex<u64>,
}

impl Condition {
    /// It does not hold.
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            holds: AtomicBool::new(false),
            made: now,
            told: AtomicU64::new(0),
            latest: Mutex::new(0),
        }
    }

    /// Notes whether it holds by the rules with this number; true where that is to be told. Written only where it
    /// changes, as many threads read it.
    #[inline]
    pub(crate) fn is_news(&self, rules: u64, holds: bool) -> bool {
        self.holds.load(Ordering::Relaxed) != holds && self.changes(rules, holds, clock::now())
    }

    /// From now on the rules with this number say whether it holds. True where it held and cannot by these, so that its
    /// end is to be told.
    pub(crate) fn ends_by(&self, rules: u64, can_hold: bool) -> bool {
        let mut latest = self.latest();
        *latest = rules;
        !can_hold && self.holds.swap(false, Ordering::Relaxed)
    }

    fn changes(&self, rules: u64, holds: bool, now: Instant) -> bool {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let now = ms(now.duration_since(self.made));
        let told = self.told.load(Ordering::Relaxed);
        if holds && told != 0 && now - told.min(now) < ms(BETWEEN) {
            return false;
        }
        let latest = self.latest();
        if rules < *latest || self.holds.swap(holds, Ordering::Relaxed) == holds {
            return false;
        }
        if holds {
            self.told.store(now, Ordering::Relaxed);
        }
        true
    }

    fn latest(&self) -> MutexGuard<'_, u64> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_it_holds_is_told_once_a_second_and_that_it_ends_after_that() {
        let made = clock::now();
        let condition = Condition::new(made);
        let changes =
            |at: u64, holds| condition.changes(0, holds, made + Duration::from_millis(at));
        assert!(!changes(0, false), "as at the start");
        assert!(changes(0, true) && !changes(0, true));
        assert!(changes(500, false) && !changes(500, false));
        assert!(!changes(1000, true) && !changes(1000, false), "neither is told");
        assert!(changes(1001, true) && changes(1002, false));
    }

    #[test]
    fn the_latest_rules_say_whether_it_holds() {
        let condition = Condition::new(clock::now());
        assert!(condition.is_news(0, true));
        assert!(!condition.ends_by(1, true), "it goes on until they say otherwise");
        assert!(!condition.is_news(0, false), "a call that began before");
        assert!(condition.is_news(1, false));
        assert!(!condition.ends_by(2, false), "it has ended already");
    }

    #[test]
    fn it_ends_with_the_last_rules_by_which_it_can_hold() {
        let condition = Condition::new(clock::now());
        assert!(condition.is_news(0, true));
        assert!(condition.ends_by(1, false) && !condition.ends_by(1, false));
        let later = clock::now() + 2 * BETWEEN;
        assert!(!condition.changes(0, true, later), "a call that began before");
        assert!(condition.changes(2, true, later), "rules that it is still to hear of");
    }
}
