//! What was counted at one time, by name.

use std::sync::Arc;

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
    /// The names of the clients whose metrics these are; `None` for one without.
    clients: Vec<Option<Arc<str>>>,
}

impl Snapshot {
    /// What a client of this name counted.
    #[must_use]
    pub fn of_client(name: Option<Arc<str>>, mut families: Vec<Family>) -> Self {
        if let Some(name) = &name {
            let samples = families.iter_mut().flat_map(|family| &mut family.samples);
            samples.for_each(|sample| sample.labels.insert(0, (CLIENT, name.to_string())));
        }
        Self { families, clients: vec![name] }
    }

    /// Adds what another client counted.
    ///
    /// # Errors
    /// A client of the same name is there, or one without a name as well: nothing would tell their series apart.
    pub fn add(&mut self, other: Self) -> Result<(), SameName> {
        if let Some(name) = other.clients.iter().find(|name| self.clients.contains(name)) {
            return Err(SameName(name.clone()));
        }
        self.clients.extend(other.clients);
        for family in other.families {
            match self.families.iter_mut().find(|known| known.name == family.name) {
                Some(known) => known.samples.extend(family.samples),
                None => self.families.push(family),
            }
        }
        Ok(())
    }

    /// Every series, with the metric that it belongs to.
    pub fn series(&self) -> impl Iterator<Item = (&Family, &Sample)> {
        self.families
            .iter()
            .flat_map(|family| family.samples.iter().map(move |sample| (family, sample)))
    }
}

/// Two clients have this name, or no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SameName(pub Option<Arc<str>>);

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

/// The label that has a client's name.
const CLIENT: &str = "client";

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(name: Option<&str>, value: f64) -> Snapshot {
        let labels = vec![("reason", "first".to_owned())];
        let family = Family::counter("attempts", "Help.", vec![Sample::number(labels, value)]);
        Snapshot::of_client(name.map(Arc::from), vec![family])
    }

    #[test]
    fn each_metric_stands_once_with_the_series_of_all_clients() {
        let mut both = counted(Some("payments"), 1.0);
        both.add(counted(None, 2.0)).unwrap();
        assert_eq!(both.families.len(), 1);
        let labels = |index: usize| both.families[0].samples[index].labels.clone();
        let reason = ("reason", "first".to_owned());
        assert_eq!(labels(0), [("client", "payments".to_owned()), reason.clone()]);
        assert_eq!(labels(1), [reason]);
    }

    #[test]
    fn two_clients_of_one_name_are_not_told_apart() {
        for name in [None, Some("users")] {
            let mut both = counted(name, 1.0);
            assert_eq!(both.add(counted(name, 2.0)), Err(SameName(name.map(Arc::from))));
            assert_eq!(both, counted(name, 1.0), "nothing was added");
        }
    }
}
