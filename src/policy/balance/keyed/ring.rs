//! The same key to the same endpoint: a hash ring, in the manner of ketama.
//!
//! Each endpoint stands at many points of a circle of hashes, and a key belongs to the first point
//! at or after its own hash. When an endpoint leaves, only its own keys move, and they spread over
//! all others. The points are those of Envoy and gRPC to the last digit, so clients of all three
//! agree, as long as they list the endpoints in the same order with the same weights.
//!
//! That only the keys of the one that left move holds while the others keep their points. With
//! equal weights and the size left to the default, that is so from eleven endpoints on, but for the
//! one point that rounding may add to each; below, the others get more points when one leaves.
//!
//! [`Maglev`](crate::policy::balance::Maglev) looks up faster and spreads more evenly, and for thousands of
//! endpoints it is built faster and is smaller, but it moves a few more keys.
//! [`rendezvous`](crate::policy::balance::rendezvous) needs no table at all and a hash for each endpoint and pick.

use std::error::Error;
use std::fmt;
use std::fmt::Write;

use super::wheel::Wheel;
use crate::policy::balance::hash::hash_bytes;

/// How many points a ring has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// The least number of points; default 100 for each endpoint, at least 1024 and at most
    /// `max_size`. More points spread the keys more evenly and take 12 bytes each.
    pub min_size: Option<u32>,
    /// The largest number of points; default 8,388,608, which is also the most. Below the number of
    /// endpoints it leaves some of them without a point, hence without traffic but in need.
    pub max_size: u32,
}

impl Default for RingConfig {
    fn default() -> Self {
        Self { min_size: None, max_size: MOST_POINTS }
    }
}

impl RingConfig {
    /// Checks the bounds.
    ///
    /// # Errors
    /// They cannot be kept, whatever the number of endpoints.
    pub fn check(self) -> Result<(), RingError> {
        self.sizes(0).map(drop)
    }

    /// The bounds for this number of endpoints.
    fn sizes(self, endpoints: usize) -> Result<(u32, u32), RingError> {
        let max = self.max_size;
        if max > MOST_POINTS {
            return Err(RingError::MaxTooLarge { max });
        }
        let wanted = u32::try_from(endpoints).unwrap_or(u32::MAX).saturating_mul(POINTS_EACH);
        let min = self.min_size.unwrap_or_else(|| wanted.max(LEAST_POINTS).min(max));
        match (min, max) {
            (0, _) | (_, 0) => Err(RingError::NoPoints),
            (min, max) if min > max => Err(RingError::MinAboveMax { min, max }),
            sizes => Ok(sizes),
        }
    }
}

/// Why a ring cannot have the size that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RingError {
    /// The smallest size is above the largest.
    MinAboveMax {
        /// The smallest size.
        min: u32,
        /// The largest size.
        max: u32,
    },
    /// The largest size is above 8,388,608.
    MaxTooLarge {
        /// The largest size.
        max: u32,
    },
    /// One of the sizes is 0.
    NoPoints,
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MinAboveMax { min, max } => {
                write!(f, "the smallest ring size, {min}, is above the largest, {max}")
            }
            Self::MaxTooLarge { max } => {
                write!(f, "the largest ring size, {max}, is above {MOST_POINTS}")
            }
            Self::NoPoints => f.write_str("a ring size of 0 has no room for any endpoint"),
        }
    }
}

impl Error for RingError {}

/// A hash ring. It holds positions in the list that it was made from.
#[derive(Clone, Debug)]
pub struct Ring {
    /// The hashes of the points in rising order; the wheel has their owners.
    points: Box<[u64]>,
    wheel: Wheel,
}

impl Ring {
    /// Places the endpoints, each given as its key (`address:port`, or what the user set instead)
    /// and its weight. One of weight 0 is never picked.
    ///
    /// # Errors
    ///
    /// If the sizes contradict each other.
    pub fn new(entries: &[(&str, u32)], config: RingConfig) -> Result<Self, RingError> {
        let (min, max) = config.sizes(entries.len())?;
        let mut points = placed(entries, min, max);
        points.sort_unstable();
        let slots = points.iter().map(|(_, owner)| *owner).collect();
        let weighty = entries.iter().map(|(_, weight)| *weight > 0).collect();
        let points = points.into_iter().map(|(hash, _)| hash).collect();
        Ok(Self { points, wheel: Wheel::new(slots, weighty) })
    }

