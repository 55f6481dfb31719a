//! One scenario of the page: what happens, errors and other figures as bars, latencies, and what happened over time.

use std::fmt::Write;

use super::metric::{error_percent, percent};
use super::page::escape;
use super::plot::{self, Mark, short, trimmed};
use super::{Report, ScenarioRow, tables};
use crate::measure::Figures;

/// All of a scenario.
pub(super) fn section(report: &Report, scenario: &ScenarioRow, marks: &[Mark]) -> String {
    let mut html = format!(
        "<h2 id='{}'>{}</h2><p>{}</p><div class=facts>{}{}</div><div class=grid>",
        scenario.name,
        escape(&scenario.title),
        escape(&scenario.about),
        rate(scenario),
        when(scenario)
    );
    html += &figures(report, scenario, marks);
    let lines: Vec<(Mark, Vec<f64>)> = marks
        .iter()
        .map(|mark| (mark.clone(), report.series(&scenario.name, &mark.name, |f| &f.curve_ms)))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let _ = write!(
        html,
        "<div class=card><h3>latency: how many calls are not slower</h3><div class=scroll>{}</div></div>",
        plot::percentiles(&lines, scenario.deadline_ms as f64)
    );
    html += &timelines(report, scenario, marks);
    html += "</div>";
    html + &tables::numbers(report, &scenario.name)
}

/// A bar for each contestant, of what this scenario is about; errors first.
fn figures(report: &Report, scenario: &ScenarioRow, marks: &[Mark]) -> String {
    let has =
        |of: Of| marks.iter().any(|mark| report.spread(&scenario.name, &mark.name, of).is_some());
    let troubled = scenario.trouble.is_some();
    let recovers = has(|f| f.recovery_ms);
    let shown = [
        true,
        true,
        scenario.situation,
        troubled && !scenario.surge && has(|f| f.residue),
        recovers,
        scenario.surge,
        scenario.surge || troubled && !recovers,
        !troubled,
        !troubled,
    ];
    let mut html = String::from("<div class='card two'>");
    for (bars, _) in BARS.iter().zip(shown).filter(|(_, shown)| *shown) {
        let row = |mark: &Mark| {
            // Of a dead endpoint behind a proxy nothing is seen at all.
            let figures = report.figures(&scenario.name, &mark.name);
            let unseen = troubled && figures.iter().all(|f| f.exposed.is_none());
            let none = if unseen { "not to be seen" } else { bars.none };
            (mark.clone(), report.spread(&scenario.name, &mark.name, bars.of), none)
        };
        let rows: Vec<_> = marks.iter().map(row).collect();
        let plot = plot::bars(&rows, bars.zero, bars.span, bars.say);
        let _ = write!(html, "<div><h3>{}</h3>{plot}</div>", bars.title);
    }
    html + "</div>"
}

type Of = fn(&Figures) -> Option<f64>;

/// A plot of bars.
struct Bars {
    title: &'static str,
    of: Of,
    say: fn(f64) -> String,
    /// Where bars begin, and how much more the longest is at least.
    zero: f64,
    span: f64,
    /// What an absent value means.
    none: &'static str,
}

const BARS: [Bars; 9] = [
    Bars {
        title: "errors",
        of: |f| Some(error_percent(f)),
        say: percent,
        zero: 0.0,
        span: 0.1,
        none: "–",
    },
    Bars {
        title: "attempts per call, above 1",
        of: |f| Some(f.attempts_per_call),
        say: |v| format!("{v:.3}"),
        zero: 1.0,
        span: 0.05,
        none: "–",
    },
    Bars {
        title: "longest wait",
        of: |f| Some(f.longest_ms),
        say: short,
        zero: 0.0,
        span: 100.0,
        none: "–",
    },
    Bars {
        title: "detection",
        of: |f| f.detection_ms,
        say: short,
        zero: 0.0,
        span: 500.0,
        none: "not found out",
    },
    Bars {
        title: "recovery",
        of: |f| f.recovery_ms,
        say: short,
        zero: 0.0,
        span: 500.0,
        none: "not by the end",
    },
    Bars {
        title: "good answers a second during it",
        of: |f| Some(f.goodput),
        say: |v| format!("{v:.0}"),
        zero: 0.0,
        span: 100.0,
        none: "–",
    },
    Bars {
        title: "servers' work for nothing",
        of: |f| Some(100.0 * f.wasted_ratio),
        say: percent,
        zero: 0.0,
        span: 1.0,
        none: "–",
    },
    Bars {
        title: "busiest endpoint by the mean, above 1",
        of: |f| Some(f.max_by_mean),
        say: |v| trimmed(v, 3),
        zero: 1.0,
        span: 0.1,
        none: "–",
    },
    Bars {
        title: "most connections open",
        of: |f| Some(f.most_open as f64),
        say: |v| format!("{v:.0}"),
        zero: 0.0,
        span: 10.0,
        none: "–",
    },
];

