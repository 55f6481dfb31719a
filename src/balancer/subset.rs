//! Which of a large set's hosts this process uses at all.

use std::collections::BTreeMap;

use crate::config::Subset;
use crate::endpoint::{Host, hash_key};
use crate::policy::Aperture;
use crate::policy::locality::subset;

/// What a host is to a subset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostHealth {
    /// It bears its part of the calls, or is not known.
    Well,
    /// It does, but has owed an answer for longer than its limit.
    Late,
    /// It gets no calls, but for probes.
    Ill,
}

/// The hosts of `listed` that `rule` gives to this process; `seed` is this process's own. Of each priority so many: a
/// process that had got reserves only would send them all of its calls while the first level is well.
pub(crate) fn used(
    listed: &[Host],
    rule: Subset,
    seed: u64,
    health: impl Fn(&Host) -> HostHealth,
) -> Vec<Host> {
    let mut levels: BTreeMap<u32, Vec<&Host>> = BTreeMap::new();
    for host in listed {
        levels.entry(host.priority).or_default().push(host);
    }
    levels.values().flat_map(|level| used_of_level(level, rule, seed, &health)).collect()
}

/// The hosts of one priority, in their order.
fn used_of_level(
    listed: &[&Host],
    rule: Subset,
    seed: u64,
    health: &impl Fn(&Host) -> HostHealth,
) -> Vec<Host> {
    let health: Vec<HostHealth> = listed.iter().map(|host| health(host)).collect();
    let takes_calls = |index: usize| health[index] != HostHealth::Ill;
    match rule {
        Subset::Rendezvous { size } => {
            let keys: Vec<String> =
                listed.iter().map(|host| hash_key(&host.address, host.port)).collect();
            let addresses: Vec<&str> = keys.iter().map(String::as_str).collect();
            let until = |size| subset::by_rendezvous(&addresses, seed, size, takes_calls);
            let mut taken = filled_up(size.get() as usize, until, |index| health[*index]);
            taken.sort_unstable();
            taken.into_iter().map(|index| Host::clone(listed[index])).collect()
        }
        Subset::Deterministic { size, client, clients } => {
            let Some(aperture) = Aperture::new(client, clients, size) else {
                return Vec::new();
            };
            let until = |size| aperture.members_until(listed.len(), size, takes_calls);
            let shares = filled_up(size.get() as usize, until, |(index, _)| health[*index]);
            // Where the arc's ends cut endpoints, weights tell the parts of each.
            let cut = shares.iter().any(|(_, share)| *share < 1.0);
            let unit = unit(listed);
            let part = |(index, share): (usize, f64)| {
                let mut host = Host::clone(listed[index]);
                if cut {
                    host.weight = weighed(host.weight, share * unit);
                }
                host
            };
            shares.into_iter().map(part).collect()
        }
    }
}

/// What `until` gives where `size` of it take calls.
///
/// Where more than half are late or out, none is passed over for being late, and where nearly all are late, none is
/// found to hang: it may be the service that is slow. So as many more are taken in as are late, and what these do tells
/// which it is. In a slow service they come to be late too, and no more follow: it is not to get all clients everywhere.
fn filled_up<T>(
    size: usize,
    until: impl Fn(usize) -> Vec<T>,
    health: impl Fn(&T) -> HostHealth,
) -> Vec<T> {
    let taken = until(size);
    let count = |wanted| taken.iter().filter(|it| health(it) == wanted).count();
    let (late, ill) = (count(HostHealth::Late), count(HostHealth::Ill));
    if (late + ill) * 2 > size { until(size + late) } else { taken }
}

/// What a weight of 1 becomes so that a part of it is a whole number: hundredths are fine enough for the ends
/// of an arc of a dozen endpoints. Large weights need less, and must stay within what weights may be.
fn unit(listed: &[&Host]) -> f64 {
    let largest = listed.iter().map(|host| host.weight).max().unwrap_or(1).max(1);
    (f64::from(MOST_WEIGHT) / f64::from(largest)).min(100.0)
}

