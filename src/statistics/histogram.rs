//! How long things took, by the buckets of OpenTelemetry's HTTP conventions.

use std::time::Duration;

use super::cell::Cell;

/// The upper bounds of the buckets in seconds, as the conventions advise for `http.client.request.duration`. A last
/// bucket has no bound.
pub const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The same in nanoseconds.
const BOUNDS_NS: [u64; 14] = [
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
];

/// How many took how long, and how long they took together: 128 bytes.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Cell; BOUNDS.len() + 1],
    nanoseconds: Cell,
}

impl Histogram {
    /// One more, by a thread that is `alone` with the histogram or not.
    #[inline]
    pub fn record(&self, elapsed: Duration, alone: bool) {
        // Not by `as_nanos`, which multiplies 128 bits.
        let seconds = elapsed.as_secs().saturating_mul(1_000_000_000);
        let nanoseconds = seconds.saturating_add(elapsed.subsec_nanos().into());
        let above = BOUNDS_NS.iter().position(|bound| nanoseconds <= *bound);
        self.buckets[above.unwrap_or(BOUNDS.len())].add_as(1, alone);
        self.nanoseconds.add_as(nanoseconds, alone);
    }

    /// What was recorded so far.
    #[must_use]
    pub fn read(&self) -> Distribution {
        Distribution {
            buckets: std::array::from_fn(|index| self.buckets[index].get()),
            nanoseconds: self.nanoseconds.get(),
        }
    }
}

/// What a histogram held at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// How many lie in each bucket, those below not included.
    pub buckets: [u64; BOUNDS.len() + 1],
    nanoseconds: u64,
}

impl Distribution {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How long they took together, in seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }

    /// The bounds in seconds, the last of them infinite, each with how many lie at or below it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.buckets).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }

    /// Takes in what another histogram held.
    pub fn merge(&mut self, other: &Self) {
        for (own, others) in self.buckets.iter_mut().zip(other.buckets) {
            *own += others;
        }
        self.nanoseconds = self.nanoseconds.wrapping_add(other.nanoseconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_the_same_in_both_units() {
        for (seconds, nanoseconds) in BOUNDS.into_iter().zip(BOUNDS_NS) {
            assert_eq!(Duration::from_secs_f64(seconds), Duration::from_nanos(nanoseconds));
        }
        assert_eq!(size_of::<Histogram>(), 128);
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_beyond_all_to_the_last() {
        let histogram = Histogram::default();
        for ms in [0, 5, 6, 10_000, 10_001] {
            histogram.record(Duration::from_millis(ms), false);
        }
        let read = histogram.read();
        let at = |bound: f64| read.cumulative().find(|(it, _)| *it == bound).unwrap().1;
        assert_eq!((at(0.005), at(0.01), at(10.0), at(f64::INFINITY)), (2, 3, 4, 5));
        assert_eq!(read.count(), 5);
        assert!((read.seconds() - 20.012).abs() < 1e-9);
    }

    #[test]
    fn what_two_held_adds_up() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_millis(1), true);
        other.record(Duration::from_secs(3), true);
        let mut both = one.read();
        both.merge(&other.read());
        assert_eq!(both.count(), 2);
        assert!((both.seconds() - 3.001).abs() < 1e-9);
    }
}
