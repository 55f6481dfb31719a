//! A limit on what is in flight that finds itself, from how long answers take.
//!
//! Gradient2 of Netflix's concurrency-limits. While answers take as long as they usually do, the
//! limit grows; once they take longer, requests are waiting somewhere, and the limit shrinks in
//! proportion. "Usually" is a slow moving average. There is no phase in which it probes the service
//! with few requests, as Envoy's gradient has, and so nothing that a request could suffer from.
//!
//! What answers take now is an average too. Netflix feeds its limit with averages of windows; fed with single
//! samples, it takes requests that differ by themselves for waits: at a coefficient of variation of 1 a third of
//! them are shorter than half of the average, which each time is brought down for it, and the limit falls to its
//! floor in perfect health. An average over ten, which does where answers are alike, is too short where they
//! differ: with nine answers of 10 ms to one of 500 ms it cost every third call of a service that was well. One
//! over twice the limit's answers keeps a limit that has grown high for a second longer where the service slows
//! down: of those that it could answer, six in ten were. So the length follows from how much answers differ, told
//! by their mean deviation as TCP does for its timer (RFC 6298), and what one answer moves the limit follows from
//! the length.
//!
//! The slow average has a weakness: in a long overload it comes to take the overload for usual, and the
//! limit then grows with the waits that it causes itself. Two things hold against it. All samples
//! count for the average, also those of quiet times that leave the limit as it is, so that an
//! overload begins with a sound one. And an attempt that was cut off for taking too long is not
//! averaged at all but shrinks the limit at once. Without that, one service in ten of those
//! simulated gave up working for good under three times its load, at a floor of 20; at a floor of 4,
//! two in five did.
//!
//! The whole state is two numbers in one word, so that a sample is taken in without a lock.

use std::time::Duration;

/// The bounds of an adaptive limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientConfig {
    /// The limit before the first sample; default 20.
    pub start: u32,
    /// What the limit does not fall below; default 20, at least 1. It is for itself, for a floor that
    /// is also the start or the size of a probe has let limits collapse.
    pub floor: u32,
    /// What the limit does not exceed; default 200. Below the floor it counts as the floor.
    pub ceiling: u32,
}

impl Default for GradientConfig {
    fn default() -> Self {
        Self { start: 20, floor: 20, ceiling: 200 }
    }
}

/// The limit and what it follows from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gradient {
    limit: f32,
    /// How long answers usually take, in nanoseconds; 0 before the first sample.
    long: f32,
}

impl Gradient {
    /// Before the first sample.
    pub(crate) fn new(config: &GradientConfig) -> Self {
        Self { limit: bounded(config.start as f32, config), long: 0.0 }
    }

    /// The limit in whole requests.
    pub(crate) const fn limit(self) -> u32 {
        self.limit as u32
    }

    /// After an answer that took `rtt` and began with this number in flight, itself included; `recent` has it in.
    pub(crate) fn answered(
        self,
        rtt: Duration,
        recent: Recent,
        in_flight: u32,
        config: &GradientConfig,
    ) -> Self {
        let long = self.longer_view(nanos(rtt), recent.average);
        let step = STEP * LEAST_SAMPLES / recent.samples(long);
        Self { long, ..self }.moved(TOLERANCE * long / recent.average, step, in_flight, config)
    }

    /// After an attempt that was cut off before an answer came.
    pub(crate) fn cut(self, in_flight: u32, config: &GradientConfig) -> Self {
        self.moved(STEEPEST, STEP, in_flight, config)
    }

    fn moved(self, slope: f32, step: f32, in_flight: u32, config: &GradientConfig) -> Self {
        // A caller that does not use half of the limit shows nothing of what the service bears.
        if (in_flight as f32) < self.limit / 2.0 {
            return self;
        }
        let aim = slope.clamp(STEEPEST, 1.0) * self.limit + QUEUE;
        Self { limit: bounded(self.limit + step * (aim - self.limit), config), ..self }
    }

    /// The moving average with this sample in it. Where it has come to lie far above, after an
    /// overload, it is brought down faster than an average would.
    fn longer_view(self, sample: f32, short: f32) -> f32 {
        if self.long == 0.0 {
            return sample;
        }
        let long = self.long + (sample - self.long) * LONG_WEIGHT;
        if long / short > 2.0 { long * 0.95 } else { long }
    }

    pub(crate) const fn pack(self) -> u64 {
        (self.limit.to_bits() as u64) << 32 | self.long.to_bits() as u64
    }

    pub(crate) const fn unpack(word: u64) -> Self {
        Self { limit: f32::from_bits((word >> 32) as u32), long: f32::from_bits(word as u32) }
    }
}

