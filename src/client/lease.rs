//! The right to send once to one endpoint.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::balancer::{Balancer, Tried};
use super::member::Member;
use crate::endpoint::Endpoint;
use crate::outcome::Transition;
use crate::policy::{Evidence, Permit};

/// An endpoint with the permit of its circuit. Dropped unsettled (a cancelled call, a panic) it counts
/// neither way and gives a probe's place back.
#[derive(Debug)]
pub(crate) struct Lease {
    endpoint: Arc<Endpoint>,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    balancer: Arc<Balancer>,
    member: Arc<Member>,
    permit: Permit,
}

impl Lease {
    pub(super) fn balanced(balancer: Arc<Balancer>, member: Arc<Member>, permit: Permit) -> Self {
        Self { endpoint: member.endpoint(), held: Some(Held { balancer, member, permit }) }
    }

    /// A lease on the one endpoint of a client without a balancer: it has no circuit.
    pub(super) fn fixed(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, held: None }
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
        let first = !tried.contains(&held.member);
        tried.insert(&held.member);
        first
    }

    /// Says how the attempt ended.
    pub(super) fn settle(mut self, evidence: &Evidence, now: Instant) -> Option<Transition> {
        let held = self.held.take()?;
        held.balancer.settle(&held.member, held.permit, evidence, now)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.member.release(held.permit);
        }
    }
}
