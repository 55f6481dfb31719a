//! How long answers took lately: any quantile of the last seconds, or of the last minute.
//!
//! A histogram with log-linear buckets, sixteen to each doubling, so that one figure holds from
//! microseconds to a minute. Time is cut into slices that are emptied as a whole, as in
//! [`window`](crate::policy::circuit::window): an answer from before a fault leaves after three
//! seconds, where a decaying sketch would keep a trace of it for ever. Sampling into a list and sorting
//! it would need more memory for worse tails, and t-digest or HDR histograms give precision that no
//! hedge needs.
//!
//! A client that makes ten calls a second has thirty answers in three seconds, too few for a high
//! quantile. So a slice that is emptied is first added to a second histogram, which covers a minute.
//! It is read only where three seconds hold too little, and a record costs nothing for it.
//!
//! Counts are atomics, so no caller waits: a record costs one addition. The thread that opens a new
//! slice empties it, and what other threads record in those few hundred nanoseconds may be lost, or
//! an old count be read once more. A quantile of a sample bears that.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::policy::circuit::window::Ratio;

/// The latencies of the last three seconds and of the last minute, about 18 KiB. Between 2.5 and 3 s
/// are covered, and between 50 and 60 s, as the edge is one slice wide.
#[derive(Debug)]
pub struct Latencies {
    origin: Instant,
    slices: Box<[Slice]>,
    /// What the slices held before they were emptied, ten seconds in each.
    minute: Box<[Slice]>,
}

impl Latencies {
    /// Nothing recorded yet. The instant only gives the slices their numbers.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let empty = |count: u64| (0..count).map(|_| Slice::empty()).collect();
        Self { origin: now, slices: empty(SLICES), minute: empty(SLICES) }
    }

    /// Counts one answer that took this long. Above 67 s it counts as 67 s. Costs the same few
    /// nanoseconds whatever was recorded before.
    pub fn record(&self, took: Duration, now: Instant) {
        let number = self.number(now);
        let slice = &self.slices[(number % SLICES) as usize];
        slice.open(number, |held| self.pass_on(slice, held));
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
        (total(&counts) >= ENOUGH).then(|| bucket_of(share, &counts)).flatten()
    }

    /// The same over three seconds if they hold 50 answers, else over a minute if it holds 20; and
    /// where it holds fewer, but not less than two, the longest of them.
    fn sampled(&self, share: Ratio, now: Instant) -> Option<(Sample, usize)> {
        if let Some(bucket) = self.bucket_at(share, now) {
            return Some((Sample::Enough, bucket));
        }
        let counts = self.counts_of_minute(now);
        match total(&counts) {
            ENOUGH_IN_MINUTE.. => Some((Sample::Enough, bucket_of(share, &counts)?)),
            FEW.. => Some((Sample::Few, bucket_of(Ratio::ONE, &counts)?)),
            _ => None,
        }
    }

    /// Adds what a slice held to the minute before it is emptied.
    fn pass_on(&self, slice: &Slice, held: u64) {
        let number = held / SLICES_IN_TEN_SECONDS;
        let long = &self.minute[(number % SLICES) as usize];
        long.open(number, |_| {});
        if long.number.load(Ordering::Relaxed) != number {
            return;
        }
        for (sum, count) in long.counts.iter().zip(&slice.counts) {
            match count.load(Ordering::Relaxed) {
                0 => {}
                count => drop(sum.fetch_add(count, Ordering::Relaxed)),
            }
        }
    }

    /// The sum over a minute: of what was passed on, and of the slices that were not yet.
    fn counts_of_minute(&self, now: Instant) -> [u64; BUCKETS] {
        let number = self.number(now);
        let long = number / SLICES_IN_TEN_SECONDS;
        let mut sum = [0; BUCKETS];
        let is_young = |slice: &Slice, span: u64, number: u64| {
            slice.number.load(Ordering::Relaxed) + span > number
        };
        let short = SLICES * SLICES_IN_TEN_SECONDS;
        let young = self.slices.iter().filter(|slice| is_young(slice, short, number));
        let before = self.minute.iter().filter(|slice| is_young(slice, SLICES, long));
        young.chain(before).for_each(|slice| slice.add_to(&mut sum));
        sum
    }

    /// The sum over the slices that are young enough. One that is ahead of this caller's clock counts
    /// too.
    fn counts(&self, now: Instant) -> [u64; BUCKETS] {
        let number = self.number(now);
        let mut sum = [0; BUCKETS];
        let young = |slice: &&Slice| slice.number.load(Ordering::Relaxed) + SLICES > number;
        self.slices.iter().filter(young).for_each(|slice| slice.add_to(&mut sum));
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

/// How much a quantile is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Enough answers for it.
    Enough,
    /// A few only: it is the longest of them.
    Few,
}

/// One quantile, read anew every 50 ms and remembered in between: cheap enough for every attempt.
#[derive(Debug)]
pub struct Watched {
    share: Ratio,
    /// The millisecond of the last reading above 16 bits: one that says that there were few answers,
    /// and the bucket plus one, or zero for no quantile. In one word, so that they agree.
    reading: AtomicU64,
}

impl Watched {
    /// Watches the latency that this share of the answers does not exceed.
    #[must_use]
    pub const fn new(share: Ratio) -> Self {
        Self { share, reading: AtomicU64::new(0) }
    }