    /// The owner of the first point at or after `hash` that admits, going around.
    pub fn pick(&self, hash: u64, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let next = self.first_from(hash);
        self.wheel.pick(if next < self.points.len() { next } else { 0 }, admits)
    }

    /// The first point at or after `hash`, or the end. Hashes are even, so it lies near where it
    /// would be if they were evenly apart, and the search widens from there: on a large ring, plain
    /// halving goes to memory a dozen times before it comes near.
    fn first_from(&self, hash: u64) -> usize {
        let len = self.points.len();
        let before = |at: usize| self.points.get(at).is_some_and(|&point| point < hash);
        let near = ((u128::from(hash) * len as u128) >> u64::BITS) as usize;
        let (mut low, mut high, mut step) = (near, near, FIRST_STEP);
        while before(high) {
            (low, high, step) = (high + 1, (high + step).min(len), step * 4);
        }
        while low > 0 && !before(low - 1) {
            (low, high, step) = (low.saturating_sub(step), low, step * 4);
        }
        low + self.points[low..high].partition_point(|&point| point < hash)
    }
}

/// The points with their owners, in the order of the list.
///
/// The lightest endpoint gets a whole number of points, and the others their multiples of it. What
/// is not whole is carried over to the next endpoint in a running sum. The sums are doubles and are
/// rounded as the other implementations round them; exact ones would place other points.
fn placed(entries: &[(&str, u32)], min: u32, max: u32) -> Vec<(u64, u32)> {
    let weights = || entries.iter().map(|(_, weight)| *weight).filter(|&weight| weight > 0);
    let total = weights().map(u64::from).sum::<u64>() as f64;
    let Some(lightest) = weights().min().map(|weight| f64::from(weight) / total) else {
        return Vec::new();
    };
    let scale = ((lightest * f64::from(min)).ceil() / lightest).min(f64::from(max));
    let mut points = Vec::with_capacity(scale.ceil() as usize);
    let (mut target, mut name) = (0.0, String::new());
    for (owner, &(key, weight)) in entries.iter().enumerate() {
        target += scale * (f64::from(weight) / total);
        name.clear();
        name.extend([key, "_"]);
        let stem = name.len();
        for number in 0_u32.. {
            if points.len() as f64 >= target {
                break;
            }
            name.truncate(stem);
            // Writing to a string cannot fail.
            let _ = write!(name, "{number}");
            points.push((hash_bytes(name.as_bytes()), owner as u32));
        }
    }
    points
}

/// Two cache lines.
const FIRST_STEP: usize = 16;

/// With 100 points each, shares differ by about a tenth.
const POINTS_EACH: u32 = 100;

/// The least that Envoy and gRPC take, for services of a few endpoints.
const LEAST_POINTS: u32 = 1024;

