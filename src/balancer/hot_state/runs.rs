//! Runs of slots: how wide each is, and which one a slot lies in.

use std::ops::Range;

/// The number of the run that `slot` lies in.
#[inline]
pub(crate) fn run_of(slot: usize) -> usize {
    // 0 below 64, 1 below 128, 2 below 256 and so on up to 6; without a branch, as slots are drawn.
    let doublings = usize::BITS - (slot / WIDTH).min(WIDEST / WIDTH - 1).leading_zeros();
    doublings as usize + slot / WIDEST
}

/// The slots of the run of this number.
pub(super) fn slots_of(run: usize) -> Range<usize> {
    let start = |run: usize| match run {
        0 => 0,
        1..DOUBLED => WIDTH << (run - 1),
        _ => (run - DOUBLED + 1) * WIDEST,
    };
    start(run)..start(run + 1)
}

/// Places in the first run, which few levels exceed, and bits in a word.
pub(super) const WIDTH: usize = 64;

/// Places in the last runs: 128 KB of loads, so that room for endpoints to come is small beside those there.
const WIDEST: usize = 4096;

/// From this run on they are equally wide.
const DOUBLED: usize = (WIDEST / WIDTH).ilog2() as usize + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_lies_in_the_run_that_has_it() {
        let mut next = 0;
        for run in 0..40 {
            let slots = slots_of(run);
            assert_eq!(slots.start, next, "one run after the other");
            assert!(slots.clone().all(|slot| run_of(slot) == run), "{run}: {slots:?}");
            assert_eq!((slots.start % WIDTH, slots.end % WIDTH), (0, 0));
            next = slots.end;
        }
        assert_eq!(slots_of(0).len(), WIDTH);
        assert_eq!(
            (slots_of(6).len(), slots_of(7).len(), slots_of(39).len()),
            (2048, WIDEST, WIDEST)
        );
    }
}