/// How long answers take now, and how far single ones are from that: moving averages, in nanoseconds; 0 before the first
/// sample.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Recent {
    average: f32,
    deviation: f32,
}

impl Recent {
    /// With one answer more, where answers usually take as long as `before` says.
    pub(crate) fn with(self, rtt: Duration, before: Gradient) -> Self {
        let sample = nanos(rtt);
        if self.average == 0.0 {
            return Self { average: sample, deviation: 0.0 };
        }
        let apart = sample - self.average;
        let weight = weight(self.samples(before.long));
        let deviation = self.deviation + (apart.abs() - self.deviation) * DEVIATION_WEIGHT;
        Self { average: self.average + apart * weight, deviation }
    }

    /// Over how many answers the average goes, where they usually take `long`: as many as keep its own standard
    /// deviation at a third of that, as ten do at a coefficient of variation of 1. For a normal distribution the mean
    /// deviation is 0.8 of the standard one, so they are (0.8 * 4 * standard deviation)². With a 5 or a 6 in place of
    /// the 4 the limit sees an overload of exponential times later, and the service does 1 or 2 % less.
    fn samples(self, long: f32) -> f32 {
        (4.0 * self.deviation / long.max(1.0)).powi(2).clamp(LEAST_SAMPLES, MOST_SAMPLES)
    }

    pub(crate) const fn pack(self) -> u64 {
        (self.deviation.to_bits() as u64) << 32 | self.average.to_bits() as u64
    }

    pub(crate) const fn unpack(word: u64) -> Self {
        let (average, deviation) = (word as u32, (word >> 32) as u32);
        Self { average: f32::from_bits(average), deviation: f32::from_bits(deviation) }
    }
}

/// What the newest sample counts in a moving average over so many.
const fn weight(samples: f32) -> f32 {
    2.0 / (samples + 1.0)
}

/// Never zero, so that it can be divided by.
const fn nanos(duration: Duration) -> f32 {
    (duration.as_nanos() as f32).max(1.0)
}

fn bounded(limit: f32, config: &GradientConfig) -> f32 {
    let floor = config.floor.max(1) as f32;
    limit.clamp(floor, floor.max(config.ceiling as f32))
}

