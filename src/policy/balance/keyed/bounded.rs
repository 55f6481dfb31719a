//! No endpoint more than a little above its share: bounded load on top of a hash.
//!
//! A ring or a table sends each key home, however popular the key is. The bound (consistent hashing
//! with bounded loads, arXiv 1608.01350) lets an endpoint hold no more than a factor of what would
//! be its share of the requests now in flight; what is above goes elsewhere.
//!
//! Elsewhere is not the next endpoint on the ring: that one would soon be full too, and then the
//! next, in a cascade. Each key jumps in a random order of its own (arXiv 1908.08762), which
//! depends on the key's hash alone, so all clients overflow to the same places.

use crate::policy::balance::hash::splitmix64;

/// What an endpoint may take and what it has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundedLoad {
    /// Its share of all weights, 0 to 1. With 0 it is never picked.
    pub share: f64,
    /// Its requests in flight.
    pub in_flight: u32,
}

impl BoundedLoad {
    /// How full it is, if `allowed` is what may be in flight at all endpoints together.
    fn filling(self, allowed: f64) -> Filling {
        let (room, taken) = ((allowed * self.share).ceil().max(1.0), f64::from(self.in_flight));
        if taken + 1.0 <= room { Filling::Room } else { Filling::Full(taken / room) }
    }
}

enum Filling {
    /// One more fits in.
    Room,
    /// None does; with what is there, by what may be there.
    Full(f64),
}

/// A bound on the load of a home choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounded {
    factor: f64,
}

impl Default for Bounded {
    /// 1.25: a quarter above the mean. Nearer to 1, more keys lose their home for little more
    /// evenness; at 2, an endpoint must stand twice the mean.
    fn default() -> Self {
        Self { factor: 1.25 }
    }
}

impl Bounded {
    /// Takes by how much an endpoint may be above its share: at least 1, finite; none for any
    /// other.
    #[must_use]
    pub fn new(factor: f64) -> Option<Self> {
        (factor >= 1.0 && factor.is_finite()).then_some(Self { factor })
    }

    /// By how much an endpoint may be above its share.
    #[must_use]
    pub const fn factor(&self) -> f64 {
        self.factor
    }

    /// `home`, if it has room for one more request; else the first with room in the hash's own
    /// order of the `len` endpoints; if none has, the one that is least above its bound.
    ///
    /// `in_flight` is the number of requests at all endpoints, without this one. Nothing is
    /// allocated unless more than 32 endpoints in a row have no room.
    pub fn pick(
        &self,
        hash: u64,
        home: Option<usize>,
        len: usize,
        load: impl Fn(usize) -> BoundedLoad,
        in_flight: u32,
        admits: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let allowed = self.factor * (f64::from(in_flight) + 1.0);
        let filling = |index| {
            let load = load(index);
            (load.share > 0.0 && admits(index)).then(|| load.filling(allowed))
        };
        let roomy = |index: &usize| matches!(filling(*index), Some(Filling::Room));
        home.filter(roomy)
            .or_else(|| first_jumps(hash, len).find(roomy))
            .or_else(|| by_survey(home.into_iter().chain(all_jumps(hash, len)), filling))
    }
}

/// The first with room, or the one that comes nearest to it.
fn by_survey(
    order: impl Iterator<Item = usize>,
    filling: impl Fn(usize) -> Option<Filling>,
) -> Option<usize> {
    let mut least: Option<(f64, usize)> = None;
    for index in order {
        match filling(index) {
            Some(Filling::Room) => return Some(index),
            Some(Filling::Full(by)) if least.is_none_or(|(least, _)| by < least) => {
                least = Some((by, index));
            }
            _ => {}
        }
    }
    least.map(|(_, index)| index)
}

