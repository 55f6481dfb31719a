//! How long answers took lately: any quantile of the last few seconds.
//!
//! A histogram with log-linear buckets, sixteen to each doubling, so that one figure holds from
//! microseconds to a minute. Time is cut into slices that are emptied as a whole, as in
//! [`window`](super::window): an answer from before a fault leaves after three seconds, where a
//! decaying sketch would keep a trace of it for ever. Sampling into a list and sorting it would need
//! more memory for worse tails, and t-digest or HDR histograms give precision that no hedge needs.
//!
//! Counts are atomics, so nobody waits: a record costs one addition. The thread that opens a new
//! slice empties it, and what others record in those hundred nanoseconds may be lost, or an old count
//! be read once more. A quantile of a sample does not mind.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::policy::circuit::window::Ratio;

/// The latencies of the last three seconds, about 9 KiB. Between 2.5 and 3 s are covered, as the
/// edge is one slice wide.
#[derive(Debug)]
pub struct Latencies {
    origin: Instant,
    slices: Box<[Slice]>,
}

impl Latencies {
    /// Nothing recorded yet. The instant only gives the slices their numbers.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { origin: now, slices: (0..SLICES).map(|_| Slice::empty()).collect() }
    }

    /// Counts one answer that took this long. Above 67 s it counts as 67 s. Costs the same few
    /// nanoseconds whatever was recorded before.
    pub fn record(&self, took: Duration, now: Instant) {
        let number = self.number(now);
        let slice = &self.slices[(number % SLICES) as usize];
        slice.open(number);
        slice.counts[bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// The latency that this share of the answers did not exceed; none while fewer than 50 answers
    /// were recorded.
    ///
    /// Off by at most 5 % from 10 µs to 67 s, and by half a microsecond below. It adds up all counts,
    /// which takes about a microsecond: an attempt asks [`Watched`] instead.
    #[must_use]
    pub fn quantile(&self, share: Ratio, now: Instant) -> Option<Duration> {
        self.bucket_at(share, now).map(middle)
    }

    fn bucket_at(&self, share: Ratio, now: Instant) -> Option<usize> {
        let counts = self.counts(now);
        let total: u64 = counts.iter().sum();
        if total < ENOUGH {
            return None;
        }
        // The rank counts from 1: a share of nothing is the least answer, and of all the greatest.
        let rank = ((share.value() * total as f64).ceil() as u64).clamp(1, total);
        let mut seen = 0;
        counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })
    }

    /// The sum over the slices that are young enough. One that is ahead of this caller's clock counts
    /// too.
    fn counts(&self, now: Instant) -> [u64; BUCKETS] {
        let number = self.number(now);
        let mut sum = [0; BUCKETS];
        let young = |slice: &&Slice| slice.number.load(Ordering::Relaxed) + SLICES > number;
        for slice in self.slices.iter().filter(young) {
            for (sum, count) in sum.iter_mut().zip(&slice.counts) {
                *sum += u64::from(count.load(Ordering::Relaxed));
            }
        }
        sum
    }

    fn number(&self, now: Instant) -> u64 {
        self.millis(now) / SLICE_MS
    }

    fn millis(&self, now: Instant) -> u64 {
        let age = now.saturating_duration_since(self.origin);
        age.as_secs().saturating_mul(1000).saturating_add(u64::from(age.subsec_millis()))
    }
}

/// One quantile, read anew every 50 ms and remembered in between: cheap enough for every attempt.
#[derive(Debug)]
pub struct Watched {
    share: Ratio,
    /// The millisecond of the last reading above 16 bits that hold the bucket plus one, or zero for
    /// no quantile. In one word, so that they agree.
    reading: AtomicU64,
}

impl Watched {
    /// Watches the latency that this share of the answers does not exceed.
    #[must_use]
    pub const fn new(share: Ratio) -> Self {
        Self { share, reading: AtomicU64::new(0) }
    }

    /// The quantile, up to 50 ms old; none while fewer than 50 answers were recorded, in the first
    /// 50 ms of the histogram included.
    #[must_use]
    pub fn read(&self, latencies: &Latencies, now: Instant) -> Option<Duration> {
        let millis = latencies.millis(now);
        let mut reading = self.reading.load(Ordering::Relaxed);
        if millis >= (reading >> BUCKET_BITS) + READ_EVERY_MS {
            let bucket = latencies.bucket_at(self.share, now).map_or(0, |bucket| bucket as u64 + 1);
            reading = millis << BUCKET_BITS | bucket;
            self.reading.store(reading, Ordering::Relaxed);
        }
        ((reading & BUCKET_MASK) as usize).checked_sub(1).map(middle)
    }
}

