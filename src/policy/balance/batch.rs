//! Several random numbers from one word of the generator.
//!
//! A word times a bound has a number below the bound in its upper half, and in its lower half what is left of the word:
//! as random, for the next number (Brackett-Rozinsky and Lemire, "Batched Ranged Random Integer Generation", 2024). Draws
//! that each asked the generator would wait for its state one after the other, three times as long.
//!
//! Nothing is drawn again to make chances exactly equal, as the authors do: none differs by more than one part in
//! 4,096 from its fair share, which no balancer would show.

use rand::Rng;

/// What is left of the word that was drawn last.
#[derive(Debug)]
pub(super) struct Batch {
    word: u64,
    /// From how many sequences of numbers the word has chosen so far.
    sequences: u64,
}

impl Batch {
    /// Nothing is drawn yet.
    pub(super) const fn new() -> Self {
        Self { word: 0, sequences: u64::MAX }
    }

    /// A random number below `bound`, which is above 0.
    #[inline]
    pub(super) fn below(&mut self, bound: usize, rng: &mut impl Rng) -> usize {
        let bound = bound as u64;
        self.sequences = self.sequences.saturating_mul(bound);
        if self.sequences > MOST_SEQUENCES {
            (self.word, self.sequences) = (rng.next_u64(), bound);
        }
        let product = u128::from(self.word) * u128::from(bound);
        self.word = product as u64;
        (product >> u64::BITS) as usize
    }
}

/// Of 2^64 words, 4,096 or one more stand for each sequence: three of 165,000 endpoints, four of 8,000, eight of 90.
const MOST_SEQUENCES: u64 = 1 << 52;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::rng;

    /// Answers with the words given, and counts how many it was asked for.
    struct Words(Vec<u64>);

    impl rand::TryRng for Words {
        type Error = std::convert::Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
            unreachable!("whole words are drawn")
        }

        fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
            Ok(self.0.remove(0))
        }

        fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
            unreachable!("whole words are drawn")
        }
    }

    #[test]
    fn one_word_gives_the_digits_of_its_share_of_all_words() {
        // 0.375 is 3 eighths; of what is left nothing. 0.71875 is 5 eighths, 6 eighths of an eighth.
        for (share, digits) in [(0.375, [3, 0]), (0.71875, [5, 6])] {
            let (mut batch, mut rng) = (Batch::new(), Words(vec![(share * 2_f64.powi(64)) as u64]));
            assert_eq!([(); 2].map(|()| batch.below(8, &mut rng)), digits);
        }
    }

    #[test]
    fn a_word_is_drawn_anew_before_its_chances_grow_uneven() {
        for (bound, expected) in [(1 << 17, 3), (1 << 18, 2), (90, 8), (usize::MAX, 1)] {
            let (mut batch, mut rng) = (Batch::new(), Words(vec![0, u64::MAX]));
            let from_first = (0..).take_while(|_| batch.below(bound, &mut rng) == 0).count();
            assert_eq!(from_first, expected, "{bound}");
        }
    }

    #[test]
    fn pairs_are_as_likely_as_one_another() {
        let (mut rng, mut counts) = (rng(), [[0_u32; 5]; 4]);
        for _ in 0..100_000 {
            let mut batch = Batch::new();
            counts[batch.below(4, &mut rng)][batch.below(5, &mut rng)] += 1;
        }
        assert!(counts.iter().flatten().all(|count| count.abs_diff(5_000) < 400), "{counts:?}");
    }

    proptest! {
        #[test]
        fn numbers_are_below_their_bounds(
            bounds in prop::collection::vec(1_usize.., 1..12), seed in any::<u64>(),
        ) {
            use rand::SeedableRng;
            let (mut batch, mut rng) = (Batch::new(), rand::rngs::SmallRng::seed_from_u64(seed));
            for bound in bounds {
                prop_assert!(batch.below(bound, &mut rng) < bound);
            }
        }
    }
}
