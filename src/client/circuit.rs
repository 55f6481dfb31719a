//! The live state of one endpoint: it survives updates of the list and is shared by every client of the
//! balancer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::outcome::Transition;
use crate::policy::{
    AlreadyThere, Breaker, BreakerConfig, CircuitState, Evidence, Permit, Rejected, Settled,
};
use crate::runtime::{clock, entropy};

/// A breaker behind a lock that is held for a few instructions, never across a wait or a callback.
#[derive(Debug)]
pub struct Circuit {
    breaker: Mutex<Breaker>,
}

impl Circuit {
    pub(crate) fn new(config: Arc<BreakerConfig>) -> Self {
        Self { breaker: Mutex::new(Breaker::new(config)) }
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request would be let through now.
    #[must_use]
    pub fn admits(&self, now: Instant) -> bool {
        self.lock().admits(now)
    }

    pub(crate) fn acquire(&self, now: Instant) -> Result<Permit, Rejected> {
        self.lock().acquire(now)
    }

    pub(crate) fn settle(&self, permit: Permit, evidence: &Evidence, now: Instant) -> Settled {
        entropy::with_rng(|rng| self.lock().settle(permit, evidence, now, rng))
    }

    pub(crate) fn trip(&self, evidence: &Evidence, now: Instant) -> Option<Transition> {
        entropy::with_rng(|rng| self.lock().trip(evidence, now, rng))
    }

    pub(crate) fn release(&self, permit: Permit) {
        self.lock().release(permit);
    }

    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.lock().retry_at()
    }

    /// Closed, open or half-open.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.lock().state()
    }

    /// Opens it until it is closed by hand.
    ///
    /// # Errors
    /// It is open already.
    pub fn force_open(&self) -> Result<(), AlreadyThere> {
        self.lock().force_open()
    }

    /// Closes it.
    ///
    /// # Errors
    /// It is closed already.
    pub fn force_close(&self) -> Result<(), AlreadyThere> {
        let now = clock::now();
        self.lock().force_close(now)
    }
}
