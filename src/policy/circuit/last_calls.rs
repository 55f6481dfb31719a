//! Counts of failures and slow calls among a number of last calls.
//!
//! A ring of marks, as resilience4j keeps one. It answers the question that people ask first, "how
//! many of the last hundred failed", and suits an endpoint that is asked so seldom that no stretch
//! of time holds enough calls. A window of time is the default all the same: here one busy
//! millisecond pushes out the history of a quiet minute, and an old fault stays in the counts until
//! enough calls came after it.
//!
//! The counts are kept beside the ring, so that asking for them does not walk it.

use std::num::NonZeroU16;

use super::window::{Counts, OutcomeFlags};

/// Counts over the last outcomes.
#[derive(Clone, Debug)]
pub struct LastCalls {
    size: NonZeroU16,
    /// Where the next mark goes once the ring is full.
    next: u16,
    counts: Counts,
    /// Grows up to its size, so that an endpoint which is asked twice does not pay for hundreds.
    ring: Vec<OutcomeFlags>,
}

impl LastCalls {
    /// Nothing counted yet; at most this many will be.
    #[must_use]
    pub const fn new(size: NonZeroU16) -> Self {
        let counts = Counts { failures: 0, slow: 0, total: 0 };
        Self { size, next: 0, counts, ring: Vec::new() }
    }

    /// Counts one outcome in place of the oldest.
    pub fn record(&mut self, flags: OutcomeFlags) {
        match self.ring.get_mut(usize::from(self.next)) {
            Some(place) => {
                let oldest = std::mem::replace(place, flags);
                self.counts.remove(oldest.into());
            }
            None => self.ring.push(flags),
        }
        self.counts.add(flags.into());
        self.next = (self.next + 1) % self.size;
    }

    /// What the last outcomes were.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn last(size: u16) -> LastCalls {
        LastCalls::new(NonZeroU16::new(size).unwrap())
    }

    fn flags(failed: bool, slow: bool) -> OutcomeFlags {
        OutcomeFlags { failed, slow }
    }

    #[test]
    fn the_oldest_outcome_makes_room_for_the_newest() {
        let mut calls = last(3);
        for failed in [true, true, false] {
            calls.record(flags(failed, false));
        }
        assert_eq!(calls.counts(), Counts { failures: 2, slow: 0, total: 3 });
        calls.record(flags(false, true));
        assert_eq!(calls.counts(), Counts { failures: 1, slow: 1, total: 3 });
        calls.record(flags(false, false));
        assert_eq!(calls.counts(), Counts { failures: 0, slow: 1, total: 3 });
    }

    #[test]
    fn one_place_holds_the_last_outcome() {
        let mut calls = last(1);
        calls.record(flags(true, true));
        calls.record(flags(false, false));
        assert_eq!(calls.counts(), Counts { failures: 0, slow: 0, total: 1 });
    }

    #[test]
    fn the_longest_ring_comes_round() {
        let mut calls = last(u16::MAX);
        (0..u16::MAX).for_each(|_| calls.record(flags(true, false)));
        assert_eq!(calls.counts().failures, u32::from(u16::MAX));
        calls.record(flags(false, false));
        assert_eq!(calls.counts().failures, u32::from(u16::MAX) - 1);
        assert_eq!(calls.counts().total, u32::from(u16::MAX));
    }

    #[test]
    fn a_ring_takes_room_as_it_is_filled() {
        let mut calls = last(1000);
        assert_eq!(calls.ring.capacity(), 0);
        calls.record(flags(false, false));
        assert!(calls.ring.capacity() < 16);
    }

    proptest! {
        /// The ring against the end of a plain list.
        #[test]
        fn agrees_with_the_end_of_a_list(
            marks in prop::collection::vec((any::<bool>(), any::<bool>()), 1..300),
            size in 1_u16..50,
        ) {
            let (mut calls, mut list) = (last(size), Vec::new());
            for (failed, slow) in marks {
                calls.record(flags(failed, slow));
                list.push(flags(failed, slow));
                let newest = &list[list.len().saturating_sub(usize::from(size))..];
                let expected = Counts {
                    failures: newest.iter().filter(|flags| flags.failed).count() as u32,
                    slow: newest.iter().filter(|flags| flags.slow).count() as u32,
                    total: newest.len() as u32,
                };
                prop_assert_eq!(calls.counts(), expected);
            }
        }
    }
}
