//! Which endpoints are taken out because they fare worse than their neighbours.
//!
//! A circuit breaker judges an endpoint by itself and acts at once. This compares: every ten seconds a
//! sweep looks at all endpoints of a service, and takes those out for a while whose success rate lies
//! far below the mean, or which fail nearly always. So a service that fails everywhere keeps its
//! endpoints, and one that fails a little more than the others is found although no breaker trips.
//! The rules are those of Envoy's outlier detection and gRFC A50.
//!
//! Two bounds hold whatever the rules say: a share that may be out at most, and a number that must stay.
//! Both are checked *before* each ejection, as Envoy does by now; A50 looks at the share that is out
//! already, and so can take out everyone. The share is half instead of a tenth, since a tenth leaves
//! most of a fault that hits a third of the endpoints, and does nothing at all below ten of them.
//!
//! There is no timer and no list here. The caller sweeps, hands in its endpoints in the order of their
//! keys, and carries out what comes back.

use std::time::{Duration, Instant};

use rand::Rng;

use super::outlier::{FailurePercentage, Ranked, SuccessRate, rank};
use super::stats::{OutlierStats, Runs};
use crate::event::EjectedBy;
use crate::policy::circuit::open_backoff::after;
use crate::policy::percent::Percent;
use crate::policy::retry::backoff::below;

/// When endpoints are ejected, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EjectionConfig {
    /// The time between two sweeps; default 10 s, enough for a hundred calls to each endpoint of a
    /// busy service.
    pub interval: Duration,
    /// The rule on success rates; see there for the defaults, none turns it off.
    pub success_rate: Option<SuccessRate>,
    /// The rule on the percentage of failures; see there for the defaults, none turns it off.
    pub failure_percentage: Option<FailurePercentage>,
    /// Failures in a row that eject at once, between the sweeps; default none, as they are the
    /// breaker's job.
    pub runs: Runs,
    /// The time of the first ejection, and by how much each further one is longer; default 30 s.
    pub base: Duration,
    /// What an ejection does not exceed before jitter, unless the base does; default 300 s.
    pub max: Duration,
    /// The random part, added to each ejection so that endpoints that left together do not come back
    /// together; default up to 3 s.
    pub jitter: Duration,
    /// The share of endpoints that may be out at once; default 50 %.
    pub max_share: Percent,
    /// How many endpoints stay in rotation whatever the share allows; default 1.
    pub min_healthy: u32,
}

impl Default for EjectionConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(10),
            success_rate: Some(SuccessRate::default()),
            failure_percentage: Some(FailurePercentage::default()),
            runs: Runs::default(),
            base: Duration::from_secs(30),
            max: Duration::from_secs(300),
            jitter: Duration::from_secs(3),
            max_share: Percent::HALF,
            min_healthy: 1,
        }
    }
}

/// Whether one endpoint is out, and how often it has been of late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ejection {
    until: Option<Instant>,
    /// One more with each ejection, one less with each sweep without: how often the base is taken.
    multiplier: u32,
    /// The rule that took it out last.
    by: Option<EjectedBy>,
}

impl Ejection {
    /// In rotation, and never out.
    pub const NONE: Self = Self { until: None, multiplier: 0, by: None };

    /// Whether the endpoint is out.
    #[must_use]
    pub const fn is_out(&self) -> bool {
        self.until.is_some()
    }

    /// Until when it is; the first sweep from then on brings it back. None while it is in rotation.
    #[must_use]
    pub const fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The rule that took it out; none while it is in rotation.
    #[must_use]
    pub fn ejected_by(&self) -> Option<EjectedBy> {
        self.by.filter(|_| self.is_out())
    }

    /// An active check passed, or no other endpoint is left: brings the endpoint back with clean counters, and says whether it
    /// was out. One in rotation keeps its counters, or checks would hide what calls show.
    pub fn end(&mut self, stats: &OutlierStats) -> bool {
        let returned = self.until.take().is_some();
        if returned {
            stats.clear();
        }
        returned
    }
}

/// One endpoint in a sweep.
#[derive(Debug)]
pub struct Row<'a> {
    /// What its attempts showed; the sweep takes it.
    pub stats: &'a OutlierStats,
    /// Whether it is out; the sweep changes it.
    pub ejection: &'a mut Ejection,
}

