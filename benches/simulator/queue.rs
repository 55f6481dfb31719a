//! What happens next: events by time, and of the same time in the order in which they were planned.
//!
//! A calendar. One heap of everything would hold the limit of each attempt of the last quarter of a
//! second, a quarter of a million entries in a large run, and each push would walk through them. Here a
//! plan is put into the bucket of its stretch of time, and only the present bucket is kept in order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::time::Nanos;

/// Events that are still to come.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    now: Nanos,
    planned: u64,
    /// The number of the bucket that `near` holds, with all before it.
    present: u64,
    near: BinaryHeap<Reverse<Plan<E>>>,
    ring: Vec<Vec<Plan<E>>>,
    in_ring: usize,
    /// Beyond the ring.
    far: BinaryHeap<Reverse<Plan<E>>>,
}

#[derive(Debug)]
struct Plan<E> {
    at: Nanos,
    number: u64,
    event: E,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self {
            now: 0,
            planned: 0,
            present: 0,
            near: BinaryHeap::new(),
            ring: (0..BUCKETS).map(|_| Vec::new()).collect(),
            in_ring: 0,
            far: BinaryHeap::new(),
        }
    }

    /// The time of the event that was taken last.
    pub(crate) const fn now(&self) -> Nanos {
        self.now
    }

    /// Plans an event; one for the past happens now.
    pub(crate) fn plan(&mut self, at: Nanos, event: E) {
        let number = self.planned;
        self.planned += 1;
        self.put(Plan { at: at.max(self.now), number, event });
    }

    /// Takes the next event.
    pub(crate) fn next(&mut self) -> Option<E> {
        while self.near.is_empty() {
            self.turn()?;
        }
        let Reverse(plan) = self.near.pop()?;
        self.now = plan.at;
        Some(plan.event)
    }

    fn put(&mut self, plan: Plan<E>) {
        let bucket = plan.at >> WIDTH_BITS;
        if bucket <= self.present {
            self.near.push(Reverse(plan));
        } else if bucket < self.present + BUCKETS {
            self.ring[(bucket % BUCKETS) as usize].push(plan);
            self.in_ring += 1;
        } else {
            self.far.push(Reverse(plan));
        }
    }

    /// Goes on to the next bucket, or over a gap to the next that holds anything.
    fn turn(&mut self) -> Option<()> {
        self.present = match self.in_ring {
            0 => self.far.peek()?.0.at >> WIDTH_BITS,
            _ => self.present + 1,
        };
        let horizon = self.present + BUCKETS;
        while self.far.peek().is_some_and(|plan| plan.0.at >> WIDTH_BITS < horizon) {
            let Reverse(plan) = self.far.pop()?;
            self.put(plan);
        }
        let bucket = &mut self.ring[(self.present % BUCKETS) as usize];
        self.in_ring -= bucket.len();
        self.near.extend(bucket.drain(..).map(Reverse));
        Some(())
    }
}

impl<E> Plan<E> {
    const fn key(&self) -> (Nanos, u64) {
        (self.at, self.number)
    }
}

impl<E> PartialEq for Plan<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Plan<E> {}

impl<E> PartialOrd for Plan<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Plan<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// A bucket is 131 µs wide: in a large run it holds some hundred events, in a small one none or one.
const WIDTH_BITS: u32 = 17;
/// A good second: beyond it lie only the faults and changes of a scenario.
const BUCKETS: u64 = 8192;

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::draws::Draws;
    use crate::time::{MS, SECOND};

    fn all<E>(queue: &mut Queue<E>) -> Vec<(Nanos, E)> {
        std::iter::from_fn(|| queue.next().map(|event| (queue.now(), event))).collect()
    }

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_their_planning() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'c'), (SECOND * 100, 'e'), (1, 'a'), (5, 'd'), (1, 'b')] {
            queue.plan(at, event);
        }
        let found = all(&mut queue);
        assert_eq!(found, [(1, 'a'), (1, 'b'), (5, 'c'), (5, 'd'), (SECOND * 100, 'e')]);
    }

    #[test]
    fn what_is_planned_for_the_past_happens_now() {
        let mut queue = Queue::new();
        queue.plan(3 * SECOND, 0);
        assert_eq!(queue.next(), Some(0));
        queue.plan(MS, 1);
        assert_eq!((queue.next(), queue.now()), (Some(1), 3 * SECOND));
    }

    #[test]
    fn any_mixture_of_near_and_far_comes_out_sorted() {
        let (mut queue, mut draws) = (Queue::new(), Draws::new(7));
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        for number in 0..20_000_u64 {
            // From within a bucket to far beyond the ring.
            let reach = 1_u64 << draws.random_range(1..36);
            let at = queue.now() + draws.random_range(0..reach);
            queue.plan(at, (at, number));
            expected.push((at, number));
            if draws.random_range(0..3) == 0 {
                found.extend(queue.next());
            }
        }
        found.extend(all(&mut queue).into_iter().map(|(_, event)| event));
        assert_eq!(found.len(), expected.len());
        assert!(found.is_sorted(), "each planned event lay in the future");
    }
}
