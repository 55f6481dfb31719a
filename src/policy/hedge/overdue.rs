//! Whether an endpoint owes an answer, and how long it has for it.
//!
//! An endpoint that hangs gives no news, so its silence has to be the news. There are two marks, and the
//! next answer within its limit takes both away. Late answers do not: an endpoint that hangs now and
//! then would clear itself.
//!
//! - *Overdue* is an endpoint with an attempt that takes longer than usual, see
//!   [`Known::short`](super::attempt_limit::Known::short). A call that may not be repeated cannot look
//!   elsewhere when it is late, so it should not go where it may be late: it passes over endpoints that
//!   are overdue. At half a second for each, ten POSTs a second would all hang before the first was
//!   late. Calls that may be repeated gain nothing by that, as their copy answers. They find out
//!   whether the endpoint is back, with a short limit.
//! - *Late* is one with an attempt that passed its limit. No copy goes there: where all are late, the
//!   service is slow, and copies would only make it slower. One that has answered all that it was
//!   sent, however late, owes nothing: a burst that was late as a whole leaves no answer to come in
//!   time, and those of it that hang elsewhere would wait for their deadlines.
//!
//! *Silent* is a late one of which no answer at all came for half a second. While most others answer, copies of what
//! hangs there cost the retry budget nothing: see [`budget`](crate::policy::retry::budget).
//!
//! If more than half of the endpoints are overdue, the service is slow and none of them hangs. None
//! is passed over then: the rest would have to carry everything, and would be overdue next.
//! A zone or a priority may hang as a whole, so that is judged by all endpoints too.
//!
//! Where *only* calls that may not be repeated are made, one of them has to try the endpoint some
//! time. It may cost that call its whole deadline, so it comes once in eight times of what the last
//! one cost. The attempt that takes the risk claims it, so that of a hundred calls in one moment one goes.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What an attempt does about endpoints that are overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverduePolicy {
    /// Takes them as they come: its call looks elsewhere if need be.
    Take,
    /// Passes over them while others admit: its call cannot look elsewhere, as one that may not be
    /// repeated.
    PassOver,
    /// Never goes there: it is sent beside an attempt that is late itself.
    Avoid,
}

/// How far behind one endpoint is. Times are whole milliseconds since an origin that its callers share.
#[derive(Debug, Default)]
pub struct Overdue {
    /// When an attempt first took longer than usual, plus one; zero once an answer came in time.
    overdue_since: AtomicU64,
    /// When an attempt first passed its limit, likewise.
    late_since: AtomicU64,
    /// When the last attempt that passed its limit ended.
    ended: AtomicU64,
    /// How long that took, in milliseconds.
    cost: AtomicU32,
    /// When a call that may not be repeated last took the risk; zero for never.
    risked: AtomicU64,
    /// Attempts in a row that were overtaken with no answer between.
    overtaken: AtomicU32,
    /// An answer, however late, came since an attempt that had passed its limit last ended without one.
    answers: AtomicBool,
    /// Attempts in flight that have passed their limit.
    late_in_flight: AtomicU32,
    /// When the last answer came, plus one; zero while that is not known.
    answered_at: AtomicU64,
}

