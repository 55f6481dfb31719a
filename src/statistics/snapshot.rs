//! What was counted at one time, by name.

use super::histogram::Distribution;

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A count that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// How many took how long.
    Histogram,
}

/// The value of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of a histogram.
    Distribution(Distribution),
}

/// One series: its labels, and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: Value,
}

/// The series of one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Its name; of a counter without the `_total` that its samples bear.
    pub name: &'static str,
    /// What it tells, in one sentence.
    pub help: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// Its series.
    pub samples: Vec<Sample>,
}

/// All metrics at one time. It does not change.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The metrics.
    pub families: Vec<Family>,
}

impl Snapshot {
    /// Every series, with the metric that it belongs to.
    pub fn series(&self) -> impl Iterator<Item = (&Family, &Sample)> {
        self.families
            .iter()
            .flat_map(|family| family.samples.iter().map(move |sample| (family, sample)))
    }
}

impl Sample {
    /// A number.
    #[must_use]
    pub fn number(labels: Vec<(&'static str, String)>, value: f64) -> Self {
        Self { labels, value: Value::Number(value) }
    }
}

impl Family {
    /// A counter.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str, samples: Vec<Sample>) -> Self {
        Self { name, help, kind: MetricKind::Counter, samples }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str, samples: Vec<Sample>) -> Self {
        Self { name, help, kind: MetricKind::Gauge, samples }
    }

    /// A gauge without labels.
    #[must_use]
    pub fn plain_gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::gauge(name, help, vec![Sample::number(Vec::new(), value)])
    }

    /// A histogram, by its labels and what each held.
    #[must_use]
    pub fn histogram(
        name: &'static str,
        help: &'static str,
        series: impl IntoIterator<Item = (Vec<(&'static str, String)>, Distribution)>,
    ) -> Self {
        let sample = |(labels, read)| Sample { labels, value: Value::Distribution(read) };
        let samples = series.into_iter().map(sample).collect();
        Self { name, help, kind: MetricKind::Histogram, samples }
    }

    /// The name that its samples bear: `_total` stands behind that of a counter.
    #[must_use]
    pub fn sample_name(&self) -> String {
        let suffix = if self.kind == MetricKind::Counter { "_total" } else { "" };
        format!("{}{suffix}", self.name)
    }
}
