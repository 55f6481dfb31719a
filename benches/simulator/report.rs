//! What a person reads, and what a machine reads.

use std::fmt::Write as _;

use crate::figures::{Figure, Figures};
use crate::lab::{Lab, line};

/// Targets first, then all cells.
pub(crate) fn table(lab: &Lab) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "| # | what | target | measured | |\n|---|---|---|---|---|");
    for target in &lab.targets {
        let word = match target.met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "to compare",
        };
        let remark =
            if target.remark.is_empty() { String::new() } else { format!("; {}", target.remark) };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {word}{remark} |",
            target.id, target.what, target.target, target.measured
        );
    }
    let missed = lab.targets.iter().filter(|target| target.met == Some(false)).count();
    let _ = writeln!(out, "\n{} rows, {missed} missed\n", lab.targets.len());
    let _ = writeln!(
        out,
        "{:48} {:30}  p50 ms   p99 ms p99.9 ms  errors % attempts hedges% max/mean",
        "scenario", "contestant"
    );
    for ((scenario, contestant), cell) in &lab.cells {
        let _ = writeln!(out, "{scenario:48} {contestant:30} {}", line(&cell.median));
    }
    out
}

/// The same with all figures of all seeds.
pub(crate) fn json(lab: &Lab) -> String {
    let targets = lab.targets.iter().map(|target| {
        format!(
            "    {{\"id\": {}, \"what\": {}, \"target\": {}, \"measured\": {}, \"met\": {}, \"remark\": {}}}",
            quoted(target.id),
            quoted(&target.what),
            quoted(&target.target),
            quoted(&target.measured),
            target.met.map_or("null", |met| if met { "true" } else { "false" }),
            quoted(target.remark)
        )
    });
    let cells = lab.cells.iter().map(|((scenario, contestant), cell)| {
        let runs: Vec<String> = cell.runs.iter().map(object).collect();
        format!(
            "    {{\"scenario\": {}, \"contestant\": {}, \"median\": {}, \"runs\": [{}]}}",
            quoted(scenario),
            quoted(contestant),
            object(&cell.median),
            runs.join(", ")
        )
    });
    format!(
        "{{\n  \"targets\": [\n{}\n  ],\n  \"cells\": [\n{}\n  ]\n}}\n",
        targets.collect::<Vec<_>>().join(",\n"),
        cells.collect::<Vec<_>>().join(",\n")
    )
}

fn object(figures: &Figures) -> String {
    let pair = |figure: &Figure| format!("\"{}\": {}", figure.name(), number(figures.get(*figure)));
    format!("{{{}}}", Figure::ALL.iter().map(pair).collect::<Vec<_>>().join(", "))
}

/// In a fixed form, so that the same run gives the same bytes.
fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:.6}") } else { "null".to_owned() }
}

fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c => vec![c],
        })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_are_what_json_has() {
        assert_eq!(number(1.0 / 3.0), "0.333333");
        assert_eq!(number(f64::NAN), "null");
        assert_eq!(quoted("a \"b\" \\"), r#""a \"b\" \\""#);
    }
}
