//! The load that endpoints report of themselves, in a header of their answers.
//!
//! A client knows what it sends; an endpoint knows what all send. What it tells enters in two ways. A
//! balancer by weights takes queries per second over utilization, as gRPC's weighted round robin does
//! (gRFC A58): an endpoint that serves more with less gets more. [`P2c`](super::P2c) multiplies its cost by a
//! factor that grows as the endpoint fills up, but is bounded and fades within seconds: otherwise one
//! busy moment, reported by an answer that was the last, would keep an endpoint without traffic.
//!
//! The header's text is a peer's, so it is read strictly: a value that is broken anywhere is no value.
//! Ours and ORCA's names mean the same:
//!
//! | name | ORCA's | meaning |
//! |---|---|---|
//! | `util` | `application_utilization` | share of capacity in use, as the application sees it |
//! | `cpu` | `cpu_utilization` | the same of the processors; used where `util` is missing or zero |
//! | `qps` | `rps_fractional` | queries per second, of all clients |
//! | `eps` | `eps` | errors per second among these |

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::tick::Tick;

/// What an endpoint reported: numbers that are finite and not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Share of the processors in use; may exceed 1.
    pub cpu: Option<f64>,
    /// Share of the application's capacity in use; may exceed 1.
    pub util: Option<f64>,
    /// Queries per second.
    pub qps: Option<f64>,
    /// Errors per second.
    pub eps: Option<f64>,
}

impl Report {
    /// Reads a header's value, `cpu=0.31, qps=120.5`, with or without ORCA's `TEXT` before it.
    ///
    /// Names that are not known are passed over. None for a value of more than 1 KiB, without any
    /// known name, with a name twice, or with a number that is not plain decimal digits.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut report = Self::default();
        each_number(value, |name, number| {
            let Some(place) = report.place(name) else { return Some(()) };
            let twice = place.replace(decimal(number)?).is_some();
            (!twice).then_some(())
        })?;
        (report != Self::default()).then_some(report)
    }

    /// The share of capacity in use: the application's if it says so, or that of the processors.
    #[must_use]
    pub fn utilization(&self) -> Option<f64> {
        self.util.filter(|util| *util > 0.0).or(self.cpu)
    }

    fn place(&mut self, name: &str) -> Option<&mut Option<f64>> {
        match name {
            "cpu" | "cpu_utilization" => Some(&mut self.cpu),
            "util" | "application_utilization" => Some(&mut self.util),
            "qps" | "rps_fractional" => Some(&mut self.qps),
            "eps" => Some(&mut self.eps),
            _ => None,
        }
    }

    /// Queries per second over utilization, to which the share of errors is added `penalty` times;
    /// none without both numbers above zero.
    fn weight(&self, penalty: f64) -> Option<f64> {
        let above_zero = |number: &f64| *number > 0.0;
        let qps = self.qps.filter(above_zero)?;
        let utilization = self.utilization().filter(above_zero)?;
        let weight = qps / (utilization + self.eps.unwrap_or(0.0) / qps * penalty);
        (weight > 0.0 && weight.is_finite()).then_some(weight)
    }
}

/// How reports become weights; all defaults are gRFC A58's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReportedConfig {
    /// How much utilization a share of errors of one counts as; default 1. Below 0 or no number
    /// counts as 0.
    pub penalty: f64,
    /// How long a new or returned endpoint reports before it is believed; default 10 s, in which it
    /// warms up.
    pub blackout: Duration,
    /// After which time without a report a weight is void; default 3 min.
    pub expiry: Duration,
    /// How often a balancer takes the weights over; default 1 s, at least 100 ms.
    pub update: Duration,
}

impl Default for ReportedConfig {
    fn default() -> Self {
        Self {
            penalty: 1.0,
            blackout: Duration::from_secs(10),
            expiry: Duration::from_secs(180),
            update: Duration::from_secs(1),
        }
    }
}

