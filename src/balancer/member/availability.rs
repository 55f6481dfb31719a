//! Whether an endpoint may be tried.

use std::time::{Duration, Instant};

use crate::policy::{Breaker, CircuitState};

/// Whether a member may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It may.
    In,
    /// It may as a probe.
    Probe(ProbeDue),
    /// It may now and then: it joined or came back this long ago.
    Warming(Duration),
    /// It may not, though it answers.
    Tripped,
    /// It may not.
    Out,
}

/// What is known of a probe that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeDue {
    /// For how long it has been.
    pub(crate) since: Duration,
    /// The endpoint is out for hanging.
    pub(crate) hangs: bool,
    /// None has gone out since the circuit opened last.
    pub(crate) is_first: bool,
}

impl ProbeDue {
    pub(super) fn of(breaker: &Breaker, now: Instant) -> Option<Self> {
        let since = breaker.probe_due_for(now)?;
        let is_first = breaker.state() == CircuitState::Open;
        Some(Self { since, hangs: breaker.is_tripped_by_hang(), is_first })
    }
}
