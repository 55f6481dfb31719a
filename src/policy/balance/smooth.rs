//! Weighted round robin in the smoothest order: the one of nginx.
//!
//! With each pick every endpoint gains its weight; the one that has most is picked and pays what
//! all gained together. Weights 5, 1 and 1 give a a b a c a a, where counting down would give five
//! times `a` in a row. It asks every endpoint at each pick and changes all of them, so it is for
//! small sets whose exact order matters, behind the caller's lock; [`Stride`](super::Stride) is for
//! the rest. An endpoint of weight 0 is never picked.

/// Smooth weighted round robin over the endpoints that admit.
#[derive(Clone, Debug)]
pub struct Smooth {
    endpoints: Vec<SmoothWeight>,
}

#[derive(Clone, Copy, Debug)]
struct SmoothWeight {
    weight: u32,
    /// What was gained less what was paid; all together they are 0.
    current: i64,
}

impl Smooth {
    /// Starts with everyone at nothing.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        let endpoint = |&weight| SmoothWeight { weight, current: 0 };
        Self { endpoints: weights.iter().map(endpoint).collect() }
    }

    /// The order for a new list, in which `from` tells the old position of a new one. Survivors
    /// keep what they gained, so an update does not serve the first of the list twice.
    #[must_use]
    pub fn next(&self, weights: &[u32], from: impl Fn(usize) -> Option<usize>) -> Self {
        // With one list nobody gets further than this. Beyond it, an endpoint that once was heavy
        // would pay for that for long after it became light.
        let most = weights.iter().map(|&weight| i64::from(weight)).sum::<i64>();
        let current =
            |new| from(new).and_then(|old| self.endpoints.get(old)).map(|old| old.current);
        let endpoint = |(new, &weight)| SmoothWeight {
            weight,
            current: current(new).unwrap_or(0).clamp(-most, most),
        };
        Self { endpoints: weights.iter().enumerate().map(endpoint).collect() }
    }

    /// The endpoint that has most, the first of several. Those that do not admit gain nothing and
    /// keep what they have.
    pub fn pick(&mut self, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let (mut best, mut gained) = (None, 0_i64);
        for (index, endpoint) in self.endpoints.iter_mut().enumerate() {
            if endpoint.weight == 0 || !admits(index) {
                continue;
            }
            gained = gained.saturating_add(endpoint.weight.into());
            endpoint.current = endpoint.current.saturating_add(endpoint.weight.into());
            if best.is_none_or(|(_, most)| endpoint.current > most) {
                best = Some((index, endpoint.current));
            }
        }
        let (index, current) = best?;
        self.endpoints[index].current = current.saturating_sub(gained);
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(smooth: &mut Smooth, count: usize, dead: &[usize]) -> String {
        let letter = |index: usize| char::from(b'a' + index as u8);
        let mut pick = || smooth.pick(|index| !dead.contains(&index)).unwrap();
        (0..count).map(|_| letter(pick())).collect()
    }

    #[test]
    fn a_heavy_endpoint_is_spread_over_the_round() {
        assert_eq!(order(&mut Smooth::new(&[5, 1, 1]), 14, &[]), "aabacaaaabacaa");
    }

    #[test]
    fn equal_weights_go_round_in_the_order_of_the_list() {
        assert_eq!(order(&mut Smooth::new(&[3, 3, 3]), 7, &[]), "abcabca");
    }

    #[test]
    fn those_left_over_keep_their_proportions() {
        let mut smooth = Smooth::new(&[4, 2, 9, 1]);
        let order = order(&mut smooth, 70, &[2]);
        let count = |letter| order.matches(letter).count();
        assert_eq!((count('a'), count('b'), count('c'), count('d')), (40, 20, 0, 10));
    }

    #[test]
    fn one_that_was_out_is_not_made_up_for() {
        let mut smooth = Smooth::new(&[1, 1]);
        assert_eq!(order(&mut smooth, 50, &[1]), "a".repeat(50));
        assert!(["abab", "baba"].contains(&&*order(&mut smooth, 4, &[])));
    }

    #[test]
    fn survivors_go_on_where_they_were() {
        let mut whole = Smooth::new(&[5, 1, 1]);
        let mut before = Smooth::new(&[5, 1, 1]);
        assert_eq!(order(&mut whole, 3, &[]), order(&mut before, 3, &[]));
        // The same endpoints in another order, and a new one in front.
        let mut after = before.next(&[0, 1, 1, 5], |new| [None, Some(2), Some(1), Some(0)][new]);
        let old_name = |letter| ['?', 'c', 'b', 'a'][letter as usize - 'a' as usize];
        let renamed: String = order(&mut after, 4, &[]).chars().map(old_name).collect();
        assert_eq!(renamed, order(&mut whole, 4, &[]));
    }

    #[test]
    fn an_old_debt_does_not_outlast_the_old_weight() {
        let mut heavy = Smooth::new(&[60_000, 60_000]);
        assert_eq!(order(&mut heavy, 1, &[]), "a");
        let mut light = heavy.next(&[1, 1], Some);
        assert_eq!(order(&mut light, 6, &[]), "bbabab");
        let mut other = heavy.next(&[1, 1], |new| Some(new + 7));
        assert_eq!(order(&mut other, 4, &[]), "abab");
    }

    #[test]
    fn nothing_to_pick_from_is_no_pick() {
        assert_eq!(Smooth::new(&[]).pick(|_| true), None);
        assert_eq!(Smooth::new(&[1, 2]).pick(|_| false), None);
        assert_eq!(Smooth::new(&[0, 0]).pick(|_| true), None);
        assert_eq!(Smooth::new(&[0, 3]).pick(|index| index == 0), None);
    }

    proptest! {
        #[test]
        fn each_round_serves_everyone_exactly_by_weight(
            weights in prop::collection::vec(0_u32..12, 1..8),
            rounds in 1_usize..4,
        ) {
            let mut smooth = Smooth::new(&weights);
            let total: u32 = weights.iter().sum();
            let mut counts = vec![0; weights.len()];
            for _ in 0..rounds * total as usize {
                counts[smooth.pick(|_| true).unwrap()] += 1;
            }
            for (count, weight) in counts.into_iter().zip(weights) {
                prop_assert_eq!(count, rounds * weight as usize);
            }
        }

        #[test]
        fn whoever_is_picked_admits_and_no_number_overflows(
            weights in prop::collection::vec(prop_oneof![0_u32..5, any::<u32>()], 0..8),
            rounds in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut smooth = Smooth::new(&weights);
            for open in rounds {
                let admits = |index: usize| open >> index & 1 == 1;
                let possible = (0..weights.len()).any(|index| admits(index) && weights[index] > 0);
                let picked = smooth.pick(admits);
                prop_assert_eq!(picked.is_some(), possible);
                prop_assert!(picked.is_none_or(|index| admits(index) && weights[index] > 0));
                let sum = smooth.endpoints.iter().map(|endpoint| endpoint.current).sum::<i64>();
                prop_assert_eq!(sum, 0);
            }
        }
    }
}
