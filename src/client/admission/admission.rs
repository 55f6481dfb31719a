//! What a client knows of its service's load, and what it holds back for it: the budget for extra attempts, the
//! [`limit`](super::limit) on what is in flight, the throttle, and how long answers take.
//!
//! Each part is there only where it is configured: what is off costs a test for nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::limit::{InFlightPermit, Limit, Refused};
use crate::config::ClientConfig;
use crate::criticality::Criticality;
use crate::outcome::{Class, FailureKind};
use crate::policy::{AttemptOutcome, Budget, HedgeDelay, Latencies, Ratio, Throttle, Watched};
use crate::runtime::{clock, entropy};

/// The load of one client's service.
#[derive(Debug)]
pub(crate) struct Admission {
    /// What extra attempts may cost; `None` for whatever other rules allow.
    budget: Option<Budget>,
    limit: Option<Arc<Limit>>,
    throttle: Option<Mutex<Throttle>>,
    hedge: Option<Hedge>,
    /// Whether the budget refused last, and whether the last call was turned away.
    exhausted: AtomicBool,
    overloaded: AtomicBool,
}

#[derive(Debug)]
struct Hedge {
    latencies: Latencies,
    /// The time in which all but a few answered.
    slow: Watched,
    usual: Watched,
}

/// A call that may be sent; holds its permit until it ends.
#[derive(Debug)]
pub(crate) struct AdmittedCall<'a> {
    admission: &'a Admission,
    /// `None` without a limit.
    permit: Option<InFlightPermit>,
}

impl Admission {
    pub(crate) fn new(config: &ClientConfig) -> Self {
        let now = clock::now();
        let hedges = config.hedge.delay.map(|_| config.hedge.max_extra);
        let hedge = config.hedge.delay.map(|_| Hedge {
            latencies: Latencies::new(now),
            slow: Watched::new(share_of(config.hedge.quantile())),
            usual: Watched::new(Ratio::HALF),
        });
        Self {
            budget: match (config.retry_budget(), hedges) {
                (Some(budget), hedges) => Some(Budget::new(&budget, hedges, now)),
                (None, Some(share)) => Some(Budget::of_hedges(share, now)),
                (None, None) => None,
            },
            limit: config.limit.map(|limit| Limit::new(limit, config.shedding)),
            throttle: config.throttle.map(|throttle| Mutex::new(Throttle::new(&throttle))),
            hedge,
            exhausted: AtomicBool::new(false),
            overloaded: AtomicBool::new(false),
        }
    }

    /// Notes whether the retry budget is exhausted; true where that is news.
    pub(crate) fn note_exhausted(&self, exhausted: bool) -> bool {
        is_news(&self.exhausted, exhausted)
    }

    /// Notes whether a call was turned away; true where that is news.
    pub(crate) fn note_overloaded(&self, overloaded: bool) -> bool {
        is_news(&self.overloaded, overloaded)
    }

    /// Lets a call in where nothing can be against it; `None` where [`Self::admit`] must ask.
    pub(crate) fn admit_at_once(&self, now: Instant) -> Option<AdmittedCall<'_>> {
        if self.throttle.is_some() || self.limit.is_some() {
            return None;
        }
        if let Some(budget) = &self.budget {
            budget.deposit(now);
        }
        Some(AdmittedCall { admission: self, permit: None })
    }

    /// Asks to send a call, waiting for room at most `patience` where that is configured.
    pub(crate) async fn admit(
        &self,
        class: Criticality,
        patience: Duration,
    ) -> Result<AdmittedCall<'_>, Refused> {
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
        Ok(AdmittedCall { admission: self, permit })
    }

    /// Whether a retry may be made of which something was sent before.
    pub(crate) fn may_retry(&self, now: Instant) -> bool {
        self.budget.as_ref().is_none_or(|budget| budget.try_retry(now))
    }

    /// Whether a copy may be sent.
    pub(crate) fn may_hedge(&self, now: Instant) -> bool {
        self.budget.as_ref().is_none_or(|budget| budget.try_hedge(now))
    }

    /// Whether the limit on what is in flight leaves no room for more than calls.
    pub(crate) fn is_pressed(&self, now: Instant) -> bool {
        self.limit.as_ref().is_some_and(|limit| limit.is_pressed(now))
    }

    /// How long an attempt may take before it gets a copy; `None` where it gets none.
    pub(crate) fn hedge_delay(&self, config: &ClientConfig, now: Instant) -> Option<Duration> {
        let hedge = self.hedge.as_ref()?;
        match config.hedge.delay? {
            HedgeDelay::Fixed(_) => config.hedge.delay(None, 0),
            // Read only where there are enough samples.
            HedgeDelay::Live => {
                config.hedge.delay(Some(hedge.slow.read(&hedge.latencies, now)?), u64::MAX)
            }
        }
    }

    /// What half of the attempts take at most; `None` where none are counted, or too few were seen.
    pub(crate) fn usual_latency(&self, now: Instant) -> Option<Duration> {
        let hedge = self.hedge.as_ref()?;
        hedge.usual.read(&hedge.latencies, now)
    }
}

