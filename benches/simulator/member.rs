//! What one client knows of one endpoint: its load and its circuit.

use std::sync::Arc;

use ahoy::policy::{
    Breaker, BreakerConfig, CircuitState, Evidence, HostLoad, LoadModel, LoadOutcome, Permit,
    ProbeEligibility,
};
use rand::Rng;

use crate::time::{Clock, Nanos, tick};

/// An endpoint as one client sees it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) server: u32,
    /// Its circuit is closed, so picks need not ask it.
    pub(crate) rotating: bool,
    /// It is on the client's list.
    pub(crate) listed: bool,
    load: HostLoad,
    /// Made by the first attempt, as in the client: there are a million of these.
    breaker: Option<Box<Breaker>>,
}

impl Member {
    pub(crate) const fn new(server: u32) -> Self {
        Self { server, rotating: true, listed: true, load: HostLoad::new(), breaker: None }
    }

    pub(crate) fn cost(&self, probing: ProbeEligibility, now: Nanos, model: &LoadModel) -> f32 {
        self.load.cost_to(probing, tick(now), model)
    }

    pub(crate) fn pending(&self) -> u32 {
        self.load.pending()
    }

    pub(crate) fn start(&self, now: Nanos) {
        self.load.start(tick(now));
    }

    pub(crate) fn finish(&self, began: Nanos, now: Nanos, ending: LoadOutcome, model: &LoadModel) {
        self.load.finish(tick(began), tick(now), ending, model);
    }

    pub(crate) fn overtaken(&self, began: Nanos, now: Nanos) {
        self.load.overtaken(tick(began), tick(now));
    }

    /// Whether it may be tried, where a probe is due by attempts that go so far.
    pub(crate) fn admits(&self, probing: ProbeEligibility, now: Nanos, clock: Clock) -> bool {
        let Some(breaker) = &self.breaker else { return true };
        let now = clock.at(now);
        breaker.admits(now) && breaker.probe_due_for(now).is_none_or(|it| probing.takes(it))
    }

    pub(crate) fn acquire(
        &mut self,
        config: &Arc<BreakerConfig>,
        now: Nanos,
        clock: Clock,
    ) -> Option<Permit> {
        let new = || Box::new(Breaker::new(Arc::clone(config)));
        let permit = self.breaker.get_or_insert_with(new).acquire(clock.at(now)).ok();
        self.publish();
        permit
    }

    /// Whether a rule on answers wants to trip.
    pub(crate) fn settle(
        &mut self,
        permit: Permit,
        evidence: &Evidence,
        at: (Nanos, Clock),
        rng: &mut impl Rng,
    ) -> bool {
        let now = at.1.at(at.0);
        let settled = self.breaker.as_mut().map(|it| it.settle(permit, evidence, now, rng));
        self.publish();
        settled.is_some_and(|settled| settled.wants_trip)
    }

    pub(crate) fn trip(&mut self, evidence: &Evidence, at: (Nanos, Clock), rng: &mut impl Rng) {
        let now = at.1.at(at.0);
        let _ = self.breaker.as_mut().and_then(|breaker| breaker.trip(evidence, now, rng));
        self.publish();
    }

    pub(crate) fn release(&mut self, permit: Permit) {
        if let Some(breaker) = &mut self.breaker {
            breaker.release(permit);
        }
        self.publish();
    }

    /// A check passed: the next call may try it.
    pub(crate) fn half_open_early(&mut self, at: (Nanos, Clock)) {
        if let Some(breaker) = &mut self.breaker {
            let _ = breaker.half_open_early(at.1.at(at.0));
        }
        self.publish();
    }

    fn publish(&mut self) {
        let closed = |breaker: &Breaker| breaker.state() == CircuitState::Closed;
        self.rotating = self.breaker.as_deref().is_none_or(closed);
    }
}