#[derive(Debug)]
struct Slice {
    /// Which stretch of time since the origin it holds.
    number: AtomicU64,
    counts: [AtomicU32; BUCKETS],
}

impl Slice {
    fn empty() -> Self {
        Self { number: AtomicU64::new(0), counts: [const { AtomicU32::new(0) }; BUCKETS] }
    }

    /// Makes sure that the slice holds this stretch of time, or a later one if this caller was
    /// overtaken: then its answer counts there.
    fn open(&self, number: u64) {
        let held = self.number.load(Ordering::Relaxed);
        let relaxed = Ordering::Relaxed;
        if held < number && self.number.compare_exchange(held, number, relaxed, relaxed).is_ok() {
            self.counts.iter().for_each(|count| count.store(0, relaxed));
        }
    }
}

/// Below twice [`STEPS`] each microsecond has its bucket; above, each doubling has [`STEPS`] of them.
fn bucket(took: Duration) -> usize {
    let micros = took.as_micros().min(u128::from(LONGEST_US)) as u64;
    let doublings = (micros | STEPS).ilog2() - STEPS.ilog2();
    (u64::from(doublings) * STEPS + (micros >> doublings)) as usize
}

/// The middle of a bucket, from which no latency in it is far.
fn middle(bucket: usize) -> Duration {
    let doublings = (bucket as u64 / STEPS).saturating_sub(1);
    let least_us = (bucket as u64 - doublings * STEPS) << doublings;
    Duration::from_nanos(1000 * least_us + (500 << doublings))
}

/// Half of a sixteenth is 3.1 %: the error of a bucket's middle.
const STEPS: u64 = 16;

/// Just below 2^26 µs, or 67 s. No hedge waits that long, and no default limit lets an attempt.
const LONGEST_US: u64 = (1 << 26) - 1;

/// Twice sixteen buckets up to 32 µs, and sixteen for each doubling from there to 2^26.
const BUCKETS: usize = 32 + 21 * 16;

/// Three seconds in all: hundreds of answers of a busy client, and the delay follows a change soon.
const SLICES: u64 = 6;
const SLICE_MS: u64 = 500;

/// With fewer answers, the 95th percentile hangs on the slowest two.
const ENOUGH: u64 = 50;

/// A sixtieth of what the histogram covers: it does not change faster than that by much.
const READ_EVERY_MS: u64 = 50;

