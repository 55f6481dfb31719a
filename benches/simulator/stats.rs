//! What is counted while a run goes on.

use std::ops::Range;

use crate::time::{MS, Nanos, SECOND};

/// The counts of one run.
#[derive(Debug)]
pub(crate) struct Stats {
    counted: Range<Nanos>,
    /// Of the calls that count, in microseconds from the intended start; an error counts as the deadline.
    latencies: Vec<u32>,
    pub(crate) errors: u64,
    pub(crate) attempts: u64,
    pub(crate) hedges: u64,
    /// Sums in nanoseconds of those that succeeded, for means finer than a microsecond.
    sojourn: u128,
    /// By stretches of 100 ms from the start of the run.
    bins: Vec<Bin>,
}

/// One stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bin {
    /// Calls begun in it, and how many of them came to a good end.
    pub(crate) calls: u32,
    pub(crate) good: u32,
    /// Good ends in it.
    pub(crate) ends: u32,
    /// First attempts in it, and how many of them went to servers with a fault.
    pub(crate) first: u32,
    pub(crate) first_to_faulty: u32,
}

impl Stats {
    pub(crate) fn new(counted: Range<Nanos>, expected: usize) -> Self {
        let bins = (counted.end + SECOND) / BIN + 1;
        Self {
            counted,
            latencies: Vec::with_capacity(expected),
            errors: 0,
            attempts: 0,
            hedges: 0,
            sojourn: 0,
            bins: vec![Bin::default(); bins as usize],
        }
    }

    /// Whether a call counts that begins then.
    pub(crate) fn counts(&self, start: Nanos) -> bool {
        self.counted.contains(&start)
    }

    pub(crate) fn first_attempt(&mut self, now: Nanos, to_faulty: bool) {
        if let Some(bin) = self.bin(now) {
            bin.first += 1;
            bin.first_to_faulty += u32::from(to_faulty);
        }
    }

    /// A call ended, as the caller sees it.
    pub(crate) fn ended(&mut self, start: Nanos, now: Nanos, good: bool, deadline: Nanos) {
        if let Some(bin) = self.bin(start) {
            bin.calls += 1;
            bin.good += u32::from(good);
        }
        if let Some(bin) = self.bin(now) {
            bin.ends += u32::from(good);
        }
        if !self.counts(start) {
            return;
        }
        let took = if good { now - start } else { deadline };
        self.errors += u64::from(!good);
        self.sojourn += if good { u128::from(took) } else { 0 };
        self.latencies.push((took / 1000).min(u64::from(u32::MAX)) as u32);
    }

    fn bin(&mut self, at: Nanos) -> Option<&mut Bin> {
        self.bins.get_mut((at / BIN) as usize)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.latencies.len() as u64
    }

    /// The mean of the good calls in nanoseconds.
    pub(crate) fn mean(&self) -> f64 {
        self.sojourn as f64 / (self.calls() - self.errors).max(1) as f64
    }

    /// Milliseconds that these shares of the calls did not exceed.
    pub(crate) fn quantiles<const N: usize>(&mut self, shares: [f64; N]) -> [f64; N] {
        self.latencies.sort_unstable();
        let last = self.latencies.len().saturating_sub(1);
        shares.map(|share| {
            let rank = (share * self.latencies.len() as f64).ceil() as usize;
            let found = self.latencies.get(rank.saturating_sub(1).min(last));
            found.map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        })
    }

    /// The sums of the stretches that begin within a span.
    pub(crate) fn over(&self, span: Range<Nanos>) -> Bin {
        let bins = self.bins.iter().enumerate();
        let within = bins.filter(|(at, _)| span.contains(&(*at as u64 * BIN)));
        within.fold(Bin::default(), |sum, (_, bin)| Bin {
            calls: sum.calls + bin.calls,
            good: sum.good + bin.good,
            ends: sum.ends + bin.ends,
            first: sum.first + bin.first,
            first_to_faulty: sum.first_to_faulty + bin.first_to_faulty,
        })
    }

    /// Seconds from `from` to the start of the first stretch that is as wished, as the next one is; no
    /// figure if there is none before `until`.
    pub(crate) fn first(
        &self,
        span: Range<Nanos>,
        width: Nanos,
        wished: impl Fn(Bin) -> bool,
    ) -> Option<f64> {
        let starts = (span.start..span.end).step_by(width as usize);
        let holds = |at: Nanos| wished(self.over(at..at + width));
        let found = starts.into_iter().find(|&at| holds(at) && holds(at + width));
        found.map(|at| (at - span.start) as f64 / SECOND as f64)
    }
}

pub(crate) const BIN: Nanos = 100 * MS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_counts_as_the_deadline() {
        let mut stats = Stats::new(SECOND..2 * SECOND, 0);
        stats.ended(0, MS, true, SECOND);
        stats.ended(SECOND, SECOND + MS, true, SECOND);
        stats.ended(SECOND, SECOND + 2 * MS, false, SECOND);
        assert_eq!((stats.calls(), stats.errors), (2, 1));
        assert_eq!(stats.quantiles([0.5, 0.999]), [1.0, 1000.0]);
        assert!((stats.mean() - MS as f64).abs() < 1.0);
    }

    #[test]
    fn a_recovery_is_when_it_stays() {
        let mut stats = Stats::new(0..SECOND, 0);
        for (at, faulty) in [(0, 0), (1, 9), (2, 0), (3, 9), (4, 9), (5, 0)] {
            (0..10).for_each(|call| stats.first_attempt(at * BIN, call < faulty));
        }
        let back = stats.first(0..SECOND, BIN, |bin| bin.first_to_faulty > 5);
        assert_eq!(back, Some(0.3));
    }
}