/// What a sweep did to one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is out.
    Ejected {
        /// Its place in the list.
        index: usize,
        /// Until when.
        until: Instant,
    },
    /// It is back.
    Returned {
        /// Its place in the list.
        index: usize,
    },
}

/// How many endpoints there are, and how many of them are out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterCounts {
    /// All of them.
    pub total: usize,
    /// Those that are out.
    pub out: usize,
}

/// Takes endpoints out and brings them back.
#[derive(Clone, Copy, Debug)]
pub struct Ejector {
    config: EjectionConfig,
}

impl Ejector {
    /// An ejector by these rules.
    #[must_use]
    pub const fn new(config: EjectionConfig) -> Self {
        Self { config }
    }

    /// The rules.
    #[must_use]
    pub const fn config(&self) -> &EjectionConfig {
        &self.config
    }

    /// Looks at all endpoints, in the order of their keys: brings back those whose time is over, and
    /// takes out those that the rules find, the worst first.
    pub fn sweep(&self, rows: &mut [Row<'_>], now: Instant, rng: &mut impl Rng) -> Vec<Change> {
        let ranked = rank(in_rotation(rows));
        let mut changes = bring_back(rows, now);
        let out = rows.iter().filter(|row| row.ejection.is_out()).count();
        let mut counts = ClusterCounts { total: rows.len(), out };
        let rules = [EjectedBy::SuccessRate, EjectedBy::FailureShare];
        for (rule, (found, enforcing)) in rules.into_iter().zip(self.findings(&ranked)) {
            for index in found {
                let ejection = &mut *rows[index].ejection;
                if ejection.is_out() || !self.may_eject(counts) || !enforcing.draw(rng) {
                    continue;
                }
                let until = self.take_out(ejection, rule, now, rng);
                counts.out += 1;
                changes.push(Change::Ejected { index, until });
            }
        }
        for stayed in ranked.iter().map(|ranked| ranked.index) {
            let ejection = &mut *rows[stayed].ejection;
            if !ejection.is_out() {
                ejection.multiplier = ejection.multiplier.saturating_sub(1);
            }
        }
        changes
    }

    /// Takes out one endpoint whose failures in a row are too many, as [`OutlierStats::note`] says. None if
    /// it is out already, or if too few would stay.
    pub fn eject(
        &self,
        ejection: &mut Ejection,
        counts: ClusterCounts,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Instant> {
        let may = !ejection.is_out() && self.may_eject(counts);
        may.then(|| self.take_out(ejection, EjectedBy::Run, now, rng))
    }

    /// What each rule found, and how much of it is acted upon.
    fn findings(&self, ranked: &[Ranked]) -> [(Vec<usize>, Percent); 2] {
        let low = self.config.success_rate.map(|rule| (rule.stats(ranked), rule.enforcing));
        let bad = self.config.failure_percentage.map(|rule| (rule.stats(ranked), rule.enforcing));
        [low, bad].map(|found| found.unwrap_or((Vec::new(), Percent::ALL)))
    }

    /// Whether one more may leave.
    fn may_eject(&self, counts: ClusterCounts) -> bool {
        let (total, out) = (counts.total as u64, counts.out as u64 + 1);
        let stay = total.saturating_sub(out);
        out <= total
            && self.config.max_share.holds(out, total)
            && stay >= u64::from(self.config.min_healthy)
    }

    fn take_out(
        &self,
        ejection: &mut Ejection,
        by: EjectedBy,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Instant {
        ejection.multiplier = ejection.multiplier.saturating_add(1);
        let longest = self.config.max.max(self.config.base);
        let plain = self.config.base.saturating_mul(ejection.multiplier).min(longest);
        let until = after(now, plain.saturating_add(below(self.config.jitter, rng)));
        (ejection.until, ejection.by) = (Some(until), Some(by));
        until
    }
}

/// Takes all counts, and keeps those of the endpoints in rotation: what came in for the others is stray.
fn in_rotation(rows: &[Row<'_>]) -> Vec<Ranked> {
    let taken = rows.iter().enumerate().map(|(index, row)| (row, index, row.stats.take()));
    let kept = taken.filter(|(row, ..)| !row.ejection.is_out());
    kept.map(|(_, index, tallied)| Ranked { index, tallied }).collect()
}

fn bring_back(rows: &mut [Row<'_>], now: Instant) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, row) in rows.iter_mut().enumerate() {
        if row.ejection.until.is_some_and(|until| now >= until) {
            row.ejection.until = None;
            row.stats.end_runs();
            changes.push(Change::Returned { index });
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::policy::outlier::stats::{OutlierCounts, OutlierEvent};
    use crate::policy::retry::backoff::Factor;
    use crate::policy::test_inputs::{ms, rng, t0};

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// The defaults without jitter, so that times can be told.
    fn config() -> EjectionConfig {
        EjectionConfig { jitter: Duration::ZERO, ..EjectionConfig::default() }
    }

    fn by_rate_only() -> EjectionConfig {
        EjectionConfig { failure_percentage: None, ..config() }
    }

    fn by_percentage_only() -> EjectionConfig {
        EjectionConfig { success_rate: None, ..config() }
    }

    /// Endpoints with their own clock, swept every ten seconds.
    struct Story {
        ejector: Ejector,
        endpoints: Vec<(OutlierStats, Ejection)>,
        now: Instant,
        rng: StdRng,
    }

    impl Story {
        fn new(config: EjectionConfig, count: usize) -> Self {
            let endpoints = (0..count).map(|_| Default::default()).collect();
            Self { ejector: Ejector::new(config), endpoints, now: t0(), rng: rng() }
        }

        /// The calls of an endpoint, and how many of them failed.
        fn calls(&self, index: usize, count: u32, failed: u32) {
            for number in 0..count {
                let sign =
                    if number < failed { OutlierEvent::Failure } else { OutlierEvent::Success };
                let _ = self.endpoints[index].0.note(sign, &self.ejector.config().runs);
            }
        }

        /// An interval in which each endpoint in rotation has 100 calls, then a sweep.
        fn interval(&mut self, failed: &[u32]) -> Vec<Change> {
            for (index, failed) in failed.iter().enumerate() {
                if !self.endpoints[index].1.is_out() {
                    self.calls(index, 100, *failed);
                }
            }
            self.sweep()
        }

        fn sweep(&mut self) -> Vec<Change> {
            self.now += secs(10);
            let rows = self.endpoints.iter_mut();
            let mut rows: Vec<_> = rows.map(|(stats, ejection)| Row { stats, ejection }).collect();
            self.ejector.sweep(&mut rows, self.now, &mut self.rng)
        }

        fn ejected(&self, index: usize, wait: u64) -> Change {
            Change::Ejected { index, until: self.now + secs(wait) }
        }

        fn out(&self) -> Vec<usize> {
            let out = |index: &usize| self.endpoints[*index].1.is_out();
            (0..self.endpoints.len()).filter(out).collect()
        }
    }

    #[test]
    fn the_defaults_are_the_documented_ones() {
        let config = EjectionConfig::default();
        assert_eq!((config.interval, config.jitter), (secs(10), secs(3)));
        assert_eq!((config.base, config.max), (secs(30), secs(300)));
        assert_eq!((config.max_share.value(), config.min_healthy), (50, 1));
        assert_eq!((config.runs.gateway, config.runs.local), (None, None));
        let rate = config.success_rate.unwrap();
        assert_eq!((rate.min_endpoints, rate.min_volume, rate.factor.value()), (5, 100, 1.9));
        let percentage = config.failure_percentage.unwrap();
        assert_eq!((percentage.min_endpoints, percentage.min_volume), (5, 50));
        assert_eq!((percentage.threshold.value(), percentage.enforcing.value()), (85, 100));
        assert_eq!(rate.enforcing.value(), 100);
    }

    #[test]
    fn one_of_five_that_fails_half_is_an_outlier_and_comes_back_at_a_sweep() {
        let mut story = Story::new(config(), 5);
        let changes = story.interval(&[0, 0, 50, 0, 0]);
        assert_eq!(changes, [story.ejected(2, 30)], "50 lies below 90 - 1.9 * 20");
        assert_eq!(story.interval(&[0; 5]), []);
        assert_eq!(story.interval(&[0; 5]), []);
        assert_eq!(story.interval(&[0; 5]), [Change::Returned { index: 2 }]);
    }

    #[test]
    fn two_of_five_that_fail_half_are_none() {
        let mut story = Story::new(config(), 5);
        assert_eq!(story.interval(&[50, 50, 0, 0, 0]), []);
    }

    #[test]
    fn a_service_that_fails_everywhere_alike_keeps_its_endpoints() {
        for failed in [0, 1, 33, 66, 84] {
            let mut story = Story::new(config(), 7);
            assert_eq!(story.interval(&[failed; 7]), [], "{failed}");
        }
        let rule = SuccessRate { factor: Factor::new(0.0).unwrap(), ..SuccessRate::default() };
        let mut story = Story::new(EjectionConfig { success_rate: Some(rule), ..config() }, 7);
        assert_eq!(story.interval(&[33; 7]), [], "nor is anything below its own mean");
    }

    #[test]
    fn those_that_fail_nearly_always_leave_half_of_them_at_most() {
        let mut story = Story::new(by_percentage_only(), 6);
        story.interval(&[100, 85, 90, 84, 90, 99]);
        assert_eq!(story.out(), [0, 2, 5], "the worst three; of equals the first");
    }

    #[test]
    fn the_percentage_that_ejects_is_reached_exactly() {
        for (failed, out) in [(84, 0), (85, 1)] {
            let mut story = Story::new(by_percentage_only(), 5);
            story.interval(&[0, failed, 0, 0, 0]);
            assert_eq!(story.out().len(), out, "{failed}");
        }
        let all = FailurePercentage { threshold: Percent::ALL, ..FailurePercentage::default() };
        let config = EjectionConfig { failure_percentage: Some(all), ..by_percentage_only() };
        let mut story = Story::new(config, 5);
        story.interval(&[100, 99, 0, 0, 0]);
        assert_eq!(story.out(), [0]);
    }

    #[test]
    fn too_few_calls_or_endpoints_tell_nothing() {
        let mut story = Story::new(by_rate_only(), 5);
        (0..4).for_each(|index| story.calls(index, 100, 0));
        story.calls(4, 99, 99);
        assert_eq!(story.sweep(), [], "four with enough calls");
        story.calls(4, 99, 99);
        assert_eq!(story.interval(&[0; 4]), [], "a sweep forgets");

        let mut story = Story::new(by_percentage_only(), 5);
        (0..5).for_each(|index| story.calls(index, 49, 49));
        assert_eq!(story.sweep(), []);
        (0..4).for_each(|index| story.calls(index, 50, 50));
        assert_eq!(story.sweep(), []);
        (0..5).for_each(|index| story.calls(index, 50, 50));
        assert_eq!(story.sweep().len(), 2, "half of five, rounded down");
    }

    #[test]
    fn the_cap_and_the_floor_are_looked_at_before_each_ejection() {
        let all_bad = |count: usize, share: u8, min_healthy: u32| {
            let max_share = Percent::new(share).unwrap();
            let rule = FailurePercentage { min_endpoints: 1, ..FailurePercentage::default() };
            let failure_percentage = Some(rule);
            let config = EjectionConfig { failure_percentage, max_share, min_healthy, ..config() };
            let mut story = Story::new(config, count);
            story.interval(&vec![100; count]);
            story.out().len()
        };
        let by_count = [0, 1, 2, 3, 4, 5, 10, 11].map(|count| all_bad(count, 50, 1));
        assert_eq!(by_count, [0, 0, 1, 1, 2, 2, 5, 5]);
        assert_eq!([all_bad(9, 10, 1), all_bad(10, 10, 1), all_bad(20, 10, 1)], [0, 1, 2]);
        assert_eq!([all_bad(5, 100, 1), all_bad(5, 100, 0), all_bad(5, 100, 4)], [4, 5, 1]);
        assert_eq!([all_bad(5, 0, 0), all_bad(5, 100, 9)], [0, 0]);
    }

    #[test]
    fn a_rule_that_is_not_enforced_only_looks() {
        let enforcing = |percent| {
            let rule = FailurePercentage {
                enforcing: Percent::new(percent).unwrap(),
                ..FailurePercentage::default()
            };
            let max_share = Percent::ALL;
            let failure_percentage = Some(rule);
            let rules = EjectionConfig { failure_percentage, max_share, ..by_percentage_only() };
            let mut story = Story::new(rules, 1000);
            story.interval(&[100; 1000]);
            story.out().len()
        };
        assert_eq!((enforcing(0), enforcing(100)), (0, 999));
        assert!((200..300).contains(&enforcing(25)), "{}", enforcing(25));
    }

    #[test]
    fn each_ejection_is_longer_and_good_sweeps_make_up_for_it() {
        let mut story = Story::new(config(), 5);
        let mut waits = Vec::new();
        for round in 0..13 {
            let changes = story.interval(&[100, 0, 0, 0, 0]);
            let Some(Change::Ejected { until, .. }) = changes.last() else {
                panic!("not ejected in round {round}");
            };
            waits.push(until.duration_since(story.now).as_secs());
            while story.sweep() != [Change::Returned { index: 0 }] {}
        }
        assert_eq!(waits[..5], [30, 60, 90, 120, 150]);
        assert_eq!(waits[9..], [300; 4]);
        // Thirteen ejections, eleven good sweeps: the third from then on.
        (0..11).for_each(|_| assert_eq!(story.interval(&[0; 5]), []));
        assert_eq!(story.interval(&[100, 0, 0, 0, 0]), [story.ejected(0, 90)]);
    }

    #[test]
    fn a_base_above_the_max_is_the_longest_ejection() {
        let mut story = Story::new(EjectionConfig { base: secs(400), ..config() }, 5);
        assert_eq!(story.interval(&[100, 0, 0, 0, 0]), [story.ejected(0, 400)]);
        let forever = EjectionConfig {
            base: Duration::MAX,
            max: Duration::MAX,
            jitter: Duration::MAX,
            ..config()
        };
        let mut story = Story::new(forever, 5);
        assert_eq!(story.interval(&[100, 0, 0, 0, 0]).len(), 1);
    }

    #[test]
    fn jitter_only_adds() {
        let mut story = Story::new(EjectionConfig { jitter: secs(3), ..config() }, 2);
        let counts = ClusterCounts { total: 2, out: 0 };
        let mut wait = || {
            let (mut ejection, now) = (Ejection::default(), story.now);
            let until = story.ejector.eject(&mut ejection, counts, now, &mut story.rng);
            until.unwrap().duration_since(now)
        };
        let waits: Vec<_> = (0..500).map(|_| wait()).collect();
        assert!(waits.iter().all(|wait| (secs(30)..secs(33)).contains(wait)));
        assert!(waits.iter().any(|wait| *wait < ms(30_100)));
        assert!(waits.iter().any(|wait| *wait > ms(32_900)));
    }

    #[test]
    fn failures_in_a_row_eject_between_the_sweeps() {
        let runs = Runs { gateway: NonZeroU16::new(5), local: None };
        let rules = EjectionConfig { runs, ..config() };
        let mut story = Story::new(rules, 4);
        let (stats, ejection) = &mut story.endpoints[3];
        let met = (0..5).map(|_| stats.note(OutlierEvent::Gateway, &runs)).last();
        assert_eq!(met, Some(true));
        let counts = ClusterCounts { total: 4, out: 1 };
        let until = story.ejector.eject(ejection, counts, story.now, &mut story.rng);
        assert_eq!(until, Some(story.now + secs(30)));
        let again = story.ejector.eject(ejection, counts, story.now, &mut story.rng);
        assert_eq!(again, None, "it is out already");
        (0..2).for_each(|_| assert_eq!(story.sweep(), []));
        assert_eq!(story.sweep(), [Change::Returned { index: 3 }]);
        let (stats, _) = &story.endpoints[3];
        assert!(!stats.note(OutlierEvent::Gateway, &runs), "its run was forgotten");
    }

    #[test]
    fn failures_in_a_row_heed_cap_and_floor_as_well() {
        let story = &mut Story::new(config(), 0);
        let mut eject = |total, out| {
            let mut ejection = Ejection::default();
            let counts = ClusterCounts { total, out };
            story.ejector.eject(&mut ejection, counts, story.now, &mut story.rng).is_some()
        };
        assert!(eject(4, 1) && !eject(4, 2) && !eject(1, 0) && !eject(0, 0) && !eject(2, 9));
    }

    #[test]
    fn a_check_that_passes_brings_an_endpoint_back_with_clean_counters() {
        let mut story = Story::new(config(), 5);
        story.interval(&[100, 0, 0, 0, 0]);
        story.calls(0, 100, 100);
        let (stats, ejection) = &mut story.endpoints[0];
        assert!(ejection.end(stats));
        assert!(!ejection.is_out() && ejection.until().is_none());
        assert_eq!(stats.take(), OutlierCounts::default());
        story.calls(0, 7, 7);
        let (stats, ejection) = &mut story.endpoints[0];
        assert!(!ejection.end(stats), "it is in rotation");
        assert_eq!(stats.take().failures, 7, "checks hide nothing of what calls show");
        assert_eq!(story.interval(&[100, 0, 0, 0, 0]), [story.ejected(0, 60)], "but it is known");
    }

    #[test]
    fn what_comes_in_for_an_endpoint_that_is_out_does_not_count() {
        let mut story = Story::new(config(), 6);
        story.interval(&[100, 0, 0, 0, 0, 0]);
        for _ in 0..3 {
            story.calls(0, 100, 100);
            story.interval(&[100, 0, 0, 0, 0, 50]);
        }
        assert_eq!(story.out(), [5], "it returned, and the mean was that of the five others");
    }

    #[test]
    fn nothing_at_all_is_no_outlier() {
        assert_eq!(Story::new(config(), 0).sweep(), []);
        let eager = SuccessRate { min_endpoints: 0, min_volume: 0, ..SuccessRate::default() };
        let mut story = Story::new(EjectionConfig { success_rate: Some(eager), ..config() }, 9);
        assert_eq!(story.sweep(), []);
    }

    /// The rules once more, with lists instead of ranks. Times are seconds.
    #[derive(Clone, Debug, Default)]
    struct Plain {
        until: Option<u64>,
        multiplier: u64,
        good: u64,
        bad: u64,
    }

    fn plain_sweep(config: &EjectionConfig, plain: &mut [Plain], now: u64) {
        let before: Vec<bool> = plain.iter().map(|plain| plain.until.is_some()).collect();
        for plain in plain.iter_mut() {
            plain.until = plain.until.filter(|until| *until > now);
        }
        let mut found = Vec::new();
        let with = |volume: u32, plain: &[Plain]| -> Vec<(f64, usize)> {
            let all = plain.iter().enumerate().filter(|(index, _)| !before[*index]);
            let all = all.filter(|(_, plain)| plain.good + plain.bad >= u64::from(volume));
            let rate = |plain: &Plain| 100.0 * plain.good as f64 / (plain.good + plain.bad) as f64;
            all.map(|(index, plain)| (rate(plain), index)).collect()
        };
        let rule = config.success_rate.unwrap();
        let mut rates = with(rule.min_volume, plain);
        if rates.len() >= rule.min_endpoints as usize {
            let count = rates.len() as f64;
            let mean = rates.iter().map(|(rate, _)| rate).sum::<f64>() / count;
            let spread = rates.iter().map(|(rate, _)| (rate - mean) * (rate - mean)).sum::<f64>();
            let least = mean - rule.factor.value() * (spread / count).sqrt();
            rates.retain(|(rate, _)| *rate < least - 1e-9);
            rates.sort_by(|a, b| a.partial_cmp(b).unwrap());
            found.extend(rates);
        }
        let rule = config.failure_percentage.unwrap();
        let mut rates = with(rule.min_volume, plain);
        if rates.len() >= rule.min_endpoints as usize {
            rates.retain(|(rate, _)| 100.0 - rate >= f64::from(rule.threshold.value()) - 1e-9);
            rates.sort_by(|a, b| a.partial_cmp(b).unwrap());
            found.extend(rates);
        }
        for (_, index) in found {
            let out = plain.iter().filter(|plain| plain.until.is_some()).count();
            let share = (out + 1) as f64 / plain.len() as f64;
            let fits = share * 100.0 <= f64::from(config.max_share.value()) + 1e-9
                && plain.len() - out > config.min_healthy as usize;
            if plain[index].until.is_none() && fits {
                plain[index].multiplier += 1;
                plain[index].until = Some(now + 300.min(30 * plain[index].multiplier));
            }
        }
        for (index, plain) in plain.iter_mut().enumerate() {
            (plain.good, plain.bad) = (0, 0);
            if !before[index] && plain.until.is_none() {
                plain.multiplier = plain.multiplier.saturating_sub(1);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn agrees_with_the_plain_model(
            count in 1_usize..12,
            intervals in prop::collection::vec(
                prop::collection::vec((0_u32..160, 0_u32..=100), 12), 1..30),
            share in prop::sample::select(vec![0_u8, 10, 29, 50, 100]),
            min_healthy in 0_u32..3,
            factor in prop::sample::select(vec![0.0, 0.5, 1.0, 1.9]),
        ) {
            let factor = Factor::new(factor).unwrap();
            let rules = EjectionConfig {
                success_rate: Some(SuccessRate { min_endpoints: 3, factor, ..SuccessRate::default() }),
                max_share: Percent::new(share).unwrap(),
                min_healthy,
                ..config()
            };
            let mut story = Story::new(rules, count);
            let (start, mut plain) = (story.now, vec![Plain::default(); count]);
            for (number, interval) in intervals.into_iter().enumerate() {
                for (index, (calls, percent)) in interval.into_iter().take(count).enumerate() {
                    let failed = calls * percent / 100;
                    story.calls(index, calls, failed);
                    plain[index].good += u64::from(calls - failed);
                    plain[index].bad += u64::from(failed);
                }
                let changes = story.sweep();
                plain_sweep(&rules, &mut plain, (number as u64 + 1) * 10);
                let until = |ejection: &Ejection| ejection.until;
                let real: Vec<_> = story.endpoints.iter().map(|(_, e)| until(e)).collect();
                let expected: Vec<_> =
                    plain.iter().map(|plain| plain.until.map(|at| start + secs(at))).collect();
                prop_assert_eq!(real, expected);
                for change in changes {
                    let (index, out) = match change {
                        Change::Ejected { index, .. } => (index, true),
                        Change::Returned { index } => (index, false),
                    };
                    // One that returns may be found again, but not in the same sweep.
                    prop_assert_eq!(story.endpoints[index].1.is_out(), out);
                }
            }
        }

        /// Whatever the rules find, and from wherever ejections come, enough stay.
        #[test]
        fn the_cap_and_the_floor_always_hold(
            count in 0_usize..40,
            intervals in prop::collection::vec((0_u32..=100, any::<u64>()), 1..30),
            share in 0_u8..=100,
            min_healthy in 0_u32..50,
        ) {
            let max_share = Percent::new(share).unwrap();
            let runs = Runs { gateway: None, local: NonZeroU16::new(1) };
            let rules = EjectionConfig { max_share, min_healthy, runs, ..config() };
            let mut story = Story::new(rules, count);
            for (failed, mask) in intervals {
                for index in (0..count).filter(|index| mask >> index & 1 == 1) {
                    let out = story.out().len();
                    let (stats, ejection) = &mut story.endpoints[index];
                    if stats.note(OutlierEvent::Local, &runs) {
                        let counts = ClusterCounts { total: count, out };
                        let _ = story.ejector.eject(ejection, counts, story.now, &mut story.rng);
                    }
                }
                let failed: Vec<u32> = (0..count).map(|i| failed * (i as u32 % 3) / 2).collect();
                story.interval(&failed);
                let out = story.out().len();
                prop_assert!(out * 100 <= usize::from(share) * count);
                prop_assert!(out == 0 || count - out >= min_healthy as usize);
            }
        }

        /// Everyone comes back, however often they left.
        #[test]
        fn nobody_stays_out_for_longer_than_the_longest_ejection(
            failed in prop::collection::vec(0_u32..=100, 10),
            seed in any::<u64>(),
        ) {
            let mut story = Story::new(EjectionConfig::default(), 10);
            story.rng = StdRng::seed_from_u64(seed);
            (0..50).for_each(|_| drop(story.interval(&failed)));
            (0..31).for_each(|_| drop(story.sweep()));
            prop_assert_eq!(story.out(), Vec::<usize>::new());
        }
    }
}
