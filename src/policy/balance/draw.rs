//! Draws of several different endpoints, with equal chances or by weight.
//!
//! Nothing is allocated and no table is kept, so weights may change from pick to pick. A draw by
//! weight draws evenly and keeps what it drew with the chance weight / heaviest; an alias table would
//! need one draw only, but also rebuilding whenever slow start or a health check moves a weight.

use rand::{Rng, RngExt};

use super::batch::Batch;

/// How likely each endpoint is to be drawn.
pub(super) trait Weights {
    /// Whether an endpoint that was drawn evenly is kept.
    fn keeps(&self, index: usize, rng: &mut impl Rng) -> bool;

    /// A random key: the endpoints with the least keys are a draw by weight without repetition
    /// (Efraimidis and Spirakis).
    fn key(&self, index: usize, rng: &mut impl Rng) -> f32;

    /// A cost in relation to what the endpoint can carry.
    fn shared_out(&self, index: usize, cost: f32) -> f32;
}

/// The same chance for each.
pub(super) struct Equal;

impl Weights for Equal {
    fn keeps(&self, _: usize, _: &mut impl Rng) -> bool {
        true
    }

    fn key(&self, _: usize, rng: &mut impl Rng) -> f32 {
        rng.random()
    }

    fn shared_out(&self, _: usize, cost: f32) -> f32 {
        cost
    }
}

/// A chance in proportion to a weight. Zero counts as one: what is to get nothing must not admit.
pub(super) struct Weighted<W> {
    pub(super) weight: W,
    pub(super) heaviest: u32,
}

impl<W: Fn(usize) -> u32> Weighted<W> {
    pub(super) fn weight(&self, index: usize) -> u32 {
        (self.weight)(index).max(1)
    }
}

impl<W: Fn(usize) -> u32> Weights for Weighted<W> {
    fn keeps(&self, index: usize, rng: &mut impl Rng) -> bool {
        rng.random_range(0..self.heaviest.max(1)) < self.weight(index)
    }

    fn key(&self, index: usize, rng: &mut impl Rng) -> f32 {
        -(1.0 - rng.random::<f32>()).ln() / self.weight(index) as f32
    }

    fn shared_out(&self, index: usize, cost: f32) -> f32 {
        cost / self.weight(index) as f32
    }
}

/// Endpoints that were drawn, all different, in the order of the draws.
pub(super) struct Drawn<const N: usize> {
    indices: [usize; N],
    count: usize,
}

impl<const N: usize> Drawn<N> {
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.indices[..self.count].iter().copied()
    }
}

/// Draws `count` endpoints, at most `N` and at most all, without asking whether they admit, and shows each to `look`
/// at once: kept in an array until all are drawn, they would be waited for.
#[inline]
pub(super) fn blindly<const N: usize>(
    count: usize,
    len: usize,
    weights: &impl Weights,
    rng: &mut impl Rng,
    mut look: impl FnMut(usize),
) {
    let mut batch = Batch::new();
    // Sorted; the places that are left stand behind all endpoints. All are compared each time, so that the loops have
    // a length that the compiler knows.
    let mut taken = [usize::MAX; N];
    for drawn in 0..count.min(N).min(len) {
        let index = one(&taken, len - drawn, weights, &mut batch, rng);
        look(index);
        // Without a branch, as nothing predicts how random numbers compare.
        let mut moved = index;
        for place in &mut taken {
            (*place, moved) = ((*place).min(moved), (*place).max(moved));
        }
    }
}

/// Draws `count` of the endpoints that admit, at most `N` and at most all, asking each of them once.
pub(super) fn exactly<const N: usize>(
    count: usize,
    len: usize,
    admits: impl Fn(usize) -> bool,
    weights: &impl Weights,
    rng: &mut impl Rng,
) -> Drawn<N> {
    let (mut kept, mut found) = ([(f32::INFINITY, 0); N], 0);
    for index in (0..len).filter(|&index| admits(index)) {
        let mut entry = (weights.key(index, rng), index);
        found += 1;
        for place in &mut kept {
            if entry.0 < place.0 {
                std::mem::swap(place, &mut entry);
            }
        }
    }
    Drawn { indices: kept.map(|(_, index)| index), count: found.min(count).min(N) }
}

/// One of the endpoints that are not among those taken: these are sorted, and `left` are not taken.
#[inline]
pub(super) fn one(
    taken: &[usize],
    left: usize,
    weights: &impl Weights,
    batch: &mut Batch,
    rng: &mut impl Rng,
) -> usize {
    let mut index = 0;
    for _ in 0..TRIES {
        index = batch.below(left, rng);
        taken.iter().for_each(|&taken| index += usize::from(index >= taken));
        if weights.keeps(index, rng) {
            break;
        }
    }
    index
}