    /// The quantile, up to 50 ms old, of 50 answers in three seconds or else 20 in a minute; none
    /// while there were fewer, in the first 50 ms of the histogram included.
    #[must_use]
    pub fn read(&self, latencies: &Latencies, now: Instant) -> Option<Duration> {
        match self.read_any(latencies, now)? {
            (Sample::Enough, quantile) => Some(quantile),
            (Sample::Few, _) => None,
        }
    }

    /// The quantile likewise, and with fewer answers the longest of them; none below two.
    #[must_use]
    #[inline]
    pub fn read_any(&self, latencies: &Latencies, now: Instant) -> Option<(Sample, Duration)> {
        let millis = latencies.millis(now);
        let mut reading = self.reading.load(Ordering::Relaxed);
        if millis >= (reading >> READING_BITS) + READ_EVERY_MS {
            reading = self.anew(latencies, millis, now);
        }
        let bucket = ((reading & BUCKET_MASK) as usize).checked_sub(1)?;
        let sample = if reading & FEW_BIT == 0 { Sample::Enough } else { Sample::Few };
        Some((sample, middle(bucket)))
    }

    #[cold]
    fn anew(&self, latencies: &Latencies, millis: u64, now: Instant) -> u64 {
        let found = match latencies.sampled(self.share, now) {
            Some((Sample::Enough, bucket)) => bucket as u64 + 1,
            Some((Sample::Few, bucket)) => FEW_BIT | (bucket as u64 + 1),
            None => 0,
        };
        let reading = millis << READING_BITS | found;
        self.reading.store(reading, Ordering::Relaxed);
        reading
    }
}

fn total(counts: &[u64; BUCKETS]) -> u64 {
    counts.iter().sum()
}

fn bucket_of(share: Ratio, counts: &[u64; BUCKETS]) -> Option<usize> {
    let total = total(counts);
    // The rank counts from 1: a share of nothing is the least answer, and of all the greatest.
    let rank = ((share.value() * total as f64).ceil() as u64).clamp(1, total.max(1));
    let mut seen = 0;
    counts.iter().position(|count| {
        seen += count;
        seen >= rank
    })
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
    /// overtaken: then its answer counts there. `emptied` is told the stretch that it held before.
    #[inline]
    fn open(&self, number: u64, emptied: impl FnOnce(u64)) {
        let held = self.number.load(Ordering::Relaxed);
        if held < number {
            self.empty_for(number, held, emptied);
        }
    }

    #[cold]
    fn empty_for(&self, number: u64, held: u64, emptied: impl FnOnce(u64)) {
        let relaxed = Ordering::Relaxed;
        if self.number.compare_exchange(held, number, relaxed, relaxed).is_ok() {
            emptied(held);
            self.counts.iter().for_each(|count| count.store(0, relaxed));
        }
    }

    fn add_to(&self, sum: &mut [u64; BUCKETS]) {
        for (sum, count) in sum.iter_mut().zip(&self.counts) {
            *sum += u64::from(count.load(Ordering::Relaxed));
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

/// A minute is as many stretches of ten seconds as three seconds are of half a second.
const SLICES_IN_TEN_SECONDS: u64 = 10_000 / SLICE_MS;

/// With fewer answers, the 95th percentile hangs on the slowest two.
const ENOUGH: u64 = 50;

/// Of what one call in three seconds answers in a minute. A high quantile is then the longest answer or
/// the one before, which is what a rare caller has to go by.
const ENOUGH_IN_MINUTE: u64 = 20;

/// One answer alone may be the one that connected first.
const FEW: u64 = 2;

/// A sixtieth of what the histogram covers: it does not change faster than that by much.
const READ_EVERY_MS: u64 = 50;

const READING_BITS: u32 = 16;
const FEW_BIT: u64 = 1 << (READING_BITS - 1);
const BUCKET_MASK: u64 = FEW_BIT - 1;

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
        assert!(near(median.read(&latencies, t0 + ms(9999)), ms(100)), "of the minute");
        assert_eq!(median.read(&latencies, t0 + ms(60_500)), None);
    }

    /// One answer in 400 ms: eight in three seconds.
    #[test]
    fn a_rare_caller_goes_by_the_last_minute() {
        let (latencies, t0) = (Latencies::new(t0()), t0());
        let worst = Watched::new(share(0.99));
        let at = |number: u64| t0 + ms(400 * number);
        for number in 0..120 {
            latencies.record(ms(if number == 50 { 90 } else { 10 }), at(number));
            match worst.read_any(&latencies, at(number)) {
                None => assert!(number < 2, "{number}"),
                Some((Sample::Few, longest)) => {
                    assert!(number < 19 && near(Some(longest), ms(10)), "{number}");
                }
                Some((Sample::Enough, found)) => {
                    let expected = ms(if (51..100).contains(&number) { 90 } else { 10 });
                    let passed = number >= 19 && (near(Some(found), expected) || number >= 99);
                    assert!(passed || number == 50, "{number}: {found:?}");
                }
            }
        }
        assert_eq!(worst.read_any(&latencies, at(120) + Duration::from_secs(60)), None);
    }

    #[test]
    fn the_minute_counts_each_answer_once() {
        let (latencies, t0) = (Latencies::new(t0()), t0());
        for number in 0..180_u64 {
            let now = t0 + ms(number * 1000);
            latencies.record(ms(10), now);
            let held = total(&latencies.counts_of_minute(now));
            assert!(
                (number + 1).min(50) <= held && held <= (number + 1).min(60),
                "{number}: {held}"
            );
        }
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
