//! How long the answers of a client take, for the calls of one group.
//!
//! Calls that differ in what they ask for differ in how long they take. Where a few reports of 8 s go to the same
//! service as quick look-ups, one limit for both is either so long that a hang goes unnoticed, or so short that each
//! report is sent twice. So a request may name its group, and each group has limits of its own.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::config::ClientConfig;
use crate::policy::{HedgeDelay, Latencies, LatencyEstimate, Ratio, Watched};

/// The timings of a client's groups; the calls that name none are a group too.
#[derive(Debug)]
pub(crate) struct Timings {
    unnamed: Timing,
    named: [OnceLock<(Box<str>, Timing)>; MOST_GROUPS],
}

/// How long answers take.
#[derive(Debug)]
pub(crate) struct Timing {
    answers: Latencies,
    p99: Watched,
    usual: Watched,
    /// Where copies are sent early; `None` without.
    hedge: Option<HedgeTiming>,
}

#[derive(Debug)]
struct HedgeTiming {
    /// The answers, and how long attempts had taken that were overtaken.
    latencies: Latencies,
    /// The time in which all but a few answered.
    slow: Watched,
}

impl Timings {
    pub(crate) fn new(config: &ClientConfig, now: Instant) -> Self {
        Self { unnamed: Timing::new(config, now), named: [const { OnceLock::new() }; MOST_GROUPS] }
    }

    /// The timing of the named group, made at its first call; beyond [`MOST_GROUPS`] that of the calls without a name.
    #[inline]
    pub(crate) fn of(&self, group: Option<&str>, config: &ClientConfig, now: Instant) -> &Timing {
        match group {
            None => &self.unnamed,
            Some(name) => self.named(name, config, now),
        }
    }

    fn named(&self, name: &str, config: &ClientConfig, now: Instant) -> &Timing {
        let found = self.named.iter().find_map(|place| {
            let (held, timing) = place.get_or_init(|| (name.into(), Timing::new(config, now)));
            (**held == *name).then_some(timing)
        });
        found.unwrap_or(&self.unnamed)
    }
}

impl Timing {
    fn new(config: &ClientConfig, now: Instant) -> Self {
        let hedge = |_| HedgeTiming {
            latencies: Latencies::new(now),
            slow: Watched::new(share_of(config.hedge.quantile())),
        };
        Self {
            answers: Latencies::new(now),
            p99: Watched::new(P99),
            usual: Watched::new(Ratio::HALF),
            hedge: config.hedge.delay.map(hedge),
        }
    }

    /// An attempt was answered.
    #[inline]
    pub(crate) fn answered(&self, took: Duration, now: Instant) {
        self.answers.record(took, now);
        if let Some(hedge) = &self.hedge {
            hedge.latencies.record(took, now);
        }
    }

    /// An attempt was overtaken. It would have taken longer still, but without it the slowest were missing: the
    /// hedges' delay would fall, and their budget be used up before those come that need it. The limit is another
    /// matter: an endpoint that hangs is not to raise what finds it out.
    pub(crate) fn overtaken(&self, took: Duration, now: Instant) {
        if let Some(hedge) = &self.hedge {
            hedge.latencies.record(took, now);
        }
    }

    /// What is known of the 99th percentile.
    #[inline]
    pub(crate) fn known(&self, now: Instant) -> LatencyEstimate {
        LatencyEstimate::new(self.p99.read_any(&self.answers, now))
    }

    /// What half of the attempts take at most; `None` where too few were seen.
    pub(crate) fn usual(&self, now: Instant) -> Option<Duration> {
        self.usual.read(&self.answers, now)
    }

    /// How long an attempt may take before it gets a copy; `None` where only its limit tells.
    pub(crate) fn hedge_delay(&self, config: &ClientConfig, now: Instant) -> Option<Duration> {
        let hedge = self.hedge.as_ref()?;
        match config.hedge.delay? {
            HedgeDelay::Fixed(_) => config.hedge.delay(None, 0),
            // Read only where there are enough samples.
            HedgeDelay::Live => {
                config.hedge.delay(Some(hedge.slow.read(&hedge.latencies, now)?), u64::MAX)
            }
        }
    }
}

/// A live delay is the quantile; a fixed one needs none.
fn share_of(quantile: Option<f64>) -> Ratio {
    quantile.and_then(Ratio::new).unwrap_or(Ratio::ONE)
}

/// 18 KiB each. More kinds of calls than this make a client of their own for some of them.
pub(crate) const MOST_GROUPS: usize = 16;

const P99: Ratio = Ratio::NINETY_NINE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::HedgeConfig;
    use crate::runtime::clock;

    const MS: Duration = Duration::from_millis(1);

    fn hedging() -> ClientConfig {
        let hedge = HedgeConfig { delay: Some(HedgeDelay::Live), ..HedgeConfig::default() };
        ClientConfig { hedge, ..ClientConfig::default() }
    }

    /// Delay and limit after answers in 10 ms of which each tenth may have been overtaken after 100 ms.
    fn told(overtaken: bool) -> (Duration, Duration) {
        let (config, now) = (hedging(), clock::now());
        let timing = Timing::new(&config, now);
        for number in 0..200_u64 {
            match number % 10 {
                0 if overtaken => timing.overtaken(100 * MS, now),
                _ => timing.answered(10 * MS, now),
            }
        }
        let later = now + 100 * MS;
        let delay = timing.hedge_delay(&config, later).unwrap_or_default();
        (delay, timing.known(later).short(Duration::MAX))
    }

    #[test]
    fn the_delay_knows_of_those_that_a_copy_has_overtaken_and_the_limit_does_not() {
        assert!(told(false).0 < 12 * MS, "{:?}", told(false));
        assert!(told(true).0 > 90 * MS, "{:?}", told(true));
        assert_eq!(told(true).1, 50 * MS);
    }

    #[test]
    fn groups_have_limits_of_their_own_up_to_their_number() {
        let (config, now) = (ClientConfig::default(), clock::now());
        let timings = Timings::new(&config, now);
        let timing = |name: Option<&str>| timings.of(name, &config, now);
        (0..20).for_each(|_| timing(Some("reports")).answered(8000 * MS, now));
        (0..20).for_each(|_| timing(None).answered(5 * MS, now));
        let limit = |name| timing(name).known(now + 100 * MS).soft(10_000 * MS);
        assert!(limit(Some("reports")) > 15_000 * MS);
        assert_eq!(limit(None), 500 * MS);
        for number in 0..100 {
            let _ = timing(Some(&format!("group {number}")));
        }
        assert!(std::ptr::eq(timing(Some("group 99")), timing(None)));
        assert!(limit(Some("reports")) > 15_000 * MS);
    }
}