impl Overdue {
    /// Nothing is owed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            overdue_since: AtomicU64::new(0),
            late_since: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            cost: AtomicU32::new(0),
            risked: AtomicU64::new(0),
            overtaken: AtomicU32::new(0),
            answers: AtomicBool::new(false),
            late_in_flight: AtomicU32::new(0),
            answered_at: AtomicU64::new(0),
        }
    }

    /// Forgets all of it; what is in flight stays counted.
    pub fn forget(&self) {
        self.answered_at.store(0, Relaxed);
        self.owe_nothing();
    }

    fn owe_nothing(&self) {
        self.overdue_since.store(0, Relaxed);
        self.late_since.store(0, Relaxed);
        self.ended.store(0, Relaxed);
        self.cost.store(0, Relaxed);
        self.risked.store(0, Relaxed);
        self.overtaken.store(0, Relaxed);
        self.answers.store(false, Relaxed);
    }

    /// An attempt takes longer than usual.
    pub fn is_overdue_since(&self, millis: u64) {
        note_first(&self.overdue_since, millis);
    }

    /// An attempt has passed its limit.
    pub fn is_late_since(&self, millis: u64) {
        note_first(&self.overdue_since, millis);
        note_first(&self.late_since, millis);
    }

    /// One more attempt in flight has passed its limit.
    pub fn late_begins(&self) {
        let _ = self.late_in_flight.fetch_update(Relaxed, Relaxed, |count| count.checked_add(1));
    }

    /// An attempt that had passed its limit is not in flight any more.
    pub fn late_ends(&self) {
        let _ = self.late_in_flight.fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1));
    }

    /// An attempt was answered within its limit.
    pub fn answered_in_time(&self, millis: u64) {
        self.owe_nothing();
        self.answered_at.store(millis + 1, Relaxed);
    }

    /// An attempt was answered, however late: the endpoint does not hang.
    pub fn answered(&self, millis: u64) {
        self.answered_at.store(millis + 1, Relaxed);
        self.risked.store(0, Relaxed);
        self.overtaken.store(0, Relaxed);
        self.answers.store(true, Relaxed);
    }

    /// Whether an attempt passed its limit, no answer came in time since, and one may still be owed.
    #[must_use]
    pub fn is_late(&self) -> bool {
        let owes_nothing = || self.late_in_flight.load(Relaxed) == 0 && self.answers.load(Relaxed);
        self.late_since.load(Relaxed) != 0 && !owes_nothing()
    }

    /// Whether an attempt passed its limit, and no answer at all came for a while.
    #[must_use]
    pub fn is_silent(&self, millis: u64) -> bool {
        let answered_at = self.answered_at.load(Relaxed);
        let is_long_ago = || millis.saturating_sub(answered_at - 1) >= SILENCE_MS;
        self.late_since.load(Relaxed) != 0 && (answered_at == 0 || is_long_ago())
    }

    /// An attempt that had passed its limit ended without an answer after this long.
    pub fn ended_late(&self, took: Duration, millis: u64) {
        let took = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        self.cost.store(took, Relaxed);
        self.ended.store(millis, Relaxed);
        self.answers.store(false, Relaxed);
    }

    /// An attempt was overtaken before its limit by one that began later. Whether it is one of
    /// three or more in a row, with no answer between: then it counts as late, or else hedging would
    /// hide that the endpoint hangs.
    #[must_use]
    pub fn overtaken(&self) -> bool {
        let more = |count: u32| Some(count.saturating_add(1));
        let before = self.overtaken.fetch_update(Relaxed, Relaxed, more);
        before.is_ok_and(|before| before + 1 >= IN_A_ROW)
    }

    /// Whether a call that may not be repeated may find out whether the endpoint is back.
    #[must_use]
    pub fn may_be_risked(&self, millis: u64) -> bool {
        let (ended, cost) = (self.ended.load(Relaxed), self.cost.load(Relaxed));
        let risked = self.risked.load(Relaxed);
        if risked > ended && millis.saturating_sub(risked) < FORGOTTEN_MS {
            return false;
        }
        if ended != 0 {
            return millis.saturating_sub(ended) >= u64::from(cost) * RISK_EVERY;
        }
        // An attempt is under way, which finds out itself, unless its caller gave it up.
        let since = self.overdue_since.load(Relaxed);
        since != 0 && millis.saturating_sub(since - 1) >= FORGOTTEN_MS
    }

    /// Takes the risk for one call, if it may be taken and no other call has taken it meanwhile.
    #[must_use = "a risk that was not claimed must not be taken"]
    pub fn claim_risk(&self, millis: u64) -> bool {
        let before = self.risked.load(Relaxed);
        let claim = || self.risked.compare_exchange(before, millis, Relaxed, Relaxed).is_ok();
        self.may_be_risked(millis) && claim()
    }
}

fn note_first(since: &AtomicU64, millis: u64) {
    let first = |since: u64| (since == 0).then_some(millis + 1);
    let _ = since.fetch_update(Relaxed, Relaxed, first);
}

/// Whether `overdue` of `known` endpoints are few enough to be passed over.
#[must_use]
pub const fn may_pass_over(overdue: usize, known: usize) -> bool {
    overdue > 0 && overdue * 2 <= known
}

/// One or two are bad luck; a hedge is sent of one call in twenty.
const IN_A_ROW: u32 = 3;