const BUCKET_BITS: u32 = 16;
const BUCKET_MASK: u64 = (1 << BUCKET_BITS) - 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    fn share(value: f64) -> Ratio {
        Ratio::new(value).unwrap()
    }

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    fn near(found: Option<Duration>, expected: Duration) -> bool {
        found.is_some_and(|found| {
            found.as_secs_f64() / expected.as_secs_f64() < 1.05
                && expected.as_secs_f64() / found.as_secs_f64() < 1.05
        })
    }

    /// Fifty answers of 1 to 50 ms at once.
    fn fifty(now: Instant) -> Latencies {
        let latencies = Latencies::new(now);
        (1..=50).for_each(|took| latencies.record(ms(took), now));
        latencies
    }

    #[test]
    fn a_quantile_is_the_latency_that_its_share_did_not_exceed() {
        let latencies = fifty(t0());
        for (q, expected) in [(0.0, 1), (0.02, 1), (0.5, 25), (0.9, 45), (0.95, 48), (1.0, 50)] {
            let found = latencies.quantile(share(q), t0());
            assert!(near(found, ms(expected)), "{q}: {found:?}");
        }
    }

    #[test]
    fn fifty_answers_are_enough_and_one_less_is_not() {
        let (latencies, t0) = (Latencies::new(t0()), t0());
        (0..49).for_each(|_| latencies.record(ms(10), t0));
        assert_eq!(latencies.quantile(Ratio::HALF, t0), None);
        latencies.record(ms(10), t0);
        assert!(near(latencies.quantile(Ratio::HALF, t0), ms(10)));
    }

    #[test]
    fn answers_leave_with_their_slice_after_three_seconds() {
        let t0 = t0();
        let latencies = fifty(t0);
        assert!(latencies.quantile(Ratio::HALF, t0 + ms(2999)).is_some());
        assert_eq!(latencies.quantile(Ratio::HALF, t0 + ms(3000)), None);
    }

    #[test]
    fn a_fault_shows_at_once_and_is_forgotten() {
        let (latencies, t0) = (Latencies::new(t0()), t0());
        let at = |tenth: u64| t0 + ms(tenth * 100);
        for tenth in 0..100 {
            let slow = (20..40).contains(&tenth);
            let took = ms(if slow { 200 } else { 10 });
            (0..10).for_each(|_| latencies.record(took, at(tenth)));
        }
        // Only the last slices are still there, all of them from after the fault.
        assert!(near(latencies.quantile(share(1.0), at(99)), ms(10)));
    }

    #[test]
    fn a_slice_that_is_used_again_starts_empty() {
        let t0 = t0();
        let latencies = fifty(t0);
        latencies.record(ms(1), t0 + ms(3000));
        assert_eq!(latencies.quantile(Ratio::HALF, t0 + ms(3000)), None);
    }

    #[test]
    fn an_answer_that_was_overtaken_counts_in_a_later_slice() {
        let (origin, later) = (t0(), t0() + ms(3000));
        let latencies = Latencies::new(origin);
        (0..49).for_each(|_| latencies.record(ms(10), later));
        latencies.record(ms(10), origin);
        assert!(latencies.quantile(Ratio::HALF, later).is_some());
        assert!(latencies.quantile(Ratio::HALF, origin).is_some(), "a slice ahead counts too");
        latencies.record(ms(10), origin - ms(5000));
    }

    #[test]
    fn what_is_too_long_counts_as_the_longest() {
        let latencies = Latencies::new(t0());
        (0..50).for_each(|_| latencies.record(Duration::MAX, t0()));
        assert!(near(latencies.quantile(Ratio::HALF, t0()), Duration::from_secs(67)));
    }

    #[test]
    fn the_buckets_follow_each_other_without_a_gap() {
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(micros(LONGEST_US)), BUCKETS - 1);
        for index in 1..BUCKETS {
            assert_eq!(bucket(middle(index)), index);
            assert!(middle(index) > middle(index - 1));
        }
    }

    #[test]
    fn a_watched_quantile_is_read_anew_every_50_ms() {
        let t0 = t0();
        let latencies = fifty(t0);
        let median = Watched::new(Ratio::HALF);
        assert_eq!(median.read(&latencies, t0 + ms(49)), None);
        assert!(near(median.read(&latencies, t0 + ms(50)), ms(25)));
        (0..150).for_each(|_| latencies.record(ms(100), t0 + ms(60)));
        assert!(near(median.read(&latencies, t0 + ms(99)), ms(25)));
        assert!(near(median.read(&latencies, t0 + ms(100)), ms(100)));
        assert_eq!(median.read(&latencies, t0 + ms(9999)), None);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "the test's own callers")]
    fn threads_lose_nothing_within_a_slice() {
        let (latencies, t0) = (Latencies::new(t0()), t0());
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let latencies = &latencies;
                scope.spawn(move || {
                    (0..5000).for_each(|_| latencies.record(ms(thread), t0));
                });
            }
        });
        assert_eq!(latencies.counts(t0).iter().sum::<u64>(), 20_000);
        assert!(near(latencies.quantile(Ratio::HALF, t0), ms(2)));
    }

    proptest! {
        #[test]
        fn any_quantile_is_within_five_percent(
            took in prop::collection::vec(10_u64..60_000_000, 50..300),
            q in 0.0_f64..=1.0,
        ) {
            let (latencies, t0) = (Latencies::new(t0()), t0());
            took.iter().for_each(|took| latencies.record(micros(*took), t0));
            let mut sorted = took;
            sorted.sort_unstable();
            let rank = ((q * sorted.len() as f64).ceil() as usize).max(1);
            let (found, expected) = (latencies.quantile(share(q), t0), micros(sorted[rank - 1]));
            prop_assert!(near(found, expected), "{found:?} is not {expected:?}");
        }

        /// Slices against a plain list of everything that ever happened.
        #[test]
        fn agrees_with_a_list_of_all_answers(
            answers in prop::collection::vec((0_u64..300, 1_u64..1000), 1..300),
        ) {
            let (start, mut at, mut list) = (t0(), 0, Vec::new());
            let latencies = Latencies::new(start);
            for (pause, took) in answers {
                at += pause;
                latencies.record(ms(took), start + ms(at));
                list.push(at / 500);
                let young = list.iter().filter(|slice| **slice + 6 > at / 500).count() as u64;
                let now = start + ms(at);
                prop_assert_eq!(latencies.counts(now).iter().sum::<u64>(), young);
                prop_assert_eq!(latencies.quantile(Ratio::HALF, now).is_some(), young >= 50);
            }
        }
    }
}