impl ReportedConfig {
    /// How often a balancer takes the weights over: never more often than every 100 ms, as that
    /// rebuilds its tables.
    #[must_use]
    pub fn update_every(&self) -> Duration {
        self.update.max(LEAST_UPDATE)
    }
}

/// The weight that an endpoint's reports give it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReportedWeight {
    known: Option<Known>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Known {
    weight: f64,
    /// Of the first report after none for long.
    first: Instant,
    last: Instant,
}

impl ReportedWeight {
    /// Takes in a report. One that makes no weight changes nothing.
    pub fn update(&mut self, report: &Report, config: &ReportedConfig, now: Instant) {
        if let Some(weight) = report.weight(config.penalty.max(0.0)) {
            self.expire(config, now);
            let first = self.known.map_or(now, |known| known.first);
            self.known = Some(Known { weight, first, last: now });
        }
    }

    /// The weight, above zero and finite; none during the blackout and after the expiry. Such an
    /// endpoint is to get the mean weight of the others.
    pub fn weight(&mut self, config: &ReportedConfig, now: Instant) -> Option<f64> {
        self.expire(config, now);
        let since = |known: &Known| now.saturating_duration_since(known.first);
        self.known.filter(|known| since(known) >= config.blackout).map(|known| known.weight)
    }

    fn expire(&mut self, config: &ReportedConfig, now: Instant) {
        let age = |known: &Known| now.saturating_duration_since(known.last);
        self.known = self.known.filter(|known| age(known) < config.expiry);
    }
}

/// The utilization that an endpoint last reported, for all threads to read.
#[derive(Debug, Default)]
pub struct Utilization {
    /// An `f32`, not below zero.
    share: AtomicU32,
    /// A tick. Together with another report's share it is as true as either.
    at: AtomicU64,
}

impl Utilization {
    /// Nothing was reported.
    #[must_use]
    pub const fn new() -> Self {
        Self { share: AtomicU32::new(0), at: AtomicU64::new(0) }
    }

    /// Forgets what was reported.
    pub fn clear(&self) {
        self.share.store(0, Relaxed);
    }

    /// Takes in a report; one without a utilization changes nothing.
    pub fn update(&self, report: &Report, now: Tick) {
        if let Some(utilization) = report.utilization() {
            self.share.store((utilization as f32).to_bits(), Relaxed);
            self.at.store(now.micros(), Relaxed);
        }
    }

    /// What the cost of an endpoint is to be multiplied by, from 1 to 10.
    ///
    /// It is 1 / (1 - utilization), by which a queue makes answers slower, and goes back to 1 within
    /// three seconds of the last report.
    #[must_use]
    pub fn cost_factor(&self, now: Tick) -> f32 {
        let share = f32::from_bits(self.share.load(Relaxed)).min(FULL);
        let age = now.micros().saturating_sub(self.at.load(Relaxed)) as f32;
        let fresh = (1.0 - age / FADED).max(0.0);
        1.0 + (1.0 / (1.0 - share) - 1.0) * fresh
    }
}

/// Hands on each `name=number` of a header's value. None where it is not made of such, is too long, or one was
/// not taken.
pub(crate) fn each_number(
    value: &[u8],
    mut take: impl FnMut(&str, &str) -> Option<()>,
) -> Option<()> {
    if value.len() > LONGEST {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?.trim_matches(BLANKS);
    text.strip_prefix("TEXT ").unwrap_or(text).split(',').try_for_each(|part| {
        let (name, number) = part.split_once('=')?;
        take(name.trim_matches(BLANKS), number.trim_matches(BLANKS))
    })
}

/// A number of decimal digits, with or without a point. Signs, exponents, infinities and whatever is no
/// number are refused, and so is a number too large to be told from infinity.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    plain.then(|| text.parse().ok())?.filter(|number: &f64| number.is_finite())
}

const BLANKS: [char; 2] = [' ', '\t'];

/// A report has a few numbers; a header above 1 KiB is something else.
const LONGEST: usize = 1024;

/// gRFC A58's.
const LEAST_UPDATE: Duration = Duration::from_millis(100);

/// What counts as full. It bounds the factor to 10: the client's own figures must still count.
const FULL: f32 = 0.9;

