//! An attempt that has ended, and what is told of it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header;

use super::call::Call;
use crate::balancer::lease::Lease;
use crate::error::ErrorKind;
use crate::outcome::{Failure, FailureKind};
use crate::phase::{ConnectionInfo, PhasesSoFar};
use crate::policy::retry::retry_after;
use crate::policy::{AttemptOutcome, InjectedFault, Pushback, RaceEnd, RetryAfter};
use crate::statistics::Counter;
use crate::transport::{Answer, StreamedBody};

/// An attempt that has ended.
#[derive(Debug)]
pub(crate) struct AttemptDone {
    pub(crate) lease: Lease,
    pub(crate) began: Instant,
    pub(crate) first_on_endpoint: bool,
    pub(crate) race_end: RaceEnd,
    pub(crate) facts: AttemptFacts,
    /// How long it waited for the host to bring its body.
    pub(crate) body_wait: Duration,
    /// Its limit cut it while it did.
    pub(crate) lacks_body: bool,
    /// What retry and circuit judge.
    pub(crate) outcome: AttemptOutcome,
    pub(crate) result: Result<Answer, Failure>,
}

/// What is told of an attempt beside its end.
#[derive(Debug)]
pub(crate) struct AttemptFacts {
    /// It was sent beside another attempt.
    pub(crate) is_hedge: bool,
    /// What it is counted as.
    pub(crate) reason: Counter,
    /// The limit that it has passed.
    pub(crate) late_after: Option<Duration>,
    /// How long its call waited before it.
    pub(crate) waited: Duration,
    pub(crate) phases: PhasesSoFar,
    pub(crate) connection: Option<ConnectionInfo>,
    /// The path that was asked for, where a hook has changed it.
    pub(crate) path: Option<Arc<str>>,
    /// What it suffered on demand.
    pub(crate) fault: Option<InjectedFault>,
    /// Its number within the call, from 1.
    pub(crate) number: usize,
}

impl AttemptDone {
    /// The body that is still to come, where the answer is streamed.
    pub(crate) fn take_stream(&mut self) -> Option<StreamedBody> {
        self.result.as_mut().ok()?.live.take().map(|live| *live)
    }

    /// What its endpoint and the client's limits are told: nothing where the host had not brought the body in time.
    pub(crate) fn seen(&self) -> AttemptOutcome {
        match self.outcome {
            AttemptOutcome::Failed { sent, .. } if self.lacks_body => {
                AttemptOutcome::Failed { kind: FailureKind::Cancelled, sent }
            }
            outcome => outcome,
        }
    }

    /// The error's kind where the attempt was ended from outside.
    pub(crate) fn asked(&self) -> Option<ErrorKind> {
        self.result.as_ref().err().and_then(|failure| failure.kind.asked())
    }

    /// What the server asked for by Retry-After.
    pub(crate) fn asked_wait(&self, cap: Duration) -> Option<RetryAfter> {
        let answer = self.result.as_ref().ok()?;
        if !retry_after::may_ask(answer.status.as_u16()) {
            return None;
        }
        let value = answer.headers.get(header::RETRY_AFTER)?;
        retry_after::parse(value.as_bytes(), SystemTime::now(), cap)
    }

    /// What the server says of repeating the call.
    pub(crate) fn pushback(&self, call: &Call<'_>) -> Option<Pushback> {
        let config = &call.core.config;
        let value = self.result.as_ref().ok()?.headers.get(config.pushback_header.as_ref()?)?;
        Some(Pushback::parse(value.as_bytes(), call.retry().retry_after_cap))
    }
}
