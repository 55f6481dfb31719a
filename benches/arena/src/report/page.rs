//! report.html: one file with nothing beside it.

use std::fmt::Write;

use super::plot::{self, Mark};
use super::{Report, section, tables, targets, verdict};

/// The whole page.
pub(crate) fn html(report: &Report) -> String {
    let marks = marks(report);
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>libahoy arena</title><style>{}</style><main>",
        include_str!("style.css")
    );
    page += &head(report);
    page += &targets::table(report);
    page += &contestants(report, &marks);
    page += "<h2>All scenarios, metric by metric</h2>";
    page += &tables::summary(report);
    page += &chips(report, &marks);
    for scenario in report.shown() {
        let took_part = |mark: &&Mark| report.took_part(&scenario.name, &mark.name);
        let marks: Vec<Mark> = marks.iter().filter(took_part).cloned().collect();
        page += &section::section(report, scenario, &marks);
    }
    page += foot();
    let _ = write!(page, "</main><script>{}</script></html>", include_str!("script.js"));
    page
}

fn head(report: &Report) -> String {
    let mut html = String::from("<h1>libahoy arena</h1>");
    html += &verdict::opening(report);
    let _ = write!(
        html,
        "<div class=facts><span>libahoy <b>{}</b></span><span>{} seed{}</span><span><b>{}</b> cells</span>\
         <span>{} cores, {}</span>",
        escape(&report.library),
        report.seeds,
        if report.seeds == 1 { "" } else { "s" },
        report.cells.len(),
        report.cores,
        escape(&report.machine),
    );
    for proxy in &report.proxies {
        let _ = write!(html, "<span>{}</span>", escape(proxy));
    }
    html += "</div>";
    html += &warnings(report);
    html + &quick_claims(report)
}

/// The contestants, to be picked out of all plots.
fn chips(report: &Report, marks: &[Mark]) -> String {
    let mut html = String::from(
        "<p>A click on a contestant shows it alone in all plots.</p><div class=chips>",
    );
    for (mark, row) in marks.iter().zip(&report.contestants) {
        let _ = write!(
            html,
            "<span class=chip data-c='{}' title='{}'>{}{}</span>",
            mark.name,
            escape(&row.about),
            plot::sample(mark),
            mark.name
        );
    }
    html + "</div>"
}

/// Each contestant with its limits and what it leaves at its defaults.
fn contestants(report: &Report, marks: &[Mark]) -> String {
    let mut html = String::from(
        "<h2>The contestants and their limits</h2><div class=card><table class='plain stack'>\
         <tr><th></th><th class=l>what it is</th><th class=l>limits on a call and on an attempt</th></tr>",
    );
    for (mark, row) in marks.iter().zip(&report.contestants) {
        let limits = match (row.sets_both, row.constructor.is_empty()) {
            (true, _) => "both: what the scenario says, usually 2 s and 500 ms".to_owned(),
            (false, true) => {
                "the call's where the scenario has one, else 30 s; none on an attempt".to_owned()
            }
            (false, false) => format!(
                "the call's where the scenario has one, else the library's defaults: {}",
                escape(&report.defaults)
            ),
        };
        let constructor = match row.constructor.as_str() {
            "" => String::new(),
            name => format!(" <code>{name}</code>"),
        };
        let _ = write!(
            html,
            "<tr><td class=name>{}<b>{}</b></td><td class='l w'>{} ({}){constructor}</td><td class='l w'>{limits}</td></tr>",
            plot::sample(mark),
            row.name,
            escape(&row.about),
            family(&row.family),
        );
    }
    html + "</table></div>"
}

