//! What a run found: the data behind report.json, and its median over the seeds.

pub(crate) mod markdown;
mod metric;
pub(crate) mod page;
mod plot;
mod section;
mod tables;
mod targets;
mod verdict;

use serde::{Deserialize, Serialize};

use crate::measure::Figures;
use crate::options::Options;

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) library: String,
    /// What the library says of its own limits.
    #[serde(default)]
    pub(crate) defaults: String,
    pub(crate) proxies: Vec<String>,
    pub(crate) machine: String,
    pub(crate) cores: usize,
    /// Seconds since 1970.
    pub(crate) at: u64,
    pub(crate) seconds: f64,
    pub(crate) seeds: u64,
    #[serde(default)]
    pub(crate) quick: bool,
    pub(crate) scenarios: Vec<ScenarioRow>,
    pub(crate) contestants: Vec<ContestantRow>,
    pub(crate) skipped: Vec<Skipped>,
    pub(crate) cells: Vec<CellResult>,
}

/// A scenario as it was run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ScenarioRow {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) about: String,
    /// Nothing for a caller that goes by the answers.
    pub(crate) per_second: Option<f64>,
    pub(crate) capacity: f64,
    /// What a failed call counts as where the contestant sets no limit of its own.
    pub(crate) deadline_ms: u64,
    /// The limit on a call that everybody sets.
    pub(crate) call_ms: Option<u64>,
    /// What contestants set that set both: on a call and on an attempt.
    pub(crate) limits_ms: (u64, u64),
    pub(crate) end_ms: u64,
    pub(crate) trouble: Option<(u64, u64)>,
    /// All endpoints are in trouble together, so that none can be avoided.
    pub(crate) surge: bool,
    /// More calls come than the servers can answer.
    pub(crate) overload: bool,
    /// One that a user meets with nothing set; the others compare balancers.
    pub(crate) situation: bool,
    /// By what part of its time a quick run has shortened it.
    pub(crate) shortened: u64,
    /// From here on a call has waited.
    pub(crate) slow_ms: u64,
    /// What must become of it: a metric's id and the most that it may be.
    pub(crate) targets: Vec<(String, f64)>,
}

/// A contestant that took part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ContestantRow {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) family: String,
    /// Sets limits on call and attempt; the others have the scenario's limit on a call at most.
    pub(crate) sets_both: bool,
    /// libahoy's balancer; empty for others.
    pub(crate) constructor: String,
}

/// One that did not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Skipped {
    pub(crate) name: String,
    pub(crate) reason: String,
}

/// A cell's figures, or why there are none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CellResult {
    pub(crate) scenario: String,
    pub(crate) contestant: String,
    pub(crate) seed: u64,
    pub(crate) figures: Option<Figures>,
    pub(crate) problem: Option<String>,
}

/// A figure over the seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// A driver above this share of the machine may be what is measured.
const DRIVER_LIMIT: f64 = 0.6;
/// With less of the machine left than this, everybody waits for the processor.
const MACHINE_LIMIT: f64 = 0.85;
/// More than this for others is no quiet machine.
const OTHERS_LIMIT: f64 = 0.15;
/// A load that is later than this is not the load that was meant.
const LATE_LIMIT_MS: f64 = 5.0;

/// Whether a cell's figures are in doubt. Others do not matter where they had to wait.
pub(crate) fn is_busy(figures: &Figures) -> bool {
    let usage = figures.usage;
    let own = usage.driver + usage.servers + usage.proxy;
    let shared =
        !figures.came_first && (own + usage.others > MACHINE_LIMIT || usage.others > OTHERS_LIMIT);
    usage.driver > DRIVER_LIMIT
        || own > MACHINE_LIMIT
        || shared
        || figures.late_p99_ms > LATE_LIMIT_MS
}

impl ScenarioRow {
    /// What a failed call of that contestant counts as.
    pub(crate) fn deadline_of(&self, contestant: &ContestantRow) -> u64 {
        if contestant.sets_both {
            self.call_ms.unwrap_or(self.limits_ms.0)
        } else {
            self.deadline_ms
        }
    }
}

