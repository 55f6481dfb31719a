//! report.html: one file with nothing beside it.

use std::fmt::Write;

use super::plot::{self, Mark, short, trimmed};
use super::{Report, ScenarioRow, tables};
use crate::measure::Figures;

/// The whole page.
pub(crate) fn html(report: &Report) -> String {
    let marks = marks(report);
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>libahoy arena</title><style>{}</style><main>",
        include_str!("style.css")
    );
    page += &head(report, &marks);
    page += "<h2>Who does best</h2>";
    page += &tables::summary(report);
    for scenario in report.shown() {
        page += &section(report, scenario, &marks);
    }
    page += &foot(report);
    let _ = write!(page, "</main><script>{}</script></html>", include_str!("script.js"));
    page
}

fn head(report: &Report, marks: &[Mark]) -> String {
    let mut html = format!(
        "<h1>libahoy arena</h1><p class=lead>Real servers on loopback with scripted work and faults; calls that \
         come when they come, through the C ABI; everybody with the same seeds.</p>\
         <div class=facts><span>libahoy <b>{}</b></span><span>{} seed{} of <b>{} s</b> each</span>\
         <span><b>{}</b> cells</span><span>{} cores, {}</span>",
        escape(&report.library),
        report.seeds,
        if report.seeds == 1 { "" } else { "s" },
        trimmed(report.seconds, 1),
        report.cells.len(),
        report.cores,
        escape(&report.machine),
    );
    for proxy in &report.proxies {
        let _ = write!(html, "<span>{}</span>", escape(proxy));
    }
    html += "</div>";
    html += &warnings(report);
    html += "<div class=chips>";
    for (mark, row) in marks.iter().zip(&report.contestants) {
        let _ = write!(
            html,
            "<span class=chip data-c='{}' title='{}'><i class='{}' style='border-color:{}'></i>{}</span>",
            mark.name,
            escape(&row.about),
            if mark.dashed { "dash" } else { "" },
            mark.color,
            mark.name
        );
    }
    html + "</div>"
}

/// What makes figures doubtful or absent, before the figures.
fn warnings(report: &Report) -> String {
    let mut html = String::new();
    let figures = || report.cells.iter().filter_map(|cell| cell.figures.as_ref());
    let (busy, all) = (figures().filter(|f| super::is_busy(f)).count(), figures().count());
    let others: f64 = figures().map(|f| f.usage.others).sum::<f64>() / all.max(1) as f64;
    if busy > 0 {
        let _ = write!(
            html,
            "<p class=note>In {busy} of {all} cells (†) the machine had other work, or too little room. Take these \
             figures as a sketch.</p>",
        );
    }
    if others > super::OTHERS_LIMIT {
        let first = figures().any(|f| f.came_first);
        let _ = write!(
            html,
            "<p class=note>On average {:.0} % of the machine went to other work{}.</p>",
            100.0 * others,
            if first { ", which had to wait for the arena (real-time priority)" } else { "" }
        );
    }
    if !report.skipped.is_empty() {
        html += "<div class=note>Did not take part:<ul>";
        for skipped in &report.skipped {
            let (name, reason) = (escape(&skipped.name), escape(&skipped.reason));
            let _ = write!(html, "<li><b>{name}</b>: {reason}</li>");
        }
        html += "</ul></div>";
    }
    for cell in report.cells.iter().filter(|cell| cell.problem.is_some()) {
        let _ = write!(
            html,
            "<p class=note><b>{}</b> in <b>{}</b>, seed {}: {}</p>",
            escape(&cell.contestant),
            escape(&cell.scenario),
            cell.seed,
            escape(cell.problem.as_deref().unwrap_or_default())
        );
    }
    html
}

