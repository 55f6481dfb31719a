//! What rules beyond circuit and load follow of one endpoint; kept only where such a rule is on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::policy::{Check, Ejection, OutlierStats, Utilization};

/// What is followed of one endpoint.
#[derive(Debug)]
pub(crate) struct MemberStats {
    /// When it began to warm up, in the locality's milliseconds.
    warming_since: AtomicU64,
    /// What its attempts showed, for the rules on outliers.
    pub(crate) outlier: OutlierStats,
    /// What its answers told of its load.
    pub(crate) utilization: Utilization,
    background_state: Mutex<BackgroundState>,
}

/// What the background tasks know of it.
#[derive(Debug, Default)]
pub(crate) struct BackgroundState {
    pub(crate) ejection: Ejection,
    /// Its active checks; `None` before the first round that saw it.
    pub(crate) check: Option<Check>,
    /// A check is under way.
    pub(crate) is_checking: bool,
    /// Since when it fails its checks.
    pub(crate) unhealthy_since: Option<Instant>,
}

impl MemberStats {
    pub(crate) const fn new() -> Self {
        let background_state = BackgroundState {
            ejection: Ejection::NONE,
            check: None,
            is_checking: false,
            unhealthy_since: None,
        };
        Self {
            warming_since: AtomicU64::new(0),
            outlier: OutlierStats::new(),
            utilization: Utilization::new(),
            background_state: Mutex::new(background_state),
        }
    }

    pub(crate) fn forget(&self) {
        self.warming_since.store(0, Ordering::Relaxed);
        self.outlier.clear();
        self.utilization.clear();
        *self.background_state() = BackgroundState::default();
    }

    pub(crate) fn background_state(&self) -> MutexGuard<'_, BackgroundState> {
        self.background_state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin_warming(&self, millis: u64) {
        self.warming_since.store(millis, Ordering::Relaxed);
    }

    /// It has warmed up as long as `other`.
    pub(crate) fn warm_up_like(&self, other: &Self) {
        self.begin_warming(other.warming_since.load(Ordering::Relaxed));
    }

    /// It is the endpoint of `other`, under other rules.
    pub(crate) fn go_on_from(&self, other: &Self) {
        self.warm_up_like(other);
        let (mut own, other) = (self.background_state(), other.background_state());
        (own.ejection, own.check) = (other.ejection, other.check);
        own.unhealthy_since = other.unhealthy_since;
    }

    /// How long it has been warming up.
    pub(crate) fn warming_for(&self, millis: u64) -> Duration {
        Duration::from_millis(millis.saturating_sub(self.warming_since.load(Ordering::Relaxed)))
    }
}
