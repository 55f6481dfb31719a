//! Fewest requests in flight, as Envoy has it.
//!
//! For endpoints that are alike and answer alike: it learns nothing and needs no clock. What fails at
//! once looks free to it; [`P2c`](super::P2c) over the default load does not fall for that.
//!
//! Up to eight endpoints are compared all; of more, two that are drawn. Comparing many would send
//! all threads to the same one before its count shows it. Where weights differ, Envoy does not
//! compare but lets each endpoint come up in proportion to its weight over what it has in flight, by a
//! heap of deadlines. Here it is a draw with the same chances, which needs no state: of eight that are
//! drawn by weight, one by what they have in flight.

use std::num::NonZeroUsize;

use rand::{Rng, RngExt};

use super::P2c;
use super::batch::Batch;
use super::draw::{self, Equal, Weighted};

/// Takes an endpoint with few requests in flight.
#[derive(Clone, Copy, Debug)]
pub struct LeastRequest {
    bias: f32,
}

impl Default for LeastRequest {
    fn default() -> Self {
        Self::new()
    }
}

impl LeastRequest {
    /// With Envoy's bias of 1: twice as many in flight halve the chance.
    #[must_use]
    pub const fn new() -> Self {
        Self { bias: 1.0 }
    }

    /// With another bias, which only counts where weights differ: 0 looks at the weights alone, and a
    /// greater one avoids busy endpoints more. None if it is negative, infinite or no number.
    #[must_use]
    pub fn with_bias(bias: f32) -> Option<Self> {
        (bias >= 0.0 && bias.is_finite()).then_some(Self { bias })
    }

    /// One of the `len` endpoints that `admits` says yes to, none if there is none. `active` tells how
    /// many requests are in flight at an endpoint.
    pub fn pick(
        &self,
        len: usize,
        admits: impl Fn(usize) -> bool,
        active: impl Fn(usize) -> u32,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        let choices = if len <= FEW { MOST } else { TWO };
        P2c::with_choices(choices).pick(len, admits, |index| active(index) as f32, rng)
    }

    /// The same where weights differ: an endpoint's chance is its weight over `(active + 1)^bias`.
    /// `heaviest` is the greatest weight of all; a weight of zero counts as one.
    pub fn pick_weighted(
        &self,
        len: usize,
        heaviest: u32,
        weight: impl Fn(usize) -> u32,
        admits: impl Fn(usize) -> bool,
        active: impl Fn(usize) -> u32,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        let weights = Weighted { weight, heaviest };
        let room = |index: usize| self.room(active(index));
        for _ in 0..if len <= FEW { 0 } else { DRAWS } {
            // With repetition: without, the heavy ones could not come up more often than the light.
            let mut batch = Batch::new();
            let drawn = [(); FEW].map(|()| draw::one(&[], len, &weights, &mut batch, rng));
            let living = drawn.into_iter().filter(|&index| admits(index));
            if let Some(picked) = spin(living, room, rng) {
                return Some(picked);
            }
        }
        let living = draw::exactly::<FEW>(FEW, len, admits, &Equal, rng);
        spin(living.iter(), |index| weights.weight(index) as f32 * room(index), rng)
    }

    fn room(&self, active: u32) -> f32 {
        let next = active as f32 + 1.0;
        if self.bias == 1.0 { 1.0 / next } else { next.powf(-self.bias) }
    }
}

/// One of them, each with a chance in proportion to its part.
fn spin(
    of: impl Iterator<Item = usize>,
    part: impl Fn(usize) -> f32,
    rng: &mut impl Rng,
) -> Option<usize> {
    let (mut kept, mut total) = (None, 0.0);
    for index in of {
        let part = part(index);
        total += part;
        // With a great bias, all parts may round to nothing: then the first one stays.
        if kept.is_none() || rng.random::<f32>() * total < part {
            kept = Some(index);
        }
    }
    kept
}

/// Up to how many endpoints all are compared; of more than that, how many a draw by weight tries.
const FEW: usize = 8;

/// As many as there are.
const MOST: NonZeroUsize = NonZeroUsize::MIN.saturating_add(FEW - 1);

