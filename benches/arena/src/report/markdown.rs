//! The table of targets as Markdown, of one run or of two beside each other.

use super::metric::{Metric, metric};
use super::targets::{met, said, said_target};
use super::{Report, ScenarioRow};

/// A line for each target of each situation; with an earlier run as `earlier → now`. What is missed is in bold.
pub(crate) fn table(report: &Report, earlier: Option<&Report>, contestants: &[String]) -> String {
    let chosen = |name: &&str| contestants.is_empty() || contestants.iter().any(|c| c == name);
    let columns = report.contestants.iter().filter(|row| chosen(&row.name.as_str()));
    // Another version of libahoy changes nothing of the others.
    let names: Vec<(&str, bool)> =
        columns.map(|row| (row.name.as_str(), !row.constructor.is_empty())).collect();
    let heads: Vec<String> = names.iter().map(|(name, _)| format!("`{name}`")).collect();
    let mut text = format!("| situation | target | {} |\n", heads.join(" | "));
    text += &format!("|---|---|{}\n", "---|".repeat(names.len()));
    for row in report.shown().filter(|row| row.situation) {
        let none = ("errors".to_owned(), f64::INFINITY);
        let targets = if row.targets.is_empty() { vec![none] } else { row.targets.clone() };
        for (id, most) in &targets {
            let Some(metric) = metric(id) else { continue };
            let cells = names.iter().map(|(name, is_ahoy)| {
                let now = value(report, row, name, metric, *most);
                match earlier
                    .filter(|_| *is_ahoy)
                    .map(|earlier| value(earlier, row, name, metric, f64::INFINITY))
                {
                    Some(before) if before != "·" && before != now => format!("{before} → {now}"),
                    _ => now,
                }
            });
            let asked = said_target(metric, *most);
            let cells: Vec<String> = cells.collect();
            let title = format!("{}: {}", row.title, said(metric, row));
            text += &format!("| {title} | {asked} | {} |\n", cells.join(" | "));
        }
    }
    text
}

fn value(report: &Report, row: &ScenarioRow, name: &str, metric: &Metric, most: f64) -> String {
    if report.figures(&row.name, name).is_empty() {
        return "·".to_owned();
    }
    let spread = report.spread(&row.name, name, metric.of);
    let text = spread.map_or_else(|| metric.none.to_owned(), |s| (metric.say)(s.median));
    let missed = most.is_finite() && met(report, row, name, (metric.id, most)) == Some(false);
    if missed { format!("**{text}**") } else { text }
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::report;
    use super::*;

    fn failing(calls: u64, errors: u64) -> Report {
        let mut report = report();
        if let Some(figures) = &mut report.cells[0].figures {
            (figures.calls, figures.errors) = (calls, errors);
        }
        report
    }

    #[test]
    fn what_is_missed_is_bold_and_an_earlier_run_stands_before() {
        let text = table(&failing(100, 4), Some(&failing(100, 50)), &[]);
        assert!(text.contains("| ≤ 3 % | 50 % → **4 %** | · |"), "{text}");
        let text = table(&failing(100, 2), None, &["x".to_owned()]);
        assert!(text.ends_with("| ≤ 3 % | 2 % |\n"), "{text}");
    }
}