/// The bound of Envoy: 100 MB.
const MOST_POINTS: u32 = 8_388_608;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::balance::hash::splitmix64;

    fn sized(entries: &[(&str, u32)], min: u32, max: u32) -> Ring {
        Ring::new(entries, RingConfig { min_size: Some(min), max_size: max }).unwrap()
    }

    fn layout(ring: &Ring) -> Vec<(u64, usize)> {
        let owner = |&point| (point, ring.pick(point, |_| true).unwrap());
        ring.points.iter().map(owner).collect()
    }

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("10.0.{}.{}:8080", index / 250, index % 250)).collect()
    }

    fn equal(keys: &[String]) -> Vec<(&str, u32)> {
        keys.iter().map(|key| (key.as_str(), 1)).collect()
    }

    fn counts(ring: &Ring, endpoints: usize, keys: u64) -> Vec<usize> {
        let mut counts = vec![0; endpoints];
        for key in 0..keys {
            counts[ring.pick(hash_bytes(&key.to_le_bytes()), |_| true).unwrap()] += 1;
        }
        counts
    }

    /// The positions that Envoy's own tests state for these six addresses.
    #[test]
    fn six_equal_endpoints_stand_where_envoy_puts_them() {
        let keys: Vec<_> = (90..96).map(|port| format!("127.0.0.1:{port}")).collect();
        let ring = sized(&equal(&keys), 12, MOST_POINTS);
        let expected = [
            (833_437_586_790_550_860, 4),
            (928_266_305_478_181_108, 2),
            (1_033_482_794_131_418_490, 0),
            (3_551_244_743_356_806_947, 5),
            (3_851_675_632_748_031_481, 3),
            (5_583_722_120_771_150_861, 1),
            (6_311_230_543_546_372_928, 1),
            (7_700_377_290_971_790_572, 3),
            (13_144_177_310_400_110_813, 5),
            (13_444_792_449_719_432_967, 2),
            (15_516_499_411_664_133_160, 4),
            (16_117_243_373_044_804_889, 0),
        ];
        assert_eq!(layout(&ring), expected);
        assert_eq!(ring.pick(0, |_| true), Some(4));
        assert_eq!(ring.pick(3_551_244_743_356_806_948, |_| true), Some(3));
        assert_eq!(ring.pick(u64::MAX, |_| true), Some(4));
    }

    const WEIGHTED: [(&str, u32); 3] =
        [("127.0.0.1:90", 1), ("127.0.0.1:91", 2), ("127.0.0.1:92", 3)];

    /// The same, for weights 1, 2 and 3 on a ring of six.
    #[test]
    fn three_weighted_endpoints_stand_where_envoy_puts_them() {
        let expected = [
            (928_266_305_478_181_108, 2),
            (4_443_673_547_860_492_590, 2),
            (5_583_722_120_771_150_861, 1),
            (6_311_230_543_546_372_928, 1),
            (13_444_792_449_719_432_967, 2),
            (16_117_243_373_044_804_889, 0),
        ];
        assert_eq!(layout(&sized(&WEIGHTED, 6, 6)), expected);
    }

    #[test]
    fn a_point_is_the_hash_of_key_and_number() {
        let mut expected = vec![];
        for (owner, (key, weight)) in WEIGHTED.into_iter().enumerate() {
            for number in 0..weight {
                let name = format!("{key}_{number}");
                expected.push((xxhash_rust::xxh64::xxh64(name.as_bytes(), 0), owner));
            }
        }
        expected.sort_unstable();
        assert_eq!(layout(&sized(&WEIGHTED, 6, 6)), expected);
    }

    /// And how 6000 keys that lie evenly on the ring are spread there.
    #[test]
    fn keys_spread_by_weight_exactly_as_with_envoy() {
        let ring = sized(&WEIGHTED, 6144, MOST_POINTS);
        assert_eq!(ring.points.len(), 6144);
        let mut counts = [0; 3];
        for key in 0..6000 {
            counts[ring.pick(key * (u64::MAX / 6000), |_| true).unwrap()] += 1;
        }
        assert_eq!(counts, [987, 1932, 3081]);
    }

    #[test]
    fn a_point_that_is_not_whole_is_carried_over() {
        let keys = keys(2);
        let ring = sized(&equal(&keys), 1023, 1023);
        let first = layout(&ring).iter().filter(|(_, owner)| *owner == 0).count();
        assert_eq!((ring.points.len(), first), (1023, 512));
    }

    #[test]
    fn a_ring_without_a_wish_has_a_hundred_points_each() {
        let size = |endpoints| {
            let keys = keys(endpoints);
            Ring::new(&equal(&keys), RingConfig::default()).unwrap().points.len()
        };
        assert_eq!([size(1), size(4), size(16), size(200)], [1024, 1024, 1600, 20_000]);
    }

    #[test]
    fn sizes_that_contradict_each_other_are_refused() {
        let make = |min_size, max_size| {
            Ring::new(&[("a", 1)], RingConfig { min_size, max_size }).map(|_| ()).unwrap_err()
        };
        assert_eq!(make(Some(20), 10), RingError::MinAboveMax { min: 20, max: 10 });
        assert_eq!(make(None, 8_388_609), RingError::MaxTooLarge { max: 8_388_609 });
        assert_eq!(make(Some(0), 10), RingError::NoPoints);
        assert_eq!(make(None, 0), RingError::NoPoints);
        assert!(make(Some(20), 10).to_string().contains("20"));
    }

    #[test]
    fn a_ring_that_is_too_small_serves_the_others_in_need() {
        let keys = keys(4);
        let ring = sized(&equal(&keys), 2, 2);
        let owners: Vec<_> = layout(&ring).into_iter().map(|(_, owner)| owner).collect();
        let other = (0..4).find(|index| !owners.contains(index)).unwrap();
        assert_eq!(ring.pick(17, |index| index == other), Some(other));
    }

    #[test]
    fn no_weight_is_no_traffic() {
        let nobody = Ring::new(&[("a", 0), ("b", 0)], RingConfig::default()).unwrap();
        assert_eq!(nobody.pick(1, |_| true), None);
        assert_eq!(Ring::new(&[], RingConfig::default()).unwrap().pick(1, |_| true), None);
        let one = Ring::new(&[("a", 0), ("b", 1)], RingConfig::default()).unwrap();
        assert_eq!(counts(&one, 2, 100), [0, 100]);
        assert_eq!(one.pick(1, |index| index == 0), None);
    }

    #[test]
    fn equal_endpoints_get_about_equal_shares() {
        let keys = keys(20);
        let counts = counts(&Ring::new(&equal(&keys), RingConfig::default()).unwrap(), 20, 40_000);
        // Four times the tenth by which shares of a hundred points usually differ.
        assert!(counts.iter().all(|count| (1200..2800).contains(count)), "{counts:?}");
    }

    #[test]
    fn heavy_endpoints_get_their_multiple() {
        let entries = [("10.0.0.1:80", 1), ("10.0.0.2:80", 10), ("10.0.0.3:80", 100)];
        // A hundred points for the lightest.
        let counts = counts(&sized(&entries, 11_100, MOST_POINTS), 3, 50_000);
        assert!((270..630).contains(&counts[0]), "{counts:?}");
        assert!((3900..5100).contains(&counts[1]), "{counts:?}");
    }

    proptest! {
        #[test]
        fn only_the_keys_of_the_one_that_left_move(
            endpoints in 2_usize..40,
            victim in any::<prop::sample::Index>(),
            seed in any::<u64>(),
        ) {
            let keys = keys(endpoints);
            let (all, victim) = (equal(&keys), victim.index(endpoints));
            let mut rest = all.clone();
            rest.remove(victim);
            // Sizes that give 64 points to each, whichever are there.
            let before = sized(&all, endpoints as u32 * 64, MOST_POINTS);
            let after = sized(&rest, rest.len() as u32 * 64, MOST_POINTS);
            prop_assume!(before.points.len() == 64 * endpoints);
            prop_assume!(after.points.len() == 64 * rest.len());
            let mut state = seed;
            for _ in 0..200 {
                let key = splitmix64(&mut state);
                let (old, new) = (before.pick(key, |_| true), after.pick(key, |_| true));
                let old_key = all[old.unwrap()].0;
                if old_key != all[victim].0 {
                    prop_assert_eq!(old_key, rest[new.unwrap()].0);
                }
                // One that is out for now hands on its keys as if it had left.
                let out = before.pick(key, |index| index != victim);
                prop_assert_eq!(all[out.unwrap()].0, rest[new.unwrap()].0);
            }
        }

        #[test]
        fn the_search_finds_what_halving_would(
            mut points in prop::collection::vec(prop_oneof![0_u64..50, any::<u64>()], 0..300),
            wanted in prop_oneof![0_u64..50, any::<u64>(), Just(u64::MAX)],
            place in any::<prop::sample::Index>(),
        ) {
            points.sort_unstable();
            let wheel = Wheel::new([].into(), [].into());
            let ring = Ring { points: points.clone().into(), wheel };
            let exact = points.get(place.index(points.len().max(1))).copied();
            for hash in exact.into_iter().chain([wanted]) {
                let expected = points.partition_point(|&point| point < hash);
                prop_assert_eq!(ring.first_from(hash), expected);
            }
        }

        #[test]
        fn a_pick_admits_and_weighs_something(
            list in prop::collection::vec((0_u32..4, any::<bool>()), 0..50),
            (min, max) in (1_u32..100, 100_u32..200),
            hash in any::<u64>(),
        ) {
            let keys = keys(list.len());
            let entries: Vec<_> =
                keys.iter().zip(&list).map(|(key, (weight, _))| (key.as_str(), *weight)).collect();
            let picked = sized(&entries, min, max).pick(hash, |index| list[index].1);
            let possible = list.iter().any(|&(weight, admits)| weight > 0 && admits);
            prop_assert_eq!(picked.is_some(), possible);
            prop_assert!(picked.is_none_or(|index| list[index].1 && list[index].0 > 0));
        }

        #[test]
        fn no_weights_make_a_ring_larger_than_allowed(
            weights in prop::collection::vec(any::<u32>(), 1..20),
            max in 1_u32..3000,
        ) {
            let keys = keys(weights.len());
            let entries: Vec<_> =
                keys.iter().zip(weights).map(|(key, weight)| (key.as_str(), weight)).collect();
            let ring = Ring::new(&entries, RingConfig { min_size: None, max_size: max }).unwrap();
            prop_assert!(ring.points.len() <= max as usize + 1);
        }
    }
}
