//! The same key to the same endpoint: the lookup table of Maglev.
//!
//! Each endpoint has an order of its own over the slots of a table, and the endpoints claim slots
//! in turn until all are taken; a key belongs to slot `hash mod size`. Compared with a
//! [`Ring`](crate::policy::balance::Ring), a lookup is one access, shares are even to about one slot, and the size
//! does not grow with the service. In exchange, when an endpoint leaves, a few keys move that were
//! not its own.
//!
//! The tables are those of Envoy to the last slot. With weights, it lets light endpoints pass in
//! most rounds; walking through all of them in each round takes more than a second for one heavy
//! among tens of thousands of light ones. So here a queue tells which endpoint claims next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::error::Error;
use std::fmt;

use super::wheel::Wheel;
use crate::policy::balance::hash::{hash_bytes, hash_bytes_seeded};

/// Why a table cannot have the size that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaglevError {
    /// The size is not prime, so an endpoint's order would miss slots.
    NotPrime {
        /// The size.
        size: u32,
    },
    /// The size is above 5,000,011.
    TooLarge {
        /// The size.
        size: u32,
    },
}

impl fmt::Display for MaglevError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPrime { size } => write!(f, "the table size {size} is not a prime number"),
            Self::TooLarge { size } => write!(f, "the table size {size} is above {MOST_SLOTS}"),
        }
    }
}

impl Error for MaglevError {}

/// A Maglev table. It holds positions in the list that it was made from.
#[derive(Clone, Debug)]
pub struct Maglev {
    wheel: Wheel,
}

impl Maglev {
    /// The usual size of a table: shares are even to a percent up to some 600 endpoints, and it
    /// takes 256 KiB. It should be at least a hundred times the number of endpoints.
    pub const DEFAULT_SIZE: u32 = 65_537;

    /// Checks a number of slots.
    ///
    /// # Errors
    /// It is not prime, or too large.
    pub fn check(size: u32) -> Result<(), MaglevError> {
        if size > MOST_SLOTS {
            return Err(MaglevError::TooLarge { size });
        }
        if !is_prime(size) {
            return Err(MaglevError::NotPrime { size });
        }
        Ok(())
    }

    /// Fills a table of `size` slots, a prime. The endpoints are given as key and weight, in any
    /// order: the table is the same. One of weight 0 is never picked.
    ///
    /// # Errors
    ///
    /// If the size is not prime or too large.
    pub fn new(entries: &[(&str, u32)], size: u32) -> Result<Self, MaglevError> {
        Self::check(size)?;
        let weighty = entries.iter().map(|(_, weight)| *weight > 0).collect();
        let wheel = Wheel::new(filled(claimants(entries, size), size), weighty);
        Ok(Self { wheel })
    }

    /// The owner of the key's slot, or of the first one after it whose owner admits.
    pub fn pick(&self, hash: u64, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let slot = hash.checked_rem(self.wheel.len() as u64)?;
        self.wheel.pick(slot as usize, admits)
    }
}

/// An endpoint while slots are being claimed.
struct Claimant {
    index: u32,
    /// The slot that it looks at next, and how far the one after it is away.
    slot: u32,
    skip: u32,
    /// Its share of all weights.
    share: f64,
    /// It claims in the rounds in which its share, added up, has reached this.
    target: f64,
}

impl Claimant {
    fn new((index, &(key, weight)): (usize, &(&str, u32)), total: f64, size: u32) -> Self {
        let size = u64::from(size);
        Self {
            index: index as u32,
            slot: (hash_bytes(key.as_bytes()) % size) as u32,
            skip: (hash_bytes_seeded(key.as_bytes(), 1) % (size - 1) + 1) as u32,
            share: f64::from(weight) / total,
            target: 0.0,
        }
    }

    /// Takes the first free slot of its order.
    fn claim(&mut self, slots: &mut [u32]) {
        while slots[self.slot as usize] != FREE {
            self.look_on(slots.len() as u32);
        }
        slots[self.slot as usize] = self.index;
        self.look_on(slots.len() as u32);
    }

    const fn look_on(&mut self, size: u32) {
        // Both lie below the size: a subtraction does what a division would.
        let next = self.slot + self.skip;
        self.slot = if next < size { next } else { next - size };
    }

    /// The first round after `round` in which it claims. The quotient only comes near: what decides
    /// is the product, as it does where rounds are walked one by one.
    fn next_round(&self, round: u64) -> u64 {
        let near = (self.target / self.share) as u64;
        let reached = |round: &u64| *round as f64 * self.share >= self.target;
        (near.saturating_sub(1).max(round + 1)..).find(reached).unwrap_or(u64::MAX)
    }
}

