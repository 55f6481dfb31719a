//! One after the other, passing over those that do not admit.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Round robin over the endpoints that admit.
///
/// A cursor is moved behind the endpoint that was picked rather than by one. Moving it by one
/// would hand the whole share of a dead endpoint to its neighbour.
///
/// There are some cursors, each with a round of its own, so that threads which pick at the same time do not
/// pass one number back and forth between processors.
#[derive(Debug)]
pub struct RoundRobin {
    cursors: Box<[Cursor; CURSORS]>,
}

/// Where the next search starts, modulo the number of endpoints. It survives a new roster.
#[derive(Debug)]
#[repr(align(64))]
struct Cursor(AtomicUsize);

impl RoundRobin {
    /// Starts at a random position: if every process started at 0, the first endpoints of the list
    /// would get several times their share whenever many start together.
    #[must_use]
    pub fn new(random_start: usize) -> Self {
        let start = |cursor: usize| random_start.wrapping_add(cursor.wrapping_mul(APART));
        let cursor = |number| Cursor(AtomicUsize::new(start(number)));
        Self { cursors: Box::new(std::array::from_fn(cursor)) }
    }

    /// The first endpoint that admits, from the cursor on that belongs to `caller`: any number that tends to
    /// differ between callers at the same time.
    #[inline]
    pub fn pick(&self, caller: usize, len: usize, admits: impl Fn(usize) -> bool) -> Option<usize> {
        self.cursors[caller % CURSORS].pick(len, admits)
    }
}

impl Cursor {
    #[inline]
    fn pick(&self, len: usize, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let mut seen = self.0.load(Ordering::Relaxed);
        let mut picked = first_from(seen, len, &admits)?;
        for _ in 0..RACES {
            match self.move_on(seen, picked) {
                Ok(_) => break,
                Err(moved) => seen = moved,
            }
            picked = first_from(seen, len, &admits)?;
        }
        Some(picked)
    }

    /// Fails with the cursor's new value if another thread has moved it meanwhile.
    fn move_on(&self, seen: usize, picked: usize) -> Result<usize, usize> {
        self.0.compare_exchange(seen, picked + 1, Ordering::Relaxed, Ordering::Relaxed)
    }
}

#[inline]
fn first_from(cursor: usize, len: usize, admits: impl Fn(usize) -> bool) -> Option<usize> {
    // A division costs more than the rest of the pick, and only a cursor that went round needs one. With no
    // endpoints there is nothing to divide by.
    let start = if cursor < len { cursor } else { cursor.checked_rem(len)? };
    // Mostly it is the first.
    if admits(start) {
        return Some(start);
    }
    (start + 1..len).chain(0..start).find(|&index| admits(index))
}

/// How often a pick yields to a faster thread before it takes its endpoint without moving the
/// cursor. Losing that often means a storm of picks, in which one repeated endpoint is no matter.
const RACES: usize = 8;

/// More processors than this share cursors; each takes a cache line.
const CURSORS: usize = 16;

/// Rounds that start next to each other would go next to each other: the golden ratio spreads them.
const APART: usize = 0x9e37_79b9_7f4a_7c15_u64 as usize;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picks(balancer: &RoundRobin, count: usize, len: usize, dead: &[usize]) -> Vec<usize> {
        let pick = |_| balancer.pick(0, len, |index| !dead.contains(&index)).unwrap();
        (0..count).map(pick).collect()
    }

    #[test]
    fn goes_round_from_its_start() {
        assert_eq!(picks(&RoundRobin::new(1), 5, 3, &[]), [1, 2, 0, 1, 2]);
        let last = RoundRobin::new(usize::MAX);
        let start = usize::MAX % 3;
        assert_eq!(picks(&last, 2, 3, &[]), [start, (start + 1) % 3]);
    }

    #[test]
    fn the_share_of_a_dead_endpoint_is_spread_evenly() {
        let picks = picks(&RoundRobin::new(0), 600, 4, &[1]);
        for alive in [0, 2, 3] {
            assert_eq!(picks.iter().filter(|&&pick| pick == alive).count(), 200);
        }
    }

    #[test]
    fn a_shorter_list_does_not_lose_the_cursor() {
        let balancer = RoundRobin::new(0);
        assert_eq!(picks(&balancer, 5, 8, &[]), [0, 1, 2, 3, 4]);
        assert_eq!(picks(&balancer, 3, 3, &[]), [2, 0, 1]);
    }

    #[test]
    fn a_pick_that_fails_leaves_the_cursor_alone() {
        let balancer = RoundRobin::new(1);
        assert_eq!(balancer.pick(0, 3, |_| false), None);
        assert_eq!(balancer.pick(0, 0, |_| true), None);
        assert_eq!(picks(&balancer, 1, 3, &[]), [1]);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test's own callers")]
    fn threads_share_one_round() {
        let (balancer, len, each) = (RoundRobin::new(0), 4, 2000);
        let mut counts = [0_usize; 4];
        let parts: Vec<Vec<usize>> = std::thread::scope(|scope| {
            let run = || picks(&balancer, each, len, &[]);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        parts.iter().flatten().for_each(|&pick| counts[pick] += 1);
        // A pick that lost every race repeats an endpoint, so the share is exact only nearly.
        assert!(counts.iter().all(|count| count.abs_diff(each) < each / 20), "{counts:?}");
    }

    #[test]
    fn callers_apart_have_rounds_of_their_own() {
        let balancer = RoundRobin::new(0);
        let mut first: Vec<_> =
            (0..CURSORS).map(|caller| balancer.pick(caller, 1000, |_| true)).collect();
        first.sort_unstable();
        first.dedup();
        assert!(first.len() > CURSORS / 2, "{first:?}");
        assert_eq!(balancer.pick(0, 1000, |_| true), Some(1));
    }

    proptest! {
        #[test]
        fn the_living_are_served_equally_often(
            start in any::<usize>(),
            alive in prop::collection::vec(any::<bool>(), 1..20),
            rounds in 1_usize..10,
        ) {
            let living: Vec<_> = (0..alive.len()).filter(|&index| alive[index]).collect();
            let balancer = RoundRobin::new(start);
            let mut counts = vec![0; alive.len()];
            for _ in 0..rounds * living.len() {
                counts[balancer.pick(0, alive.len(), |index| alive[index]).unwrap()] += 1;
            }
            for (index, count) in counts.into_iter().enumerate() {
                prop_assert_eq!(count, if alive[index] { rounds } else { 0 });
            }
        }
    }
}
