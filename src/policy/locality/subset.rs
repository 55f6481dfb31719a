//! Which part of a large service a client talks to.
//!
//! A thousand clients of a thousand endpoints are a million connections, and each client's
//! balancer, breakers and health checks know every endpoint from a handful of requests. So a client
//! keeps to a part of them. Two ways, depending on what it knows of its peers:
//!
//! - Nothing: [`by_rendezvous`] (gRFC A68). Each client puts the endpoints in an order of its own
//!   and takes the first. Endpoints are served by about the same number of clients, and when one
//!   comes or goes, each client changes one connection at most.
//! - Its number among them: an [`Aperture`] (Finagle's, the deterministic one). Clients and
//!   endpoints stand evenly on a ring, and a client takes an arc of it. All endpoints get exactly
//!   the same load, but a change moves the edges of all arcs.
//!
//! The chunks of a shuffled list that the SRE book describes were not taken: a change of the list's
//! length shuffles all chunks anew.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::num::NonZeroU32;

use crate::policy::balance::hash_bytes_seeded;

/// The first of `addresses` in the order that `seed` gives them, until `size` of those taken are
/// healthy or all are taken.
///
/// The seed is drawn once by each client and kept. The unhealthy ones in between are taken too:
/// that is how they are found to be well again.
#[must_use]
pub fn by_rendezvous(
    addresses: &[&str],
    seed: u64,
    size: usize,
    healthy: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let place = |address: &&str| hash_bytes_seeded(address.as_bytes(), seed);
    let placed = addresses.iter().map(place).enumerate().map(|(index, place)| (place, index));
    // A heap instead of a sorted list: of many addresses only the first few are wanted.
    let mut order: BinaryHeap<_> = placed.map(Reverse).collect();
    let (mut taken, mut well) = (Vec::new(), 0);
    while well < size {
        let Some(Reverse((_, index))) = order.pop() else { break };
        taken.push(index);
        well += usize::from(healthy(index));
    }
    taken
}

/// A client's place among its peers, and how many endpoints it wants.
///
/// All peers must see the endpoints in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aperture {
    client: u32,
    clients: NonZeroU32,
    size: NonZeroU32,
}

impl Aperture {
    /// The least number of endpoints that is wise, and Finagle's default: 12. With fewer, all of a
    /// client's endpoints may be out at once, and choosing between two cannot even out the shares.
    pub const DEFAULT_SIZE: NonZeroU32 = NonZeroU32::new(12).unwrap();

    /// The client numbered `client`, from 0, of `clients`, which wants at least `size` endpoints;
    /// none if there is no such client.
    #[must_use]
    pub fn new(client: u32, clients: NonZeroU32, size: NonZeroU32) -> Option<Self> {
        (client < clients.get()).then_some(Self { client, clients, size })
    }

    /// The client's endpoints of `endpoints`, each with how much of it is the client's: 1 in the
    /// middle of the arc, less at its ends. A balancer takes that for a weight.
    #[must_use]
    pub fn members(&self, endpoints: usize) -> Vec<(usize, f64)> {
        // The ring is measured in whole numbers: an endpoint is as long as there are clients, and
        // the way from one client to the next as long as there are endpoints.
        let (clients, count) = (u128::from(self.clients.get()), endpoints as u128);
        let start = u128::from(self.client) * count;
        let end = start + self.steps(count) * count;
        let mut members: Vec<(usize, f64)> = Vec::new();
        let mut place = start / clients;
        while place * clients < end {
            let overlap = end.min((place + 1) * clients) - start.max(place * clients);
            let (index, share) = ((place % count) as usize, overlap as f64 / clients as f64);
            match members.first_mut() {
                // An arc once around ends in the endpoint that it began in.
                Some(first) if first.0 == index => first.1 += share,
                _ => members.push((index, share)),
            }
            place += 1;
        }
        members
    }

