//! What a client knows of its service's load, and what it holds back for it: the budget for extra attempts, the
//! [`limit`](super::limit) on what is in flight, the throttle, and how long answers take.
//!
//! Each part is there only where it is configured: what is off costs a test for nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::limit::{InFlightPermit, Limit, Refused};
use super::timing::{Timing, Timings};
use crate::config::ClientConfig;
use crate::criticality::Criticality;
use crate::outcome::{Class, FailureKind};
use crate::policy::{AttemptOutcome, Budget, CopyRecord, Throttle};
use crate::runtime::{clock, entropy};

/// The load of one client's service.
#[derive(Debug)]
pub(crate) struct Admission {
    /// What extra attempts may cost; `None` for whatever other rules allow.
    budget: Option<Budget>,
    limit: Option<Arc<Limit>>,
    throttle: Option<Mutex<Throttle>>,
    timings: Timings,
    /// Whether copies of late attempts are worth sending, and those that start early.
    copies: CopyRecord,
    hedges: CopyRecord,
}

/// A call that may be sent; holds its permit until it ends.
#[derive(Debug)]
pub(crate) struct AdmittedCall<'a> {
    admission: &'a Admission,
    timing: &'a Timing,
    /// `None` without a limit.
    permit: Option<InFlightPermit>,
    /// Whether the service took the call on, as far as it has told. The throttle learns of it when the call ends: an
    /// attempt that another endpoint made up for is no refusal by the service.
    accepted: Option<bool>,
}

impl Admission {
    /// In a forked child extra attempts are scarcer at first, for there may be many of it.
    pub(crate) fn new(config: &ClientConfig, is_child: bool) -> Self {
        let now = clock::now();
        let hedges = config.hedge.delay.map(|_| config.hedge.max_extra);
        let budget = match (config.retry_budget(), hedges) {
            (Some(budget), hedges) => Some(Budget::new(&budget, hedges, now)),
            (None, Some(share)) => Some(Budget::of_hedges(share, now)),
            (None, None) => None,
        };
        Self {
            budget: if is_child { budget.map(Budget::of_child) } else { budget },
            limit: config.limit.map(|limit| Limit::new(limit, config.shedding)),
            throttle: config.throttle.map(|throttle| Mutex::new(Throttle::new(&throttle))),
            timings: Timings::new(config, now),
            copies: CopyRecord::new(now),
            hedges: CopyRecord::of_hedges(now),
        }
    }

    /// Lets a call in where nothing can be against it; `None` where [`Self::admit`] must ask.
    pub(crate) fn admit_at_once<'a>(
        &'a self,
        timing: &'a Timing,
        now: Instant,
    ) -> Option<AdmittedCall<'a>> {
        if self.throttle.is_some() || self.limit.is_some() {
            return None;
        }
        if let Some(budget) = &self.budget {
            budget.deposit(now);
        }
        Some(AdmittedCall { admission: self, timing, permit: None, accepted: None })
    }

    /// How long answers take to the calls of a group.
    pub(crate) fn timing(
        &self,
        group: Option<&str>,
        config: &ClientConfig,
        now: Instant,
    ) -> &Timing {
        self.timings.of(group, config, now)
    }

    /// Asks to send a call, waiting for room at most `patience` where that is configured.
    pub(crate) async fn admit<'a>(
        &'a self,
        timing: &'a Timing,
        class: Criticality,
        patience: Duration,
    ) -> Result<AdmittedCall<'a>, Refused> {
        let now = clock::now();
        let lets =
            |throttle: &Mutex<Throttle>| entropy::with_rng(|rng| lock(throttle).admit(now, rng));
        if !self.throttle.as_ref().is_none_or(lets) {
            return Err(Refused::Throttled);
        }
        let permit = match &self.limit {
            Some(limit) => Some(limit.enter(class, patience).await?),
            None => None,
        };
        if let Some(budget) = &self.budget {
            budget.deposit(now);
        }
        Ok(AdmittedCall { admission: self, timing, permit, accepted: None })
    }

    /// Whether an extra attempt may be made of a call; `drew` says whether the call drew on the stock before.
    pub(crate) fn may_retry(&self, drew: &mut bool, now: Instant) -> bool {
        self.budget.as_ref().is_none_or(|budget| budget.try_extra(drew, now))
    }

    /// The record of copies of late attempts.
    pub(crate) const fn copies(&self) -> &CopyRecord {
        &self.copies
    }

    /// A place below the limit for one more attempt of a call, not waited for; `Err` where there is none.
    pub(crate) fn extra_permit(&self, class: Criticality) -> Result<Option<InFlightPermit>, ()> {
        match &self.limit {
            None => Ok(None),
            Some(limit) => limit.enter_at_once(class).map(Some).ok_or(()),
        }
    }

    /// The record of copies that start early. It is a record of its own: these answer first more seldom.
    pub(crate) const fn hedges(&self) -> &CopyRecord {
        &self.hedges
    }

    /// The limit on calls in flight, and how many wait for room below it; `None` without a limit.
    pub(crate) fn limit_and_waiting(&self) -> Option<(u32, usize)> {
        self.limit.as_ref().map(|limit| limit.state())
    }

    /// Whether a copy may start early; if so it counts as sent.
    pub(crate) fn may_hedge(&self, now: Instant) -> bool {
        self.hedges.may_send(now) && self.budget.as_ref().is_none_or(|budget| budget.try_hedge(now))
    }

    /// Whether the limit on what is in flight leaves no room for more than calls.
    pub(crate) fn is_pressed(&self, now: Instant) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is_pressed(now))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AdmittedCall<'_> {
    /// The permit alone, for a call that goes on beyond its answer's head.
    pub(crate) fn into_permit(mut self) -> Option<InFlightPermit> {
        self.permit.take()
    }

    /// Takes in how an attempt of the call ended, after this long.
    pub(crate) fn observe(
        &mut self,
        outcome: &AttemptOutcome,
        class: Class,
        elapsed: Duration,
        now: Instant,
    ) {
        let admission = self.admission;
        if let Some(permit) = &self.permit {
            permit.observe(outcome, elapsed);
        }
        if class == Class::Success {
            self.timing.answered(elapsed, now);
            admission.budget.iter().for_each(Budget::note_success);
        }
        // Of several attempts the one that was accepted counts.
        self.accepted = self.accepted.max(accepted(outcome));
    }
}

impl Drop for AdmittedCall<'_> {
    fn drop(&mut self) {
        if let (Some(throttle), Some(accepted)) = (&self.admission.throttle, self.accepted) {
            lock(throttle).record(accepted, clock::now());
        }
    }
}

/// Whether the service took an attempt on; `None` where it had no say in how that ended. A request of which nothing was
/// sent has not reached it: circuits deal with that, and refuse at once themselves.
const fn accepted(ended: &AttemptOutcome) -> Option<bool> {
    match ended {
        AttemptOutcome::Failed { sent: false, .. } => None,
        AttemptOutcome::Answered { status } | AttemptOutcome::Judged { status, .. } => {
            Some(!matches!(status, 429 | 503))
        }
        AttemptOutcome::Failed { kind, .. } => match kind {
            FailureKind::Cancelled
            | FailureKind::Closed
            | FailureKind::Interrupted
            | FailureKind::Local
            | FailureKind::InvalidRequest
            | FailureKind::ProxyCredentials
            | FailureKind::Resolve
            | FailureKind::Source => None,
            FailureKind::BodyTooLarge
            | FailureKind::TooManyRedirects
            | FailureKind::Unacceptable => Some(true),
            _ => Some(false),
        },
    }
}
