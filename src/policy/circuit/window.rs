//! Counts of failures and slow calls over the last stretch of time.
//!
//! A ring of ten buckets: each covers a tenth of the window and is emptied as a whole once it is
//! ten buckets old. What is inside is counted exactly, whatever the speed of arrival, so one busy
//! millisecond cannot push out the history of a quiet minute as a window of the last N calls would
//! let it. A decaying average would be smaller still, but nobody can check its figure by hand.
//!
//! The edge is one bucket wide: the window covers between nine and ten tenths of its nominal time.

use std::time::{Duration, Instant};

/// A share between 0 and 1, both included; never NaN.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(f64);

impl Ratio {
    /// All.
    pub const ONE: Self = Self(1.0);
    /// 99 of 100.
    pub const NINETY_NINE: Self = Self(0.99);
    /// Three quarters.
    pub const THREE_QUARTERS: Self = Self(0.75);
    /// One half.
    pub const HALF: Self = Self(0.5);
    /// One fifth.
    pub const FIFTH: Self = Self(0.2);
    /// One quarter.
    pub const QUARTER: Self = Self(0.25);
    /// One tenth.
    pub const TENTH: Self = Self(0.1);
    /// One in twenty.
    pub const TWENTIETH: Self = Self(0.05);
    /// Nothing.
    pub const ZERO: Self = Self(0.0);

    /// Takes a number between 0 and 1; none if it lies outside or is no number.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The number, between 0 and 1.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

/// What is counted of one outcome, beside that it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutcomeFlags {
    /// It failed.
    pub failed: bool,
    /// It took too long, well or badly.
    pub slow: bool,
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The failed ones.
    pub failures: u32,
    /// The slow ones, some of which may have failed.
    pub slow: u32,
    /// All, the failed and the slow ones included.
    pub total: u32,
}

impl Counts {
    /// The share of failures; none while nothing was counted.
    #[must_use]
    pub fn failure_ratio(self) -> Option<Ratio> {
        self.share(self.failures)
    }

    /// The share of slow ones; none while nothing was counted.
    #[must_use]
    pub fn slow_ratio(self) -> Option<Ratio> {
        self.share(self.slow)
    }

    fn share(self, part: u32) -> Option<Ratio> {
        // A part never exceeds the total, so the quotient needs no check.
        (self.total > 0).then(|| Ratio(f64::from(part) / f64::from(self.total)))
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
        self.total = self.total.saturating_add(other.total);
    }

    /// Takes out what was added before.
    pub(crate) const fn remove(&mut self, other: Self) {
        self.failures = self.failures.saturating_sub(other.failures);
        self.slow = self.slow.saturating_sub(other.slow);
        self.total = self.total.saturating_sub(other.total);
    }
}

impl From<OutcomeFlags> for Counts {
    fn from(flags: OutcomeFlags) -> Self {
        Self { failures: u32::from(flags.failed), slow: u32::from(flags.slow), total: 1 }
    }
}

/// Counts over a window of time.
#[derive(Clone, Debug)]
pub struct Window {
    /// How much time a bucket covers, in nanoseconds; at least one.
    width: u64,
    /// When the newest bucket is over, so that most records need no division; none before the first record.
    ends: Option<Instant>,
    /// Where the newest bucket lies in the ring.
    newest: usize,
    buckets: [Counts; BUCKETS],
}

impl Window {
    /// An empty window over this much time.
    #[must_use]
    pub fn new(window: Duration) -> Self {
        Self {
            width: whole_nanos(window / BUCKETS as u32).max(1),
            ends: None,
            newest: 0,
            buckets: [Counts::default(); BUCKETS],
        }
    }

    /// Counts one outcome. An instant before the last one counts as the last one: callers read the
    /// clock before they take the lock, and may arrive in the wrong order.
    #[inline]
    pub fn record(&mut self, flags: OutcomeFlags, now: Instant) {
        self.advance(now);
        self.ends.get_or_insert_with(|| later(now, self.width));
        self.buckets[self.newest].add(flags.into());
    }

    /// What the window holds now.
    pub fn counts(&mut self, now: Instant) -> Counts {
        self.advance(now);
        let mut sum = Counts::default();
        self.buckets.iter().for_each(|bucket| sum.add(*bucket));
        sum
    }

    /// Moves the ring on to the bucket of `now`, emptying those that it comes to reuse.
    #[inline]
    fn advance(&mut self, now: Instant) {
        let Some(ends) = self.ends.filter(|ends| now >= *ends) else {
            return;
        };
        let steps =
            (whole_nanos(now.saturating_duration_since(ends)) / self.width).saturating_add(1);
        for _ in 0..steps.min(BUCKETS as u64) {
            self.newest = (self.newest + 1) % BUCKETS;
            self.buckets[self.newest] = Counts::default();
        }
        self.ends = Some(later(ends, self.width.saturating_mul(steps)));
    }
}

fn later(instant: Instant, nanos: u64) -> Instant {
    instant.checked_add(Duration::from_nanos(nanos)).unwrap_or(instant)
}

