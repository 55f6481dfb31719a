//! Which attempts find out whether an endpoint is well again.
//!
//! Without checks only calls can: of an endpoint whose circuit waits for a probe, and of one that was so bad
//! that it got no traffic and gave no news for a while. Most such probes fail, as what is broken mostly stays so
//! for longer than one wait. A probe is an ordinary attempt with a short limit, beyond which its call goes on
//! elsewhere. So what a failure costs the caller decides which attempts probe:
//!
//! - A copy costs the caller nothing when it fails, as the attempt that it was sent beside goes on. It may
//!   probe whenever a probe is due.
//! - Where a client sends copies early, a first attempt leaves probes to them. Only when none has come for a while
//!   does it probe itself: a client with little traffic has few copies, and is to see a recovery too.
//! - Where there are no such copies, first attempts are all there is.
//! - A retry probes last, when the call has tried all others: it has failed once, perhaps at a probe, and what is
//!   left to it is the caller's only chance. Where many endpoints are due at once, as when a zone is lost, tries that
//!   all ran into probes would be most of the errors.
//! - A call that may not be repeated cannot go on elsewhere, so a probe of an endpoint that hangs costs it the whole
//!   deadline: see [`overdue`](crate::policy::hedge::overdue).

use std::time::Duration;

/// When an attempt may probe an endpoint whose probe is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeEligibility {
    /// As soon as one is due.
    Due,
    /// Where the probe has been overdue for [`OVERDUE`] and no copy came.
    Overdue,
    /// Only where no other endpoint is left.
    Last,
}

impl ProbeEligibility {
    /// Of an attempt that waits for nothing else: the first of a call, or a retry. `copied` says whether copies may
    /// be sent of it.
    #[must_use]
    pub const fn of_attempt(retries: bool, copied: bool) -> Self {
        match (retries, copied) {
            (true, _) => Self::Last,
            (false, true) => Self::Overdue,
            (false, false) => Self::Due,
        }
    }

    /// Whether this attempt may probe an endpoint whose probe has been overdue for `due_for`, while others admit.
    #[must_use]
    pub fn takes(self, due_for: Duration) -> bool {
        match self {
            Self::Due => true,
            Self::Overdue => due_for >= OVERDUE,
            Self::Last => false,
        }
    }
}

/// This long first attempts wait for a copy to make a probe: a client with some hundred calls a second has sent a
/// few by then. With half a second an endpoint that is well again gets its share up to a second later, and with a tenth
/// first attempts make most of the probes again.
pub const OVERDUE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::ms;

    #[test]
    fn a_first_attempt_probes_unless_copies_may_do_it() {
        assert_eq!(ProbeEligibility::of_attempt(false, false), ProbeEligibility::Due);
        assert_eq!(ProbeEligibility::of_attempt(false, true), ProbeEligibility::Overdue);
    }

    #[test]
    fn a_retry_probes_last_in_any_case() {
        assert_eq!(ProbeEligibility::of_attempt(true, false), ProbeEligibility::Last);
        assert_eq!(ProbeEligibility::of_attempt(true, true), ProbeEligibility::Last);
    }

    #[test]
    fn an_attempt_leaves_a_probe_to_copies_for_200_ms_and_no_longer() {
        for (due_for, taken) in [(0, [true, false, false]), (199, [true, false, false])] {
            let found = [ProbeEligibility::Due, ProbeEligibility::Overdue, ProbeEligibility::Last]
                .map(|it| it.takes(ms(due_for)));
            assert_eq!(found, taken, "{due_for} ms");
        }
        assert!(
            ProbeEligibility::Overdue.takes(OVERDUE)
                && ProbeEligibility::Overdue.takes(Duration::MAX)
        );
        assert!(!ProbeEligibility::Last.takes(Duration::MAX));
    }
}
