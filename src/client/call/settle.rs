//! What an attempt's end does to its endpoint's circuit, and what is told of it.

use std::sync::Arc;
use std::time::Instant;

use super::call::Call;
use crate::balancer::lease::Lease;
use crate::client::observe::log::Severity;
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

/// Tells the circuit how an attempt ended, and the log what that changed.
pub(crate) fn settle(
    call: &Call<'_>,
    lease: Lease,
    ended: &AttemptOutcome,
    asked: Option<RetryAfter>,
    began: Instant,
) -> AttemptRecord {
    let url = Arc::clone(lease.endpoint().url());
    let now = clock::now();
    let evidence = Evidence {
        verdict: verdict(ended),
        elapsed: now.saturating_duration_since(began),
        retry_after: asked.map(|asked| asked.wait),
    };
    let transition = lease.settle(call.target.balancer().map(|it| &**it), &evidence, ended, now);
    if let Some(transition) = transition {
        call.client.log.write(Severity::Info, "circuit", || match transition {
            Transition::Opened { retry_at } => {
                let wait = retry_at.saturating_duration_since(now);
                format!("{url} opened, next probe in {} ms", wait.as_millis())
            }
            Transition::HalfOpened => format!("{url} half-open"),
            Transition::Closed => format!("{url} closed"),
        });
    }
    AttemptRecord { url, transition, began, now }
}
