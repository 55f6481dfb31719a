//! What must become of each situation, beside what was measured.

use std::fmt::Write;

use super::metric::{Metric, metric};
use super::tables::absent;
use super::{ContestantRow, Report, ScenarioRow};

/// Whether a contestant has what is asked for; nothing where it does not have the metric or was not in the run.
pub(super) fn met(
    report: &Report,
    scenario: &ScenarioRow,
    contestant: &str,
    (id, most): (&str, f64),
) -> Option<bool> {
    let metric = metric(id)?;
    let figures = report.figures(&scenario.name, contestant);
    match report.spread(&scenario.name, contestant, metric.of) {
        Some(spread) => Some(spread.median <= most),
        // What was not seen before the run's end came too late; what a contestant does not have at all is no miss.
        None => (!figures.is_empty() && metric.id != "open_circuits").then_some(false),
    }
}

/// Targets met and asked for, over all situations in which the contestant took part.
pub(super) fn score(report: &Report, contestant: &str) -> (usize, usize) {
    let asked = report.shown().flat_map(|scenario| {
        let each = scenario.targets.iter();
        each.filter_map(move |(id, most)| met(report, scenario, contestant, (id, *most)))
    });
    asked.fold((0, 0), |(good, all), met| (good + usize::from(met), all + 1))
}

/// The table; nothing where the run had no situation.
pub(super) fn table(report: &Report) -> String {
    let rows: Vec<_> = report.shown().filter(|row| row.situation).collect();
    let takes_part =
        |column: &&ContestantRow| rows.iter().any(|row| report.took_part(&row.name, &column.name));
    let columns: Vec<_> = report.contestants.iter().filter(takes_part).collect();
    if columns.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<h2>What happens when …</h2><p>The median of all seeds beside its target. <b class=ok>✓</b> blue: the target \
         is met. <b class=miss>✗</b> orange: it is missed. · not in this run. Errors come first where they have a \
         target.</p><div class='card'><div class=scroll><table class='matrix stack'><tr><th></th><th>target</th>",
    );
    for column in &columns {
        let limits = if column.sets_both { "both limits" } else { "no limit set" };
        let _ = write!(html, "<th>{}<small>{limits}</small></th>", column.name);
    }
    html += "</tr>";
    for row in rows {
        for (index, (id, most)) in row.targets.iter().enumerate() {
            if let Some(metric) = metric(id) {
                html += &target_row(report, row, metric, *most, index == 0, &columns);
            }
        }
        if row.targets.is_empty()
            && let Some(metric) = metric("errors")
        {
            html += &target_row(report, row, metric, f64::INFINITY, true, &columns);
        }
    }
    html + "</table></div></div>"
}

fn target_row(
    report: &Report,
    row: &ScenarioRow,
    metric: &Metric,
    most: f64,
    first: bool,
    columns: &[&ContestantRow],
) -> String {
    let title = if first { row.title.as_str() } else { "" };
    let class = if first { "row" } else { "row again" };
    let asked = said_target(metric, most);
    let mut html = format!(
        "<tr><th class='{class}'><a href='#{}'>{title}</a><small>{}</small></th><td class=ask>{asked}</td>",
        row.name,
        said(metric, row)
    );
    for column in columns {
        let name = &column.name;
        let figures = report.figures(&row.name, name);
        if figures.is_empty() {
            html += &absent(report, &row.name, name);
            continue;
        }
        let spread = report.spread(&row.name, name, metric.of);
        let met = met(report, row, name, (metric.id, most));
        let none = if met == Some(false) { "not by the end" } else { metric.none };
        let value = spread.map_or_else(|| none.to_owned(), |s| (metric.say)(s.median));
        let range = spread.map_or_else(String::new, |s| {
            format!("{} to {}", (metric.say)(s.min), (metric.say)(s.max))
        });
        let (class, sign) = match met {
            _ if most.is_infinite() => ("plain", ""),
            Some(true) => ("ok", "✓ "),
            Some(false) => ("miss", "✗ "),
            None => ("none", ""),
        };
        let _ =
            write!(html, "<td class={class} data-l='{name}' title='{range}'>{sign}{value}</td>");
    }
    html + "</tr>"
}

/// The most that a metric may be; a dash where any value will do.
pub(super) fn said_target(metric: &Metric, most: f64) -> String {
    match most {
        most if most.is_infinite() => "–".to_owned(),
        0.0 => (metric.say)(0.0),
        most => format!("≤ {}", (metric.say)(most)),
    }
}

/// The metric's name, with the number that it hangs on.
pub(super) fn said(metric: &Metric, row: &ScenarioRow) -> String {
    let beyond = super::plot::short(row.slow_ms as f64);
    match metric.id {
        "slow_calls" | "slow_share" => format!("calls above {beyond}"),
        "waited" => format!("waiting in all, beyond {beyond} a call"),
        _ => metric.title.to_owned(),
    }
}
