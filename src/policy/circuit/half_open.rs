//! The probes of a half-open circuit.
//!
//! Only counts are kept, no list of probes: the generation of a permit
//! shows that a probe which comes back belongs to this state. A probe that never comes back would block its place for ever, so
//! each probe timeout lets one more through.

use std::time::Instant;

use super::breaker_config::BreakerConfig;
use super::open_backoff::after;

/// The probes of a half-open circuit.
#[derive(Debug)]
pub(crate) struct HalfOpen {
    under_way: u32,
    passed: u32,
    /// When the latest probe started.
    latest: Instant,
}

impl HalfOpen {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { under_way: 0, passed: 0, latest: now }
    }

    /// A success keeps its place: only as many probes are sent as are needed to close.
    pub(crate) const fn has_room(&self, config: &BreakerConfig) -> bool {
        self.under_way.saturating_add(self.passed) < config.half_open_probes.get()
    }

    pub(crate) fn next_at(&self, config: &BreakerConfig) -> Instant {
        if self.has_room(config) {
            return self.latest;
        }
        after(self.latest, config.probe_timeout)
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.under_way = self.under_way.saturating_add(1);
        self.latest = now;
    }

    pub(crate) const fn passed(&mut self) {
        self.end();
        self.passed = self.passed.saturating_add(1);
    }

    pub(crate) const fn is_passed(&self, config: &BreakerConfig) -> bool {
        self.passed >= config.half_open_probes.get()
    }

    pub(crate) const fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    fn two() -> BreakerConfig {
        let half_open_probes = NonZeroU32::new(2).unwrap();
        BreakerConfig { half_open_probes, ..BreakerConfig::default() }
    }

    #[test]
    fn a_place_that_was_given_back_is_free_and_one_that_was_won_is_not() {
        let (config, mut half_open) = (two(), HalfOpen::new(t0()));
        half_open.start(t0());
        half_open.start(t0());
        assert!(!half_open.has_room(&config));
        half_open.end();
        assert!(half_open.has_room(&config));
        half_open.start(t0());
        half_open.passed();
        assert!(!half_open.has_room(&config) && !half_open.is_passed(&config));
        half_open.passed();
        assert!(half_open.is_passed(&config));
    }

    #[test]
    fn one_more_is_due_an_interval_after_the_last() {
        let (config, t0) = (two(), t0());
        let mut half_open = HalfOpen::new(t0);
        assert_eq!(half_open.next_at(&config), t0);
        half_open.start(t0 + ms(10));
        half_open.start(t0 + ms(20));
        assert_eq!(half_open.next_at(&config), t0 + ms(3020));
    }
}