/// What a quick run cannot show.
fn quick_claims(report: &Report) -> String {
    if !report.quick {
        return String::new();
    }
    let mut html = String::from(
        "<div class=note><b>A quick run: what it cannot support.</b><ul><li>One short run of each: a difference of less \
         than a few percent points, and any p99.9, may be chance.</li><li>Only some scenarios and contestants take \
         part: no claim about the others, nor about one balancer beside another.</li>",
    );
    if report.seeds == 1 {
        html += "<li>One seed: nothing is known about the spread.</li>";
    }
    for row in report.shown().filter(|row| row.shortened > 1) {
        let _ = write!(
            html,
            "<li>{}: shortened to 1/{} of its time, so what is waited in all is a lower bound, and a return after a \
             long fault is not shown.</li>",
            escape(&row.title),
            row.shortened
        );
    }
    html + "</ul></div>"
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

fn foot() -> &'static str {
    "<footer><h2>How it was measured</h2><ul>\
        <li>Servers, proxy and load are processes of their own on one machine. An endpoint has slots and a line before \
        them; work is a timer, drawn from the seed, the call's number and the endpoint, so that the same call costs the \
        same on the same endpoint for each contestant. A second attempt elsewhere draws anew, which is the best case for \
        hedges; the scenario of two kinds of work is the other case. Work that has begun keeps its speed when a fault \
        ends.</li>\
        <li>In the situations each scenario says how large the service is. Where balancers are compared, it is 20 \
        endpoints of 4 slots, lognormal work with a mean of 20 ms and a coefficient of variation of 1, four clients that \
        know nothing of each other, 2 s a call and 500 ms an attempt: work and limits are twice as long as is usual for \
        such figures, and the load is half, so that two cores are not what is measured. Compare by ratio.</li>\
        <li>Where all are slow and where the load is too high, servers do not notice that a client gave up: work that \
        nobody waits for any more takes its time, as in most servers.</li>\
        <li>Calls come by a Poisson process whatever becomes of those before (open loop), in batches, or one after the \
        other, as the scenario says. A call's time counts from the moment when it was meant to begin; a failed one \
        counts as its limit, which is 30 s where none is set.</li>\
        <li>Counted from the trouble's start (1 s after the warm-up) to the end of the run, its healing included. \
        Detection and recovery go by first attempts, in bins of 100 ms; behind a proxy by the requests that \
        arrive, so that a dead endpoint cannot be observed there. Where the library tries another endpoint \
        for nothing after a refused connection, that attempt counts as an attempt.</li>\
        <li>With --realtime all of it runs at the lowest real-time priority, so that other work waits; otherwise it \
        shares the machine. † marks cells where the load came late, others had more than 15 % of the machine, or the \
        cell's own process needed more than 60 %.</li>\
        <li>The library's cost is within its figures: it shares the machine with all others. A proxy's cells have \
        libahoy in front, as a plain client of one address with one try, and so pay for both.</li>\
        <li>Figures are the median over the seeds, whiskers and tooltips their least and most. Differences under 5 % \
        are noise; limited_rr and rr_again are the same and show how much.</li></ul></footer>"
}

fn family(name: &str) -> &'static str {
    match name {
        "unset" => "out of the box",
        "raw" => "balancer alone",
        "kept" => "balancer with breaker and retries",
        "pack" => "the full pack",
        "own" => "the user's alternative",
        _ => "proxy",
    }
}

/// Okabe and Ito's colours, which colour-blind readers tell apart, without the yellow that white paper swallows.
const COLORS: [&str; 7] =
    ["#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
/// A line is told by its dashes where the colours come again.
const DASHES: [&str; 5] = ["", "7 3", "2 3", "9 3 2 3", "14 4"];

/// A colour and a dash for each.
fn marks(report: &Report) -> Vec<Mark> {
    let rows = report.contestants.iter().enumerate();
    rows.map(|(index, row)| Mark {
        name: row.name.clone(),
        color: COLORS[index % COLORS.len()].to_owned(),
        dash: DASHES[index / COLORS.len() % DASHES.len()],
    })
    .collect()
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&#39;")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::measure::Figures;
    use crate::report::{CellResult, ContestantRow, ScenarioRow};

    /// A run of one situation with a target of 3 % errors, and x in it; y was not asked.
    pub(in crate::report) fn report() -> Report {
        let mut report = Report::new("0".to_owned(), &crate::options::Options::default());
        report.scenarios.push(ScenarioRow {
            name: "a".to_owned(),
            title: "A <b>".to_owned(),
            about: String::new(),
            per_second: Some(1.0),
            capacity: 2.0,
            deadline_ms: 2_000,
            call_ms: None,
            limits_ms: (2_000, 500),
            end_ms: 10_000,
            trouble: Some((1_000, 10_000)),
            surge: false,
            overload: false,
            situation: true,
            shortened: 1,
            slow_ms: 1_000,
            targets: vec![("errors".to_owned(), 3.0)],
        });
        let row = |name: &str| ContestantRow {
            name: name.to_owned(),
            about: String::new(),
            family: "kept".to_owned(),
            sets_both: false,
            constructor: "ahoy_balancer_new".to_owned(),
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

    #[test]
    fn the_page_opens_with_who_did_best_and_begins_with_errors() {
        let page = html(&report());
        let (lead, errors) =
            (page.find("lost the fewest calls").unwrap(), page.find("<h2>").unwrap());
        assert!(lead < errors);
        assert!(page.find("id=m-errors").unwrap() < page.find("id=m-p999").unwrap());
    }

    #[test]
    fn who_was_not_in_the_run_has_not_failed() {
        let mut report = report();
        // y is in another scenario only.
        let mut other = report.scenarios[0].clone();
        other.name = "b".to_owned();
        report.scenarios.push(other);
        let in_b = |cell: &CellResult, name: &str| CellResult {
            scenario: "b".to_owned(),
            contestant: name.to_owned(),
            ..cell.clone()
        };
        let cells = ["x", "y"].map(|name| in_b(&report.cells[0], name));
        report.cells.extend(cells);
        assert!(html(&report).contains("class=absent data-l='y'"), "y has no cell in a");
        let mut broken = report.cells[0].clone();
        (broken.contestant, broken.figures) = ("y".to_owned(), None);
        report.cells.push(broken);
        let page = html(&report);
        assert!(page.contains("cell broke") && !page.contains("class=absent data-l='y'"));
    }

    #[test]
    fn a_quick_run_says_what_it_cannot_support() {
        let mut report = report();
        assert!(!html(&report).contains("cannot support"));
        report.quick = true;
        assert!(html(&report).contains("cannot support"));
    }
}
