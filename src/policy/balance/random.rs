//! Any endpoint that admits, each with the same chance.

use std::fmt;
use std::sync::Arc;

use rand::{Rng, RngExt};

use super::candidates;

/// A user's own draw: given the number of candidates, it answers with the position of one.
pub type RandomFunction = Arc<dyn Fn(u64) -> u64 + Send + Sync>;

/// Uniform over the endpoints that admit, or as the user's draw has it.
#[derive(Clone, Default)]
pub struct Random {
    draw: Option<RandomFunction>,
}

impl Random {
    /// Gives each candidate the same chance.
    #[must_use]
    pub const fn uniform() -> Self {
        Self { draw: None }
    }

    /// Lets a function draw. It is not called without candidates; a position out of range means
    /// none of them.
    #[must_use]
    pub fn with_function(draw: RandomFunction) -> Self {
        Self { draw: Some(draw) }
    }

    /// One of the endpoints that admit.
    pub fn pick(
        &self,
        len: usize,
        admits: impl Fn(usize) -> bool,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        match &self.draw {
            Some(draw) => drawn(draw, &candidates(len, admits)),
            None => by_guessing(len, &admits, rng).or_else(|| by_counting(len, &admits, rng)),
        }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.draw.as_ref().map_or("uniform", |_| "function");
        f.debug_tuple("Random").field(&kind).finish()
    }
}

fn drawn(draw: &RandomFunction, candidates: &[usize]) -> Option<usize> {
    if candidates.is_empty() {
        return None;
    }
    let position = usize::try_from(draw(candidates.len() as u64)).ok()?;
    candidates.get(position).copied()
}

/// Draws blindly until one admits: with most endpoints healthy, that is the first.
fn by_guessing(len: usize, admits: impl Fn(usize) -> bool, rng: &mut impl Rng) -> Option<usize> {
    if len == 0 {
        return None;
    }
    (0..GUESSES).map(|_| rng.random_range(0..len)).find(|&index| admits(index))
}

/// Asks each endpoint once and keeps the k-th that admits with chance 1/k, which makes all equal.
/// Counting first and drawing then would ask twice, and the answers may differ.
fn by_counting(len: usize, admits: impl Fn(usize) -> bool, rng: &mut impl Rng) -> Option<usize> {
    let (mut kept, mut count) = (None, 0_usize);
    for index in (0..len).filter(|&index| admits(index)) {
        count += 1;
        if rng.random_range(0..count) == 0 {
            kept = Some(index);
        }
    }
    kept
}

/// With half of the endpoints out, four guesses find one in 15 of 16 picks.
const GUESSES: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::policy::test_inputs::rng;

    /// Pearson's statistic of the counts against an even spread over `living`.
    fn unevenness(picks: &[usize], living: &[usize]) -> f64 {
        let expected = picks.len() as f64 / living.len() as f64;
        let share = |index| picks.iter().filter(|&&pick| pick == index).count() as f64;
        living.iter().map(|&index| (share(index) - expected).powi(2) / expected).sum()
    }

    fn uniform_over(living: &[usize], len: usize) {
        let mut rng = rng();
        let mut pick = || Random::uniform().pick(len, |index| living.contains(&index), &mut rng);
        let picks: Vec<_> = (0..20_000).map(|_| pick().unwrap()).collect();
        assert!(picks.iter().all(|pick| living.contains(pick)));
        // Above this a fair draw over up to six endpoints lands once in a thousand seeds.
        assert!(unevenness(&picks, living) < 20.5, "{}", unevenness(&picks, living));
    }

    #[test]
    fn everyone_has_the_same_chance() {
        uniform_over(&[0, 1, 2, 3, 4, 5], 6);
    }

    #[test]
    fn the_living_among_many_dead_have_the_same_chance() {
        // Guesses mostly fail here, so both ways of drawing take part.
        uniform_over(&[3, 4, 17, 28, 29], 30);
    }

    #[test]
    fn a_lucky_guess_asks_only_one_endpoint() {
        let asked = AtomicU64::new(0);
        let admits = |_| asked.fetch_add(1, Ordering::Relaxed) < u64::MAX;
        assert!(Random::uniform().pick(1000, admits, &mut rng()).is_some());
        assert_eq!(asked.into_inner(), 1);
    }

    #[test]
    fn a_function_draws_among_those_that_admit() {
        let seen = Arc::new(AtomicU64::new(0));
        let tell = Arc::clone(&seen);
        let balancer = Random::with_function(Arc::new(move |below| {
            tell.store(below, Ordering::Relaxed);
            1
        }));
        assert_eq!(balancer.pick(6, |index| index % 2 == 1, &mut rng()), Some(3));
        assert_eq!(seen.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_function_out_of_range_picks_none() {
        for position in [3, u64::MAX] {
            let balancer = Random::with_function(Arc::new(move |_| position));
            assert_eq!(balancer.pick(3, |_| true, &mut rng()), None);
        }
    }

    #[test]
    fn a_function_is_not_called_for_nothing() {
        let balancer = Random::with_function(Arc::new(|_| panic!("no candidates")));
        assert_eq!(balancer.pick(3, |_| false, &mut rng()), None);
    }
}
