//! What an attempt's end does to its endpoint's circuit, and what is known of the attempt then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::balancer::lease::Lease;
use crate::outcome::{FailureKind, Transition, Verdict};
use crate::policy::{AttemptOutcome, Evidence, Left, RetryAfter, blamed, verdict};
use crate::runtime::clock;

/// What is known of an attempt once its circuit was told.
#[derive(Debug)]
pub(crate) struct AttemptRecord {
    pub(crate) url: Arc<str>,
    pub(crate) transition: Option<Transition>,
    pub(crate) began: Instant,
    pub(crate) now: Instant,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: AttemptOutcome,
    pub(crate) left: Left,
    /// It had passed its limit.
    pub(crate) late: bool,
    pub(crate) began: Instant,
    pub(crate) now: Instant,
    /// What it would have cost a call that cannot look elsewhere.
    pub(crate) cost: Duration,
}

impl Ending {
    /// Of an attempt that ended by itself, now and within its limit.
    pub(crate) fn in_time(outcome: AttemptOutcome, began: Instant) -> Self {
        let now = clock::now();
        Self { outcome, left: Left::Ended, late: false, began, now, cost: Duration::ZERO }
    }

    fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.began)
    }
}

/// Tells the endpoint's circuit how an attempt ended; `asked` is what the server asked for by Retry-After.
pub(crate) fn settle(
    lease: Lease,
    ending: &Ending,
    asked: Option<RetryAfter>,
) -> (AttemptRecord, AttemptOutcome) {
    let url = Arc::clone(lease.endpoint().url());
    let &Ending { left, began, now, .. } = ending;
    // Three of them in a row are no bad luck.
    let late = ending.late || left == Left::OvertakenByLater && lease.counts_as_late();
    let outcome = blamed(ending.outcome, left, late && !lease.is_late_with_all());
    let verdict = verdict(&outcome);
    let hangs =
        late && matches!(outcome, AttemptOutcome::Failed { kind: FailureKind::Timeout, .. });
    if hangs {
        lease.mark_late(now);
        lease.ended_late(ending.cost.max(ending.elapsed()), now);
    } else if left != Left::Ended && verdict == Verdict::Neutral {
        lease.overtaken(began, now);
    }
    let evidence = Evidence {
        verdict,
        elapsed: ending.elapsed(),
        late,
        retry_after: asked.map(|asked| asked.wait),
    };
    let transition = lease.settle(&evidence, &outcome, now);
    (AttemptRecord { url, transition, began, now }, outcome)
}
