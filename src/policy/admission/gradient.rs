//! A limit on what is in flight that finds itself, from how long answers take.
//!
//! Gradient2 of Netflix's concurrency-limits. While answers take as long as they usually do, the
//! limit grows; once they take longer, requests are waiting somewhere, and the limit shrinks in
//! proportion. "Usually" is a slow moving average. There is no phase in which it probes the service
//! with few requests, as Envoy's gradient has, and so nothing that a request could suffer from.
//!
//! What answers take now is an average too, over twice as many of them as the limit admits. Netflix feeds its
//! limit with averages of windows; fed with single samples, it takes requests that differ by themselves for
//! waits: at a coefficient of variation of 1 a third of them are shorter than half of the average, which each
//! time is brought down for it, and the limit falls to its floor in perfect health. An average over ten is too
//! short as well where more are in flight: quick answers come in a bunch, and then the slow ones that began
//! with them. With nine answers of 10 ms to one of 500 ms it cost every fourth call of a service that was well.
//!
//! One answer moves the limit the less, the more of them are in flight: what it does is seen when all of those
//! have ended.
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
        let long = self.longer_view(nanos(rtt), recent.0);
        Self { long, ..self }.moved(TOLERANCE * long / recent.0, in_flight, config)
    }

    /// After an attempt that was cut off before an answer came.
    pub(crate) fn cut(self, in_flight: u32, config: &GradientConfig) -> Self {
        self.moved(STEEPEST, in_flight, config)
    }

    fn moved(self, slope: f32, in_flight: u32, config: &GradientConfig) -> Self {
        // A caller that does not use half of the limit shows nothing of what the service bears.
        if (in_flight as f32) < self.limit / 2.0 {
            return self;
        }
        let aim = slope.clamp(STEEPEST, 1.0) * self.limit + QUEUE;
        let step = STEP * (LEAST_SAMPLES / self.limit).min(1.0);
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

/// How long answers take now: a quick moving average, in nanoseconds; 0 before the first sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recent(pub(crate) f32);

impl Recent {
    /// With one answer more, of a service that gets this many requests at once.
    pub(crate) fn with(self, rtt: Duration, limit: u32) -> Self {
        let (sample, samples) = (nanos(rtt), (2.0 * limit as f32).max(LEAST_SAMPLES));
        let weight = 2.0 / (samples + 1.0);
        Self(if self.0 == 0.0 { sample } else { self.0 + (sample - self.0) * weight })
    }
}

/// Never zero, so that it can be divided by.
const fn nanos(duration: Duration) -> f32 {
    (duration.as_nanos() as f32).max(1.0)
}

fn bounded(limit: f32, config: &GradientConfig) -> f32 {
    let floor = config.floor.max(1) as f32;
    limit.clamp(floor, floor.max(config.ceiling as f32))
}

/// One sample lowers the aim to half of the limit at most, and the limit by a tenth where that is small.
const STEEPEST: f32 = 0.5;
/// What one sample moves a small limit of the way to its aim.
const STEP: f32 = 0.2;
/// Answers may take half as long again as usual before the limit shrinks: less is noise.
const TOLERANCE: f32 = 1.5;
/// A moving average over 10 samples has a third of their deviation. A limit of 10 is small.
const LEAST_SAMPLES: f32 = 10.0;
/// A moving average over 600 samples.
const LONG_WEIGHT: f32 = 2.0 / 601.0;
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
        Recent(nanos(rtt))
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
        assert!((gradient.limit - 20.4).abs() < 1e-4, "20 + 0.2 * 10 / 20 * 4");
        let gradient = busy(gradient, 1, ms(10), &CONFIG);
        assert!((gradient.limit - (20.4 + 8.0 / 20.4)).abs() < 1e-4);
        assert_eq!(busy(gradient, 2500, ms(10), &CONFIG).limit(), 200);
        let small = GradientConfig { start: 5, floor: 5, ceiling: 200 };
        let gradient = busy(Gradient::new(&small), 1, ms(10), &small);
        assert!((gradient.limit - 5.8).abs() < 1e-4, "0.8 * 5 + 0.2 * (5 + 4)");
    }

    #[test]
    fn half_as_long_again_is_noise_and_more_is_a_queue() {
        let steady = busy(Gradient::new(&CONFIG), 100, ms(10), &CONFIG);
        assert!(steady.answered(ms(15), just(ms(15)), 100, &CONFIG).limit > steady.limit);
        let slower = steady.answered(ms(20), just(ms(20)), 100, &CONFIG);
        let aim = 1.5 * slower.long / 2e7 * steady.limit + 4.0;
        let expected = steady.limit + 2.0 / steady.limit * (aim - steady.limit);
        assert!((slower.limit - expected).abs() < 1e-3);
        assert!(slower.limit < steady.limit);
        let stuck = steady.answered(ms(10_000), just(ms(10_000)), 100, &CONFIG);
        assert!(
            (stuck.limit - (steady.limit - 1.0 + 8.0 / steady.limit)).abs() < 1e-3,
            "at most 1"
        );
        let small = GradientConfig { start: 10, floor: 5, ceiling: 10 };
        let steady = busy(Gradient::new(&small), 100, ms(10), &small);
        let stuck = steady.answered(ms(10_000), just(ms(10_000)), 10, &small);
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
        assert!((cut.limit - (steady.limit - 1.0 + 8.0 / steady.limit)).abs() < 1e-3);
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
    fn both_numbers_fit_a_word() {
        let gradient = Gradient { limit: 123.456, long: 9.87e9 };
        assert_eq!(Gradient::unpack(gradient.pack()), gradient);
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
            let (mut gradient, mut recent) = (Gradient::new(&config), Recent(0.0));
            for (nanos, in_flight, kind) in samples {
                let rtt = if kind == 1 { Duration::MAX } else { Duration::from_nanos(nanos) };
                gradient = if kind == 0 {
                    gradient.cut(in_flight, &config)
                } else {
                    recent = recent.with(rtt, gradient.limit());
                    gradient.answered(rtt, recent, in_flight, &config)
                };
                let least = floor.max(1);
                prop_assert!((least..=ceiling.max(least)).contains(&gradient.limit()));
                prop_assert!(gradient.long.is_finite() && recent.0.is_finite());
            }
        }
    }
}
