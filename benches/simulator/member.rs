//! What one client knows of one endpoint: its load and its circuit.

use std::sync::Arc;

use ahoy::outcome::{Transition, Verdict};
use ahoy::policy::{
    Breaker, BreakerConfig, CircuitState, HostLoad, LoadModel, LoadOutcome, Observation, Overdue,
    Permit, ProbeEligibility, ProbePace,
};
use rand::Rng;

use crate::time::{Clock, MS, Nanos, tick};

/// An endpoint as one client sees it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) server: u32,
    /// Its circuit is closed, so picks need not ask it.
    pub(crate) rotating: bool,
    /// It is on the client's list.
    pub(crate) listed: bool,
    load: HostLoad,
    /// An attempt takes longer than usual, and no answer came in time since.
    pub(crate) is_overdue: bool,
    pub(crate) overdue: Overdue,
    pace: ProbePace,
    /// Made by the first attempt, as in the client: there are a million of these.
    breaker: Option<Box<Breaker>>,
    /// When an attempt failed last.
    failed_at: Option<Nanos>,
}

impl Member {
    pub(crate) const fn new(server: u32) -> Self {
        Self {
            server,
            rotating: true,
            listed: true,
            load: HostLoad::new(),
            is_overdue: false,
            overdue: Overdue::new(),
            pace: ProbePace::new(),
            breaker: None,
            failed_at: None,
        }
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

    /// Whether a probe keeps the pace, with so many calls made to so many endpoints.
    pub(crate) fn keeps_pace(&self, calls: u64, endpoints: usize, now: Nanos) -> bool {
        let is_open = |it: &Breaker| it.state() == CircuitState::Open;
        !self.breaker.as_deref().is_some_and(is_open)
            || self.pace.allows(calls, endpoints, now / MS)
    }

    /// Whether an attempt has failed there since `since`.
    pub(crate) fn has_failed_since(&self, since: Nanos) -> bool {
        self.failed_at.is_some_and(|at| at >= since)
    }

    /// Whether its circuit is not closed, since it hangs.
    pub(crate) fn is_tripped_by_hang(&self) -> bool {
        self.breaker.as_deref().is_some_and(Breaker::is_tripped_by_hang)
    }

    pub(crate) fn acquire(
        &mut self,
        config: &Arc<BreakerConfig>,
        calls: u64,
        now: Nanos,
        clock: Clock,
    ) -> Option<Permit> {
        let new = || Box::new(Breaker::new(Arc::clone(config)));
        let permit = self.breaker.get_or_insert_with(new).acquire(clock.at(now)).ok();
        if permit.as_ref().is_some_and(Permit::probe) {
            self.pace.note(calls, now / MS);
        }
        self.publish();
        permit
    }

    /// Takes in how an attempt ended, as far as its silence was news.
    pub(crate) fn heard(&mut self, answered: bool, late: bool, now: Nanos) {
        if answered && !late {
            self.overdue.answered_in_time(now / MS);
            self.is_overdue = false;
        } else if answered {
            self.overdue.answered(now / MS);
        }
    }

    /// Whether a rule on answers wants to trip.
    pub(crate) fn settle(
        &mut self,
        permit: Permit,
        observation: &Observation,
        at: (Nanos, Clock),
        rng: &mut impl Rng,
    ) -> bool {
        if !matches!(observation.verdict, Verdict::Success | Verdict::Neutral) {
            self.failed_at = Some(at.0);
        }
        let now = at.1.at(at.0);
        let settled = self.breaker.as_mut().map(|it| it.settle(permit, observation, now, rng));
        if settled.is_some_and(|it| it.transition == Some(Transition::Closed)) {
            self.pace.forget();
        }
        self.publish();
        settled.is_some_and(|settled| settled.wants_trip)
    }

    pub(crate) fn trip(
        &mut self,
        observation: &Observation,
        at: (Nanos, Clock),
        rng: &mut impl Rng,
    ) {
        let now = at.1.at(at.0);
        let _ = self.breaker.as_mut().and_then(|breaker| breaker.trip(observation, now, rng));
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
