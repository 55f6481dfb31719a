//! Shares that are compared exactly.
//!
//! A [`Ratio`](super::Ratio) would do, were it not for the edge: of a hundred endpoints 29 may be out by
//! a cap of 29 %, and `0.29 * 100.0` is less than 29. Rules whose edge decides about an endpoint
//! compare whole numbers.

use rand::{Rng, RngExt};

/// A whole number of hundredths, 0 to 100: shares that must be compared exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// Half.
    pub const HALF: Self = Self(50);
    /// 85 %.
    pub const EIGHTY_FIVE: Self = Self(85);
    /// Everything.
    pub const ALL: Self = Self(100);

    /// Takes a number up to 100; none above.
    #[must_use]
    pub const fn new(value: u8) -> Option<Self> {
        if value <= 100 { Some(Self(value)) } else { None }
    }

    /// The number, 0 to 100.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether `part` of `whole` is at most this.
    pub(super) fn holds(self, part: u64, whole: u64) -> bool {
        part.saturating_mul(100) <= whole.saturating_mul(u64::from(self.0))
    }

    /// Whether `part` of `whole` is at least this.
    pub(super) fn reached(self, part: u64, whole: u64) -> bool {
        part.saturating_mul(100) >= whole.saturating_mul(u64::from(self.0))
    }

    /// Says yes this number of times in a hundred.
    pub(super) fn draw(self, rng: &mut impl Rng) -> bool {
        rng.random_range(0..100) < self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::rng;

    #[test]
    fn a_percent_is_a_whole_number_up_to_a_hundred() {
        assert_eq!(Percent::new(100), Some(Percent::ALL));
        assert_eq!(Percent::new(50), Some(Percent::HALF));
        assert_eq!(Percent::new(101), None);
        let nearly_a_third = Percent::new(29).unwrap();
        assert!(nearly_a_third.holds(29, 100) && !nearly_a_third.holds(30, 100));
        assert!(nearly_a_third.reached(29, 100) && !nearly_a_third.reached(28, 100));
    }

    #[test]
    fn of_nothing_every_share_is_held_and_reached() {
        for percent in [Percent(0), Percent::HALF, Percent::ALL] {
            assert!(percent.holds(0, 0) && percent.reached(0, 0));
        }
        assert!(!Percent::ALL.holds(1, 0), "one of nothing is too many");
    }

    #[test]
    fn a_draw_says_yes_so_many_times_of_a_hundred() {
        let mut rng = rng();
        let mut yes = |percent: Percent| (0..10_000).filter(|_| percent.draw(&mut rng)).count();
        assert_eq!((yes(Percent(0)), yes(Percent::ALL)), (0, 10_000));
        assert!((2_300..2_700).contains(&yes(Percent(25))));
    }
}