/// Those of some weight, in the order of their keys.
fn claimants(entries: &[(&str, u32)], size: u32) -> Vec<Claimant> {
    let total = entries.iter().map(|(_, weight)| u64::from(*weight)).sum::<u64>() as f64;
    let mut order: Vec<_> = entries.iter().enumerate().filter(|(_, entry)| entry.1 > 0).collect();
    order.sort_unstable_by_key(|(index, entry)| (entry.0.as_bytes(), *index));
    order.into_iter().map(|entry| Claimant::new(entry, total, size)).collect()
}

/// Lets them claim until no slot is free; without anyone to claim there are no slots.
fn filled(mut claimants: Vec<Claimant>, size: u32) -> Box<[u32]> {
    if claimants.is_empty() {
        return Box::default();
    }
    let heaviest = claimants.iter().map(|claimant| claimant.share).fold(0.0, f64::max);
    // In the first round everyone claims, in later ones those whose turn it is.
    let mut queue: BinaryHeap<_> = (0..claimants.len()).map(|place| Reverse((1, place))).collect();
    let mut slots = vec![FREE; size as usize];
    for _ in 0..size {
        let Some(mut first) = queue.peek_mut() else { break };
        let Reverse((round, place)) = *first;
        let claimant = &mut claimants[place];
        claimant.claim(&mut slots);
        claimant.target += heaviest;
        *first = Reverse((claimant.next_round(round), place));
    }
    slots.into()
}

fn is_prime(number: u32) -> bool {
    number > 1 && (2..number).take_while(|n| n * n <= number).all(|n| !number.is_multiple_of(n))
}

/// No endpoint has this position: a list that long would not fit into memory.
const FREE: u32 = u32::MAX;

