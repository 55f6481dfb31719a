//! Any endpoint that admits, each with a chance in proportion to its weight.
//!
//! The alias method (Walker's, in Vose's form): each endpoint has a column of the same height,
//! filled with its own weight and topped up by one heavier endpoint. A draw takes a column and then
//! one of its two owners, so it costs the same for three endpoints and for a hundred thousand. A
//! search over running sums would look at a dozen cache lines for that, a heap would need a lock.
//!
//! The columns are whole numbers, hence the chances are exact and no rounding gives an endpoint of
//! weight 0 a sliver. Such an endpoint is never picked.

use rand::{Rng, RngExt};

/// Random by weight, in constant time.
#[derive(Clone, Debug)]
pub struct Alias {
    columns: Box<[Column]>,
    /// The sum of all weights, and the height of a column.
    total: u64,
}

#[derive(Clone, Copy, Debug)]
struct Column {
    /// Draws below this belong to the column's own endpoint.
    own: u64,
    /// Whose the rest of the column is.
    other: u32,
    weight: u32,
}

impl Alias {
    /// Fills the columns, in time proportional to their number.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        let total = weights.iter().map(|&weight| u64::from(weight)).sum();
        let mut columns: Box<[Column]> = weights
            .iter()
            .map(|&weight| Column {
                // Scaled by their number, the weights fill all columns exactly.
                own: u64::from(weight).saturating_mul(weights.len() as u64),
                other: 0,
                weight,
            })
            .collect();
        level(&mut columns, total);
        Self { columns, total }
    }

    /// One of the endpoints that admit, by weight; none if none admits or those that do weigh
    /// nothing.
    pub fn pick(&self, admits: impl Fn(usize) -> bool, rng: &mut impl Rng) -> Option<usize> {
        if self.total == 0 {
            return None;
        }
        (0..GUESSES)
            .map(|_| self.guess(rng))
            .find(|&index| admits(index))
            .or_else(|| self.by_counting(&admits, rng))
    }

    fn guess(&self, rng: &mut impl Rng) -> usize {
        let index = rng.random_range(0..self.columns.len());
        let column = self.columns[index];
        if rng.random_range(0..self.total) < column.own { index } else { column.other as usize }
    }

    /// Asks each endpoint once and keeps it with its share of the weight seen so far, which makes
    /// the draw exact. Summing first and drawing then would ask twice, and the answers may differ.
    fn by_counting(&self, admits: impl Fn(usize) -> bool, rng: &mut impl Rng) -> Option<usize> {
        let (mut kept, mut sum) = (None, 0);
        for (index, column) in self.columns.iter().enumerate() {
            if column.weight > 0 && admits(index) {
                sum += u64::from(column.weight);
                if rng.random_range(0..sum) < u64::from(column.weight) {
                    kept = Some(index);
                }
            }
        }
        kept
    }
}

/// Tops up each column that is too low from one that is too high.
fn level(columns: &mut [Column], total: u64) {
    let (mut low, mut high): (Vec<_>, Vec<_>) =
        (0..columns.len()).partition(|&index| columns[index].own < total);
    while let (Some(lower), Some(&higher)) = (low.pop(), high.last()) {
        let missing = total - columns[lower].own;
        columns[lower].other = higher as u32;
        columns[higher].own -= missing;
        if columns[higher].own < total {
            low.extend(high.pop());
        }
    }
}

/// With half of the weight out, one pick in 65,000 has to count through the list, which costs as
/// much as some thousand guesses where the list is long.
const GUESSES: usize = 16;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::test_inputs::rng;

    /// How much of all columns each endpoint owns, in units of one column's `total`th part.
    fn owned(alias: &Alias) -> Vec<u128> {
        let mut owned = vec![0; alias.columns.len()];
        for (index, column) in alias.columns.iter().enumerate() {
            owned[index] += u128::from(column.own);
            owned[column.other as usize] += u128::from(alias.total - column.own);
        }
        owned
    }

    fn counts(alias: &Alias, living: &[usize], picks: usize) -> Vec<f64> {
        let (mut rng, mut counts) = (rng(), vec![0.0; alias.columns.len()]);
        for _ in 0..picks {
            counts[alias.pick(|index| living.contains(&index), &mut rng).unwrap()] += 1.0;
        }
        counts
    }

    #[test]
    fn picks_follow_the_weights() {
        let counts = counts(&Alias::new(&[1, 2, 3, 4]), &[0, 1, 2, 3], 40_000);
        for (count, expected) in counts.iter().zip([4000.0, 8000.0, 12_000.0, 16_000.0]) {
            assert!((count - expected).abs() < 350.0, "{counts:?}");
        }
    }

    #[test]
    fn the_living_among_many_dead_keep_their_proportions() {
        let mut weights = vec![100; 200];
        (weights[3], weights[70], weights[199]) = (1, 2, 1);
        let counts = counts(&Alias::new(&weights), &[3, 70, 199], 20_000);
        assert!((counts[70] - 10_000.0).abs() < 300.0, "{}", counts[70]);
        assert!((counts[3] - 5000.0).abs() < 300.0, "{}", counts[3]);
    }

    #[test]
    fn a_lucky_guess_asks_only_one_endpoint() {
        let asked = Cell::new(0);
        let admits = |_| asked.replace(asked.get() + 1) < 1000;
        assert!(Alias::new(&[7; 1000]).pick(admits, &mut rng()).is_some());
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn weight_nought_is_no_traffic() {
        assert_eq!(Alias::new(&[0, 0]).pick(|_| true, &mut rng()), None);
        assert_eq!(Alias::new(&[0, 5]).pick(|index| index == 0, &mut rng()), None);
    }

    #[test]
    fn the_heaviest_possible_weights_do_not_overflow() {
        let alias = Alias::new(&[u32::MAX, 1, u32::MAX]);
        assert_eq!(alias.pick(|index| index == 1, &mut rng()), Some(1));
        assert_eq!(owned(&alias)[1], 3);
    }

    proptest! {
        #[test]
        fn every_endpoint_owns_exactly_its_weight(
            weights in prop::collection::vec(prop_oneof![Just(0), 0_u32..20, any::<u32>()], 1..60),
        ) {
            let alias = Alias::new(&weights);
            if alias.total > 0 {
                for (owned, &weight) in owned(&alias).into_iter().zip(&weights) {
                    prop_assert_eq!(owned, u128::from(weight) * weights.len() as u128);
                }
            }
        }

        #[test]
        fn a_pick_admits_and_weighs_something(
            list in prop::collection::vec((0_u32..4, any::<bool>()), 0..40),
            seed in any::<u64>(),
        ) {
            let weights: Vec<_> = list.iter().map(|(weight, _)| *weight).collect();
            let (alias, mut rng) = (Alias::new(&weights), StdRng::seed_from_u64(seed));
            let picked = alias.pick(|index| list[index].1, &mut rng);
            let possible = list.iter().any(|&(weight, admits)| weight > 0 && admits);
            prop_assert_eq!(picked.is_some(), possible);
            if let Some(index) = picked {
                prop_assert!(list[index].0 > 0 && list[index].1);
            }
        }
    }
}