/// Written only where it changes: many threads read it.
fn is_news(flag: &AtomicBool, now: bool) -> bool {
    flag.load(Ordering::Relaxed) != now && flag.swap(now, Ordering::Relaxed) != now
}

/// A live delay is the quantile; a fixed one needs none.
fn share_of(quantile: Option<f64>) -> Ratio {
    quantile.and_then(Ratio::new).unwrap_or(Ratio::ONE)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AdmittedCall<'_> {
    /// The permit alone, for a call that goes on beyond its answer's head.
    pub(crate) fn into_permit(self) -> Option<InFlightPermit> {
        self.permit
    }

    /// Takes in that a copy was faster than the attempt that began then. It would have taken longer still, but
    /// without it the slowest were missing: the delay would fall, and the hedges' budget be used up before
    /// those come that need it.
    pub(crate) fn overtaken(&self, began: Instant) {
        if let Some(hedge) = &self.admission.hedge {
            let now = clock::now();
            hedge.latencies.record(now.saturating_duration_since(began), now);
        }
    }

    /// Whether anything learns from how attempts end.
    pub(crate) fn watches(&self) -> bool {
        self.permit.is_some() || self.admission.hedge.is_some() || self.admission.throttle.is_some()
    }

    /// Takes in how an attempt of the call ended, and after which time.
    pub(crate) fn observe(&self, ended: &AttemptOutcome, class: Class, elapsed: Duration) {
        let admission = self.admission;
        if let Some(permit) = &self.permit {
            permit.observe(ended, elapsed);
        }
        if let (Some(hedge), Class::Success) = (&admission.hedge, class) {
            hedge.latencies.record(elapsed, clock::now());
        }
        if let (Some(throttle), Some(accepted)) = (&admission.throttle, accepted(ended)) {
            lock(throttle).record(accepted, clock::now());
        }
    }
}

/// Whether the service took an attempt on; `None` where it had no say in how that ended.
const fn accepted(ended: &AttemptOutcome) -> Option<bool> {
    match ended {
        AttemptOutcome::Answered { status } => Some(!matches!(status, 429 | 503)),
        AttemptOutcome::Failed { kind, .. } => match kind {
            FailureKind::Cancelled
            | FailureKind::Closed
            | FailureKind::Interrupted
            | FailureKind::Local
            | FailureKind::InvalidRequest
            | FailureKind::Resolve
            | FailureKind::Source => None,
            FailureKind::BodyTooLarge
            | FailureKind::TooManyRedirects
            | FailureKind::Unacceptable => Some(true),
            _ => Some(false),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::HedgeConfig;

    fn client() -> ClientConfig {
        let hedge = HedgeConfig { delay: Some(HedgeDelay::Live), ..HedgeConfig::default() };
        ClientConfig { hedge, ..ClientConfig::default() }
    }

    /// The delay after answers in 10 ms of which each tenth may have been overtaken after 100 ms.
    fn delay(overtaken: bool) -> Duration {
        let (config, now) = (client(), clock::now());
        let admission = Admission::new(&config);
        let admitted = AdmittedCall { admission: &admission, permit: None };
        let answer = AttemptOutcome::Answered { status: 200 };
        for number in 0..200_u64 {
            match number % 10 {
                0 if overtaken => admitted.overtaken(now - Duration::from_millis(100)),
                _ => admitted.observe(&answer, Class::Success, Duration::from_millis(10)),
            }
        }
        admission.hedge_delay(&config, now + Duration::from_millis(100)).unwrap_or_default()
    }

    #[test]
    fn the_delay_knows_of_those_that_a_copy_has_overtaken() {
        assert!(delay(false) < Duration::from_millis(12), "{:?}", delay(false));
        assert!(delay(true) > Duration::from_millis(90), "{:?}", delay(true));
    }
}