    /// The same, and of those behind the arc as many as it takes until `size` of all are healthy: an arc may fail as a
    /// whole while the others are well.
    #[must_use]
    pub fn members_until(
        &self,
        endpoints: usize,
        size: usize,
        healthy: impl Fn(usize) -> bool,
    ) -> Vec<(usize, f64)> {
        let mut members = self.members(endpoints);
        let mut well = members.iter().filter(|(index, _)| healthy(*index)).count();
        let end = members.last().map_or(0, |(index, _)| index + 1);
        let behind = (end..end + endpoints - members.len()).map(|place| place % endpoints);
        for index in behind {
            if well >= size {
                break;
            }
            members.push((index, 1.0));
            well += usize::from(healthy(index));
        }
        members
    }

    /// How many steps from client to client the arc is long. A whole number covers each endpoint
    /// equally often, so the arc is rounded up from what was wanted.
    fn steps(&self, endpoints: u128) -> u128 {
        let clients = u128::from(self.clients.get());
        let wanted = u128::from(self.size.get()) * clients;
        // Without endpoints the arc is of no length anyway.
        wanted.div_ceil(endpoints.max(1)).min(clients)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("10.0.{}.{}:80", index / 250, index % 250)).collect()
    }

    fn subset(names: &[String], seed: u64, size: usize, ill: &[usize]) -> BTreeSet<String> {
        let addresses: Vec<_> = names.iter().map(String::as_str).collect();
        let taken = by_rendezvous(&addresses, seed, size, |index| !ill.contains(&index));
        taken.into_iter().map(|index| names[index].clone()).collect()
    }

    fn aperture(client: u32, clients: u32, size: u32) -> Aperture {
        let number = |number| NonZeroU32::new(number).unwrap();
        Aperture::new(client, number(clients), number(size)).unwrap()
    }

    #[test]
    fn the_order_is_that_of_the_seeded_hashes() {
        let addresses = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"];
        let mut expected = vec![0, 1, 2, 3];
        expected.sort_by_key(|&index: &usize| {
            xxhash_rust::xxh64::xxh64(addresses[index].as_bytes(), 99)
        });
        assert_eq!(by_rendezvous(&addresses, 99, 4, |_| true), expected);
        assert_eq!(by_rendezvous(&addresses, 99, 2, |_| true), expected[..2]);
    }

    #[test]
    fn the_healthy_ones_are_kept_at_their_number() {
        let addresses = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let order = by_rendezvous(&addresses, 5, 8, |_| true);
        let taken = by_rendezvous(&addresses, 5, 3, |index| index != order[1]);
        assert_eq!(taken, order[..4]);
        assert_eq!(by_rendezvous(&addresses, 5, 3, |_| false), order);
    }

    #[test]
    fn a_service_smaller_than_the_subset_is_taken_whole() {
        assert_eq!(by_rendezvous(&["a", "b"], 1, 20, |_| true).len(), 2);
        assert!(by_rendezvous(&[], 1, 20, |_| true).is_empty());
        assert!(by_rendezvous(&["a", "b"], 1, 0, |_| true).is_empty());
    }

    #[test]
    fn clients_spread_about_evenly_over_the_endpoints() {
        let (names, mut counts) = (names(50), vec![0; 50]);
        let addresses: Vec<_> = names.iter().map(String::as_str).collect();
        for client in 0..1000 {
            for index in by_rendezvous(&addresses, client, 10, |_| true) {
                counts[index] += 1;
            }
        }
        assert!(counts.iter().all(|count| (145..255).contains(count)), "{counts:?}");
    }

    #[test]
    fn an_arc_takes_whole_endpoints_and_parts_at_its_ends() {
        // Wanted are 2 of 10, which are at least 1 of 4 steps, or two and a half endpoints.
        assert_eq!(aperture(0, 4, 2).members(10), [(0, 1.0), (1, 1.0), (2, 0.5)]);
        assert_eq!(aperture(1, 4, 2).members(10), [(2, 0.5), (3, 1.0), (4, 1.0)]);
        assert_eq!(aperture(3, 4, 2).members(10), [(7, 0.5), (8, 1.0), (9, 1.0)]);
    }

    #[test]
    fn an_arc_goes_on_past_the_end_of_the_list() {
        let members = aperture(2, 3, 4).members(6);
        assert_eq!(members, [(4, 1.0), (5, 1.0), (0, 1.0), (1, 1.0)]);
    }

    #[test]
    fn an_arc_is_filled_up_where_too_few_of_it_are_healthy() {
        let filled = |ill: &[usize]| {
            let members = aperture(3, 4, 3).members_until(12, 3, |index| !ill.contains(&index));
            members.into_iter().map(|(index, _)| index).collect::<Vec<_>>()
        };
        assert_eq!(filled(&[0, 1]), [9, 10, 11]);
        assert_eq!(filled(&[10]), [9, 10, 11, 0]);
        assert_eq!(filled(&[9, 10, 11, 1]), [9, 10, 11, 0, 1, 2, 3]);
        assert_eq!(filled(&(0..12).collect::<Vec<_>>()).len(), 12);
        assert!(aperture(0, 3, 12).members_until(0, 12, |_| false).is_empty());
    }

    #[test]
    fn an_arc_once_around_has_each_endpoint_once() {
        let members = aperture(1, 2, 12).members(3);
        assert_eq!(members, [(1, 1.0), (2, 1.0), (0, 1.0)]);
    }

    #[test]
    fn a_client_alone_takes_everything() {
        assert_eq!(aperture(0, 1, 1).members(3), [(0, 1.0), (1, 1.0), (2, 1.0)]);
    }

    #[test]
    fn there_is_no_client_beyond_the_last() {
        let clients = NonZeroU32::new(3).unwrap();
        assert!(Aperture::new(2, clients, Aperture::DEFAULT_SIZE).is_some());
        assert_eq!(Aperture::new(3, clients, Aperture::DEFAULT_SIZE), None);
    }

    #[test]
    fn without_endpoints_there_is_nothing_to_take() {
        assert!(aperture(0, 3, 12).members(0).is_empty());
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let last = u32::MAX as usize - 1;
        let one = aperture(u32::MAX - 1, u32::MAX, 1);
        assert_eq!(one.members(last + 1), [(last, 1.0)]);
        assert_eq!(aperture(1, 2, u32::MAX).members(2), [(1, 1.0), (0, 1.0)]);
    }

    proptest! {
        #[test]
        fn a_newcomer_takes_the_place_of_one_at_most(
            count in 1_usize..60,
            size in 1_usize..20,
            seed in any::<u64>(),
        ) {
            let all = names(count + 1);
            let before = subset(&all[..count], seed, size, &[]);
            let after = subset(&all, seed, size, &[]);
            let left: Vec<_> = before.difference(&after).collect();
            let came: Vec<_> = after.difference(&before).collect();
            prop_assert!(left.len() <= 1 && came.len() <= 1);
            prop_assert!(came.iter().all(|name| **name == all[count]));
        }

        #[test]
        fn one_that_falls_ill_brings_in_one_healthy_one_at_most(
            ill in prop::collection::vec(any::<prop::sample::Index>(), 1..10),
            size in 1_usize..20,
            seed in any::<u64>(),
        ) {
            let all = names(40);
            let ill: Vec<_> = ill.iter().map(|index| index.index(40)).collect();
            let well = |ill: &[usize]| {
                let taken = subset(&all, seed, size, ill);
                let well = |name: &&String| !ill.iter().any(|&index| all[index] == **name);
                taken.iter().filter(well).cloned().collect::<BTreeSet<_>>()
            };
            let (before, after) = (well(&ill[1..]), well(&ill));
            prop_assert!(after.difference(&before).count() <= 1);
            prop_assert!(before.difference(&after).all(|name| *name == all[ill[0]]));
        }

        #[test]
        fn peers_cover_all_endpoints_evenly(
            clients in 1_u32..40,
            endpoints in 1_usize..60,
            size in 1_u32..30,
        ) {
            let mut shares = vec![0.0; endpoints];
            for client in 0..clients {
                let members = aperture(client, clients, size).members(endpoints);
                let mine: BTreeSet<_> = members.iter().map(|(index, _)| *index).collect();
                prop_assert_eq!(mine.len(), members.len());
                let whole = members.iter().map(|(_, share)| share).sum::<f64>();
                prop_assert!(whole >= f64::from(size).min(endpoints as f64) - 1e-9);
                for (index, share) in members {
                    prop_assert!(share > 0.0 && share <= 1.0);
                    shares[index] += share;
                }
            }
            prop_assert!(shares.iter().all(|share| (share - shares[0]).abs() < 1e-9), "{shares:?}");
        }
    }
}
