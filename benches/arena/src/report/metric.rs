//! What is read from a cell: each metric with its name, its unit and how good a value of it is.

use super::plot::{short, trimmed};
use crate::measure::Figures;

/// A metric of the summary.
pub(super) struct Metric {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) of: fn(&Figures) -> Option<f64>,
    pub(super) say: fn(f64) -> String,
    /// From 0 (good) to 1 (bad), of a value and the row's best.
    pub(super) badness: fn(f64, f64) -> f64,
    /// What an absent value means.
    pub(super) none: &'static str,
    /// Only rows with something to see.
    pub(super) trouble_only: bool,
}

/// The first of them are the tabs of the summary, and the first of all is what the page begins with.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        id: "errors",
        title: "errors",
        about: "calls that brought no answer of 200, from the trouble's start to the end of the run",
        of: |f| Some(error_percent(f)),
        say: percent,
        badness: |value, _| if value == 0.0 { 0.0 } else { log_part(value, 0.003, 10.0).max(0.12) },
        ..LATENCY
    },
    Metric {
        id: "attempts",
        title: "attempts per call",
        about: "what the servers see of each call: 1 is no amplification",
        of: |f| Some(f.attempts_per_call),
        say: |value| format!("{value:.3}"),
        badness: |value, _| log_part((value - 1.0).max(0.0), 0.01, 2.0),
        ..LATENCY
    },
    Metric {
        id: "longest",
        title: "longest wait",
        about: "the longest that a call took, whatever became of it",
        of: |f| Some(f.longest_ms),
        ..LATENCY
    },
    Metric {
        id: "p999",
        title: "p99.9",
        about: "99.9 % of calls are not slower; a failed one counts as the deadline",
        of: |f| Some(f.p999_ms),
        say: short,
        badness: by_ratio,
        none: "–",
        trouble_only: false,
    },
    Metric {
        id: "p99",
        title: "p99",
        about: "99 % of calls are not slower",
        of: |f| Some(f.p99_ms),
        ..LATENCY
    },
    Metric {
        id: "p50",
        title: "p50",
        about: "half of the calls are not slower",
        of: |f| Some(f.p50_ms),
        ..LATENCY
    },
    Metric {
        id: "detection",
        title: "detection",
        about: "from the fault's start until first attempts keep away (below 10 % of a fair share)",
        of: |f| f.detection_ms,
        say: short,
        badness: |value, _| log_part(value, 100.0, 5_000.0),
        none: "never",
        trouble_only: true,
    },
    Metric {
        id: "recovery",
        title: "recovery",
        about: "from the fault's end until the endpoint has 80 % of a fair share again; after overload, until 95 % of calls succeed",
        of: |f| f.recovery_ms,
        say: short,
        badness: |value, _| log_part(value, 200.0, 10_000.0),
        none: "–",
        trouble_only: true,
    },
    Metric {
        id: "goodput",
        title: "goodput",
        about: "good answers a second while the trouble lasts",
        of: |f| Some(f.goodput),
        say: |value| format!("{value:.0}/s"),
        badness: |value, best| log_part(best / value.max(1.0), 1.02, 10.0),
        ..LATENCY
    },
    Metric {
        id: "wasted",
        title: "wasted work",
        about: "the servers' work that went into no good answer",
        of: |f| Some(100.0 * f.wasted_ratio),
        say: percent,
        badness: |value, _| log_part(value, 1.0, 60.0),
        ..LATENCY
    },
    Metric {
        id: "connections",
        title: "connections",
        about: "the most that were open to the servers at once",
        of: |f| Some(f.most_open as f64),
        say: count,
        ..LATENCY
    },
];

/// What only the table of targets shows.
const MORE: &[Metric] = &[
    Metric {
        id: "failed",
        title: "failed calls",
        of: |f| Some(f.errors as f64),
        say: count,
        ..LATENCY
    },
    Metric {
        id: "requests",
        title: "requests at the servers",
        of: |f| Some(f.requests as f64),
        say: count,
        ..LATENCY
    },
    Metric {
        id: "open_circuits",
        title: "circuits not closed at the end",
        of: |f| f.open_circuits.map(|circuits| circuits as f64),
        say: count,
        none: "has none",
        ..LATENCY
    },
    Metric {
        id: "slow_calls",
        title: "calls that waited",
        of: |f| Some(f.slow_calls as f64),
        say: count,
        ..LATENCY
    },
    Metric {
        id: "slow_share",
        title: "calls that waited",
        of: |f| Some(100.0 * f.slow_calls as f64 / f.calls.max(1) as f64),
        say: percent,
        ..LATENCY
    },
    Metric { id: "waited", title: "waiting in all", of: |f| Some(f.waited_ms), ..LATENCY },
    Metric {
        id: "errors_after",
        title: "errors in the 4 s after",
        of: |f| f.errors_after.map(|share| 100.0 * share),
        say: percent,
        ..LATENCY
    },
    Metric {
        id: "first_use",
        title: "used again after",
        of: |f| f.first_use_ms,
        none: "not until the end",
        ..LATENCY
    },
    Metric {
        id: "residue",
        title: "share of first attempts that it keeps",
        of: |f| f.residue.map(|share| 100.0 * share),
        say: percent,
        ..LATENCY
    },
    Metric { id: "gap", title: "an endpoint passed over for", of: |f| Some(f.gap_ms), ..LATENCY },
];

/// The metric of that id.
pub(super) fn metric(id: &str) -> Option<&'static Metric> {
    METRICS.iter().chain(MORE).find(|metric| metric.id == id)
}

/// Failed calls of a hundred.
pub(super) fn error_percent(figures: &Figures) -> f64 {
    100.0 * figures.errors as f64 / figures.calls.max(1) as f64
}

fn count(value: f64) -> String {
    format!("{value:.0}")
}

/// What most metrics share.
const LATENCY: Metric = Metric {
    id: "",
    title: "",
    about: "",
    of: |_| None,
    say: short,
    badness: by_ratio,
    none: "–",
    trouble_only: false,
};

impl Metric {
    pub(super) fn is_latency(&self) -> bool {
        matches!(self.id, "p50" | "p99" | "p999")
    }
}

pub(super) fn percent(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value < 0.1 => format!("{} %", trimmed(value, 3)),
        value if value < 10.0 => format!("{} %", trimmed(value, 2)),
        value => format!("{value:.0} %"),
    }
}

fn by_ratio(value: f64, best: f64) -> f64 {
    log_part(value / best.max(1e-9), 1.05, 8.0)
}

/// Where a value lies between two, on a logarithmic scale.
fn log_part(value: f64, good: f64, bad: f64) -> f64 {
    ((value.max(good) / good).ln() / (bad / good).ln()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_names_a_metric() {
        for scenario in crate::scenario::all() {
            for (id, most) in scenario.targets {
                assert!(metric(id).is_some(), "{id}");
                assert!(*most >= 0.0, "{id}");
            }
        }
    }

    #[test]
    fn errors_come_first() {
        assert_eq!(METRICS[0].id, "errors");
    }

    #[test]
    fn shares_are_said_in_as_many_digits_as_they_need() {
        assert_eq!(percent(0.0), "0");
        assert_eq!(percent(0.012), "0.012 %");
        assert_eq!(percent(5.04), "5.04 %");
        assert_eq!(percent(49.7), "50 %");
    }
}
