//! The summary: one table for each metric, scenarios by contestants, coloured by how far from the best.

use std::fmt::Write;

use super::metric::{METRICS, Metric, percent};
use super::plot::{short, trimmed};
use super::{ContestantRow, Report, ScenarioRow, is_busy};
use crate::measure::Figures;

/// Light blue over white to orange, which colour-blind readers tell apart as well; the strongest have a sign beside.
fn color(badness: f64) -> String {
    let stops = [(190, 219, 244), (234, 242, 250), (253, 236, 210), (245, 184, 105)];
    let at = badness * (stops.len() - 1) as f64;
    let (index, part) = ((at as usize).min(stops.len() - 2), at - at.floor().min(2.0));
    let (a, b) = (stops[index], stops[index + 1]);
    let mix = |a: i32, b: i32| f64::from(b - a).mul_add(part, f64::from(a)).round();
    format!("rgb({},{},{})", mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// From here on a value has the sign of the bad ones.
const BAD: f64 = 0.67;

/// All tables and the tabs that choose between them.
pub(super) fn summary(report: &Report) -> String {
    let mut html = String::from("<div class=tabs>");
    for (index, metric) in METRICS.iter().enumerate() {
        let on = if index == 0 { " class=on" } else { "" };
        let _ = write!(html, "<button{on} data-of=m-{}>{}</button>", metric.id, metric.title);
    }
    html += "</div><div class=card>";
    for (index, metric) in METRICS.iter().enumerate() {
        let on = if index == 0 { " on" } else { "" };
        let _ = write!(html, "<div class='matrix-of{on}' id=m-{}>", metric.id);
        let _ = write!(html, "<h3>{}: {}</h3>", metric.title, metric.about);
        html += &matrix(report, metric, true);
        html += &matrix(report, metric, false);
        html += "</div>";
    }
    html += "<div class=scale>good";
    for step in 0..8 {
        let _ = write!(html, "<span style='background:{}'></span>", color(f64::from(step) / 7.0));
    }
    html += "▲ bad; ★ best of the row; latency, goodput and connections by their ratio to the best, the others by their \
             value; · not in this run";
    if report.marks_busy() {
        html += "; <sup>†</sup> the machine was busy with something else";
    }
    html + "</div></div>"
}

/// Situations or the others, in columns of their own: different contestants take part.
fn matrix(report: &Report, metric: &Metric, situations: bool) -> String {
    let rows: Vec<_> = report.shown().filter(|row| row.situation == situations).collect();
    let rows: Vec<_> = rows.into_iter().filter(|row| has_something(report, metric, row)).collect();
    let takes_part =
        |column: &&ContestantRow| rows.iter().any(|row| report.took_part(&row.name, &column.name));
    let columns: Vec<_> = report.contestants.iter().filter(takes_part).collect();
    if columns.is_empty() {
        return String::new();
    }
    // Many names stand upright, so that the table fits.
    let class = if columns.len() > 12 { "slant" } else { "" };
    let mut html = String::from("<div class=scroll><table class='matrix stack'><tr><th></th>");
    for contestant in &columns {
        let _ = write!(
            html,
            "<th class='{class}' title='{}'><span>{}</span></th>",
            contestant.about.replace('\'', "&#39;"),
            contestant.name
        );
    }
    html += "</tr>";
    for row in &rows {
        html += &matrix_row(report, metric, row, &columns);
    }
    html + "</table></div>"
}

fn has_something(report: &Report, metric: &Metric, scenario: &ScenarioRow) -> bool {
    if metric.trouble_only && scenario.trouble.is_none() {
        return false;
    }
    let has = |row: &ContestantRow| report.spread(&scenario.name, &row.name, metric.of).is_some();
    !metric.trouble_only || metric.id == "detection" || report.contestants.iter().any(has)
}

fn matrix_row(
    report: &Report,
    metric: &Metric,
    scenario: &ScenarioRow,
    columns: &[&ContestantRow],
) -> String {
    let spread = |name: &str| report.spread(&scenario.name, name, metric.of);
    let values = || columns.iter().filter_map(|column| spread(&column.name)).map(|s| s.median);
    let (least, most) = (values().fold(f64::MAX, f64::min), values().fold(0.0, f64::max));
    let best = if metric.id == "goodput" { most } else { least };
    // Where all are alike nobody is best.
    let alike = least == most;
    let mut html =
        format!("<tr><th class=row><a href='#{}'>{}</a></th>", scenario.name, scenario.title);
    for column in columns {
        html += &cell(report, metric, scenario, column, (best, alike));
    }
    html + "</tr>"
}

fn cell(
    report: &Report,
    metric: &Metric,
    scenario: &ScenarioRow,
    column: &ContestantRow,
    (best, alike): (f64, bool),
) -> String {
    let name = &column.name;
    let figures = report.figures(&scenario.name, name);
    if figures.is_empty() {
        return absent(report, &scenario.name, name);
    }
    let Some(spread) = report.spread(&scenario.name, name, metric.of) else {
        // An endpoint that a proxy cannot be seen to avoid was not seen at all.
        let unseen = metric.id == "detection" && figures.iter().all(|f| f.exposed.is_none());
        let text = if unseen { "not seen" } else { metric.none };
        return format!("<td class=none data-l='{name}'>{text}</td>");
    };
    let busy =
        report.marks_busy() && figures.iter().filter(|f| is_busy(f)).count() * 2 > figures.len();
    let mark = if busy { "<sup>†</sup>" } else { "" };
    // Where everybody fails nobody is best.
    let lost = metric.is_latency() && spread.median >= scenario.deadline_of(column) as f64;
    let badness = if lost { 1.0 } else { (metric.badness)(spread.median, best) };
    let is_best = spread.median == best && !lost && !alike;
    let class = if is_best { " class=best" } else { "" };
    let sign = if is_best {
        "★ "
    } else if badness >= BAD {
        "▲ "
    } else {
        ""
    };
    let color = color(badness);
    let (least, most) = ((metric.say)(spread.min), (metric.say)(spread.max));
    format!(
        "<td{class} data-l='{name}' style='background:{color}' title='{least} to {most}'>{sign}{}{mark}</td>",
        (metric.say)(spread.median)
    )
}

/// A contestant that was not asked, or one whose cell broke: neither is a figure.
pub(super) fn absent(report: &Report, scenario: &str, contestant: &str) -> String {
    if report.took_part(scenario, contestant) {
        return format!("<td class=broken data-l='{contestant}'>cell broke</td>");
    }
    format!("<td class=absent data-l='{contestant}' title='not in this run'>·</td>")
}

/// All figures of a scenario as numbers.
pub(super) fn numbers(report: &Report, scenario: &str) -> String {
    let mut html = String::from(
        "<details><summary>All numbers</summary><div class=scroll><table class=plain><tr><th></th>\
         <th>calls</th><th>failed</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th><th>longest</th>\
         <th>waited</th><th>for</th><th>requests</th><th>attempts</th><th>hedges</th><th>goodput</th><th>wasted</th><th>max/mean</th><th>detection</th>\
         <th>exposed</th><th>residue</th><th>recovery</th><th>used again</th><th>connections</th><th>cpu: library, servers, proxy, others</th>\
         <th>failed with</th></tr>",
    );
    for contestant in &report.contestants {
        let name = &contestant.name;
        if !report.took_part(scenario, name) {
            continue;
        }
        let say = |of: fn(&Figures) -> Option<f64>, say: fn(f64) -> String| {
            report.spread(scenario, name, of).map_or_else(|| "–".to_owned(), |s| say(s.median))
        };
        let count = |value: f64| format!("{value:.0}");
        let part = |value: f64| percent(100.0 * value);
        let cells = [
            say(|f| Some(f.calls as f64), count),
            say(|f| Some(f.errors as f64), count),
            say(|f| Some(f.p50_ms), short),
            say(|f| Some(f.p90_ms), short),
            say(|f| Some(f.p99_ms), short),
            say(|f| Some(f.p999_ms), short),
            say(|f| Some(f.longest_ms), short),
            say(|f| Some(f.slow_calls as f64), count),
            say(|f| Some(f.waited_ms), short),
            say(|f| Some(f.requests as f64), count),
            say(|f| Some(f.attempts_per_call), |value| format!("{value:.3}")),
            say(|f| Some(f.hedge_ratio), part),
            say(|f| Some(f.goodput), |value| format!("{value:.0}/s")),
            say(|f| Some(f.wasted_ratio), part),
            say(|f| Some(f.max_by_mean), |value| trimmed(value, 2)),
            say(|f| f.detection_ms, short),
            say(|f| f.exposed.map(|count| count as f64), count),
            say(|f| f.residue, part),
            say(|f| f.recovery_ms, short),
            say(|f| f.first_use_ms, short),
            say(|f| Some(f.most_open as f64), count),
            cpu(&report.figures(scenario, name)),
        ];
        let _ = write!(html, "<tr><td>{name}</td>");
        for cell in cells {
            let _ = write!(html, "<td>{cell}</td>");
        }
        let _ = write!(html, "<td class=l>{}</td></tr>", reasons(&report.figures(scenario, name)));
    }
    html + "</table></div></details>"
}

fn cpu(figures: &[&Figures]) -> String {
    let Some(usage) = figures.get(figures.len() / 2).map(|f| f.usage) else {
        return "–".to_owned();
    };
    let parts = [usage.driver, usage.servers, usage.proxy, usage.others];
    parts.map(|part| format!("{:.0} %", 100.0 * part)).join(", ")
}

fn reasons(figures: &[&Figures]) -> String {
    let Some(middle) = figures.get(figures.len() / 2) else { return String::new() };
    let each = middle.reasons.iter().take(3);
    each.map(|(reason, count)| format!("{reason} × {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_blue_and_the_worst_orange() {
        assert_eq!(color(0.0), "rgb(190,219,244)");
        assert_eq!(color(1.0), "rgb(245,184,105)");
        assert_eq!(color(1.0 / 3.0), "rgb(234,242,250)");
    }
}