/// The positions up to `len` in an order that `hash` gives (Fisher and Yates).
fn all_jumps(hash: u64, len: usize) -> impl Iterator<Item = usize> {
    let mut jumps = Jumps::new(hash, len);
    // The list is made by the first step: most picks take none.
    let mut order = Vec::new();
    (0..len).map(move |step| {
        if step == 0 {
            order = (0..len as u32).collect();
        }
        order.swap(step, jumps.from(step));
        order[step] as usize
    })
}

/// The beginning of the same order. Only the swapped positions are noted, in place.
fn first_jumps(hash: u64, len: usize) -> impl Iterator<Item = usize> {
    let mut jumps = Jumps::new(hash, len);
    let mut swapped = [(0, 0); FEW];
    (0..len.min(FEW)).map(move |step| {
        let standing = |place| {
            let noted = swapped[..step].iter().rev().find(|(noted, _)| *noted == place);
            noted.map_or(place, |(_, index)| *index)
        };
        let place = jumps.from(step);
        let (index, displaced) = (standing(place), standing(step));
        swapped[step] = (place, displaced);
        index
    })
}

/// The draws of a shuffle.
struct Jumps {
    state: u64,
    len: usize,
}

impl Jumps {
    const fn new(hash: u64, len: usize) -> Self {
        Self { state: hash, len }
    }

    /// A position from `step` on. The high half of the product is as even as 64 bits can be.
    fn from(&mut self, step: usize) -> usize {
        let left = self.len.saturating_sub(step) as u128;
        step + ((u128::from(splitmix64(&mut self.state)) * left) >> 64) as usize
    }
}

