//! What a race says of the endpoints in it.
//!
//! Where attempts of one call run beside each other, most of them are cancelled, and a cancelled
//! attempt says nothing by itself: its endpoint may hang, or may have been a millisecond behind. What
//! tells them apart is the attempt's limit, and which attempt overtook it.
//!
//! - An attempt that was answered counts by its answer, however late it came.
//! - One that had passed its limit and was overtaken by an attempt that began *later* has failed: the
//!   other endpoint did in a part of the time what this one did not do. So has one that passed its
//!   limit and was never answered.
//! - One that was overtaken by an attempt that began *earlier* lost to a head start. That is neutral,
//!   and only its age goes to the load estimate.
//! - One that its caller cancelled, or a deadline that came before its limit, is neutral too: the
//!   caller was in a hurry, the endpoint was not late.
//!
//! Failures are told in the words of [`AttemptOutcome`], so that circuit, outlier detection and load
//! all judge the same ending.

use crate::outcome::FailureKind;
use crate::policy::retry::classify::AttemptOutcome;

/// How an attempt left its race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaceEnd {
    /// It ended by itself, or with the call.
    Ended,
    /// It was cancelled with its call.
    Cancelled,
    /// It was cancelled, since an attempt that began before it has answered.
    OvertakenByEarlier,
    /// It was cancelled, since an attempt that began after it has answered.
    OvertakenByLater,
}

/// The ending that an attempt's endpoint is judged by. `late` says that it had passed its limit.
#[must_use]
pub const fn blamed(ended: AttemptOutcome, race_end: RaceEnd, late: bool) -> AttemptOutcome {
    let AttemptOutcome::Failed { kind, sent } = ended else {
        return ended;
    };
    let kind = match (race_end, kind) {
        (RaceEnd::OvertakenByLater, _) if late => FailureKind::Timeout,
        (RaceEnd::Cancelled | RaceEnd::OvertakenByLater | RaceEnd::OvertakenByEarlier, _) => {
            FailureKind::Cancelled
        }
        (RaceEnd::Ended, FailureKind::Deadline) if late => FailureKind::Timeout,
        (RaceEnd::Ended, FailureKind::Deadline) => FailureKind::Cancelled,
        (RaceEnd::Ended, kind) => kind,
    };
    AttemptOutcome::Failed { kind, sent }
}

/// Whether lateness says nothing of a single endpoint: three quarters of all the `known` ones are `overdue`, so it is
/// the service that is slow. Without this, a service that was slow for two seconds had the circuits of most
/// endpoints open just as it was well again, and those left were overloaded. Not a half: two of three endpoints
/// that hang are to be found guilty.
#[must_use]
pub const fn all_are_late(overdue: usize, known: usize) -> bool {
    known > 1 && overdue.saturating_mul(4) >= known.saturating_mul(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Verdict;
    use crate::policy::retry::classify::verdict;

    const fn failed(kind: FailureKind) -> AttemptOutcome {
        AttemptOutcome::Failed { kind, sent: true }
    }

    fn judged(ended: AttemptOutcome, race_end: RaceEnd, late: bool) -> Verdict {
        verdict(&blamed(ended, race_end, late))
    }

    #[test]
    fn an_answer_counts_however_late() {
        for late in [false, true] {
            let answered =
                |status| judged(AttemptOutcome::Answered { status }, RaceEnd::Ended, late);
            assert_eq!(answered(200), Verdict::Success);
            assert_eq!(answered(503), Verdict::Failure);
        }
    }

    #[test]
    fn only_a_late_attempt_fails_by_being_overtaken_from_behind() {
        let cancelled = failed(FailureKind::Cancelled);
        assert_eq!(judged(cancelled, RaceEnd::OvertakenByLater, true), Verdict::Failure);
        assert_eq!(judged(cancelled, RaceEnd::OvertakenByLater, false), Verdict::Neutral);
        assert_eq!(judged(cancelled, RaceEnd::OvertakenByEarlier, true), Verdict::Neutral);
        assert_eq!(judged(cancelled, RaceEnd::OvertakenByEarlier, false), Verdict::Neutral);
        assert_eq!(judged(cancelled, RaceEnd::Cancelled, true), Verdict::Neutral);
    }

    #[test]
    fn a_deadline_that_came_before_the_limit_blames_nobody() {
        let deadline = failed(FailureKind::Deadline);
        assert_eq!(judged(deadline, RaceEnd::Ended, false), Verdict::Neutral);
        assert_eq!(judged(deadline, RaceEnd::Ended, true), Verdict::Failure);
        for late in [false, true] {
            for kind in [FailureKind::Cancelled, FailureKind::Closed, FailureKind::Interrupted] {
                assert_eq!(
                    judged(failed(kind), RaceEnd::Ended, late),
                    Verdict::Neutral,
                    "{kind:?}"
                );
            }
        }
    }

    #[test]
    fn lateness_that_all_share_blames_no_single_endpoint() {
        for (overdue, known) in [(2, 2), (3, 3), (3, 4), (4, 4), (75, 100)] {
            assert!(all_are_late(overdue, known), "{overdue} of {known}");
        }
        for (overdue, known) in [(0, 0), (1, 1), (1, 2), (2, 3), (2, 4), (74, 100)] {
            assert!(!all_are_late(overdue, known), "{overdue} of {known}");
        }
    }

    #[test]
    fn other_failures_stay_what_they_are() {
        for kind in [FailureKind::Connect, FailureKind::ConnectionLost, FailureKind::Timeout] {
            assert_eq!(blamed(failed(kind), RaceEnd::Ended, true), failed(kind));
        }
    }
}
