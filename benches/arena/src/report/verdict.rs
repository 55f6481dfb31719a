//! The page's first sentences: what it shows, and which contestant did best where.

use std::fmt::Write;

use super::metric::error_percent;
use super::page::escape;
use super::targets::score;
use super::{Report, ScenarioRow};

/// Two that differ by less in errors, in percent, are level.
const LEVEL_PERCENT: f64 = 0.05;

/// What the page shows, and which contestant did best where.
pub(super) fn opening(report: &Report) -> String {
    let situations = report.shown().filter(|row| row.situation).count();
    let others = report.shown().count() - situations;
    let mut html = format!(
        "<p class=lead>What callers get while a service is in trouble: {} clients and proxies before the same \
         failing servers, in {situations} situation{} that a user meets and {others} that compare balancers.</p>",
        report.contestants.len(),
        if situations == 1 { "" } else { "s" },
    );
    html += &ranking(report);
    html += &best_where(report);
    html
}

/// The mean share of failed calls over all situations, the least first, and the targets met.
fn ranking(report: &Report) -> String {
    let rows: Vec<_> = report.shown().filter(|row| row.situation).collect();
    let mean = |name: &str| {
        let each =
            rows.iter().map(|row| report.spread(&row.name, name, |f| Some(error_percent(f))));
        let all: Option<Vec<f64>> = each.map(|spread| spread.map(|s| s.median)).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / all.len() as f64)
    };
    let named = report.contestants.iter().map(|row| row.name.as_str());
    let mut means: Vec<(f64, &str)> = named.filter_map(|n| Some((mean(n)?, n))).collect();
    means.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some((least, best)) = means.first() else { return String::new() };
    let (met, asked) = score(report, best);
    let mut html = format!(
        "<p class=lead><b>{best}</b> lost the fewest calls over all situations, {} on average, and met {met} of {asked} \
         targets; then ",
        one_in(*least)
    );
    let rest = means.iter().skip(1).map(|(mean, name)| {
        let (met, asked) = score(report, name);
        format!("<b>{name}</b> {} ({met} of {asked})", one_in(*mean))
    });
    html += &rest.collect::<Vec<_>>().join(", ");
    html + ".</p>"
}

fn one_in(percent: f64) -> String {
    super::metric::percent(percent)
}

/// Those with the fewest errors in each situation, and where that is most of them, how many.
fn best_where(report: &Report) -> String {
    let mut html = String::from(
        "<details class=best><summary>Fewest errors, scenario by scenario</summary><ul>",
    );
    for row in report.shown() {
        let (least, names) = best_of(report, row);
        let all =
            report.contestants.iter().filter(|c| report.took_part(&row.name, &c.name)).count();
        let names = match names.len() {
            count if count == all && count > 1 => "all alike".to_owned(),
            count if count > 6 => format!("{} and {} more", names[..5].join(", "), count - 5),
            _ => names.join(", "),
        };
        let _ = write!(html, "<li>{}: <b>{names}</b> ({})</li>", escape(&row.title), one_in(least));
    }
    html + "</ul></details>"
}

/// The least share of failed calls in a scenario, and those that are level with it.
fn best_of<'a>(report: &'a Report, row: &ScenarioRow) -> (f64, Vec<&'a str>) {
    let each = report.contestants.iter().filter_map(|contestant| {
        let spread = report.spread(&row.name, &contestant.name, |f| Some(error_percent(f)))?;
        Some((spread.median, contestant.name.as_str()))
    });
    let all: Vec<(f64, &str)> = each.collect();
    let least = all.iter().map(|(errors, _)| *errors).fold(f64::MAX, f64::min);
    let level = all.iter().filter(|(errors, _)| *errors <= least + LEVEL_PERCENT);
    (least, level.map(|(_, name)| *name).collect())
}
