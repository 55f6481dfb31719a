//! What an attempt under way and the race around it tell each other.
//!
//! The attempt owns its clock and its lease, and notes here which of its limits it has passed. The race reads that
//! when the attempt has been polled. The other way round, it notes that another attempt has answered: the attempt
//! then ends with the next poll and gives its lease back.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Instant;

use crate::policy::RaceEnd;
use crate::transport::Progress;

/// One attempt, as the race sees it.
#[derive(Debug)]
pub(crate) struct AttemptWatch {
    pub(crate) began: Instant,
    pub(crate) progress: Progress,
    passed: AtomicU8,
    race_end: AtomicU8,
}

/// Which limit an attempt's clock has passed: a bit each, as a copy may start before its endpoint is overdue, or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum LimitPassed {
    Nothing = 0,
    /// Its endpoint is overdue.
    Short = 1,
    /// A copy may start, where copies start early.
    Slow = 2,
    /// It is late.
    Soft = 4,
}

impl AttemptWatch {
    pub(crate) const fn new(began: Instant) -> Self {
        Self {
            began,
            progress: Progress::new(began),
            passed: AtomicU8::new(LimitPassed::Nothing as u8),
            race_end: AtomicU8::new(RaceEnd::Ended as u8),
        }
    }

    /// Notes that a limit has passed; whether it had not before.
    pub(crate) fn pass(&self, limit: LimitPassed) -> bool {
        self.passed.fetch_or(limit as u8, Relaxed) & limit as u8 == 0
    }

    /// Whether the attempt has passed the limit.
    #[inline]
    pub(crate) fn has_passed(&self, limit: LimitPassed) -> bool {
        self.passed.load(Relaxed) & limit as u8 != 0
    }

    /// Another attempt of the call, which began then, has answered.
    pub(crate) fn overtaken_by(&self, other: Instant) {
        let race_end = if other < self.began {
            RaceEnd::OvertakenByEarlier
        } else {
            RaceEnd::OvertakenByLater
        };
        self.race_end.store(race_end as u8, Relaxed);
    }

    /// Its call was ended from outside.
    pub(crate) fn cancel(&self) {
        self.race_end.store(RaceEnd::Cancelled as u8, Relaxed);
    }

    /// How it left its race.
    #[inline]
    pub(crate) fn race_end(&self) -> RaceEnd {
        match self.race_end.load(Relaxed) {
            race_end if race_end == RaceEnd::Cancelled as u8 => RaceEnd::Cancelled,
            race_end if race_end == RaceEnd::OvertakenByEarlier as u8 => {
                RaceEnd::OvertakenByEarlier
            }
            race_end if race_end == RaceEnd::OvertakenByLater as u8 => RaceEnd::OvertakenByLater,
            _ => RaceEnd::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock;

    #[test]
    fn a_copy_that_starts_early_hides_no_overdue_answer() {
        for order in
            [[LimitPassed::Short, LimitPassed::Slow], [LimitPassed::Slow, LimitPassed::Short]]
        {
            let watch = AttemptWatch::new(clock::now());
            for limit in order {
                assert!(!watch.has_passed(limit) && watch.pass(limit), "{limit:?} is news");
                assert!(watch.has_passed(limit) && !watch.pass(limit), "{limit:?} is told once");
            }
            assert!(!watch.has_passed(LimitPassed::Soft));
        }
    }
}
