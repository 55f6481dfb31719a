//! Weighted round robin without a lock: the static stride of gRFC A58.
//!
//! An endpoint's turns are a fixed pattern: with a weight of a third of the heaviest, it lets two
//! of three rounds pass. So all the state is one number, the turn that is next, and threads share
//! it by adding to it. The smooth round robin of nginx spreads a little better, and the usual queue
//! by earliest deadline as well, but both change several numbers with each pick and so need a lock.
//!
//! Weights here are what servers report of themselves, so 0 means "not known yet" and counts as the
//! mean of the others. Where it shall mean "no traffic", such an endpoint must not admit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Weighted round robin over the endpoints that admit.
///
/// A pick looks at about as many turns as the heaviest weight is times the mean. Where that is more
/// than ten, [`Alias`](super::Alias) is the better choice.
#[derive(Debug)]
pub struct Stride {
    /// In parts of the heaviest, which weighs `FULL`; never 0.
    weights: Box<[u16]>,
    /// The turn that is next. Shared with the schedules before and after this one.
    sequence: Arc<AtomicU32>,
}

impl Stride {
    /// Starts at a random turn, so that processes which start together do not go in step.
    #[must_use]
    pub fn new(weights: &[u32], random_start: u32) -> Self {
        Self { weights: scaled(weights), sequence: Arc::new(AtomicU32::new(random_start)) }
    }

    /// The schedule for a new list, which goes on with the turns where this one is. Starting over
    /// would favour the same endpoints after each update.
    #[must_use]
    pub fn next(&self, weights: &[u32]) -> Self {
        Self { weights: scaled(weights), sequence: Arc::clone(&self.sequence) }
    }

    /// The endpoint whose turn it is; those that do not admit lose theirs.
    pub fn pick(&self, admits: impl Fn(usize) -> bool) -> Option<usize> {
        if self.weights.is_empty() {
            return None;
        }
        (0..LOOKS)
            .filter_map(|_| self.turn())
            .find(|&index| admits(index))
            .or_else(|| self.by_search(&admits))
    }

    /// Takes the next turn; none if the endpoint lets it pass.
    fn turn(&self) -> Option<usize> {
        let turn = u64::from(self.sequence.fetch_add(1, Ordering::Relaxed));
        let (round, index) = (turn / self.len(), turn % self.len());
        let weight = self.weight(index);
        ((weight * round + OFFSET * index) % FULL >= FULL - weight).then_some(index as usize)
    }

    /// Works out for each endpoint when its next turn is, and takes the earliest. Slow, but does
    /// not depend on how rare the turns of those are that admit.
    fn by_search(&self, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let now = self.sequence.load(Ordering::Relaxed);
        let (turn, index) = (0..self.weights.len())
            .filter(|&index| admits(index))
            .map(|index| (self.turn_from(u64::from(now), index as u64), index))
            .min()?;
        // If another thread moved the sequence meanwhile, one repeated endpoint is no matter.
        // Beyond its end the sequence wraps around, as it does turn by turn.
        let next = (turn + 1) as u32;
        let _ = self.sequence.compare_exchange(now, next, Ordering::Relaxed, Ordering::Relaxed);
        Some(index)
    }

    /// The first turn from `now` on that this endpoint takes. It takes the rounds in which its
    /// weights, added up round by round, pass a multiple of `FULL`.
    fn turn_from(&self, now: u64, index: u64) -> u64 {
        let (weight, offset) = (self.weight(index), OFFSET * index);
        let round = now / self.len() + u64::from(index < now % self.len());
        let multiple = (weight * round + offset) / FULL + 1;
        let taken = (multiple * FULL - offset).div_ceil(weight) - 1;
        taken * self.len() + index
    }

    fn weight(&self, index: u64) -> u64 {
        u64::from(self.weights[index as usize])
    }

    fn len(&self) -> u64 {
        self.weights.len() as u64
    }
}

