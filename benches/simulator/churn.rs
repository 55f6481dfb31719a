//! How many connections a change of the list costs, where each client uses a part of it.
//!
//! No traffic: subsets are compared before and after.

use std::collections::BTreeSet;

use ahoy::policy::locality::subset::by_rendezvous;

use crate::draws::hash;
use crate::world::{SUBSETS, names};

/// Clients that each use so many of the servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    pub(crate) servers: u32,
    pub(crate) clients: u32,
    pub(crate) size: usize,
    pub(crate) seed: u64,
}

impl Fleet {
    /// The most connections that any client opens as one server joins, and as one leaves.
    pub(crate) fn resized_by_one(&self) -> usize {
        let all: Vec<u32> = (0..=self.servers).collect();
        let (fewer, more) = (&all[..self.servers as usize], &all[..]);
        let without_first = &all[1..];
        let changed = |client: u32| {
            let before = self.used(client, fewer);
            let joined = self.used(client, more).difference(&before).count();
            let left = self.used(client, without_first);
            let gone = left.difference(&self.used(client, more)).count();
            joined.max(gone)
        };
        (0..self.clients).map(changed).max().unwrap_or(0)
    }

    /// How many connections a client opens on average while all servers are replaced by others, a
    /// hundredth at a time; a client that knew the future would open as many as it uses.
    pub(crate) fn replaced(&self) -> f64 {
        self.rolled(|listed, server| listed[server] += self.servers)
    }

    /// The same where each hundredth leaves the list and then comes back under its old name.
    pub(crate) fn restarted(&self) -> f64 {
        let step = (self.servers / STEPS).max(1) as usize;
        let all: Vec<u32> = (0..self.servers).collect();
        let opened = |client: u32| {
            let full = self.used(client, &all);
            let without = |at: usize| [&all[..at], &all[(at + step).min(all.len())..]].concat();
            let steps = (0..all.len()).step_by(step);
            steps
                .map(|at| {
                    let rest = self.used(client, &without(at));
                    rest.difference(&full).count() + full.difference(&rest).count()
                })
                .sum::<usize>()
        };
        self.mean(opened)
    }

    fn rolled(&self, replace: impl Fn(&mut [u32], usize)) -> f64 {
        let step = (self.servers / STEPS).max(1) as usize;
        let opened = |client: u32| {
            let mut listed: Vec<u32> = (0..self.servers).collect();
            let mut before = self.used(client, &listed);
            let mut opened = 0;
            for at in (0..listed.len()).step_by(step) {
                let end = (at + step).min(listed.len());
                (at..end).for_each(|server| replace(&mut listed, server));
                let after = self.used(client, &listed);
                opened += after.difference(&before).count();
                before = after;
            }
            opened
        };
        self.mean(opened)
    }

    /// Over a few clients, as each of them costs a hundred subsets.
    fn mean(&self, opened: impl Fn(u32) -> usize) -> f64 {
        let clients = self.clients.min(SAMPLE);
        (0..clients).map(opened).sum::<usize>() as f64 / f64::from(clients)
    }

    fn used(&self, client: u32, servers: &[u32]) -> BTreeSet<u32> {
        let names = names(servers);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let own = hash(&[self.seed, SUBSETS, u64::from(client)]);
        let used = by_rendezvous(&names, own, self.size, |_| true);
        used.into_iter().map(|index| servers[index]).collect()
    }
}

const STEPS: u32 = 100;
const SAMPLE: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_one_server_changes_one_connection_at_most() {
        let fleet = Fleet { servers: 200, clients: 50, size: 20, seed: 1 };
        assert_eq!(fleet.resized_by_one(), 1);
    }

    #[test]
    fn a_rollout_opens_at_least_all_that_are_used() {
        let fleet = Fleet { servers: 500, clients: 10, size: 20, seed: 1 };
        assert!(fleet.replaced() >= 20.0);
        assert!(fleet.restarted() >= 20.0);
    }
}
