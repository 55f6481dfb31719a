//! The summary: one table for each metric, scenarios by contestants, coloured by how far from the best.

use std::fmt::Write;

use super::plot::{short, trimmed};
use super::{Report, Spread, is_busy};
use crate::measure::Figures;

/// A metric of the summary.
pub(super) struct Metric {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) of: fn(&Figures) -> Option<f64>,
    pub(super) say: fn(f64) -> String,
    /// From 0 (good) to 1 (bad), of a value and the row's best.
    badness: fn(f64, f64) -> f64,
    /// What an absent value means.
    none: &'static str,
    /// Only rows with something to see.
    trouble_only: bool,
}

pub(super) const METRICS: &[Metric] = &[
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
        id: "errors",
        title: "errors",
        about: "calls that brought no answer of 200, from the fault's start to the end of the run",
        of: |f| Some(100.0 * f.errors as f64 / f.calls.max(1) as f64),
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
        say: |value| format!("{value:.0}"),
        badness: by_ratio,
        ..LATENCY
    },
];

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
    fn is_latency(&self) -> bool {
        self.id.starts_with('p')
    }
}

fn percent(value: f64) -> String {
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

/// Light green over yellow to red.
fn color(badness: f64) -> String {
    let stops = [(214, 240, 221), (252, 243, 207), (250, 219, 186), (240, 160, 150)];
    let at = badness * (stops.len() - 1) as f64;
    let (index, part) = ((at as usize).min(stops.len() - 2), at - at.floor().min(2.0));
    let (a, b) = (stops[index], stops[index + 1]);
    let mix = |a: i32, b: i32| f64::from(b - a).mul_add(part, f64::from(a)).round();
    format!("rgb({},{},{})", mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

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
        html += &matrix(report, metric);
        html += "</div>";
    }
    html += "<div class=scale>good";
    for step in 0..8 {
        let _ = write!(html, "<span style='background:{}'></span>", color(f64::from(step) / 7.0));
    }
    html += "bad; latency, goodput and connections by their ratio to the best of the row (bold), the others by their value";
    if report.marks_busy() {
        html += "; <sup>†</sup> the machine was busy with something else";
    }
    html + "</div></div>"
}

fn matrix(report: &Report, metric: &Metric) -> String {
    // Many names stand upright, so that the table fits.
    let class = if report.contestants.len() > 12 { "slant" } else { "" };
    let mut html = String::from("<div class=scroll><table class=matrix><tr><th></th>");
    for contestant in &report.contestants {
        let _ = write!(
            html,
            "<th class='{class}' title='{}'><span>{}</span></th>",
            contestant.about.replace('\'', "&#39;"),
            contestant.name
        );
    }
    html += "</tr>";
    // A mark on every cell tells nothing that the top of the page does not.
    let marks_busy = report.marks_busy();
    for scenario in report.shown() {
        if metric.trouble_only && scenario.trouble.is_none() {
            continue;
        }
        let spread = |name: &str| report.spread(&scenario.name, name, metric.of);
        let spreads: Vec<_> = report.contestants.iter().map(|c| spread(&c.name)).collect();
        if metric.trouble_only && spreads.iter().all(Option::is_none) && metric.id == "recovery" {
            continue;
        }
        let values = spreads.iter().flatten().map(|spread| spread.median);
        let larger = metric.id == "goodput";
        let best =
            if larger { values.fold(0.0, f64::max) } else { values.fold(f64::MAX, f64::min) };
        let _ = write!(
            html,
            "<tr><th class=row><a href='#{}'>{}</a></th>",
            scenario.name, scenario.title
        );
        for (contestant, spread) in report.contestants.iter().zip(spreads) {
            let figures = report.figures(&scenario.name, &contestant.name);
            let lost = |ms: f64| metric.is_latency() && ms >= scenario.deadline_ms as f64;
            html += &cell(metric, spread, best, &figures, marks_busy, lost);
        }
        html += "</tr>";
    }
    html + "</table></div>"
}

fn cell(
    metric: &Metric,
    spread: Option<Spread>,
    best: f64,
    figures: &[&Figures],
    marks_busy: bool,
    lost: impl Fn(f64) -> bool,
) -> String {
    let Some(spread) = spread else {
        // An endpoint that a proxy cannot be seen to avoid was not seen at all.
        let unseen = metric.id != "detection" || figures.iter().all(|f| f.exposed.is_none());
        let text = if metric.id == "detection" && unseen { "not seen" } else { metric.none };
        return format!("<td class=none>{}</td>", if figures.is_empty() { "failed" } else { text });
    };
    let busy = marks_busy && figures.iter().filter(|f| is_busy(f)).count() * 2 > figures.len();
    let mark = if busy { "<sup>†</sup>" } else { "" };
    // Where everybody fails nobody is best.
    let lost = lost(spread.median);
    let class = if spread.median == best && !lost { " class=best" } else { "" };
    let badness = if lost { 1.0 } else { (metric.badness)(spread.median, best) };
    let color = color(badness);
    let (least, most) = ((metric.say)(spread.min), (metric.say)(spread.max));
    format!(
        "<td{class} style='background:{color}' title='{least} to {most}'>{}{mark}</td>",
        (metric.say)(spread.median)
    )
}

/// All figures of a scenario, for who wants them as numbers.
pub(super) fn numbers(report: &Report, scenario: &str) -> String {
    let mut html = String::from(
        "<details><summary>All numbers</summary><div class=scroll><table class=plain><tr><th></th>\
         <th>calls</th><th>failed</th><th>p50</th><th>p90</th><th>p99</th><th>p99.9</th>\
         <th>attempts</th><th>hedges</th><th>goodput</th><th>wasted</th><th>max/mean</th><th>detection</th>\
         <th>exposed</th><th>residue</th><th>recovery</th><th>connections</th><th>cpu: library, servers, proxy, others</th>\
         <th>failed with</th></tr>",
    );
    for contestant in &report.contestants {
        let name = &contestant.name;
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
            say(|f| Some(f.attempts_per_call), |value| format!("{value:.3}")),
            say(|f| Some(f.hedge_ratio), part),
            say(|f| Some(f.goodput), |value| format!("{value:.0}/s")),
            say(|f| Some(f.wasted_ratio), part),
            say(|f| Some(f.max_by_mean), |value| trimmed(value, 2)),
            say(|f| f.detection_ms, short),
            say(|f| f.exposed.map(|count| count as f64), count),
            say(|f| f.residue, part),
            say(|f| f.recovery_ms, short),
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
    fn the_best_is_green_and_the_worst_red() {
        assert_eq!(color(by_ratio(10.0, 10.0)), "rgb(214,240,221)");
        assert_eq!(color(by_ratio(1_000.0, 10.0)), "rgb(240,160,150)");
        assert_eq!(color(1.0 / 3.0), "rgb(252,243,207)");
    }

    #[test]
    fn shares_are_said_in_as_many_digits_as_they_need() {
        assert_eq!(percent(0.0), "0");
        assert_eq!(percent(0.012), "0.012 %");
        assert_eq!(percent(5.04), "5.04 %");
        assert_eq!(percent(49.7), "50 %");
    }
}
