//! The least costly of a few endpoints drawn at random: the power of two choices.
//!
//! Comparing all endpoints would send everyone to the same best one until its figures caught up, and
//! would take longer the more there are. Two random ones are known to be nearly as good as all
//! (Mitzenmacher; Finagle's p2c), and a third helps once some endpoints are slow: then it is rarer that
//! all of the drawn are. With a handful of endpoints a third choice makes too much of the differences.

use std::num::NonZeroUsize;

use rand::Rng;

use super::draw::{self, Equal, Weighted, Weights};

/// Draws a few different endpoints and takes the least costly of those that admit; of equally costly
/// ones the first drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct P2c {
    choices: Option<NonZeroUsize>,
}

impl P2c {
    /// Draws two of up to eight endpoints, and three of more.
    #[must_use]
    pub const fn new() -> Self {
        Self { choices: None }
    }

    /// Draws this many, at most eight. One is a random pick; from four on, endpoints that share their
    /// figures late are overrun.
    #[must_use]
    pub const fn with_choices(choices: NonZeroUsize) -> Self {
        Self { choices: Some(choices) }
    }

    /// How many it draws; none where that depends on the number of endpoints.
    #[must_use]
    pub const fn fixed_choices(&self) -> Option<NonZeroUsize> {
        self.choices
    }

    /// One of the `len` endpoints that `admits` says yes to, none if there is none. Of each endpoint
    /// drawn, `admits` is asked first; a cost that is no number counts as the worst.
    pub fn pick(
        &self,
        len: usize,
        admits: impl Fn(usize) -> bool,
        cost: impl Fn(usize) -> f32,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        self.pick_by(len, &Equal, admits, cost, rng)
    }

    /// The same with endpoints that can carry unequal loads: each is drawn in proportion to its
    /// weight, and its cost is divided by its weight, so that twice the weight may have twice as much
    /// in flight. `heaviest` is the greatest weight of all; a weight of zero counts as one.
    pub fn pick_weighted(
        &self,
        len: usize,
        heaviest: u32,
        weight: impl Fn(usize) -> u32,
        admits: impl Fn(usize) -> bool,
        cost: impl Fn(usize) -> f32,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        self.pick_by(len, &Weighted { weight, heaviest }, admits, cost, rng)
    }

    fn pick_by(
        &self,
        len: usize,
        weights: &impl Weights,
        admits: impl Fn(usize) -> bool,
        cost: impl Fn(usize) -> f32,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        // The number is a constant in each arm, which makes the usual picks twice as fast.
        match self.choices(len) {
            2 => least_costly::<2>(2, len, weights, admits, cost, rng),
            3 => least_costly::<3>(3, len, weights, admits, cost, rng),
            count => least_costly::<MOST>(count, len, weights, admits, cost, rng),
        }
    }

    fn choices(&self, len: usize) -> usize {
        self.choices.map_or(if len <= FEW { 2 } else { 3 }, NonZeroUsize::get)
    }
}

#[inline]
fn least_costly<const N: usize>(
    count: usize,
    len: usize,
    weights: &impl Weights,
    admits: impl Fn(usize) -> bool,
    cost: impl Fn(usize) -> f32,
    rng: &mut impl Rng,
) -> Option<usize> {
    let look = |least: &mut Least, index: usize| {
        if admits(index) {
            least.compare(index, weights.shared_out(index, cost(index)));
        }
    };
    // A draw of all there are needs no repetition: the exact pass comes to the same.
    let draws = if count < len { DRAWS } else { 0 };
    for _ in 0..draws {
        let mut least = Least::NONE;
        draw::blindly::<N>(count, len, weights, rng, |index| look(&mut least, index));
        if least.index().is_some() {
            return least.index();
        }
    }
    let mut least = Least::NONE;
    let living = draw::exactly::<N>(count, len, &admits, weights, rng);
    living.iter().for_each(|index| look(&mut least, index));
    least.index()
}

/// The least costly of those compared so far.
struct Least {
    index: usize,
    cost: f32,
}

