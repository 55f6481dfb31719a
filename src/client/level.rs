//! What the endpoints of one priority and zone have in common: the rules of their circuits, and how many of
//! them are in rotation.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::policy::BreakerConfig;

/// One level of a roster; lives as long as any of its endpoints.
#[derive(Debug)]
pub(super) struct Level {
    /// The rules of the endpoints' circuits.
    pub(super) breaker: Arc<BreakerConfig>,
    /// Whether picks go by load, so that it is kept.
    pub(super) keeps_load: bool,
    rotating: AtomicUsize,
}

impl Level {
    pub(super) fn new(breaker: Arc<BreakerConfig>, keeps_load: bool) -> Arc<Self> {
        Arc::new(Self { breaker, keeps_load, rotating: AtomicUsize::new(0) })
    }

    /// How many endpoints get traffic without a question: circuit closed, and out for no other reason.
    pub(super) fn rotating(&self) -> usize {
        self.rotating.load(Ordering::Relaxed)
    }

    pub(super) fn joined(&self) {
        self.rotating.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn left(&self) {
        self.rotating.fetch_sub(1, Ordering::Relaxed);
    }
}
