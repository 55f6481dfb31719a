//! The probes of a half-open circuit.

use std::time::Instant;

use super::breaker::{BreakerConfig, after};

/// The probes of a half-open circuit.
#[derive(Debug)]
pub(super) struct Trial {
    under_way: u32,
    passed: u32,
    /// When the latest probe started.
    latest: Instant,
}

impl Trial {
    pub(super) const fn new(now: Instant) -> Self {
        Self { under_way: 0, passed: 0, latest: now }
    }

    /// A success keeps its place: only as many probes are sent as are needed to close.
    pub(super) const fn has_room(&self, config: &BreakerConfig) -> bool {
        self.under_way.saturating_add(self.passed) < config.half_open_probes.get()
    }

    pub(super) fn next_at(&self, config: &BreakerConfig) -> Instant {
        if self.has_room(config) {
            return self.latest;
        }
        after(self.latest, config.trial_interval)
    }

    pub(super) fn start(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_add(1);
        self.latest = now;
    }

    pub(super) const fn passed(&mut self) {
        self.end();
        self.passed = self.passed.saturating_add(1);
    }

    pub(super) const fn is_passed(&self, config: &BreakerConfig) -> bool {
        self.passed >= config.half_open_probes.get()
    }

    pub(super) const fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}