/// How many calls there are, and what part that is of what the servers can do.
fn rate(scenario: &ScenarioRow) -> String {
    let Some(per_second) = scenario.per_second else { return String::new() };
    format!(
        "<span><b>{per_second:.0}</b> calls/s of <b>{:.0}</b> that the healthy servers could do ({:.0} %)</span>",
        scenario.capacity,
        100.0 * per_second / scenario.capacity
    )
}

fn when(scenario: &ScenarioRow) -> String {
    let seconds = |ms: u64| trimmed(ms as f64 / 1_000.0, 1);
    match scenario.trouble {
        Some((from, to)) if to < scenario.end_ms => format!(
            "<span>from <b>{} s</b> to <b>{} s</b> of {} s</span>",
            seconds(from),
            seconds(to),
            seconds(scenario.end_ms)
        ),
        Some((from, _)) => {
            format!(
                "<span>from <b>{} s</b> to the end at {} s</span>",
                seconds(from),
                seconds(scenario.end_ms)
            )
        }
        None => String::new(),
    }
}

/// A small line for each contestant: its calls that still go to the faulty endpoint, and what users feel meanwhile.
fn timelines(report: &Report, scenario: &ScenarioRow, marks: &[Mark]) -> String {
    let Some(per_second) = scenario.per_second else { return String::new() };
    if scenario.trouble.is_none() {
        return String::new();
    }
    if scenario.surge {
        // What can be answered of what is asked; in an overload that is what the servers can do.
        let level = if scenario.overload { scenario.capacity } else { per_second };
        return minis(
            report,
            scenario,
            marks,
            "good answers over time, by when their calls began; dashed: what could be answered",
            (|f| &f.good, level, level * 1.25, Scale::Linear),
        );
    }
    let share = minis(
        report,
        scenario,
        marks,
        "first attempts that go to the faulty endpoint over time; dashed: its fair share",
        (|f| &f.share, 1.0, 1.8, Scale::Linear),
    );
    let p95 = marks.iter().flat_map(|mark| report.series(&scenario.name, &mark.name, |f| &f.p95));
    let slowest = p95.fold(100.0, f64::max);
    let title = format!(
        "95th percentile over time, from {} to {} on a logarithmic scale; dashed: 100 ms",
        short(P95_FROM_MS),
        short(slowest)
    );
    share + &minis(report, scenario, marks, &title, (|f| &f.p95, 100.0, slowest, Scale::Log))
}

/// Where the scale of 95th percentiles begins.
const P95_FROM_MS: f64 = 20.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    Linear,
    Log,
}

impl Scale {
    /// Where a value stands between the scale's ends.
    fn part(self, value: f64, top: f64) -> f64 {
        match self {
            Self::Linear => value / top,
            Self::Log => (value.max(P95_FROM_MS) / P95_FROM_MS).ln() / (top / P95_FROM_MS).ln(),
        }
    }
}

type Series = (fn(&Figures) -> &Vec<f64>, f64, f64, Scale);

fn minis(
    report: &Report,
    scenario: &ScenarioRow,
    marks: &[Mark],
    title: &str,
    (of, level, top, scale): Series,
) -> String {
    let mut html = format!("<div class='card wide'><h3>{title}</h3><div class=minis>");
    for mark in marks {
        let values = report.series(&scenario.name, &mark.name, of);
        if values.is_empty() {
            let _ = write!(
                html,
                "<div class=mini data-c='{}'><b>{}</b><small>not seen from outside</small></div>",
                mark.name, mark.name
            );
            continue;
        }
        let parts: Vec<f64> = values.iter().map(|v| scale.part(*v, top)).collect();
        let solid = Mark { dash: "", ..mark.clone() };
        let plot = plot::over_time(
            &solid,
            &parts,
            scenario.end_ms,
            scenario.trouble,
            scale.part(level, top),
        );
        let _ = write!(
            html,
            "<div class=mini data-c='{name}'><b style='color:{}'>{name}</b>{plot}</div>",
            mark.color,
            name = mark.name
        );
    }
    html + "</div></div>"
}
