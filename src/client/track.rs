//! What rules beyond circuit and load follow of one endpoint; kept only where such a rule is on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What is followed of one endpoint.
#[derive(Debug)]
pub(super) struct Track {
    /// When it began to warm up, in the level's milliseconds.
    warming_since: AtomicU64,
}

impl Track {
    pub(super) const fn new() -> Self {
        Self { warming_since: AtomicU64::new(0) }
    }

    pub(super) fn forget(&self) {
        self.warming_since.store(0, Ordering::Relaxed);
    }

    pub(super) fn begin_warming(&self, millis: u64) {
        self.warming_since.store(millis, Ordering::Relaxed);
    }

    /// How long it has been warming up.
    pub(super) fn warming_for(&self, millis: u64) -> Duration {
        Duration::from_millis(millis.saturating_sub(self.warming_since.load(Ordering::Relaxed)))
    }
}