impl Least {
    const NONE: Self = Self { index: 0, cost: f32::INFINITY };

    #[inline]
    fn compare(&mut self, index: usize, cost: f32) {
        // No number counts as the greatest: `min` prefers whichever is a number.
        let cost = cost.min(f32::MAX);
        // Without a branch, as nothing predicts how costs compare.
        let less = cost < self.cost;
        self.index = if less { index } else { self.index };
        self.cost = if less { cost } else { self.cost };
    }

    #[inline]
    fn index(&self) -> Option<usize> {
        (self.cost < f32::INFINITY).then_some(self.index)
    }
}

/// Up to which number of endpoints two choices are better than three.
const FEW: usize = 8;

/// More than anybody should compare; bounds the space that a pick takes.
const MOST: usize = 8;

/// The first draw and five more, as Finagle has it. With half of the endpoints out, one pick in a
/// quarter of a million needs the exact pass.
const DRAWS: usize = 6;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::rng;

    fn choosing(choices: usize) -> P2c {
        P2c::with_choices(NonZeroUsize::new(choices).unwrap())
    }

    /// How many endpoints a pick compares.
    fn compared(balancer: P2c, len: usize) -> usize {
        let asked = Cell::new(0);
        let count = |_| {
            asked.set(asked.get() + 1);
            0.0
        };
        assert!(balancer.pick(len, |_| true, count, &mut rng()).is_some());
        asked.get()
    }

    fn picks(count: usize, len: usize, mut pick: impl FnMut() -> Option<usize>) -> Vec<usize> {
        let mut counts = vec![0; len];
        (0..count).for_each(|_| counts[pick().unwrap()] += 1);
        counts
    }

    #[test]
    fn a_third_choice_comes_with_the_ninth_endpoint() {
        for (len, expected) in [(1, 1), (2, 2), (8, 2), (9, 3), (1000, 3)] {
            assert_eq!(compared(P2c::new(), len), expected);
        }
        for (choices, expected) in [(1, 1), (2, 2), (3, 3), (5, 5), (8, 8), (99, 8)] {
            assert_eq!(compared(choosing(choices), 100), expected);
        }
        assert_eq!(compared(choosing(99), 5), 5);
    }

    #[test]
    fn the_least_costly_of_two_is_picked() {
        let mut rng = rng();
        let cases =
            [([1.0, 2.0], 0), ([2.0, 1.0], 1), ([0.0, f32::INFINITY], 0), ([f32::NAN, 1e30], 1)];
        for (costs, cheap) in cases {
            for _ in 0..100 {
                let picked = P2c::new().pick(2, |_| true, |index| costs[index], &mut rng);
                assert_eq!(picked, Some(cheap), "{costs:?}");
            }
        }
    }

    #[test]
    fn the_most_costly_of_all_is_never_picked() {
        let mut rng = rng();
        for choices in [2, 3, 8] {
            let mut pick = || choosing(choices).pick(20, |_| true, |index| index as f32, &mut rng);
            let counts = picks(20_000, 20, &mut pick);
            let worst = 20 - (choices - 1);
            assert!(counts[worst..].iter().all(|count| *count == 0), "{counts:?}");
            assert!(counts[0] > counts[1] && counts[1] > counts[2], "{counts:?}");
        }
    }

    #[test]
    fn among_equals_everyone_has_the_same_chance() {
        let mut rng = rng();
        for (len, cost) in [(2, 0.0), (3, 5.0), (10, f32::NAN), (10, f32::INFINITY)] {
            let counts = picks(30_000, len, || P2c::new().pick(len, |_| true, |_| cost, &mut rng));
            let fair = 30_000 / len;
            assert!(counts.iter().all(|count| count.abs_diff(fair) < fair / 10), "{counts:?}");
        }
    }

    #[test]
    fn among_equals_shares_follow_the_weights() {
        let (mut rng, weights) = (rng(), [1, 2, 3, 4]);
        let weight = |index: usize| weights[index];
        // The first drawn wins a tie; costs in proportion to the weights are one.
        let cost = |index: usize| weights[index] as f32;
        let mut pick = || P2c::new().pick_weighted(4, 4, weight, |_| true, cost, &mut rng);
        for (count, weight) in picks(50_000, 4, &mut pick).into_iter().zip(weights) {
            assert!(count.abs_diff(5000 * weight as usize) < 500, "{count} for {weight}");
        }
    }

    #[test]
    fn a_heavier_endpoint_carries_more_in_flight() {
        let (mut rng, weights) = (rng(), [1, 3, 1, 3, 1, 3]);
        let mut in_flight = [0_usize; 6];
        let mut queue = std::collections::VecDeque::new();
        for _ in 0..20_000 {
            let cost = |index: usize| (in_flight[index] + 1) as f32;
            let weight = |index: usize| weights[index];
            let picked = P2c::new().pick_weighted(6, 3, weight, |_| true, cost, &mut rng).unwrap();
            in_flight[picked] += 1;
            queue.push_back(picked);
            if queue.len() > 120 {
                in_flight[queue.pop_front().unwrap()] -= 1;
            }
        }
        let heavy = in_flight[1] + in_flight[3] + in_flight[5];
        assert!((83..97).contains(&heavy), "{in_flight:?}");
    }

    #[test]
    fn five_more_draws_and_one_pass_find_what_admits() {
        let asked = Cell::new(0);
        let none = |_| {
            asked.set(asked.get() + 1);
            false
        };
        assert_eq!(P2c::new().pick(1000, none, |_| 0.0, &mut rng()), None);
        assert_eq!(asked.replace(0), 6 * 3 + 1000);
        assert_eq!(P2c::new().pick(2, none, |_| 0.0, &mut rng()), None);
        assert_eq!(asked.get(), 2, "two of two need no second draw");
        for only in [0, 1, 500, 999] {
            let picked = P2c::new().pick(1000, |index| index == only, |_| 0.0, &mut rng());
            assert_eq!(picked, Some(only));
        }
    }

    #[test]
    fn the_few_that_admit_are_compared_as_well() {
        let (mut rng, living) = (rng(), [100, 500, 900]);
        let admits = |index| living.contains(&index);
        let mut pick = || choosing(2).pick(1000, admits, |index| index as f32, &mut rng);
        let picked: Vec<_> = (0..1000).map(|_| pick().unwrap()).collect();
        let share = |index| picked.iter().filter(|&&picked| picked == index).count();
        assert!(share(100) > 600 && share(500) > 270 && share(900) < 20, "{}", share(100));
    }

    #[test]
    fn what_does_not_admit_is_not_asked_for_its_cost() {
        let cost = |index: usize| {
            assert_ne!(index, 1, "out");
            0.0
        };
        for _ in 0..100 {
            assert!(P2c::new().pick(3, |index| index != 1, cost, &mut rng()).is_some());
        }
    }

    proptest! {
        #[test]
        fn a_pick_admits_and_there_is_one_if_any_does(
            alive in prop::collection::vec(any::<bool>(), 0..30),
            costs in prop::collection::vec(any::<f32>(), 30),
            weights in prop::collection::vec(any::<u32>(), 30),
            choices in 1_usize..12,
            heaviest in any::<u32>(),
        ) {
            let (mut rng, len) = (rng(), alive.len());
            let (admits, cost) = (|index: usize| alive[index], |index: usize| costs[index]);
            for balancer in [P2c::new(), choosing(choices)] {
                let even = balancer.pick(len, admits, cost, &mut rng);
                let weight = |index: usize| weights[index];
                let weighted =
                    balancer.pick_weighted(len, heaviest, weight, admits, cost, &mut rng);
                for picked in [even, weighted] {
                    prop_assert_eq!(picked.is_some(), alive.contains(&true));
                    prop_assert!(picked.is_none_or(|index| alive[index]));
                }
            }
        }
    }
}
