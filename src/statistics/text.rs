//! A snapshot as text that Prometheus reads.
//!
//! The two formats differ in four things. OpenMetrics names a counter's family without `_total`, wants a point in every
//! bound, escapes quotes in help, and ends with `# EOF`.

use std::fmt::Write as _;

use super::snapshot::{Family, MetricKind, Sample, Snapshot, Value};

/// How the text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFormat {
    /// OpenMetrics 1.0: `application/openmetrics-text; version=1.0.0; charset=utf-8`.
    OpenMetrics,
    /// Prometheus' own: `text/plain; version=0.0.4; charset=utf-8`.
    Prometheus,
}

impl Snapshot {
    /// The text. A metric without series is left out.
    #[must_use]
    pub fn text(&self, format: TextFormat) -> String {
        let mut text = String::new();
        for family in self.families.iter().filter(|family| !family.samples.is_empty()) {
            write_family(&mut text, family, format);
        }
        if format == TextFormat::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }
}

// Writing to a `String` does not fail.
fn write_family(text: &mut String, family: &Family, format: TextFormat) {
    let name = match format {
        TextFormat::OpenMetrics => family.name.to_owned(),
        TextFormat::Prometheus => family.sample_name(),
    };
    let kind = match family.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Histogram => "histogram",
    };
    let _ = writeln!(text, "# HELP {name} {}", family.help);
    let _ = writeln!(text, "# TYPE {name} {kind}");
    for sample in &family.samples {
        write_sample(text, &family.sample_name(), sample, format);
    }
}

fn write_sample(text: &mut String, name: &str, sample: &Sample, format: TextFormat) {
    let labels: Vec<_> =
        sample.labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
    match &sample.value {
        Value::Number(value) => line(text, name, "", &labels, &number(*value)),
        Value::Distribution(read) => {
            for (bound, count) in read.cumulative() {
                let bound = shown_bound(bound, format);
                let with_bound: Vec<_> = labels.iter().copied().chain([("le", &*bound)]).collect();
                line(text, name, "_bucket", &with_bound, &count.to_string());
            }
            line(text, name, "_sum", &labels, &number(read.seconds()));
            line(text, name, "_count", &labels, &read.count().to_string());
        }
    }
}

fn line(text: &mut String, name: &str, suffix: &str, labels: &[(&str, &str)], value: &str) {
    let _ = write!(text, "{name}{suffix}");
    for (index, (label, value)) in labels.iter().enumerate() {
        let separator = if index == 0 { '{' } else { ',' };
        let _ = write!(text, "{separator}{label}=\"{}\"", escaped(value));
    }
    let end = if labels.is_empty() { "" } else { "}" };
    let _ = writeln!(text, "{end} {value}");
}

/// Backslashes, quotes and line ends; both formats escape the same.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn number(value: f64) -> String {
    format!("{value}")
}

fn shown_bound(bound: f64, format: TextFormat) -> String {
    match format {
        _ if bound.is_infinite() => "+Inf".to_owned(),
        TextFormat::OpenMetrics => format!("{bound:?}"),
        TextFormat::Prometheus => format!("{bound}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::statistics::Histogram;

    fn snapshot() -> Snapshot {
        let labels = vec![("server_address", "a\\b\"c\nd".to_owned())];
        let histogram = Histogram::default();
        histogram.record(Duration::from_millis(700), true);
        let counted = Family::counter("x", "Help.", vec![Sample::number(labels, 3.0)]);
        let timed = Family::histogram("t_seconds", "Time.", [(Vec::new(), histogram.read())]);
        let empty = Family::gauge("none", "None.", Vec::new());
        Snapshot::of_client(None, vec![counted, timed, empty])
    }

    #[test]
    fn open_metrics() {
        let text = snapshot().text(TextFormat::OpenMetrics);
        let head = "# HELP x Help.\n# TYPE x counter\nx_total{server_address=\"a\\\\b\\\"c\\nd\"} 3\n\
                    # HELP t_seconds Time.\n# TYPE t_seconds histogram\n";
        assert!(text.starts_with(head), "{text}");
        assert!(text.contains("t_seconds_bucket{le=\"1.0\"} 1\n"), "{text}");
        assert!(text.ends_with("t_seconds_sum 0.7\nt_seconds_count 1\n# EOF\n"), "{text}");
        assert!(!text.contains("none"));
    }

    #[test]
    fn prometheus_0_0_4() {
        let text = snapshot().text(TextFormat::Prometheus);
        assert!(
            text.starts_with("# HELP x_total Help.\n# TYPE x_total counter\nx_total{"),
            "{text}"
        );
        assert!(text.contains("t_seconds_bucket{le=\"1\"} 1\n"), "{text}");
        assert!(!text.contains("EOF"));
    }
}