const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// With half of the endpoints out, eight draws all miss in one pick of 256: then three times more.
const DRAWS: usize = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::rng;

    /// How often each endpoint is picked, as a share of all picks.
    fn shares(len: usize, mut pick: impl FnMut() -> Option<usize>) -> Vec<f64> {
        let mut shares = vec![0.0; len];
        (0..40_000).for_each(|_| shares[pick().unwrap()] += 1.0 / 40_000.0);
        shares
    }

    fn close(found: &[f64], expected: &[f64]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.015)
    }

    #[test]
    fn of_a_few_endpoints_the_least_busy_is_taken() {
        let (mut rng, active) = (rng(), [3, 2, 5, 1, 4, 9, 1, 8]);
        let found =
            shares(8, || LeastRequest::new().pick(8, |_| true, |index| active[index], &mut rng));
        assert!(close(&found, &[0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.5, 0.0]), "{found:?}");
        let admits = |index| index != 3 && index != 6;
        let picked = LeastRequest::new().pick(8, admits, |index| active[index], &mut rng);
        assert_eq!(picked, Some(1));
    }

    #[test]
    fn of_many_endpoints_two_are_compared() {
        let mut rng = rng();
        let found =
            shares(10, || LeastRequest::new().pick(10, |_| true, |index| index as u32, &mut rng));
        // The i-th is picked with the chance that the other one drawn is busier.
        let expected: Vec<_> = (0..10).map(|index| f64::from(9 - index) / 45.0).collect();
        assert!(close(&found, &expected), "{found:?}");
    }

    #[test]
    fn idle_endpoints_come_up_by_weight() {
        let mut rng = rng();
        for len in [4, 8, 9, 60] {
            let weight = |index: usize| if index == 0 { 10 } else { 1 };
            let found = shares(len, || {
                LeastRequest::new().pick_weighted(len, 10, weight, |_| true, |_| 0, &mut rng)
            });
            let heavy = 10.0 / (len as f64 + 9.0);
            assert!(close(&found, &[heavy, heavy / 10.0]), "{len}: {found:?}");
        }
    }

    #[test]
    fn a_busy_endpoint_comes_up_less() {
        let mut rng = rng();
        let active = |index: usize| if index == 0 { 3 } else { 0 };
        for (bias, chance) in [(0.0, 1.0), (1.0, 0.25), (2.0, 0.0625), (1e30, 0.0)] {
            let balancer = LeastRequest::with_bias(bias).unwrap();
            let found =
                shares(3, || balancer.pick_weighted(3, 2, |_| 2, |_| true, active, &mut rng));
            assert!(close(&found[..1], &[chance / (2.0 + chance)]), "{bias}: {found:?}");
        }
    }

    #[test]
    fn a_busy_one_among_many_comes_up_less() {
        let (mut rng, len) = (rng(), 20);
        let active = |index: usize| if index == 0 { 19 } else { 1 };
        let weight = |index: usize| if index == 0 { 10 } else { 1 };
        let found = shares(len, || {
            LeastRequest::new().pick_weighted(len, 10, weight, |_| true, active, &mut rng)
        });
        // Ten times the weight and ten times as busy: nearly a share like any other.
        assert!((0.04..0.08).contains(&found[0]), "{found:?}");
    }

    #[test]
    fn a_bias_is_a_number_not_below_zero() {
        for refused in [-0.1, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(LeastRequest::with_bias(refused).is_none(), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn a_pick_admits_and_there_is_one_if_any_does(
            alive in prop::collection::vec(any::<bool>(), 0..40),
            active in prop::collection::vec(any::<u32>(), 40),
            weights in prop::collection::vec(any::<u32>(), 40),
            heaviest in any::<u32>(),
            bias in 0.0_f32..1e6,
        ) {
            let (mut rng, len) = (rng(), alive.len());
            let balancer = LeastRequest::with_bias(bias).unwrap();
            let (admits, active) = (|index: usize| alive[index], |index: usize| active[index]);
            let weight = |index: usize| weights[index];
            let picks = [
                balancer.pick(len, admits, active, &mut rng),
                balancer.pick_weighted(len, heaviest, weight, admits, active, &mut rng),
            ];
            for picked in picks {
                prop_assert_eq!(picked.is_some(), alive.contains(&true));
                prop_assert!(picked.is_none_or(|index| alive[index]));
            }
        }
    }
}