fn weighed(weight: u32, factor: f64) -> u32 {
    let part = (f64::from(weight) * factor).round() as u32;
    if weight == 0 { 0 } else { part.clamp(1, MOST_WEIGHT) }
}

/// What a host's weight is bounded by.
const MOST_WEIGHT: u32 = 65_535;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn hosts(count: u16) -> Vec<Host> {
        (1..=count).map(|port| Host::new("a", port)).collect()
    }

    fn ports(hosts: &[Host]) -> Vec<u16> {
        hosts.iter().map(|host| host.port).collect()
    }

    fn number(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[test]
    fn a_drawn_subset_has_so_many_that_are_well() {
        let rule = Subset::Rendezvous { size: number(5) };
        let first = used(&hosts(50), rule, 7, |_| HostHealth::Well);
        assert_eq!(first.len(), 5);
        let ill = first[2].port;
        let all_but_one =
            |host: &Host| if host.port == ill { HostHealth::Ill } else { HostHealth::Well };
        let second = used(&hosts(50), rule, 7, all_but_one);
        assert_eq!(second.len(), 6);
        assert!(first.iter().all(|host| second.contains(host)));
        assert_ne!(ports(&first), ports(&used(&hosts(50), rule, 8, |_| HostHealth::Well)));
    }

    #[test]
    fn a_drawn_subset_looks_at_as_many_more_as_are_late_beyond_a_half() {
        let rule = Subset::Rendezvous { size: number(4) };
        let first = ports(&used(&hosts(50), rule, 7, |_| HostHealth::Well));
        let count = |late: usize| {
            let is_late = |host: &Host| first[..late].contains(&host.port);
            let health =
                |host: &Host| if is_late(host) { HostHealth::Late } else { HostHealth::Well };
            used(&hosts(50), rule, 7, health).len()
        };
        assert_eq!([0, 1, 2, 3, 4].map(count), [4, 4, 4, 7, 8]);
        assert_eq!(used(&hosts(50), rule, 7, |_| HostHealth::Late).len(), 8, "the service is slow");
        let half_is_out = |host: &Host| match first.iter().position(|port| *port == host.port) {
            Some(0 | 1) => HostHealth::Ill,
            Some(_) => HostHealth::Late,
            None => HostHealth::Well,
        };
        assert_eq!(used(&hosts(50), rule, 7, half_is_out).len(), 8, "while circuits open");
    }

    #[test]
    fn large_weights_are_cut_within_what_weights_may_be() {
        for weight in [0, 1, 655, 700, 65_535] {
            let listed = hosts(10).into_iter().map(|host| Host { weight, ..host });
            let rule = Subset::Deterministic { size: number(4), client: 0, clients: number(3) };
            let weights: Vec<u32> =
                used(&listed.collect::<Vec<_>>(), rule, 0, |_| HostHealth::Well)
                    .into_iter()
                    .map(|host| host.weight)
                    .collect();
            assert!(weights.iter().all(|it| *it <= 65_535 && (*it == 0) == (weight == 0)));
            let (whole, cut) = (weights[0], weights.iter().min().unwrap());
            assert!(
                (cut * 3).abs_diff(whole * 2) <= 3,
                "two thirds are this client's: {weights:?}"
            );
        }
    }

    #[test]
    fn all_clients_together_give_every_endpoint_the_same() {
        let mut carried = vec![0; 10];
        for client in 0..3 {
            let rule = Subset::Deterministic { size: number(4), client, clients: number(3) };
            for host in used(&hosts(10), rule, 0, |_| HostHealth::Well) {
                carried[usize::from(host.port) - 1] += host.weight;
            }
        }
        assert!(carried.iter().all(|sum| sum.abs_diff(carried[0]) <= 2), "{carried:?}");
    }
}