/// Microseconds after which a report counts no more; an endpoint that was shunned is asked again by then.
const FADED: f32 = 3e6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::{ms, t0};

    fn read(value: &str) -> Option<Report> {
        Report::parse(value.as_bytes())
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_report_is_read_by_our_names_and_by_orcas() {
        let full = Report { cpu: Some(0.31), util: Some(0.4), qps: Some(120.5), eps: Some(0.2) };
        assert_eq!(read("cpu=0.31, qps=120.5, eps=0.2, util=0.4"), Some(full));
        assert_eq!(read(" util = 0.4,eps=.2,\tqps= 120.5 ,cpu=0.310 "), Some(full));
        let orcas = "TEXT cpu_utilization=0.31, rps_fractional=120.5, eps=0.2, \
                     application_utilization=0.4";
        assert_eq!(read(orcas), Some(full));
        assert_eq!(read("cpu=2"), Some(Report { cpu: Some(2.0), ..Report::default() }));
    }

    #[test]
    fn names_that_are_not_known_are_passed_over() {
        let found = Some(Report { cpu: Some(0.5), ..Report::default() });
        assert_eq!(read("mem=0.9, cpu=0.5, named_metrics.queue=-7, CPU=soon"), found);
        assert_eq!(read("mem=0.9"), None, "nothing known");
    }

    #[test]
    fn a_value_that_is_broken_anywhere_is_no_value() {
        let broken = [
            "",
            " ",
            ",",
            "cpu",
            "cpu=",
            "cpu=.",
            "cpu=0.5,",
            "cpu=0.5;qps=1",
            "cpu=0.5 qps=1",
            "cpu=NaN",
            "cpu=inf",
            "cpu=-0.1",
            "cpu=+0.1",
            "cpu=1e3",
            "cpu=0x1",
            "cpu=1.2.3",
            "cpu=0,5",
            "cpu=1, cpu=1",
            "cpu=1, cpu_utilization=1",
            "qps=1, eps=much",
            "cpu=\u{0661}",
            "JSON {\"cpu\":1}",
        ];
        for value in broken {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert_eq!(Report::parse(b"cpu=0.5,\xff=1"), None);
    }

    #[test]
    fn a_value_of_more_than_a_kibibyte_is_refused() {
        let long = |length: usize| format!("cpu=0.{}", "5".repeat(length - 6));
        assert!(read(&long(1024)).is_some());
        assert_eq!(read(&long(1025)), None);
        assert_eq!(read(&format!("qps={}", "9".repeat(400))), None, "as good as infinite");
    }

    #[test]
    fn a_weight_is_queries_over_utilization_and_errors() {
        let cases = [
            ("qps=100, util=0.5", Some(200.0)),
            ("qps=100, util=0.5, cpu=0.9", Some(200.0)),
            ("qps=100, util=0, cpu=0.25", Some(400.0)),
            ("qps=100, eps=50, util=0.5", Some(100.0)),
            ("qps=100", None),
            ("qps=0, util=0.5", None),
            ("qps=100, util=0", None),
        ];
        for (value, weight) in cases {
            assert_eq!(read(value).and_then(|report| report.weight(1.0)), weight, "{value}");
        }
        let failing = read("qps=100, eps=50, util=0.5");
        assert_eq!(failing.and_then(|report| report.weight(0.0)), Some(200.0));
    }

    #[test]
    fn a_weight_is_believed_after_the_blackout_and_void_after_the_expiry() {
        let (config, t0) = (ReportedConfig::default(), t0());
        let (mut weight, report) = (ReportedWeight::default(), read("qps=100, util=0.5").unwrap());
        assert_eq!(weight.weight(&config, t0), None);
        weight.update(&report, &config, t0);
        weight.update(&report, &config, t0 + ms(9999));
        assert_eq!(weight.weight(&config, t0 + ms(9999)), None);
        assert_eq!(weight.weight(&config, t0 + secs(10)), Some(200.0));
        assert_eq!(weight.weight(&config, t0 + ms(9999) + secs(180)), None);
        // The blackout starts anew.
        weight.update(&report, &config, t0 + secs(200));
        assert_eq!(weight.weight(&config, t0 + secs(209)), None);
        assert_eq!(weight.weight(&config, t0 + secs(210)), Some(200.0));
    }

    #[test]
    fn a_silence_that_nobody_noticed_ends_a_weight_too() {
        let (config, t0) = (ReportedConfig::default(), t0());
        let (mut weight, report) = (ReportedWeight::default(), read("qps=100, util=0.5").unwrap());
        weight.update(&report, &config, t0);
        weight.update(&report, &config, t0 + secs(300));
        assert_eq!(weight.weight(&config, t0 + secs(309)), None);
    }

    #[test]
    fn a_report_without_a_weight_changes_nothing() {
        let config = ReportedConfig { blackout: Duration::ZERO, ..ReportedConfig::default() };
        let (mut weight, t0) = (ReportedWeight::default(), t0());
        weight.update(&read("qps=100, util=0.5").unwrap(), &config, t0);
        weight.update(&read("cpu=0.9").unwrap(), &config, t0 + secs(1));
        assert_eq!(weight.weight(&config, t0 + secs(2)), Some(200.0));
    }

    #[test]
    fn weights_are_taken_over_every_100_ms_at_most() {
        let every = |update| ReportedConfig { update, ..ReportedConfig::default() }.update_every();
        assert_eq!(every(ms(1)), ms(100));
        assert_eq!(every(ms(5000)), ms(5000));
    }

    #[test]
    fn a_full_endpoint_costs_more_for_a_few_seconds() {
        let (utilization, at) = (Utilization::default(), |s| Tick::after_origin(secs(s)));
        assert_eq!(utilization.cost_factor(at(0)), 1.0);
        utilization.update(&read("util=0.5").unwrap(), at(10));
        assert_eq!(utilization.cost_factor(at(10)), 2.0);
        assert_eq!(utilization.cost_factor(at(9)), 2.0, "overtaken");
        utilization.update(&read("qps=7").unwrap(), at(12));
        assert!((utilization.cost_factor(at(12)) - 1.333).abs() < 0.001);
        assert_eq!(utilization.cost_factor(at(13)), 1.0);
        utilization.update(&read("cpu=99999").unwrap(), at(20));
        assert!((utilization.cost_factor(at(20)) - 10.0).abs() < 0.001);
        utilization.clear();
        assert_eq!(utilization.cost_factor(at(20)), 1.0, "another endpoint took its place");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Report::parse(&value);
        }

        /// Random bytes seldom get past the first check, so reports are damaged as well.
        #[test]
        fn a_damaged_report_has_only_numbers_to_reckon_with(
            at in 0_usize..60, with in any::<u8>(), cut in 0_usize..60, penalty in any::<f64>(),
        ) {
            let mut value = b"cpu=0.31, qps=120.5, eps=0.2, util=0.4".to_vec();
            let at = at % value.len();
            value[at] = with;
            value.truncate(cut);
            let Some(report) = Report::parse(&value) else { return Ok(()) };
            for number in [report.cpu, report.qps, report.eps, report.util].into_iter().flatten() {
                prop_assert!(number.is_finite() && number >= 0.0);
            }
            let config =
                ReportedConfig { penalty, blackout: Duration::ZERO, ..ReportedConfig::default() };
            let (mut weight, utilization) = (ReportedWeight::default(), Utilization::default());
            weight.update(&report, &config, t0());
            prop_assert!(weight.weight(&config, t0()).is_none_or(|w| w > 0.0 && w.is_finite()));
            utilization.update(&report, Tick::default());
            prop_assert!((1.0..10.001).contains(&utilization.cost_factor(Tick::default())));
        }

        #[test]
        fn every_number_reads_back(number in 0.0_f64..1e15) {
            let found = read(&format!("qps={number}")).and_then(|report| report.qps);
            prop_assert_eq!(found, Some(number));
        }
    }
}
