//! The same key to the same endpoint: rendezvous hashing, also called highest random weight.
//!
//! Key and endpoint together make a score, and the endpoint of the highest score has the key. It
//! needs no table and nothing to rebuild, moves only the keys of an endpoint that left, in whatever
//! order the list is, and takes weights exactly. The price is a hash for each endpoint and pick, so
//! it is for sets of up to some hundred; for more, see [`Ring`](crate::policy::balance::Ring) and
//! [`Maglev`](crate::policy::balance::Maglev).

use crate::policy::balance::hash::hash_bytes_seeded;

/// The endpoint of the highest score among the `len` whose position admits, for a key's `hash`.
///
/// The endpoints are named by `keys`; their chances are in proportion to `weights`, and one of
/// weight 0 is never picked.
pub fn pick<'a>(
    hash: u64,
    len: usize,
    keys: impl Fn(usize) -> &'a str,
    weights: impl Fn(usize) -> u32,
    admits: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut best: Option<(f64, usize)> = None;
    for index in (0..len).filter(|&index| weights(index) > 0 && admits(index)) {
        let score = score(hash, keys(index), weights(index));
        if best.is_none_or(|(highest, _)| score > highest) {
            best = Some((score, index));
        }
    }
    best.map(|(_, index)| index)
}

/// The hash, read as an even draw `u` from 0 to 1, gives `-weight / ln u`: of such draws the
/// highest is anyone's with a chance in proportion to the weight.
pub(crate) fn score(hash: u64, key: &str, weight: u32) -> f64 {
    let drawn = hash_bytes_seeded(key.as_bytes(), hash) >> (u64::BITS - MANTISSA);
    let even = (drawn as f64 + 0.5) / (1_u64 << MANTISSA) as f64;
    // Not `ln` of the standard library, which is the system's and may differ in the last bit from system to system: then
    // a key might have another endpoint on another system. The very last draw rounds up to 1, whose logarithm is 0.
    f64::from(weight) / (-libm::log(even)).max(f64::MIN_POSITIVE)
}

/// The bits that a double holds exactly.
const MANTISSA: u32 = f64::MANTISSA_DIGITS;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|index| format!("10.0.0.{index}:8080")).collect()
    }

    fn plain(hash: u64, names: &[String]) -> usize {
        pick(hash, names.len(), |index| &names[index], |_| 1, |_| true).unwrap()
    }

    fn counts(weights: &[u32], picks: u64) -> Vec<u32> {
        let (names, mut counts) = (names(weights.len()), vec![0; weights.len()]);
        for hash in 0..picks {
            let picked = pick(
                hash.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                names.len(),
                |index| &names[index],
                |index| weights[index],
                |_| true,
            );
            counts[picked.unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn the_score_is_the_formula() {
        let hash = xxhash_rust::xxh64::xxh64(b"10.0.0.1:8080", 42);
        let even = ((hash >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0;
        assert!((score(42, "10.0.0.1:8080", 3) - -3.0 / even.ln()).abs() < 1e-9);
    }

    #[test]
    fn equal_endpoints_get_equal_shares() {
        let counts = counts(&[2; 8], 16_000);
        assert!(counts.iter().all(|count| (1800..2200).contains(count)), "{counts:?}");
    }

    #[test]
    fn shares_follow_the_weights() {
        let counts = counts(&[1, 2, 0, 5], 16_000);
        for (count, expected) in counts.iter().zip([2000_u32, 4000, 0, 10_000]) {
            assert!(count.abs_diff(expected) < 200, "{counts:?}");
        }
    }

    #[test]
    fn more_weight_only_draws_keys_in() {
        let names = names(6);
        for hash in 0..2000 {
            let weigh = |heavy| {
                let weights = move |index| if index == 3 { heavy } else { 2 };
                pick(hash, 6, |index| &names[index], weights, |_| true).unwrap()
            };
            let (before, after) = (weigh(2), weigh(3));
            assert!(before == after || after == 3, "{hash}: from {before} to {after}");
        }
    }

    #[test]
    fn nothing_to_pick_from_is_no_pick() {
        assert_eq!(pick(1, 0, |_| "", |_| 1, |_| true), None);
        assert_eq!(pick(1, 3, |_| "a", |_| 1, |_| false), None);
        assert_eq!(pick(1, 3, |_| "a", |_| 0, |_| true), None);
    }

    proptest! {
        #[test]
        fn only_the_keys_of_the_one_that_left_move(
            count in 2_usize..20,
            victim in any::<prop::sample::Index>(),
            hash in any::<u64>(),
        ) {
            let (all, victim) = (names(count), victim.index(count));
            let mut rest = all.clone();
            rest.remove(victim);
            let (before, after) = (&all[plain(hash, &all)], &rest[plain(hash, &rest)]);
            prop_assert!(before == after || *before == all[victim]);
            let out = pick(hash, count, |index| &all[index], |_| 1, |index| index != victim);
            prop_assert_eq!(&all[out.unwrap()], after);
        }

        #[test]
        fn the_order_of_the_list_does_not_matter(
            names in Just(names(12)).prop_shuffle(),
            hash in any::<u64>(),
        ) {
            let sorted = self::names(12);
            prop_assert_eq!(&names[plain(hash, &names)], &sorted[plain(hash, &sorted)]);
        }

        #[test]
        fn a_pick_admits_and_weighs_something(
            list in prop::collection::vec(
                (prop_oneof![Just(0), any::<u32>()], any::<bool>()),
                0..20,
            ),
            hash in any::<u64>(),
        ) {
            let names = names(list.len());
            let weight = |index: usize| list[index].0;
            let admits = |index: usize| list[index].1;
            let picked = pick(hash, list.len(), |index| &names[index], weight, admits);
            let possible = list.iter().any(|&(weight, admits)| weight > 0 && admits);
            prop_assert_eq!(picked.is_some(), possible);
            prop_assert!(picked.is_none_or(|index| admits(index) && weight(index) > 0));
        }
    }
}
