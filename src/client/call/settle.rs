//! What an attempt's end does to its endpoint's circuit, and what is known of the attempt then.

use std::sync::Arc;
use std::time::Instant;

use crate::balancer::lease::Lease;
use crate::outcome::Transition;
use crate::policy::{AttemptOutcome, Evidence, RetryAfter, verdict};
use crate::runtime::clock;

/// What is known of an attempt once its circuit was told.
#[derive(Debug)]
pub(crate) struct AttemptRecord {
    pub(crate) url: Arc<str>,
    pub(crate) transition: Option<Transition>,
    pub(crate) began: Instant,
    pub(crate) now: Instant,
}

/// Tells the circuit how an attempt ended; `asked` is what the server asked for by Retry-After.
pub(crate) fn settle(
    lease: Lease,
    outcome: &AttemptOutcome,
    asked: Option<RetryAfter>,
    began: Instant,
) -> AttemptRecord {
    let url = Arc::clone(lease.endpoint().url());
    let now = clock::now();
    let evidence = Evidence {
        verdict: verdict(outcome),
        elapsed: now.saturating_duration_since(began),
        late: false,
        retry_after: asked.map(|asked| asked.wait),
    };
    let transition = lease.settle(&evidence, outcome, now);
    AttemptRecord { url, transition, began, now }
}