/// Nanoseconds in 64 bits, which last for 584 years of uptime.
fn whole_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Ten buckets keep the edge at a tenth of the window and the ring at 120 bytes.
const BUCKETS: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    fn counts(failures: u32, total: u32) -> Counts {
        Counts { failures, slow: 0, total }
    }

    /// A quick outcome.
    fn quick(failed: bool) -> OutcomeFlags {
        OutcomeFlags { failed, slow: false }
    }

    #[test]
    fn a_ratio_is_a_number_between_zero_and_one() {
        assert_eq!(Ratio::new(0.0), Some(Ratio::ZERO));
        assert_eq!(Ratio::new(0.5), Some(Ratio::HALF));
        assert_eq!(Ratio::new(0.25), Some(Ratio::QUARTER));
        assert_eq!(Ratio::new(1.0).map(Ratio::value), Some(1.0));
        for refused in [-0.1, 1.000_001, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Ratio::new(refused), None, "{refused}");
        }
    }

    #[test]
    fn an_empty_window_has_no_ratio() {
        let mut window = Window::new(ms(1000));
        assert_eq!(window.counts(t0()).failure_ratio(), None);
        assert_eq!(window.counts(t0()).slow_ratio(), None);
    }

    #[test]
    fn slow_outcomes_are_counted_beside_the_failed_ones() {
        let (mut window, t0) = (Window::new(ms(1000)), t0());
        for (failed, slow) in [(true, true), (false, true), (false, true), (true, false)] {
            window.record(OutcomeFlags { failed, slow }, t0);
        }
        let found = window.counts(t0);
        assert_eq!(found, Counts { failures: 2, slow: 3, total: 4 });
        assert_eq!(found.failure_ratio(), Some(Ratio::HALF));
        assert_eq!(found.slow_ratio(), Ratio::new(0.75));
    }

    #[test]
    fn outcomes_are_counted_exactly_and_leave_with_their_bucket() {
        let (mut window, t0) = (Window::new(ms(1000)), t0());
        window.record(quick(true), t0);
        window.record(quick(false), t0 + ms(99));
        window.record(quick(true), t0 + ms(100));
        assert_eq!(window.counts(t0 + ms(999)), counts(2, 3));
        assert_eq!(window.counts(t0 + ms(1000)), counts(1, 1));
        assert_eq!(window.counts(t0 + ms(1099)), counts(1, 1));
        assert_eq!(window.counts(t0 + ms(1100)), counts(0, 0));
    }

    #[test]
    fn one_idle_window_is_a_cold_start() {
        let (mut window, t0) = (Window::new(ms(1000)), t0());
        (0..50).for_each(|i| window.record(quick(true), t0 + ms(i * 20)));
        window.record(quick(false), t0 + ms(2000));
        assert_eq!(window.counts(t0 + ms(2000)), counts(0, 1));
    }

    #[test]
    fn an_outcome_from_before_the_first_is_still_counted() {
        let (mut window, t0) = (Window::new(ms(1000)), t0() + ms(5000));
        window.record(quick(true), t0);
        window.record(quick(true), t0 - ms(3000));
        assert_eq!(window.counts(t0), counts(2, 2));
    }

    #[test]
    fn an_outcome_that_was_overtaken_counts_as_the_last_one() {
        let (mut window, t0) = (Window::new(ms(1000)), t0());
        window.record(quick(false), t0);
        window.record(quick(false), t0 + ms(500));
        window.record(quick(true), t0 + ms(300));
        assert_eq!(window.counts(t0 + ms(1499)), counts(1, 2));
        assert_eq!(window.counts(t0 + ms(1500)), counts(0, 0));
    }

    #[test]
    fn a_window_of_no_time_at_all_does_not_divide_by_zero() {
        let (mut window, t0) = (Window::new(Duration::ZERO), t0());
        window.record(quick(true), t0);
        assert_eq!(window.counts(t0), counts(1, 1));
        assert_eq!(window.counts(t0 + ms(1)), counts(0, 0));
    }

    #[test]
    fn a_window_without_end_never_forgets() {
        let (mut window, t0) = (Window::new(Duration::MAX), t0());
        window.record(quick(true), t0);
        assert_eq!(window.counts(t0 + ms(1_000_000_000)), counts(1, 1));
    }

    proptest! {
        /// The ring against a plain list of everything that ever happened.
        #[test]
        fn agrees_with_a_list_of_all_events(
            events in prop::collection::vec((0_u64..400, any::<bool>(), any::<bool>()), 1..200),
            window_ms in 10_u64..2000,
        ) {
            let start = t0();
            let (width_ns, mut at) = (window_ms * 100_000, 0);
            let (mut window, mut list) = (Window::new(ms(window_ms)), Vec::new());
            for (index, (pause, failed, slow)) in events.into_iter().enumerate() {
                at += if index == 0 { 0 } else { pause };
                window.record(OutcomeFlags { failed, slow }, start + ms(at));
                list.push((at * 1_000_000 / width_ns, failed, slow));
                let newest = at * 1_000_000 / width_ns;
                let alive = || list.iter().filter(|(bucket, ..)| bucket + 10 > newest);
                let expected = Counts {
                    failures: alive().filter(|(_, failed, _)| *failed).count() as u32,
                    slow: alive().filter(|(.., slow)| *slow).count() as u32,
                    total: alive().count() as u32,
                };
                prop_assert_eq!(window.counts(start + ms(at)), expected);
            }
        }
    }
}