/// At a factor of 1.25 at most four of five endpoints are full, so that fewer than one overflow in
/// a thousand goes on beyond these.
const FEW: usize = 32;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    fn even(in_flight: &[u32]) -> impl Fn(usize) -> BoundedLoad {
        let share = 1.0 / in_flight.len() as f64;
        move |index| BoundedLoad { share, in_flight: in_flight[index] }
    }

    fn pick(bounded: Bounded, hash: u64, home: usize, in_flight: &[u32]) -> usize {
        let (load, total) = (even(in_flight), in_flight.iter().sum());
        bounded.pick(hash, Some(home), in_flight.len(), load, total, |_| true).unwrap()
    }

    #[test]
    fn a_factor_is_at_least_one() {
        assert_eq!(Bounded::new(1.25), Some(Bounded::default()));
        assert!(Bounded::new(1.0).is_some());
        for refused in [0.99, -2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Bounded::new(refused), None, "{refused}");
        }
    }

    #[test]
    fn home_is_taken_while_it_has_room() {
        // 11 in flight with this one, 1.25 times that over four: room for four each.
        assert_eq!(pick(Bounded::default(), 9, 2, &[4, 3, 3, 0]), 2);
        assert_ne!(pick(Bounded::default(), 9, 0, &[4, 3, 3, 0]), 0);
        // At twice the mean there is room for six.
        assert_eq!(pick(Bounded::new(2.0).unwrap(), 9, 0, &[4, 3, 3, 0]), 0);
    }

    #[test]
    fn an_idle_service_has_room_everywhere() {
        for home in 0..5 {
            assert_eq!(pick(Bounded::default(), 1, home, &[0; 5]), home);
        }
    }

    #[test]
    fn a_pick_at_home_asks_home_alone() {
        let asked = Cell::new(0);
        let admits = |_| {
            asked.set(asked.get() + 1);
            true
        };
        let loads = [0; 1000];
        assert_eq!(Bounded::default().pick(3, Some(7), 1000, even(&loads), 0, admits), Some(7));
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn the_overflow_of_one_home_spreads_over_the_others() {
        let mut counts = [0; 10];
        for key in 0..9000 {
            counts[pick(Bounded::default(), key, 4, &[1, 1, 1, 1, 90, 1, 1, 1, 1, 1])] += 1;
        }
        assert_eq!(counts[4], 0);
        assert!(counts.iter().filter(|count| (850..1150).contains(*count)).count() == 9);
    }

    #[test]
    fn a_key_overflows_to_the_same_place_each_time() {
        let first = pick(Bounded::default(), 77, 4, &[1, 1, 1, 1, 90, 1, 1, 1, 1, 1]);
        assert_eq!(pick(Bounded::default(), 77, 4, &[2, 0, 1, 2, 80, 1, 0, 1, 2, 1]), first);
    }

    #[test]
    fn heavy_endpoints_have_more_room() {
        let load = |index: usize| [(0.1, 2), (0.9, 9)][index];
        let load = |index| BoundedLoad { share: load(index).0, in_flight: load(index).1 };
        for home in [0, 1] {
            assert_eq!(Bounded::default().pick(5, Some(home), 2, load, 11, |_| true), Some(1));
        }
    }

    #[test]
    fn without_room_the_one_least_above_its_bound_serves() {
        let loads = [9, 7, 5, 6];
        let admits = |index| index != 2;
        let picked = Bounded::default().pick(5, Some(0), 4, even(&loads), 8, admits);
        assert_eq!(picked, Some(3));
    }

    #[test]
    fn a_home_that_is_out_is_passed_over() {
        let admits = |index| index == 1;
        assert_eq!(Bounded::default().pick(5, Some(0), 3, even(&[0; 3]), 0, admits), Some(1));
        assert_eq!(Bounded::default().pick(5, None, 3, even(&[0; 3]), 0, admits), Some(1));
        assert_eq!(Bounded::default().pick(5, None, 3, even(&[0; 3]), 0, |_| false), None);
        assert_eq!(Bounded::default().pick(5, None, 0, even(&[]), 0, |_| true), None);
    }

    #[test]
    fn the_last_of_many_is_found() {
        let mut loads = vec![50; 1000];
        loads[621] = 0;
        let admits = |index| index % 9 == 0;
        let picked = Bounded::default().pick(5, Some(0), 1000, even(&loads), 10_000, admits);
        assert_eq!(picked, Some(621));
    }

    proptest! {
        #[test]
        fn an_order_has_each_position_once(hash in any::<u64>(), len in 0_usize..200) {
            let order: Vec<_> = all_jumps(hash, len).collect();
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..len).collect::<Vec<_>>());
            let beginning: Vec<_> = first_jumps(hash, len).collect();
            prop_assert_eq!(&beginning, &order[..len.min(FEW)]);
        }

        #[test]
        fn nobody_gets_above_the_bound_while_all_admit(
            homes in prop::collection::vec(0_usize..6, 1..200),
            factor in 1.0..3.0,
            seed in any::<u64>(),
        ) {
            let (bounded, mut loads) = (Bounded::new(factor).unwrap(), vec![0; 6]);
            for (total, home) in homes.into_iter().enumerate() {
                let picked = pick(bounded, seed ^ total as u64, home, &loads);
                loads[picked] += 1;
                let bound = (factor * (total as f64 + 1.0) / 6.0).ceil();
                prop_assert!(f64::from(loads[picked]) <= bound, "{loads:?} above {bound}");
            }
        }

        #[test]
        fn a_pick_admits(
            list in prop::collection::vec((any::<bool>(), any::<u32>(), -0.5_f64..1.0), 0..60),
            home in any::<Option<prop::sample::Index>>(),
            in_flight in any::<u32>(),
            hash in any::<u64>(),
        ) {
            let home = home.filter(|_| !list.is_empty()).map(|home| home.index(list.len()));
            let load = |index: usize| BoundedLoad { share: list[index].2, in_flight: list[index].1 };
            let admits = |index: usize| list[index].0;
            let picked =
                Bounded::default().pick(hash, home, list.len(), load, in_flight, admits);
            let possible = list.iter().any(|(admits, _, share)| *admits && *share > 0.0);
            prop_assert_eq!(picked.is_some(), possible);
            prop_assert!(picked.is_none_or(|index| admits(index) && list[index].2 > 0.0));
        }
    }
}