impl Report {
    /// An empty one about this machine.
    pub(crate) fn new(library: String, options: &Options) -> Self {
        let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            library,
            defaults: String::new(),
            proxies: Vec::new(),
            machine: model.map_or("unknown", |(_, model)| model.trim()).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            at: now.map_or(0, |since| since.as_secs()),
            seconds: options.seconds,
            seeds: options.seeds,
            quick: options.quick,
            scenarios: Vec::new(),
            contestants: Vec::new(),
            skipped: Vec::new(),
            cells: Vec::new(),
        }
    }

    /// The scenarios that have figures: all of them only at a run's end.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &ScenarioRow> {
        let has = |row: &&ScenarioRow| self.cells.iter().any(|cell| cell.scenario == row.name);
        self.scenarios.iter().filter(has)
    }

    /// Whether some cells are in doubt and others are not: a mark on each tells nothing that the page's top does not.
    pub(crate) fn marks_busy(&self) -> bool {
        let mut busy = self.cells.iter().filter_map(|cell| cell.figures.as_ref()).map(is_busy);
        let first = busy.next();
        busy.any(|other| Some(other) != first)
    }

    /// Whether a cell of them was run, whatever became of it.
    pub(crate) fn took_part(&self, scenario: &str, contestant: &str) -> bool {
        let mut cells = self.cells.iter();
        cells.any(|cell| cell.scenario == scenario && cell.contestant == contestant)
    }

    /// The figures of a scenario and a contestant, one for each seed.
    pub(crate) fn figures(&self, scenario: &str, contestant: &str) -> Vec<&Figures> {
        let of = |cell: &&CellResult| cell.scenario == scenario && cell.contestant == contestant;
        self.cells.iter().filter(of).filter_map(|cell| cell.figures.as_ref()).collect()
    }

    /// A figure over the seeds; nothing where no seed has it.
    pub(crate) fn spread(
        &self,
        scenario: &str,
        contestant: &str,
        of: impl Fn(&Figures) -> Option<f64>,
    ) -> Option<Spread> {
        let figures = self.figures(scenario, contestant);
        let mut values: Vec<f64> = figures.iter().filter_map(|f| of(f)).collect();
        // What most seeds never reached has no median.
        if values.is_empty() || values.len() * 2 < figures.len() {
            return None;
        }
        values.sort_by(f64::total_cmp);
        let (min, max) = (values[0], values[values.len() - 1]);
        Some(Spread { median: values[values.len() / 2], min, max })
    }

    /// A series over the seeds, point by point.
    pub(crate) fn series(
        &self,
        scenario: &str,
        contestant: &str,
        of: impl Fn(&Figures) -> &Vec<f64>,
    ) -> Vec<f64> {
        let figures = self.figures(scenario, contestant);
        let length = figures.iter().map(|f| of(f).len()).min().unwrap_or_default();
        let middle = |index: usize| {
            let mut values: Vec<f64> = figures.iter().map(|f| of(f)[index]).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        (0..length).map(middle).collect()
    }

    /// A line for each cell.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::from(
            "scenario,contestant,seed,calls,errors,p50_ms,p90_ms,p99_ms,p999_ms,attempts_per_call,\
             hedge_ratio,goodput,wasted_ratio,max_by_mean,detection_ms,exposed,residue,recovery_ms,\
             slow_calls,waited_ms,longest_ms,requests,errors_after,first_use_ms,gap_ms,open_circuits,\
             connections,most_open,late_p99_ms,cpu_driver,cpu_servers,cpu_proxy,cpu_others,busy\n",
        );
        for cell in &self.cells {
            let Some(f) = &cell.figures else { continue };
            let maybe = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
            let fields = [
                cell.scenario.clone(),
                cell.contestant.clone(),
                cell.seed.to_string(),
                f.calls.to_string(),
                f.errors.to_string(),
                f.p50_ms.to_string(),
                f.p90_ms.to_string(),
                f.p99_ms.to_string(),
                f.p999_ms.to_string(),
                f.attempts_per_call.to_string(),
                f.hedge_ratio.to_string(),
                f.goodput.to_string(),
                f.wasted_ratio.to_string(),
                f.max_by_mean.to_string(),
                maybe(f.detection_ms),
                f.exposed.map_or_else(String::new, |v| v.to_string()),
                maybe(f.residue),
                maybe(f.recovery_ms),
                f.slow_calls.to_string(),
                f.waited_ms.to_string(),
                f.longest_ms.to_string(),
                f.requests.to_string(),
                maybe(f.errors_after),
                maybe(f.first_use_ms),
                f.gap_ms.to_string(),
                f.open_circuits.map_or_else(String::new, |v| v.to_string()),
                f.connections.to_string(),
                f.most_open.to_string(),
                f.late_p99_ms.to_string(),
                f.usage.driver.to_string(),
                f.usage.servers.to_string(),
                f.usage.proxy.to_string(),
                f.usage.others.to_string(),
                u8::from(is_busy(f)).to_string(),
            ];
            text += &(fields.join(",") + "\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(recoveries: &[Option<f64>]) -> Report {
        let mut report = Report::new("0".to_owned(), &Options::default());
        for (seed, recovery_ms) in recoveries.iter().enumerate() {
            report.cells.push(CellResult {
                scenario: "a".to_owned(),
                contestant: "b".to_owned(),
                seed: seed as u64,
                figures: Some(Figures { recovery_ms: *recovery_ms, ..Figures::default() }),
                problem: None,
            });
        }
        report
    }

    #[test]
    fn the_median_stands_between_the_seeds() {
        let report = report(&[Some(3.0), Some(1.0), Some(2.0)]);
        let spread = report.spread("a", "b", |f| f.recovery_ms);
        assert_eq!(spread, Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
    }

    #[test]
    fn what_most_seeds_never_reached_has_no_median() {
        let report = report(&[None, None, Some(3.0)]);
        assert_eq!(report.spread("a", "b", |f| f.recovery_ms), None);
    }

    #[test]
    fn the_csv_has_as_many_fields_as_names() {
        let csv = report(&[None]).csv();
        let counts: Vec<_> = csv.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(counts[0], counts[1]);
    }
}