/// A ninth of the time at most is spent on finding out.
const RISK_EVERY: u64 = 8;

/// A busy endpoint answers some call in this time, also if others of its calls take long. A late call that found no way
/// elsewhere asks again as often.
const SILENCE_MS: u64 = 500;

/// An attempt that was cancelled leaves no end behind: twice the default limit of a call.
const FORGOTTEN_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::ms;

    #[test]
    fn a_late_attempt_marks_and_an_answer_in_time_clears() {
        let endpoint = Overdue::new();
        assert!(!endpoint.is_late());
        for _ in 0..2 {
            endpoint.is_late_since(0);
            endpoint.late_begins();
        }
        assert!(endpoint.is_late(), "also at the origin");
        endpoint.late_ends();
        endpoint.answered(4);
        assert!(endpoint.is_late(), "a late answer is no news of health");
        endpoint.answered_in_time(4);
        assert!(!endpoint.is_late());
    }

    #[test]
    fn one_that_has_answered_all_however_late_owes_nothing() {
        let endpoint = Overdue::new();
        endpoint.is_late_since(1);
        assert!(endpoint.is_late() && endpoint.is_silent(503), "the attempt was given up");
        endpoint.answered(4);
        assert!(!endpoint.is_late() && !endpoint.is_silent(503));
        endpoint.late_begins();
        assert!(endpoint.is_late(), "the next one has passed its limit");
        endpoint.forget();
        endpoint.is_late_since(2);
        endpoint.answered(4);
        assert!(endpoint.is_late() && !endpoint.is_silent(503), "and is still in flight");
        endpoint.ended_late(ms(5), 3);
        endpoint.late_ends();
        assert!(endpoint.is_late() && !endpoint.is_silent(503), "and got no answer");
        assert!(endpoint.is_silent(504), "nor did any other for half a second");
        endpoint.late_ends();
        endpoint.answered(4);
        assert!(!endpoint.is_late(), "none was in flight to end");
    }

    #[test]
    fn three_overtaken_in_a_row_count_as_late() {
        let endpoint = Overdue::new();
        assert_eq!([(); 4].map(|()| endpoint.overtaken()), [false, false, true, true]);
        endpoint.answered(4);
        assert_eq!([(); 3].map(|()| endpoint.overtaken()), [false, false, true]);
        endpoint.answered_in_time(4);
        assert!(!endpoint.overtaken());
    }

    #[test]
    fn what_may_not_be_repeated_comes_once_in_eight_times_its_cost() {
        let endpoint = Overdue::new();
        endpoint.is_late_since(1000);
        assert!(!endpoint.may_be_risked(60_999), "one is under way");
        assert!(endpoint.may_be_risked(61_000), "it was given up");
        endpoint.ended_late(ms(30_000), 31_000);
        assert!(!endpoint.may_be_risked(31_000 + 239_999));
        assert!(endpoint.may_be_risked(31_000 + 240_000));
        endpoint.ended_late(ms(50), 300_000);
        assert!(endpoint.may_be_risked(300_400), "a cheap probe is soon repeated");
    }

    #[test]
    fn one_call_at_a_time_takes_the_risk() {
        let endpoint = Overdue::new();
        endpoint.is_late_since(1000);
        endpoint.ended_late(ms(2000), 3000);
        let claims = |millis| (0..100).filter(|_| endpoint.claim_risk(millis)).count();
        assert_eq!(claims(18_999), 0);
        assert_eq!(claims(19_000), 1, "of a hundred in one moment");
        assert_eq!(claims(20_000), 0, "that one is under way");
        endpoint.ended_late(ms(2000), 21_000);
        assert_eq!(claims(36_999), 0);
        assert_eq!(claims(37_000), 1);
        assert_eq!(claims(97_000), 1, "the last one was given up");
        endpoint.answered(4);
        assert_eq!(claims(97_001), 1, "it answers, however late");
    }

    #[test]
    fn more_than_half_are_never_passed_over() {
        assert!(!may_pass_over(0, 3) && may_pass_over(1, 3) && !may_pass_over(2, 3));
        assert!(may_pass_over(2, 4) && !may_pass_over(3, 4));
        assert!(!may_pass_over(1, 1), "the only one");
    }
}
