//! Which endpoints stand out among their neighbours.
//!
//! Two rules on the same counts. The success rate finds those far below the mean, measured by how much
//! all of them differ; where all fail alike, it finds nobody. The percentage of failures finds those
//! that fail nearly always, also where many do and the mean sinks with them. Both name the worst first,
//! as the cap on ejections may not let all of them go.

use super::stats::OutlierCounts;
use crate::policy::percent::Percent;
use crate::policy::retry::backoff::Factor;

/// Ejects endpoints whose success rate lies far below the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SuccessRate {
    /// Endpoints with enough calls below which there is no mean to speak of; default 5.
    pub min_endpoints: u32,
    /// The calls of an interval below which an endpoint is not looked at; default 100.
    pub min_volume: u32,
    /// How many standard deviations below the mean is too far; default 1.9.
    pub factor: Factor,
    /// How many of a hundred such findings are acted upon; default all. Less is for trying it out.
    pub enforcing: Percent,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self { min_endpoints: 5, min_volume: 100, factor: Factor::OUTLIER, enforcing: Percent::ALL }
    }
}

/// Ejects endpoints that fail nearly always, whatever their neighbours do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FailurePercentage {
    /// The percentage that ejects, itself included; default 85.
    pub threshold: Percent,
    /// How many of a hundred such findings are acted upon; default all.
    pub enforcing: Percent,
    /// Endpoints with enough calls below which the rule does not act; default 5.
    pub min_endpoints: u32,
    /// The calls of an interval below which an endpoint is not looked at; default 50.
    pub min_volume: u32,
}

impl Default for FailurePercentage {
    fn default() -> Self {
        Self {
            threshold: Percent::EIGHTY_FIVE,
            enforcing: Percent::ALL,
            min_endpoints: 5,
            min_volume: 50,
        }
    }
}

/// An endpoint that was in rotation since the last sweep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranked {
    pub(crate) index: usize,
    pub(crate) tallied: OutlierCounts,
}

impl Ranked {
    /// The percentage of successes; no number without any call.
    fn success_rate(self) -> f64 {
        100.0 * f64::from(self.tallied.successes) / self.tallied.total() as f64
    }

    fn has(self, volume: u32) -> bool {
        self.tallied.total() >= u64::from(volume.max(1))
    }
}

/// Ranks by success rate, the worst first; equals stay in the order of the list.
pub(crate) fn rank(mut endpoints: Vec<Ranked>) -> Vec<Ranked> {
    endpoints.sort_by(|a, b| a.success_rate().total_cmp(&b.success_rate()));
    endpoints
}

impl SuccessRate {
    pub(crate) fn stats(&self, ranked: &[Ranked]) -> Vec<usize> {
        let measured = || ranked.iter().filter(|ranked| ranked.has(self.min_volume));
        let count = measured().count();
        if count == 0 || count < self.min_endpoints as usize {
            return Vec::new();
        }
        let mean = measured().map(|ranked| ranked.success_rate()).sum::<f64>() / count as f64;
        let square = |ranked: &Ranked| (ranked.success_rate() - mean).powi(2);
        // Of the population: these are all endpoints, no sample of them.
        let deviation = (measured().map(square).sum::<f64>() / count as f64).sqrt();
        let least = mean - deviation * self.factor.value() - ROUNDING;
        let found = measured().filter(|ranked| ranked.success_rate() < least);
        found.map(|ranked| ranked.index).collect()
    }
}

impl FailurePercentage {
    pub(crate) fn stats(&self, ranked: &[Ranked]) -> Vec<usize> {
        let measured = || ranked.iter().filter(|ranked| ranked.has(self.min_volume));
        if measured().count() < self.min_endpoints as usize {
            return Vec::new();
        }
        let reached = |ranked: &&Ranked| {
            let OutlierCounts { failures, .. } = ranked.tallied;
            self.threshold.reached(u64::from(failures), ranked.tallied.total())
        };
        measured().filter(reached).map(|ranked| ranked.index).collect()
    }
}

/// In percent. The mean of equal rates may differ from them in the last digits, and must not make
/// outliers of them all.
const ROUNDING: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;

    fn tallied(successes: u32, failures: u32) -> OutlierCounts {
        OutlierCounts { successes, failures }
    }

    /// Endpoints with these failures of a hundred calls each, ranked.
    fn failing(failures: &[u32]) -> Vec<Ranked> {
        let each = failures.iter().enumerate();
        rank(
            each.map(|(index, failed)| Ranked { index, tallied: tallied(100 - failed, *failed) })
                .collect(),
        )
    }

    #[test]
    fn the_worst_stand_first_and_equals_in_their_order() {
        let ranked = failing(&[10, 90, 10, 0, 90]);
        let order: Vec<_> = ranked.iter().map(|ranked| ranked.index).collect();
        assert_eq!(order, [1, 4, 0, 2, 3]);
    }

    #[test]
    fn the_example_of_envoys_documents() {
        // Mean 90, deviation 20 of the population: below 52 is too low.
        let rule = SuccessRate::default();
        assert_eq!(rule.stats(&failing(&[50, 0, 0, 0, 0])), [0]);
        // Of a sample it would be 22.4, and 47.5 the least.
        let strict = SuccessRate { factor: Factor::new(2.0).unwrap(), ..rule };
        assert!(strict.stats(&failing(&[50, 0, 0, 0, 0])).is_empty(), "50 is not below 50");
    }

    #[test]
    fn the_size_of_a_difference_does_not_matter_but_that_it_stands_out() {
        let rule = SuccessRate::default();
        let mut failures = [1; 20];
        failures[7] = 2;
        assert_eq!(rule.stats(&failing(&failures)), [7]);
        failures[..10].fill(2);
        assert!(rule.stats(&failing(&failures)).is_empty());
    }

    #[test]
    fn rounding_makes_no_outliers() {
        let below_mean =
            SuccessRate { factor: Factor::new(0.0).unwrap(), ..SuccessRate::default() };
        for (successes, count) in (1..601).flat_map(|some| [5, 6, 7, 11].map(|n| (some, n))) {
            let alike = tallied(successes, 601 - successes);
            let ranked: Vec<_> = (0..count).map(|index| Ranked { index, tallied: alike }).collect();
            assert!(below_mean.stats(&ranked).is_empty(), "{successes} of 601, {count} times");
        }
    }

    #[test]
    fn endpoints_with_too_few_calls_are_not_looked_at() {
        let mut ranked = failing(&[100, 90, 80, 0, 0, 0]);
        ranked[1].tallied = tallied(4, 45);
        let rule = FailurePercentage::default();
        assert_eq!(rule.stats(&ranked), [0]);
        ranked[3].tallied = tallied(49, 0);
        assert!(rule.stats(&ranked).is_empty(), "four are too few to tell");
        let none = FailurePercentage { min_volume: 0, min_endpoints: 0, ..rule };
        assert!(none.stats(&[Ranked { index: 0, tallied: tallied(0, 0) }]).is_empty());
    }

    #[test]
    fn the_largest_counts_are_compared_exactly() {
        let most = Ranked { index: 0, tallied: tallied(1, u32::MAX) };
        let rule = FailurePercentage {
            threshold: Percent::ALL,
            min_endpoints: 1,
            ..FailurePercentage::default()
        };
        assert!(rule.stats(&[most]).is_empty());
        let all = Ranked { index: 0, tallied: tallied(0, u32::MAX) };
        assert_eq!(rule.stats(&[all]), [0]);
    }
}
