//! Runs what is asked for, once, and keeps what came of it for the report.

use std::collections::BTreeMap;

use crate::contestant::Contestant;
use crate::figures::{Figure, Figures};
use crate::setup::Setup;

/// All runs so far.
#[derive(Debug, Default)]
pub(crate) struct Lab {
    pub(crate) seeds: u64,
    /// Much shorter and smaller runs, to try something.
    pub(crate) quick: bool,
    /// By scenario and contestant: of each seed, and the medians.
    pub(crate) cells: BTreeMap<(String, &'static str), Cell>,
    pub(crate) targets: Vec<Target>,
}

/// One contestant in one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) runs: Vec<Figures>,
    pub(crate) median: Figures,
}

/// A promise and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: &'static str,
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) measured: String,
    /// No answer for a row that is only there to compare.
    pub(crate) met: Option<bool>,
    /// What there is to say to it, above all where it is missed.
    pub(crate) remark: &'static str,
}

impl Lab {
    /// The medians over all seeds.
    pub(crate) fn median(&mut self, setup: &Setup, rules: &Contestant) -> Figures {
        self.median_of(setup, rules, self.seeds)
    }

    /// The medians over the first so many seeds, for large runs.
    pub(crate) fn median_of(&mut self, setup: &Setup, rules: &Contestant, seeds: u64) -> Figures {
        let key = (setup.name.clone(), rules.name);
        if let Some(cell) = self.cells.get(&key) {
            return cell.median.clone();
        }
        let seeds = 1..=seeds.min(self.seeds);
        let runs: Vec<Figures> = seeds.map(|seed| Figures::of(setup, rules, seed)).collect();
        let median = Figures::median(&runs);
        eprintln!("{:34} {:30} {}", setup.name, rules.name, line(&median));
        self.cells.insert(key, Cell { runs, median: median.clone() });
        median
    }

    /// One of the figures.
    pub(crate) fn figure(&mut self, setup: &Setup, rules: &Contestant, figure: Figure) -> f64 {
        self.median(setup, rules).get(figure)
    }

    /// Notes a target and whether it is met.
    pub(crate) fn note(
        &mut self,
        id: &'static str,
        what: impl Into<String>,
        (target, measured): (String, String),
        met: bool,
        remark: &'static str,
    ) {
        let (what, met) = (what.into(), Some(met));
        self.targets.push(Target { id, what, target, measured, met, remark });
    }

    /// The last note promises nothing, it is there to compare.
    pub(crate) fn only_compares(&mut self) {
        if let Some(target) = self.targets.last_mut() {
            target.met = None;
        }
    }

    /// The worst figure of all seeds, where a median would hide it.
    pub(crate) fn worst(&self, setup: &Setup, rules: &Contestant, figure: Figure) -> f64 {
        let cell = self.cells.get(&(setup.name.clone(), rules.name));
        let values = cell.iter().flat_map(|cell| &cell.runs).map(|run| run.get(figure));
        values.fold(0.0, f64::max)
    }
}

/// A cell in one line.
pub(crate) fn line(figures: &Figures) -> String {
    use Figure::{Attempts, ErrorPercent, HedgePercent, MaxToMean, P50, P99, P999};
    let [p50, p99, p999, errors, attempts, hedges, spread] =
        [P50, P99, P999, ErrorPercent, Attempts, HedgePercent, MaxToMean].map(|it| figures.get(it));
    format!("{p50:8.1} {p99:8.1} {p999:8.1} {errors:9.4} {attempts:8.4} {hedges:7.2} {spread:8.3}")
}
