//! The right to send once to one endpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::balancer::Balancer;
use super::member::Member;
use super::rounds;
use super::tried::Tried;
use crate::endpoint::Endpoint;
use crate::outcome::{Transition, Verdict};
use crate::policy::{Ended, Ending, Evidence, Permit, Tick};
use crate::runtime::clock;

/// An endpoint with the permit of its circuit. Dropped unsettled (a cancelled call, a panic) it counts
/// neither way and gives a probe's place back.
#[derive(Debug)]
pub(crate) struct Lease {
    endpoint: Arc<Endpoint>,
    limit: Duration,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    balancer: Arc<Balancer>,
    member: Arc<Member>,
    permit: Permit,
    started: Tick,
}

impl Lease {
    pub(super) fn balanced(
        balancer: Arc<Balancer>,
        member: Arc<Member>,
        permit: Permit,
        started: Tick,
    ) -> Self {
        member.cells().start(member.place(), started);
        Self {
            endpoint: member.endpoint(),
            limit: Duration::ZERO,
            held: Some(Held { balancer, member, permit, started }),
        }
    }

    /// A lease on the one endpoint of a client without a balancer: it has no circuit.
    pub(super) fn fixed(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, limit: Duration::ZERO, held: None }
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// For a probe, how long it may take.
    pub(super) fn probe_limit(&self) -> Option<Duration> {
        let held = self.held.as_ref().filter(|held| held.permit.probe())?;
        Some(held.balancer.trial_interval())
    }

    /// Notes the endpoint as tried and says whether it is the first time.
    pub(super) fn mark_tried(&self, tried: &mut Tried) -> bool {
        let Some(held) = &self.held else {
            return false;
        };
        tried.insert(&held.member)
    }

    /// Notes how long the attempt may take: what a failure counts as at least.
    pub(super) const fn limit_to(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Says how the attempt ended.
    pub(super) fn settle(
        mut self,
        evidence: &Evidence,
        ended: &Ended,
        now: Instant,
    ) -> Option<Transition> {
        let held = self.held.take()?;
        rounds::note(&held.balancer, &held.member, ended, now);
        held.finish(now, ending(evidence, self.limit));
        held.balancer.settle(&held.member, held.permit, evidence, now)
    }
}

impl Held {
    fn finish(&self, now: Instant, ending: Ending) {
        let cells = self.member.cells();
        cells.finish(self.member.place(), self.started, cells.level().tick(now), ending);
    }
}

/// What the endpoint's load learns of it. A throttled endpoint is not slow, but wants less for a while.
const fn ending(evidence: &Evidence, limit: Duration) -> Ending {
    match evidence.verdict {
        Verdict::Success => Ending::Success,
        Verdict::Neutral => Ending::Neutral,
        Verdict::Failure | Verdict::Throttled | Verdict::Unreachable => {
            Ending::Failure { limit, hint: evidence.retry_after }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.finish(clock::now(), Ending::Neutral);
            held.member.release(held.permit);
        }
    }
}