/// One sample lowers the aim to half of the limit at most, and the limit by a tenth where answers are alike.
const STEEPEST: f32 = 0.5;
/// What one sample moves the limit of the way to its aim where answers are alike.
const STEP: f32 = 0.2;
/// Answers may take half as long again as usual before the limit shrinks: less is noise.
const TOLERANCE: f32 = 1.5;
/// A moving average over 10 samples has a third of their deviation. Over 20, the limit grows for longer into an overload
/// and gives 93 % of what a service can do instead of 96 %.
const LEAST_SAMPLES: f32 = 10.0;
/// As many as the limit is at most by default: an answer must count before those have ended that began after it.
const MOST_SAMPLES: f32 = 200.0;
/// How much answers differ is an average over 100 of them: longer than a bunch of slow ones lasts.
const DEVIATION_WEIGHT: f32 = weight(100.0);
/// A moving average over 600 samples.
const LONG_WEIGHT: f32 = weight(600.0);
/// Requests that may wait at the service, so that it is not idle for want of them.
const QUEUE: f32 = 4.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::ms;

    const CONFIG: GradientConfig = GradientConfig { start: 20, floor: 20, ceiling: 200 };

    /// As if all answers of late had taken that long.
    fn just(rtt: Duration) -> Recent {
        Recent { average: nanos(rtt), deviation: 0.0 }
    }

    /// As many answers in a row, with the limit fully used.
    fn busy(
        mut gradient: Gradient,
        count: usize,
        rtt: Duration,
        config: &GradientConfig,
    ) -> Gradient {
        for _ in 0..count {
            gradient = gradient.answered(rtt, just(rtt), gradient.limit(), config);
        }
        gradient
    }

    #[test]
    fn steady_answers_let_the_limit_grow_to_its_ceiling() {
        let gradient = busy(Gradient::new(&CONFIG), 1, ms(10), &CONFIG);
        assert!((gradient.limit - 20.8).abs() < 1e-4, "0.8 * 20 + 0.2 * (20 + 4)");
        let gradient = busy(gradient, 1, ms(10), &CONFIG);
        assert!((gradient.limit - 21.6).abs() < 1e-4);
        assert_eq!(busy(gradient, 1000, ms(10), &CONFIG).limit(), 200);
    }

    #[test]
    fn half_as_long_again_is_noise_and_more_is_a_queue() {
        let steady = busy(Gradient::new(&CONFIG), 100, ms(10), &CONFIG);
        assert!(steady.answered(ms(15), just(ms(15)), 100, &CONFIG).limit > steady.limit);
        let slower = steady.answered(ms(20), just(ms(20)), 100, &CONFIG);
        let expected = 0.8 * steady.limit + 0.2 * (1.5 * slower.long / 2e7 * steady.limit + 4.0);
        assert!((slower.limit - expected).abs() < 1e-3);
        assert!(slower.limit < steady.limit);
        let stuck = steady.answered(ms(10_000), just(ms(10_000)), 100, &CONFIG);
        assert!((stuck.limit - (0.9 * steady.limit + 0.8)).abs() < 1e-3, "at most by a tenth");
    }

    #[test]
    fn a_caller_below_half_of_the_limit_moves_nothing_but_the_average() {
        let steady = busy(Gradient::new(&CONFIG), 100, ms(10), &CONFIG);
        let idle = steady.answered(ms(40), just(ms(40)), steady.limit() / 2 - 1, &CONFIG);
        assert_eq!(idle.limit, steady.limit);
        assert!(idle.long > steady.long);
        assert_eq!(steady.cut(steady.limit() / 2 - 1, &CONFIG), steady);
    }

    #[test]
    fn what_was_cut_off_shrinks_the_limit_and_is_not_averaged() {
        let steady = busy(Gradient::new(&CONFIG), 100, ms(10), &CONFIG);
        let cut = steady.cut(steady.limit(), &CONFIG);
        assert!((cut.limit - (0.9 * steady.limit + 0.8)).abs() < 1e-3);
        assert_eq!(cut.long, steady.long);
    }

    #[test]
    fn the_average_forgets_an_overload_faster_than_it_learned_it() {
        let slow = busy(Gradient::new(&CONFIG), 2000, ms(100), &CONFIG);
        let after = |count| busy(slow, count, ms(10), &CONFIG).long / 1e6;
        assert!(after(40) < 20.0, "{} ms", after(40));
        assert!(after(20) > 20.0, "{} ms", after(20));
    }

    #[test]
    fn odd_bounds_are_put_in_order() {
        let odd = GradientConfig { start: 0, floor: 0, ceiling: 0 };
        assert_eq!(Gradient::new(&odd).limit(), 1);
        assert_eq!(busy(Gradient::new(&odd), 100, ms(1), &odd).limit(), 1);
        let crossed = GradientConfig { start: 500, floor: 50, ceiling: 10 };
        assert_eq!(Gradient::new(&crossed).limit(), 50);
    }

    #[test]
    fn the_more_answers_differ_the_more_are_averaged() {
        let gradient = Gradient { limit: 100.0, long: 1e8 };
        let samples = |deviation| Recent { average: 1e8, deviation }.samples(gradient.long);
        assert_eq!(samples(0.0), 10.0);
        assert_eq!(samples(5e7), 10.0, "(4 * 0.5)² are fewer");
        assert!((samples(1e8) - 16.0).abs() < 1e-3);
        assert_eq!(samples(1e9), 200.0);
        let recent = Recent { average: 1e8, deviation: 1e8 };
        let next = recent.with(ms(200), gradient);
        assert!((next.average - (1e8 + 1e8 * 2.0 / 17.0)).abs() < 1e2);
        let moved = gradient.answered(ms(100), recent, 100, &CONFIG).limit;
        assert!((moved - (100.0 + 0.2 * 10.0 / 16.0 * 4.0)).abs() < 1e-3);
    }

    #[test]
    fn both_numbers_fit_a_word() {
        let gradient = Gradient { limit: 123.456, long: 9.87e9 };
        assert_eq!(Gradient::unpack(gradient.pack()), gradient);
        let recent = Recent { average: 1.5e7, deviation: 9.87e9 };
        assert_eq!(Recent::unpack(recent.pack()), recent);
    }

    proptest! {
        #[test]
        fn no_sample_leads_out_of_the_bounds(
            samples in prop::collection::vec(
                (prop_oneof![any::<u64>(), 0_u64..100_000_000], any::<u32>(), 0_u8..5),
                0..300,
            ),
            (start, floor, ceiling) in (any::<u32>(), 0_u32..1000, 0_u32..100_000),
        ) {
            let config = GradientConfig { start, floor, ceiling };
            let (mut gradient, mut recent) = (Gradient::new(&config), Recent::default());
            for (nanos, in_flight, kind) in samples {
                let rtt = if kind == 1 { Duration::MAX } else { Duration::from_nanos(nanos) };
                gradient = if kind == 0 {
                    gradient.cut(in_flight, &config)
                } else {
                    recent = recent.with(rtt, gradient);
                    gradient.answered(rtt, recent, in_flight, &config)
                };
                let least = floor.max(1);
                prop_assert!((least..=ceiling.max(least)).contains(&gradient.limit()));
                prop_assert!(gradient.long.is_finite() && recent.average.is_finite());
            }
        }
    }
}