/// The bound of Envoy, a prime: 20 MB.
const MOST_SLOTS: u32 = 5_000_011;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(entries: &[(&str, u32)], size: u32) -> Maglev {
        Maglev::new(entries, size).unwrap()
    }

    fn table(maglev: &Maglev) -> Vec<usize> {
        (0..maglev.wheel.len()).map(|slot| maglev.pick(slot as u64, |_| true).unwrap()).collect()
    }

    fn counts(table: &[usize], endpoints: usize) -> Vec<usize> {
        let mut counts = vec![0; endpoints];
        table.iter().for_each(|&owner| counts[owner] += 1);
        counts
    }

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("10.0.{}.{}:8080", index / 250, index % 250)).collect()
    }

    fn weighted<'a>(keys: &'a [String], weights: &[u32]) -> Vec<(&'a str, u32)> {
        keys.iter().map(String::as_str).zip(weights.iter().copied()).collect()
    }

    fn equal(keys: &[String]) -> Vec<(&str, u32)> {
        keys.iter().map(|key| (key.as_str(), 1)).collect()
    }

    /// Round by round and endpoint by endpoint, as the paper and Envoy have it.
    fn walked(entries: &[(&str, u32)], size: u32) -> Vec<usize> {
        let mut claimants = claimants(entries, size);
        let heaviest = claimants.iter().map(|claimant| claimant.share).fold(0.0, f64::max);
        let (mut slots, mut free) = (vec![FREE; size as usize], size);
        for round in 1_u64.. {
            for claimant in &mut claimants {
                if free == 0 {
                    return slots.into_iter().map(|owner| owner as usize).collect();
                }
                if round as f64 * claimant.share >= claimant.target {
                    claimant.target += heaviest;
                    claimant.claim(&mut slots);
                    free -= 1;
                }
            }
        }
        unreachable!()
    }

    /// The tables that Envoy's own tests state for these keys.
    #[test]
    fn tables_are_those_of_envoy() {
        let keys: Vec<_> = (90..96).map(|port| format!("127.0.0.1:{port}")).collect();
        assert_eq!(table(&made(&equal(&keys), 7)), [2, 4, 0, 1, 5, 0, 3]);
        let names: Vec<_> = (90..96).map(|name| name.to_string()).collect();
        assert_eq!(table(&made(&equal(&names), 7)), [2, 5, 0, 3, 4, 1, 0]);
        let two = [("127.0.0.1:90", 1), ("127.0.0.1:91", 2)];
        let expected = [1, 0, 0, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 0, 1];
        assert_eq!(table(&made(&two, 17)), expected);
        // There by the weights of two zones, 8 and 2, with an endpoint each.
        let lopsided = [("127.0.0.1:90", 8), ("127.0.0.1:91", 2)];
        let expected = [1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(table(&made(&lopsided, 17)), expected);
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let keys = keys(9);
        let entries = weighted(&keys, &[3, 1, 4, 1, 5, 9, 2, 6, 5]);
        let backwards: Vec<_> = entries.iter().rev().copied().collect();
        let renamed = table(&made(&backwards, 251)).into_iter().map(|owner| 8 - owner);
        assert_eq!(table(&made(&entries, 251)), renamed.collect::<Vec<_>>());
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [0, 1, 4, 8, 9, 65_536, 4_999_999 + 1] {
            assert_eq!(Maglev::new(&[], size).unwrap_err(), MaglevError::NotPrime { size });
        }
        for size in [5_000_012, u32::MAX] {
            assert_eq!(Maglev::new(&[], size).unwrap_err(), MaglevError::TooLarge { size });
        }
        for size in [2, 3, 5, 7, 65_537, 5_000_011] {
            assert!(Maglev::new(&[], size).is_ok(), "{size}");
        }
    }

    #[test]
    fn equal_endpoints_differ_by_one_slot() {
        let keys = keys(100);
        let counts = counts(&table(&made(&equal(&keys), Maglev::DEFAULT_SIZE)), 100);
        assert!(counts.iter().all(|count| (655..=656).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_smallest_tables_are_filled() {
        assert_eq!(table(&made(&[("a", 1)], 2)), [0, 0]);
        assert_eq!(counts(&table(&made(&[("a", 1), ("b", 1)], 2)), 2), [1, 1]);
    }

    #[test]
    fn more_endpoints_than_slots_serve_in_need() {
        let keys = keys(20);
        let maglev = made(&equal(&keys), 7);
        assert_eq!(counts(&table(&maglev), 20).iter().filter(|&&count| count > 0).count(), 7);
        for only in 0..20 {
            assert_eq!(maglev.pick(5, |index| index == only), Some(only));
        }
    }

    #[test]
    fn no_weight_is_no_traffic() {
        assert_eq!(made(&[("a", 0)], 7).pick(3, |_| true), None);
        assert_eq!(made(&[], 7).pick(3, |_| true), None);
        assert_eq!(table(&made(&[("a", 0), ("b", 1)], 7)), [1; 7]);
        assert_eq!(made(&[("a", 0), ("b", 1)], 7).pick(3, |index| index == 0), None);
    }

    #[test]
    fn little_more_than_the_keys_of_the_one_that_left_move() {
        let keys = keys(50);
        let all = equal(&keys);
        let before = table(&made(&all, Maglev::DEFAULT_SIZE));
        for victim in [0, 17, 49] {
            let mut rest = all.clone();
            rest.remove(victim);
            let after = table(&made(&rest, Maglev::DEFAULT_SIZE));
            let moved = before.iter().zip(&after).filter(|&(&old, &new)| all[old] != rest[new]);
            // A fiftieth has to move.
            let share = moved.count() as f64 / before.len() as f64;
            assert!((0.02..0.04).contains(&share), "{share}");
        }
    }

    #[test]
    fn one_heavy_among_many_light_ones_is_no_work() {
        let keys = keys(20_000);
        let mut weights = vec![1; 20_000];
        weights[7] = 65_535;
        let counts = counts(&table(&made(&weighted(&keys, &weights), 65_537)), 20_000);
        assert!((45_000..52_000).contains(&counts[7]), "{}", counts[7]);
    }

    proptest! {
        #[test]
        fn the_queue_claims_as_the_rounds_do(
            weights in prop::collection::vec(prop_oneof![1_u32..6, 0_u32..2000], 1..25),
            size in prop::sample::select(vec![2, 7, 31, 251, 1009]),
        ) {
            prop_assume!(weights.iter().any(|&weight| weight > 0));
            let keys = keys(weights.len());
            let entries = weighted(&keys, &weights);
            prop_assert_eq!(table(&made(&entries, size)), walked(&entries, size));
        }

        #[test]
        fn slots_follow_the_weights(weights in prop::collection::vec(1_u32..40, 2..20)) {
            let keys = keys(weights.len());
            let counts = counts(&table(&made(&weighted(&keys, &weights), 4001)), weights.len());
            let (total, most) = (weights.iter().sum::<u32>(), *weights.iter().max().unwrap());
            for (count, &weight) in counts.iter().zip(&weights) {
                let share = 4001.0 * f64::from(weight) / f64::from(total);
                // Everyone claims in the first round, however light, and in the last some do.
                let off = 2.0 + weights.len() as f64 * f64::from(weight) / f64::from(most);
                prop_assert!((*count as f64 - share).abs() <= off, "{count} for {share}");
            }
        }

        #[test]
        fn a_pick_admits_and_weighs_something(
            list in prop::collection::vec((0_u32..4, any::<bool>()), 0..50),
            hash in any::<u64>(),
        ) {
            let keys = keys(list.len());
            let weights: Vec<_> = list.iter().map(|(weight, _)| *weight).collect();
            let maglev = made(&weighted(&keys, &weights), 101);
            let picked = maglev.pick(hash, |index| list[index].1);
            let possible = list.iter().any(|&(weight, admits)| weight > 0 && admits);
            prop_assert_eq!(picked.is_some(), possible);
            prop_assert!(picked.is_none_or(|index| list[index].1 && list[index].0 > 0));
        }
    }
}
