//! What an attempt's end does to its endpoint's circuit, and what is known of the attempt then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::balancer::lease::Lease;
use crate::endpoint::{AddressFault, Endpoint};
use crate::outcome::{FailureKind, Transition, Verdict};
use crate::policy::{AttemptOutcome, Observation, RaceEnd, RetryAfter, blamed, verdict};
use crate::runtime::clock;

/// What is known of an attempt once its circuit was told.
#[derive(Debug)]
pub(crate) struct AttemptRecord {
    pub(crate) url: Arc<str>,
    pub(crate) transition: Option<Transition>,
    pub(crate) elapsed: Duration,
    pub(crate) now: Instant,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptEnd {
    pub(crate) outcome: AttemptOutcome,
    pub(crate) race_end: RaceEnd,
    /// It had passed its limit.
    pub(crate) late: bool,
    pub(crate) began: Instant,
    pub(crate) now: Instant,
    /// What lies between the two, but for the time in which the host had not brought its body.
    pub(crate) elapsed: Duration,
    /// What it would have cost a call that cannot look elsewhere.
    pub(crate) cost: Cost,
    /// Its limit on connecting was a share of little time, if it ended by that.
    pub(crate) hurried: bool,
}

/// What a hang costs a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cost {
    /// What it has taken.
    Elapsed,
    /// All that was left of the call's time: until then, if it has a limit.
    Until(Option<Instant>),
}

impl AttemptEnd {
    /// Of an attempt that ended by itself, now and within its limit.
    pub(crate) fn in_time(outcome: AttemptOutcome, began: Instant) -> Self {
        let now = clock::now();
        let elapsed = now.saturating_duration_since(began);
        let (race_end, late, cost) = (RaceEnd::Ended, false, Cost::Elapsed);
        Self { outcome, race_end, late, began, now, elapsed, cost, hurried: false }
    }

    fn cost(&self) -> Duration {
        match self.cost {
            Cost::Elapsed => self.elapsed,
            Cost::Until(at) => {
                let left = at.map_or(NO_DEADLINE, |at| at.saturating_duration_since(self.began));
                left.max(self.elapsed)
            }
        }
    }
}

/// Tells the endpoint's circuit how an attempt ended; `asked` is what the server asked for by Retry-After.
pub(crate) fn settle(
    lease: Lease,
    end: &AttemptEnd,
    asked: Option<RetryAfter>,
) -> (AttemptRecord, AttemptOutcome) {
    let url = Arc::clone(lease.endpoint().url());
    let &AttemptEnd { race_end, began, now, elapsed, .. } = end;
    // Three of them in a row are no bad luck.
    let late = end.late || race_end == RaceEnd::OvertakenByLater && lease.counts_as_late();
    let outcome = blamed(end.outcome, race_end, late && !lease.is_late_with_all());
    let verdict = match verdict(&outcome) {
        // It may be well, and only too far away for this call: one caller is not to keep it from all others. A failure
        // like another, five of which in a row say enough.
        Verdict::Unreachable if end.hurried && is_connect_timeout(&outcome) => Verdict::Failure,
        verdict => verdict,
    };
    let hangs =
        late && matches!(outcome, AttemptOutcome::Failed { kind: FailureKind::Timeout, .. });
    if hangs {
        lease.mark_late(now);
        lease.ended_late(end.cost(), now);
    } else if race_end != RaceEnd::Ended && verdict == Verdict::Neutral {
        lease.overtaken(began, now);
    }
    let observation =
        Observation { verdict, elapsed, late, retry_after: asked.map(|asked| asked.wait) };
    let transition = lease.settle(&observation, &outcome, now);
    let elapsed = now.saturating_duration_since(began);
    (AttemptRecord { url, transition, elapsed, now }, outcome)
}

/// What is known of an attempt's end when its address is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptSeen {
    pub(crate) outcome: AttemptOutcome,
    pub(crate) race_end: RaceEnd,
    /// It had passed its limit.
    pub(crate) late: bool,
}

/// Tells the endpoint how an attempt over one of its addresses ended.
pub(crate) fn tell_address(
    endpoint: &Endpoint,
    address: SocketAddr,
    seen: &AttemptSeen,
    now: Instant,
) {
    match seen.address_fault() {
        Some(fault) => endpoint.address_failed(address, fault, now),
        None if seen.is_good() => endpoint.address_answered(address, now),
        None => {}
    }
}

impl AttemptSeen {
    fn is_good(&self) -> bool {
        self.race_end == RaceEnd::Ended && verdict(&self.outcome) == Verdict::Success
    }

    fn address_fault(&self) -> Option<AddressFault> {
        let Self { outcome, race_end, late } = *self;
        let AttemptOutcome::Failed { kind, .. } = outcome else {
            let fails = race_end == RaceEnd::Ended && verdict(&outcome) == Verdict::Failure;
            return fails.then_some(AddressFault::Failing);
        };
        let fails = matches!(verdict(&outcome), Verdict::Failure | Verdict::Unreachable);
        let is_silent = match (race_end, kind) {
            (RaceEnd::OvertakenByLater, _) | (RaceEnd::Ended, FailureKind::Deadline) => late,
            (RaceEnd::Ended, _) => fails,
            (RaceEnd::Cancelled | RaceEnd::OvertakenByEarlier, _) => false,
        };
        is_silent.then_some(AddressFault::Silent)
    }
}

const fn is_connect_timeout(outcome: &AttemptOutcome) -> bool {
    matches!(outcome, AttemptOutcome::Failed { kind: FailureKind::ConnectTimeout, .. })
}

/// What a call without a deadline is taken to wait at most.
const NO_DEADLINE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_judged_by_answers_and_by_hangs_and_not_by_who_gave_up() {
        let fault =
            |outcome, race_end, late| AttemptSeen { outcome, race_end, late }.address_fault();
        let failed = |kind| AttemptOutcome::Failed { kind, sent: true };
        let (silent, ended) = (Some(AddressFault::Silent), RaceEnd::Ended);
        let failing = Some(AddressFault::Failing);
        assert_eq!(fault(AttemptOutcome::Answered { status: 503 }, ended, false), failing);
        assert_eq!(fault(AttemptOutcome::Answered { status: 404 }, ended, true), None);
        assert_eq!(fault(failed(FailureKind::ConnectionLost), ended, false), silent);
        assert_eq!(fault(failed(FailureKind::Deadline), ended, true), silent);
        assert_eq!(fault(failed(FailureKind::Deadline), ended, false), None);
        let cancelled = failed(FailureKind::Cancelled);
        assert_eq!(fault(cancelled, RaceEnd::OvertakenByLater, true), silent);
        assert_eq!(fault(cancelled, RaceEnd::OvertakenByLater, false), None, "a hedge was quicker");
        assert_eq!(fault(cancelled, RaceEnd::OvertakenByEarlier, true), None);
        assert_eq!(fault(cancelled, RaceEnd::Cancelled, true), None, "by its caller");
    }
}