/// How often a draw by weight tries before it keeps whatever it drew. With a heaviest of ten times the
/// mean, one draw in thirty comes to that; beyond, chances become flatter than the weights.
const TRIES: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::rng;

    const WEIGHTS: [u32; 6] = [1, 2, 3, 4, 10, 0];

    fn weighted() -> Weighted<impl Fn(usize) -> u32> {
        Weighted { weight: |index: usize| WEIGHTS[index % 6], heaviest: 10 }
    }

    /// What one draw shows, in order.
    fn shown<const N: usize>(
        count: usize,
        len: usize,
        weights: &impl Weights,
        rng: &mut impl Rng,
    ) -> Vec<usize> {
        let mut shown = Vec::new();
        blindly::<N>(count, len, weights, rng, |index| shown.push(index));
        shown
    }

    /// How often each endpoint was the first of a draw, as a share of all draws.
    fn firsts(len: usize, mut draw: impl FnMut() -> Option<usize>) -> Vec<f64> {
        let mut counts = vec![0.0; len];
        (0..40_000).for_each(|_| counts[draw().unwrap()] += 1.0 / 40_000.0);
        counts
    }

    fn close(found: &[f64], expected: &[f64]) -> bool {
        found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 0.01)
    }

    #[test]
    fn each_place_in_the_order_is_fair() {
        let mut rng = rng();
        for place in 0..3 {
            let found = firsts(5, || shown::<3>(3, 5, &Equal, &mut rng).get(place).copied());
            assert!(close(&found, &[0.2; 5]), "{place}: {found:?}");
            let found =
                firsts(5, || exactly::<3>(3, 5, |_| true, &Equal, &mut rng).iter().nth(place));
            assert!(close(&found, &[0.2; 5]), "{place}: {found:?}");
        }
    }

    #[test]
    fn chances_follow_the_weights_both_ways() {
        let (mut rng, expected) = (rng(), [1, 2, 3, 4, 10, 1].map(|w| f64::from(w) / 21.0));
        let found = firsts(6, || shown::<2>(2, 6, &weighted(), &mut rng).first().copied());
        assert!(close(&found, &expected), "{found:?}");
        let found = firsts(6, || exactly::<2>(2, 6, |_| true, &weighted(), &mut rng).iter().next());
        assert!(close(&found, &expected), "{found:?}");
    }

    #[test]
    fn the_second_is_drawn_by_weight_from_the_others() {
        let (mut rng, mut seconds) = (rng(), [0.0_f64; 3]);
        let weights = Weighted { weight: |index: usize| [1, 1, 8][index], heaviest: 8 };
        for _ in 0..40_000 {
            let drawn = shown::<2>(2, 3, &weights, &mut rng);
            if drawn[0] == 0 {
                seconds[drawn[1]] += 1.0;
            }
        }
        let share = seconds[2] / (seconds[1] + seconds[2]);
        assert!((share - 8.0 / 9.0).abs() < 0.02, "{share}");
    }

    #[test]
    fn weights_above_the_heaviest_do_no_harm() {
        for heaviest in [0, 1, u32::MAX] {
            let weights = Weighted { weight: |_| u32::MAX, heaviest };
            assert_eq!(shown::<3>(3, 5, &weights, &mut rng()).len(), 3);
        }
        let hopeless = Weighted { weight: |_| 1, heaviest: u32::MAX };
        assert_eq!(shown::<3>(3, 5, &hopeless, &mut rng()).len(), 3);
    }

    proptest! {
        #[test]
        fn no_endpoint_is_drawn_twice(
            len in 0_usize..12, count in 0_usize..12, out in any::<u16>(), seed in any::<u64>(),
        ) {
            use rand::SeedableRng;
            let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
            let admits = |index: usize| out >> index & 1 == 0;
            let living = (0..len).filter(|&index| admits(index)).count();
            let check = |mut indices: Vec<usize>, expected: usize, only: bool| {
                indices.sort_unstable();
                indices.dedup();
                prop_assert_eq!(indices.len(), expected);
                prop_assert!(indices.iter().all(|&index| index < len && (!only || admits(index))));
                Ok(())
            };
            let (all, some) = (count.min(len).min(8), count.min(living).min(8));
            check(shown::<8>(count, len, &Equal, &mut rng), all, false)?;
            check(shown::<8>(count, len, &weighted(), &mut rng), all, false)?;
            let drawn: Drawn<8> = exactly(count, len, admits, &Equal, &mut rng);
            check(drawn.iter().collect(), some, true)?;
            let drawn: Drawn<8> = exactly(count, len, admits, &weighted(), &mut rng);
            check(drawn.iter().collect(), some, true)?;
        }
    }
}
