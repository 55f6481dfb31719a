//! The endpoints of a balancer at one moment: immutable, replaced as a whole by an update.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::circuit::Circuit;
use crate::endpoint::{Endpoint, Host, Identity};
use crate::policy::{BreakerConfig, CircuitState};

/// One endpoint with its live state.
#[derive(Clone, Debug)]
pub struct Member {
    /// Where it is.
    pub endpoint: Arc<Endpoint>,
    /// How it fares.
    pub circuit: Arc<Circuit>,
}

/// An immutable list of members, in the provider's order, each identity once.
#[derive(Debug, Default)]
pub struct Roster {
    members: Vec<Member>,
}

impl Roster {
    /// The roster after an update: an identity that stays keeps its circuit, and its endpoint (with the
    /// connections kept for it) unless the host's properties changed. Of equal identities the first counts.
    pub(crate) fn next(&self, hosts: Vec<Host>, config: &Arc<BreakerConfig>) -> Self {
        let before: HashMap<&Identity, &Member> =
            self.members.iter().map(|member| (member.endpoint.identity(), member)).collect();
        let mut seen = HashMap::with_capacity(hosts.len());
        let mut members = Vec::with_capacity(hosts.len());
        for host in hosts {
            let endpoint = Endpoint::new(host);
            if seen.insert(endpoint.identity().clone(), ()).is_some() {
                continue;
            }
            let member = match before.get(endpoint.identity()) {
                Some(member) if *member.endpoint == endpoint => (*member).clone(),
                Some(member) => {
                    Member { endpoint: Arc::new(endpoint), circuit: Arc::clone(&member.circuit) }
                }
                None => Member {
                    endpoint: Arc::new(endpoint),
                    circuit: Arc::new(Circuit::new(Arc::clone(config))),
                },
            };
            members.push(member);
        }
        Self { members }
    }

    /// Tells the endpoints that are not in `next` that they have departed.
    pub(crate) fn make_way_for(&self, next: &Self) {
        let stays: HashSet<*const Endpoint> =
            next.members.iter().map(|member| Arc::as_ptr(&member.endpoint)).collect();
        let departed = |member: &&Member| !stays.contains(&Arc::as_ptr(&member.endpoint));
        self.members.iter().filter(departed).for_each(|member| member.endpoint.depart());
    }

    /// The members, in the provider's order.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// When the first open circuit lets a probe through; `None` where none will by itself.
    pub(crate) fn next_probe(&self) -> Option<Instant> {
        self.members.iter().filter_map(|member| member.circuit.retry_at()).min()
    }

    /// Whether more than `floor` circuits are closed; looks no further than it must.
    pub(crate) fn has_closed_above(&self, floor: usize) -> bool {
        let closed = |member: &&Member| member.circuit.state() == CircuitState::Closed;
        self.members.iter().filter(closed).take(floor + 1).count() > floor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(before: &Roster, ports: &[u16]) -> Roster {
        let hosts = ports.iter().map(|port| Host::new("127.0.0.1", *port)).collect();
        before.next(hosts, &Arc::default())
    }

    #[test]
    fn what_stays_keeps_its_circuit_and_connections() {
        let first = roster(&Roster::default(), &[1, 2]);
        let second = roster(&first, &[3, 2]);
        assert!(Arc::ptr_eq(&first.members[1].circuit, &second.members[1].circuit));
        assert!(Arc::ptr_eq(&first.members[1].endpoint, &second.members[1].endpoint));
        assert!(!Arc::ptr_eq(&first.members[0].circuit, &second.members[0].circuit));
    }

    #[test]
    fn a_changed_property_keeps_the_circuit_only() {
        let first = roster(&Roster::default(), &[1]);
        let mut host = Host::new("127.0.0.1", 1);
        host.weight = 5;
        let second = first.next(vec![host], &Arc::default());
        assert!(Arc::ptr_eq(&first.members[0].circuit, &second.members[0].circuit));
        assert_eq!(second.members[0].endpoint.host().weight, 5);
    }

    #[test]
    fn what_leaves_or_is_replaced_departs() {
        let first = roster(&Roster::default(), &[1, 2, 3]);
        let mut changed = Host::new("127.0.0.1", 2);
        changed.weight = 5;
        let second = first.next(vec![changed, Host::new("127.0.0.1", 3)], &Arc::default());
        first.make_way_for(&second);
        let departed: Vec<_> =
            first.members.iter().map(|member| member.endpoint.has_departed()).collect();
        assert_eq!(departed, [true, true, false]);
    }

    #[test]
    fn an_identity_stands_once() {
        assert_eq!(roster(&Roster::default(), &[1, 1, 2]).members.len(), 2);
    }
}
