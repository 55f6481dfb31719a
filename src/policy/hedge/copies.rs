//! Whether copies of late attempts are worth sending.
//!
//! A copy helps where one endpoint is in trouble, and harms where all are: then it takes the place of
//! an answer that was on its way. A budget alone is no brake. At 1.5 times the capacity every call is
//! late, and a tenth more load turns 1.5 % of errors into 15.6 %.
//!
//! So copies have to prove themselves. Of the late calls that got one, the share is kept whose copy
//! won the race. Below one half only one copy goes out in 500 ms: enough to find out that they have
//! become useful again.
//!
//! A win adds twice what a loss takes away, so copies that win one race in three go on: a copy is sent
//! late, and to win a third of the races from behind it must be good. A hedge starts earlier and loses
//! more often where all is well, so it has a record of its own in which one win in five is enough.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The share of calls of one client whose copy won.
#[derive(Debug)]
pub struct CopyRecord {
    origin: Instant,
    /// What a loss takes away from the share.
    loss: u64,
    /// The share in twentieths, in the low byte; above it the millisecond of the last copy plus one.
    word: AtomicU64,
}

impl CopyRecord {
    /// Of copies of late attempts. They have the benefit of the doubt.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { origin: now, loss: LOSS, word: AtomicU64::new(ALL) }
    }

    /// Of hedges.
    #[must_use]
    pub const fn of_hedges(now: Instant) -> Self {
        Self { loss: LOSS_OF_HEDGE, ..Self::new(now) }
    }

    /// Whether a copy may be sent now; if so it counts as sent.
    #[must_use = "a copy that was not allowed must not be sent"]
    pub fn may_send(&self, now: Instant) -> bool {
        let millis = now.saturating_duration_since(self.origin).as_millis() as u64 + 1;
        let sent = |word: u64| {
            let (share, last) = (word & SHARE, word >> SHARE_BITS);
            let pause = last == 0 || millis >= last + PAUSE_MS;
            (share >= HALF || pause).then_some(millis << SHARE_BITS | share)
        };
        self.word.fetch_update(Relaxed, Relaxed, sent).is_ok()
    }

    /// A copy answered before the attempt that it was sent beside.
    pub fn won(&self) {
        self.change(|share| (share + WIN).min(ALL));
    }

    /// It did not: the attempt answered first, or nothing did.
    pub fn lost(&self) {
        self.change(|share| share.saturating_sub(self.loss));
    }

    fn change(&self, to: impl Fn(u64) -> u64) {
        let changed = |word: u64| Some(word & !SHARE | to(word & SHARE));
        let _ = self.word.fetch_update(Relaxed, Relaxed, changed);
    }
}

const SHARE_BITS: u32 = 8;
const SHARE: u64 = (1 << SHARE_BITS) - 1;

const ALL: u64 = 20;
const HALF: u64 = ALL / 2;
/// A fifth.
const WIN: u64 = 4;
/// A tenth: from the benefit of the doubt, six losses in a row are believed.
const LOSS: u64 = 2;
/// Twice as many. A healthy service whose slow answers hedges halve lets them win about one race in three.
const LOSS_OF_HEDGE: u64 = 1;

/// Two copies a second are nothing to a service, and three wins lift the brake within 1.5 s.
const PAUSE_MS: u64 = Duration::from_millis(500).as_millis() as u64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    /// How many copies go out of one wish each millisecond.
    fn sent(record: &CopyRecord, from: u64, until: u64) -> usize {
        (from..until).filter(|at| record.may_send(t0_of(record) + ms(*at))).count()
    }

    fn t0_of(record: &CopyRecord) -> Instant {
        record.origin
    }

    #[test]
    fn copies_that_win_go_out_freely() {
        let record = CopyRecord::new(t0());
        (0..100).for_each(|_| record.won());
        assert_eq!(sent(&record, 0, 1000), 1000);
    }

    #[test]
    fn six_losses_in_a_row_leave_one_copy_in_500_ms() {
        let record = CopyRecord::new(t0());
        (0..5).for_each(|_| record.lost());
        assert_eq!(sent(&record, 0, 100), 100, "one half is not below one half");
        record.lost();
        assert_eq!(sent(&record, 100, 2100), 4);
    }

    #[test]
    fn a_few_wins_lift_the_brake() {
        let record = CopyRecord::new(t0());
        (0..100).for_each(|_| record.lost());
        (0..2).for_each(|_| record.won());
        assert_eq!(sent(&record, 0, 1000), 2);
        record.won();
        assert_eq!(sent(&record, 1000, 1100), 100);
    }

    #[test]
    fn one_win_in_three_is_enough_to_go_on() {
        let record = CopyRecord::new(t0());
        for _ in 0..100 {
            record.lost();
            record.lost();
            record.won();
        }
        assert_eq!(sent(&record, 0, 100), 100);
        for _ in 0..100 {
            (0..3).for_each(|_| record.lost());
            record.won();
        }
        assert_eq!(sent(&record, 100, 600), 1);
    }

    #[test]
    fn of_hedges_one_win_in_five_is_enough_and_one_in_six_is_not() {
        let record = CopyRecord::of_hedges(t0());
        let rounds = |losses: usize| {
            for _ in 0..100 {
                (0..losses).for_each(|_| record.lost());
                record.won();
            }
        };
        rounds(4);
        assert_eq!(sent(&record, 0, 100), 100);
        rounds(6);
        assert_eq!(sent(&record, 100, 600), 1);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test's own callers")]
    fn of_callers_at_the_same_time_one_gets_the_copy() {
        let record = CopyRecord::new(t0());
        (0..10).for_each(|_| record.lost());
        let granted = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| sent(&record, 600, 601))).collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).sum::<usize>()
        });
        assert_eq!(granted, 1);
    }
}
