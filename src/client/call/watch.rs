//! What an attempt under way and the race around it tell each other.
//!
//! The attempt owns its clock and its lease, and notes here which of its limits it has passed. The race reads that
//! when the attempt has been polled. The other way round, it notes that another attempt has answered: the attempt
//! then ends with the next poll and gives its lease back.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Instant;

use crate::policy::Left;
use crate::transport::Progress;

/// One attempt, as the race sees it.
#[derive(Debug)]
pub(crate) struct AttemptWatch {
    pub(crate) began: Instant,
    pub(crate) progress: Progress,
    passed: AtomicU8,
    left: AtomicU8,
}

/// How far an attempt's clock has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Passed {
    Nothing,
    /// Its endpoint is overdue.
    Short,
    /// A copy may start, where copies start early.
    Slow,
    /// It is late.
    Soft,
}

impl AttemptWatch {
    pub(crate) const fn new(began: Instant) -> Self {
        Self {
            began,
            progress: Progress::new(began),
            passed: AtomicU8::new(Passed::Nothing as u8),
            left: AtomicU8::new(Left::Ended as u8),
        }
    }

    /// Notes that a limit has passed; whether it had not before.
    pub(crate) fn pass(&self, limit: Passed) -> bool {
        self.passed.fetch_max(limit as u8, Relaxed) < limit as u8
    }

    /// Whether the attempt has passed the limit.
    #[inline]
    pub(crate) fn has_passed(&self, limit: Passed) -> bool {
        self.passed.load(Relaxed) >= limit as u8
    }

    /// Another attempt of the call, which began then, has answered.
    pub(crate) fn overtaken_by(&self, other: Instant) {
        let left =
            if other < self.began { Left::OvertakenByEarlier } else { Left::OvertakenByLater };
        self.left.store(left as u8, Relaxed);
    }

    /// Its call was ended from outside.
    pub(crate) fn cancel(&self) {
        self.left.store(Left::Cancelled as u8, Relaxed);
    }

    /// How it left its race.
    #[inline]
    pub(crate) fn left(&self) -> Left {
        match self.left.load(Relaxed) {
            left if left == Left::Cancelled as u8 => Left::Cancelled,
            left if left == Left::OvertakenByEarlier as u8 => Left::OvertakenByEarlier,
            left if left == Left::OvertakenByLater as u8 => Left::OvertakenByLater,
            _ => Left::Ended,
        }
    }
}
