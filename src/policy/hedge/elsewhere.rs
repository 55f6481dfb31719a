//! Whether a call looks elsewhere, now that an attempt of it is late.
//!
//! Most rules are a retry's: the request may be repeated, a try is left, the budget grants it. They
//! stand here once more because the question is another: a retry follows an ending, and this attempt
//! goes on and may still win. So a refusal costs the call nothing, and it is asked again later.
//!
//! Where a limit on what is in flight is pressed, room is for calls. But attempts that hang keep their room until the
//! deadline, and one host of three that hangs had all of it before long: then every call was turned away, and no copy
//! could go out that would have ended this. So when it is asked again, a copy goes out in the room that its call has, but
//! only to an endpoint that owes no answer itself: where all are slow, it would take the place of an answer.

use std::time::Duration;

use crate::policy::propagation::deadline::has_time;
use crate::policy::retry::config::RetryOn;

/// What the attempt loop knows when an attempt has passed its limit.
#[derive(Clone, Copy, Debug)]
pub struct ElsewhereFacts {
    /// Whether the request may be repeated: by its method, or because the user said so.
    pub repeatable: bool,
    /// Whether its body is held in memory; one that is drawn from a source cannot be sent twice at once.
    pub held: bool,
    /// Whether a try is left.
    pub has_try: bool,
    /// The kinds of ending that are repeated.
    pub on: RetryOn,
    /// Attempts of the call under way.
    pub under_way: usize,
    /// How many of them have passed their limit.
    pub late: usize,
    /// Whether there is an endpoint that was not asked yet and owes no answer beyond its limit.
    pub elsewhere: bool,
    /// How long one of them has been late.
    pub late_for: Duration,
    /// Whether the limit on what is in flight is reached, or turned calls away a short time ago.
    pub limit_pressed: bool,
    /// What is left until the deadline; none without a deadline.
    pub time_left: Option<Duration>,
    /// What half of the attempts take at most; none while it is not known.
    pub p50: Option<Duration>,
}

impl ElsewhereFacts {
    /// Whether another attempt may start beside those under way, as far as the call alone is concerned.
    #[must_use]
    pub fn may_start(&self) -> bool {
        let room =
            self.under_way < AT_ONCE || self.under_way == AT_ONCE && self.late == self.under_way;
        self.repeatable
            && self.held
            && self.has_try
            && self.on.contains(RetryOn::TIMEOUT)
            && room
            && (!self.limit_pressed || self.needs_no_room())
            && has_time(self.time_left, self.p50)
    }

    /// Whether another attempt may go out in the room that the call has.
    #[must_use]
    pub fn needs_no_room(&self) -> bool {
        self.elsewhere && self.late_for >= ASK_AGAIN
    }
}

/// Attempts of a call under way; one more if all of them are late.
const AT_ONCE: usize = 2;

/// After this time a late call that found no way elsewhere asks again: as often as copies that have
/// not proved themselves go out.
pub const ASK_AGAIN: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::ms;

    const fn facts() -> ElsewhereFacts {
        ElsewhereFacts {
            repeatable: true,
            held: true,
            has_try: true,
            on: RetryOn::ALL,
            under_way: 1,
            late: 1,
            elsewhere: true,
            late_for: Duration::ZERO,
            limit_pressed: false,
            time_left: Some(ms(1000)),
            p50: Some(ms(10)),
        }
    }

    #[test]
    fn each_condition_alone_keeps_a_call_where_it_is() {
        assert!(facts().may_start());
        let kept = [
            ElsewhereFacts { repeatable: false, ..facts() },
            ElsewhereFacts { held: false, ..facts() },
            ElsewhereFacts { has_try: false, ..facts() },
            ElsewhereFacts { on: RetryOn::CONNECT, ..facts() },
            ElsewhereFacts { limit_pressed: true, ..facts() },
            ElsewhereFacts { time_left: Some(ms(10)), ..facts() },
        ];
        assert!(kept.iter().all(|facts| !facts.may_start()));
    }

    #[test]
    fn two_at_once_and_three_if_both_are_late() {
        let may = |under_way, late| ElsewhereFacts { under_way, late, ..facts() }.may_start();
        assert!(!may(2, 1) && may(2, 2) && !may(3, 3));
    }

    #[test]
    fn a_limit_that_is_pressed_holds_a_call_back_once() {
        let may =
            |late_for| ElsewhereFacts { limit_pressed: true, late_for, ..facts() }.may_start();
        assert!(!may(ms(499)) && may(ms(500)));
    }

    #[test]
    fn without_a_deadline_or_a_history_time_holds_nothing_back() {
        assert!(ElsewhereFacts { time_left: None, ..facts() }.may_start());
        assert!(ElsewhereFacts { p50: None, ..facts() }.may_start());
    }
}