fn section(report: &Report, scenario: &ScenarioRow, marks: &[Mark]) -> String {
    let mut html = format!(
        "<h2 id='{}'>{}</h2><p>{}</p><div class=facts><span><b>{:.0}</b> calls/s of <b>{:.0}</b> that the healthy \
         servers could do ({:.0} %)</span>{}</div><div class=grid>",
        scenario.name,
        escape(&scenario.title),
        escape(&scenario.about),
        scenario.per_second,
        scenario.capacity,
        100.0 * scenario.per_second / scenario.capacity,
        when(scenario)
    );
    let lines: Vec<(Mark, Vec<f64>)> = marks
        .iter()
        .map(|mark| (mark.clone(), report.series(&scenario.name, &mark.name, |f| &f.curve_ms)))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let _ = write!(
        html,
        "<div class=card><h3>latency: how many calls are not slower</h3>{}</div>",
        plot::percentiles(&lines, scenario.deadline_ms as f64)
    );
    let bars = |of: fn(&Figures) -> Option<f64>, zero, span, say: fn(f64) -> String, none| {
        let row = |mark: &Mark| {
            // Of a dead endpoint behind a proxy nothing is seen at all.
            let figures = report.figures(&scenario.name, &mark.name);
            let unseen = scenario.trouble.is_some() && figures.iter().all(|f| f.exposed.is_none());
            let none = if unseen { "not to be seen" } else { none };
            (mark.clone(), report.spread(&scenario.name, &mark.name, of), none)
        };
        plot::bars(&marks.iter().map(row).collect::<Vec<_>>(), zero, span, say)
    };
    let percent = |value: f64| format!("{} %", trimmed(value, if value < 0.1 { 3 } else { 2 }));
    let errors = |f: &Figures| Some(100.0 * f.errors as f64 / f.calls.max(1) as f64);
    let _ = write!(
        html,
        "<div class='card two'><div><h3>errors</h3>{}</div><div><h3>attempts per call, above 1</h3>{}</div>",
        bars(errors, 0.0, 0.1, percent, "–"),
        bars(|f| Some(f.attempts_per_call), 1.0, 0.05, |v| format!("{v:.3}"), "–"),
    );
    let has = |of: fn(&Figures) -> Option<f64>| {
        marks.iter().any(|mark| report.spread(&scenario.name, &mark.name, of).is_some())
    };
    if scenario.trouble.is_some() && !scenario.surge && has(|f| f.residue) {
        let _ = write!(
            html,
            "<div><h3>detection</h3>{}</div>",
            bars(|f| f.detection_ms, 0.0, 500.0, short, "not found out")
        );
    }
    if has(|f| f.recovery_ms) {
        let _ = write!(
            html,
            "<div><h3>recovery</h3>{}</div>",
            bars(|f| f.recovery_ms, 0.0, 500.0, short, "not in this run")
        );
    }
    if scenario.surge {
        let _ = write!(
            html,
            "<div><h3>good answers a second during it</h3>{}</div>",
            bars(|f| Some(f.goodput), 0.0, 100.0, |v| format!("{v:.0}"), "–")
        );
    }
    if scenario.surge || scenario.trouble.is_some() && !has(|f| f.recovery_ms) {
        let _ = write!(
            html,
            "<div><h3>servers' work for nothing</h3>{}</div>",
            bars(|f| Some(100.0 * f.wasted_ratio), 0.0, 1.0, percent, "–")
        );
    }
    if scenario.trouble.is_none() {
        let _ = write!(
            html,
            "<div><h3>busiest endpoint by the mean, above 1</h3>{}</div><div><h3>most connections open</h3>{}</div>",
            bars(|f| Some(f.max_by_mean), 1.0, 0.1, |v| trimmed(v, 3), "–"),
            bars(|f| Some(f.most_open as f64), 0.0, 10.0, |v| format!("{v:.0}"), "–"),
        );
    }
    html += "</div>";
    html += &timelines(report, scenario, marks);
    html += "</div>";
    html + &tables::numbers(report, &scenario.name)
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

/// A small line for each contestant: who still goes to the faulty endpoint, and what users feel meanwhile.
fn timelines(report: &Report, scenario: &ScenarioRow, marks: &[Mark]) -> String {
    if scenario.trouble.is_none() {
        return String::new();
    }
    if scenario.surge {
        let level = scenario.capacity;
        return minis(
            report,
            scenario,
            marks,
            "good answers over time, by when their calls began; dashed: what the servers can do",
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
                "<div class=mini data-c='{}'><b>{}</b><small>not to be seen behind a proxy</small></div>",
                mark.name, mark.name
            );
            continue;
        }
        let parts: Vec<f64> = values.iter().map(|v| scale.part(*v, top)).collect();
        let solid = Mark { dashed: false, ..mark.clone() };
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

fn foot(report: &Report) -> String {
    let mut html = String::from("<h2>Who is who</h2><div class=card><table class=plain>");
    for row in &report.contestants {
        let _ = write!(
            html,
            "<tr><td><b>{}</b></td><td class=l>{}</td><td class='l w'>{}</td></tr>",
            row.name,
            family(&row.family),
            escape(&row.about)
        );
    }
    html += "</table></div><footer><h2>How it was measured</h2><ul>\
        <li>Servers, proxy and load are processes of their own on one machine. An endpoint has 4 slots and a line \
        before them; work is a timer, lognormal with a mean of 20 ms and a coefficient of variation of 1, drawn from \
        the seed, the call's number and the endpoint, so that the same call costs the same on the same endpoint \
        whoever sends it. A second attempt elsewhere draws anew, which is the best case for hedges; the scenario of \
        two kinds of work is the other case.</li>\
        <li>Work and limits are twice as long as is usual for such figures (2 s a call, 500 ms an attempt), and the \
        load is half, so that two cores are not what is measured. Compare by ratio.</li>\
        <li>Calls come by a Poisson process whatever becomes of those before (open loop). A call's time counts from the \
        moment when it was meant to begin; a failed one counts as the deadline. Four clients share the calls and know \
        nothing of each other; a proxy sees all.</li>\
        <li>Counted from the fault's start (1 s after the warm-up) to the end of the run, its healing included. \
        Detection and recovery go by first attempts, in bins of 100 ms; behind a proxy by the requests that \
        arrive, so that a dead endpoint cannot be observed there. Where the library tries another endpoint \
        for nothing after a refused connection, that attempt counts as an attempt.</li>\
        <li>Where it is allowed to (root), all of it runs at the lowest real-time priority, so that other work waits. † \
        marks cells where the load came late, or its process needed more than 60 % of the machine.</li>\
        <li>The library's cost is within its figures: it shares the machine with all others. A proxy's cells have \
        libahoy in front, as a plain client of one address with one try, and so pay for both.</li>\
        <li>Figures are the median over the seeds, whiskers and tooltips their least and most. Differences under 5 % \
        are noise; rr and rr_again are the same and show how much.</li></ul></footer>";
    html
}

fn family(name: &str) -> &'static str {
    match name {
        "raw" => "balancer alone",
        "kept" => "balancer with breaker and retries",
        "pack" => "the full pack",
        "own" => "the user's alternative",
        _ => "proxy",
    }
}

/// A colour for each, by what it stands for.
fn marks(report: &Report) -> Vec<Mark> {
    let palette = |family: &str| -> &'static [&'static str] {
        match family {
            "raw" => &["#8a94a6", "#b59f7f", "#7f9fb5", "#a68a9e", "#9aa68a"],
            "kept" => &[
                "#2f6fde", "#7fb0f5", "#12908e", "#e08a1e", "#c2409c", "#5a8f29", "#8b5e3c",
                "#00a3c4", "#b8860b", "#6b6ecf",
            ],
            "pack" => &["#111827", "#4b5563"],
            "own" => &["#d64545", "#f08a8a"],
            _ => &["#7c4dcc", "#b695ee", "#3f8f4f", "#93c79c"],
        }
    };
    let mut seen: Vec<(&str, usize)> = Vec::new();
    let mut mark = |row: &'_ super::ContestantRow| {
        let family = ["raw", "kept", "pack", "own"].into_iter().find(|f| row.family == *f);
        let family = family.unwrap_or("proxy");
        let index = match seen.iter_mut().find(|(known, _)| *known == family) {
            Some((_, count)) => {
                *count += 1;
                *count
            }
            None => {
                seen.push((family, 0));
                0
            }
        };
        let colors = palette(family);
        Mark {
            name: row.name.clone(),
            color: colors[index % colors.len()].to_owned(),
            dashed: matches!(family, "raw" | "proxy") || row.name.ends_with("_again"),
        }
    };
    report.contestants.iter().map(&mut mark).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{CellResult, ContestantRow};

    fn report() -> Report {
        let mut report = Report::new("0".to_owned(), 10.0, 1);
        report.scenarios.push(ScenarioRow {
            name: "a".to_owned(),
            title: "A <b>".to_owned(),
            about: String::new(),
            per_second: 1.0,
            capacity: 2.0,
            deadline_ms: 2_000,
            end_ms: 10_000,
            trouble: Some((1_000, 10_000)),
            surge: false,
        });
        let row = |name: &str| ContestantRow {
            name: name.to_owned(),
            about: String::new(),
            family: "kept".to_owned(),
        };
        report.contestants = vec![row("x"), row("y")];
        report.cells.push(CellResult {
            scenario: "a".to_owned(),
            contestant: "x".to_owned(),
            seed: 1,
            figures: Some(Figures { curve_ms: vec![1.0; 61], ..Figures::default() }),
            problem: None,
        });
        report
    }

    #[test]
    fn the_page_stands_alone_and_escapes_text() {
        let page = html(&report());
        assert!(!page.contains("http://") && !page.contains("https://"), "nothing from elsewhere");
        assert!(page.contains("A &lt;b>"), "escaped");
        assert!(page.contains("</html>"));
    }

    #[test]
    fn everybody_has_a_colour() {
        let marks = marks(&report());
        assert_ne!(marks[0].color, marks[1].color);
    }
}