/// Weights in parts of the heaviest. Equal ones make every turn count, which is plain round robin;
/// so does a list of which less than two weights are known, since there is nothing to compare.
fn scaled(weights: &[u32]) -> Box<[u16]> {
    let known = || weights.iter().map(|&weight| u64::from(weight)).filter(|&weight| weight > 0);
    let (count, heaviest) = (known().count(), known().max().unwrap_or(1) as f64);
    if count < 2 {
        return vec![FULL as u16; weights.len()].into();
    }
    let mean = known().sum::<u64>() as f64 / count as f64;
    let weight = |weight| if weight == 0 { mean } else { f64::from(weight) };
    // At least 1: rounding must not starve an endpoint.
    let scaled = |&given| (FULL as f64 * weight(given) / heaviest).round().max(1.0) as u16;
    weights.iter().map(scaled).collect()
}

/// The weight of the heaviest: the most that 16 bits hold, as in the other implementations.
const FULL: u64 = u16::MAX as u64;

/// Shifts the pattern of each endpoint by half a period against its neighbour, so that light
/// endpoints do not all let the same rounds pass.
const OFFSET: u64 = FULL / 2;

/// At the largest ratio of weights that is advised and with half of the endpoints out, one turn in
/// twenty fits, and one pick in 500,000 has to search.
const LOOKS: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picks(stride: &Stride, count: usize, dead: &[usize]) -> Vec<usize> {
        (0..count).map(|_| stride.pick(|index| !dead.contains(&index)).unwrap()).collect()
    }

    fn counts(picks: &[usize], len: usize) -> Vec<usize> {
        let mut counts = vec![0; len];
        picks.iter().for_each(|&pick| counts[pick] += 1);
        counts
    }

    fn scaled_to(weights: &[u32], expected: &[u16]) {
        assert_eq!(&*scaled(weights), expected, "{weights:?}");
    }

    #[test]
    fn weights_are_parts_of_the_heaviest() {
        scaled_to(&[1, 2, 4], &[16_384, 32_768, 65_535]);
        scaled_to(&[10, 1000], &[655, 65_535]);
        // 65535 / 2 ends in a half, which rounds away from zero.
        scaled_to(&[1, 2], &[32_768, 65_535]);
    }

    #[test]
    fn an_unknown_weight_counts_as_the_mean_of_the_known() {
        scaled_to(&[1, 0, 3], &[21_845, 43_690, 65_535]);
    }

    #[test]
    fn too_few_known_or_all_equal_is_plain_round_robin() {
        for weights in [[0, 0, 0], [0, 9, 0], [5, 5, 5], [7, 0, 7]] {
            scaled_to(&weights, &[65_535; 3]);
            assert_eq!(picks(&Stride::new(&weights, 1), 5, &[]), [1, 2, 0, 1, 2]);
        }
    }

    #[test]
    fn rounding_starves_nobody() {
        scaled_to(&[1, u32::MAX], &[1, 65_535]);
    }

    #[test]
    fn light_endpoints_let_rounds_pass() {
        let picks = picks(&Stride::new(&[1, 3, 3], 0), 14, &[]);
        assert_eq!(counts(&picks, 3), [2, 6, 6]);
        assert!(picks.windows(3).all(|three| three[0] != three[1] || three[1] != three[2]));
    }

    #[test]
    fn a_whole_period_serves_each_exactly_by_its_weight() {
        let stride = Stride::new(&[65_535, 30_000, 7], 0);
        let count = 65_535 + 30_000 + 7;
        assert_eq!(counts(&picks(&stride, count, &[]), 3), [65_535, 30_000, 7]);
    }

    #[test]
    fn those_that_do_not_admit_lose_their_turns() {
        let picks = picks(&Stride::new(&[2, 1, 2, 1], 0), 500, &[2]);
        let counts = counts(&picks, 4);
        assert!(counts[0].abs_diff(250) < 3 && counts[1].abs_diff(125) < 3, "{counts:?}");
        assert!(counts[3].abs_diff(125) < 3, "{counts:?}");
    }

    #[test]
    fn nothing_to_pick_from_is_no_pick() {
        assert_eq!(Stride::new(&[], 3).pick(|_| true), None);
        assert_eq!(Stride::new(&[1, 2], 3).pick(|_| false), None);
    }

    #[test]
    fn a_rare_turn_is_found_by_search() {
        let stride = Stride::new(&[65_535, 1, 1], 0);
        assert_eq!(picks(&stride, 20, &[0]).len(), 20);
        assert_eq!(stride.pick(|index| index == 2), Some(2));
    }

    #[test]
    fn the_sequence_survives_a_new_list() {
        let old = Stride::new(&[1; 4], 0);
        assert_eq!(picks(&old, 3, &[]), [0, 1, 2]);
        let new = old.next(&[1; 5]);
        assert_eq!(picks(&new, 1, &[]), [3]);
        // A thread that still holds the old list takes its turn from the same sequence.
        assert_eq!(picks(&old, 1, &[]), [0]);
        assert_eq!(picks(&new, 1, &[]), [0]);
    }

    #[test]
    fn the_sequence_wraps_around() {
        let stride = Stride::new(&[1, 2, 3], u32::MAX - 5);
        assert_eq!(counts(&picks(&stride, 600, &[]), 3).iter().sum::<usize>(), 600);
        let stride = Stride::new(&[65_535, 1, 1], u32::MAX - 1);
        assert_eq!(stride.pick(|index| index == 1), Some(1));
        assert!(stride.pick(|_| true).is_some());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test's own callers")]
    fn threads_share_one_schedule_exactly() {
        let (stride, each) = (Stride::new(&[1, 2, 3, 2], 0), 2000);
        let mut shares = [0_usize; 4];
        let parts: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let run = || picks(&stride, each, &[]);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        parts.iter().flatten().for_each(|&pick| shares[pick] += 1);
        for (share, expected) in shares.into_iter().zip([1000, 2000, 3000, 2000]) {
            assert!(share.abs_diff(expected) < 3, "{shares:?}");
        }
    }

    proptest! {
        /// The closed form against the pattern that it stands for.
        #[test]
        fn the_search_finds_the_turn_that_stepping_would(
            weights in prop::collection::vec(1_u32..500, 2..12),
            start in prop_oneof![0_u32..5000, any::<u32>()],
            wanted in any::<prop::sample::Index>(),
        ) {
            let (stride, wanted) = (Stride::new(&weights, start), wanted.index(weights.len()));
            let expected = stride.turn_from(u64::from(start), wanted as u64);
            prop_assume!(expected < u64::from(u32::MAX));
            while stride.turn() != Some(wanted) {}
            let now = stride.sequence.load(Ordering::Relaxed);
            prop_assert_eq!(u64::from(now), expected + 1);
        }

        #[test]
        fn no_one_is_ever_far_from_its_share(
            weights in prop::collection::vec(1_u32..20, 2..10),
            start in 0_u32..1_000_000,
            count in 1_usize..2000,
        ) {
            let stride = Stride::new(&weights, start);
            let counts = counts(&picks(&stride, count, &[]), weights.len());
            let total = f64::from(weights.iter().sum::<u32>());
            for (picked, &weight) in counts.into_iter().zip(&weights) {
                let expected = count as f64 * f64::from(weight) / total;
                // Each of the others may be a turn off, and a scaled weight half a unit.
                let off = weights.len() as f64 + 0.01 * expected;
                prop_assert!((picked as f64 - expected).abs() <= off, "{picked} for {expected}");
            }
        }

        #[test]
        fn a_pick_admits(
            list in prop::collection::vec((any::<u32>(), any::<bool>()), 0..30),
            start in any::<u32>(),
        ) {
            let weights: Vec<_> = list.iter().map(|(weight, _)| *weight).collect();
            let stride = Stride::new(&weights, start);
            for _ in 0..3 {
                let picked = stride.pick(|index| list[index].1);
                prop_assert_eq!(picked.is_some(), list.iter().any(|(_, admits)| *admits));
                prop_assert!(picked.is_none_or(|index| list[index].1));
            }
        }
    }
}
