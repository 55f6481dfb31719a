//! Probes that come early, while no endpoint takes calls: see [`early_wait`].

use std::time::{Duration, Instant};

use crate::balancer::balancer::Balancer;
use crate::balancer::lease::{Lease, LeaseRequest};
use crate::balancer::roster::Roster;
use crate::policy::early_wait;

impl Balancer {
    /// While no endpoint takes calls, one that could not be reached is probed before its wait is over.
    pub(crate) fn lease_early(&self, now: Instant) -> Option<Lease> {
        let live = self.live();
        let (outage, wait) = (&live.rules.cluster.outage, self.early_wait(now));
        // First, for it costs no look at the endpoints, of which there may be many.
        if now < outage.next_probe(wait) {
            return None;
        }
        let snapshot = live.pick_state.load();
        let member = snapshot.roster.early_probe(outage.note(now), now)?;
        if !outage.take_probe(wait, now) {
            return None;
        }
        member.half_open_early(now);
        let (most, tick) = (self.config.max_in_flight, live.rules.tick(now));
        Lease::acquire(member, LeaseRequest { panic: false, most, now, tick })
    }

    /// When the next probe is due, an early one or one whose wait is over; none where none will go by itself.
    pub(in crate::balancer) fn next_probe_in_outage(
        &self,
        roster: &Roster,
        now: Instant,
    ) -> Option<Instant> {
        let (outage, wait) = (&self.live().rules.cluster.outage, self.early_wait(now));
        let soonest = roster.next_probe(outage.note(now))?;
        Some(soonest.max(outage.next_probe(wait)))
    }

    fn early_wait(&self, now: Instant) -> Duration {
        let age = self.live().rules.cluster.outage.note(now);
        early_wait(age, self.config.breaker.open_base)
    }
}
