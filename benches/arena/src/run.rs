//! The whole run: every scenario for every seed and contestant, one cell after the other, and the report.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::api::Api;
use crate::contestant::Contestant;
use crate::driver::Driver;
use crate::measure::Figures;
use crate::options::Options;
use crate::plan::Cell;
use crate::report::{CellResult, ContestantRow, Report, ScenarioRow, Skipped, page};
use crate::scenario::{self, Scenario};

/// A cell that takes so much longer than planned has hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs what the command line says.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let text = |error: std::io::Error| error.to_string();
    let library = fs::canonicalize(&options.library)
        .map_err(|error| format!("{}: {error}; `make build` first", options.library.display()))?;
    fs::create_dir_all(&options.out).map_err(text)?;
    let out = fs::canonicalize(&options.out).map_err(text)?;
    // A copy: a build meanwhile changes nothing.
    let copy = out.join("libahoy.so");
    let _ = fs::remove_file(&copy);
    fs::copy(&library, &copy).map_err(text)?;
    let api = Api::load(&copy.to_string_lossy())?;
    let scenarios = options.scenarios()?;
    let (contestants, skipped) = able(&api, options.contestants()?);
    let mut report = Report::new(api.version(), options.seconds, options.seeds);
    report.scenarios = scenarios.iter().map(|s| scenario_row(s, options.seconds)).collect();
    report.contestants = contestants.iter().map(contestant_row).collect();
    report.skipped = skipped;
    report.proxies = versions(&contestants);
    let count = scenarios.len() * contestants.len() * options.seeds as usize;
    println!("arena: {count} cells, about {:.0} min", minutes(count, options.seconds));
    let mut done = 0;
    for seed in 1..=options.seeds {
        for scenario in &scenarios {
            for contestant in &contestants {
                done += 1;
                let cell = cell(scenario, contestant, seed, &options, &copy, &out);
                let result = run_cell(&cell, options.seconds);
                say(done, count, scenario.name, contestant.name, seed, &result);
                report.cells.push(cell_result(scenario, contestant, seed, result));
            }
            // After each scenario, so that a run that is stopped has told what it knew.
            write(&report, &out)?;
        }
    }
    println!("arena: {}", out.join("report.html").display());
    let failed = report.cells.iter().filter(|cell| cell.figures.is_none()).count();
    if failed > 0 { Err(format!("{failed} cells failed")) } else { Ok(()) }
}

/// Draws the page once more from what an earlier run has measured.
pub(crate) fn render(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let file = options.out.join("report.json");
    let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    write(&report, &options.out)
}

fn write(report: &Report, out: &Path) -> Result<(), String> {
    let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
    let files =
        [("report.json", json), ("cells.csv", report.csv()), ("report.html", page::html(report))];
    for (name, text) in files {
        fs::write(out.join(name), text).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// Those that can take part, and why the others cannot.
fn able(api: &Api, rows: Vec<Contestant>) -> (Vec<Contestant>, Vec<Skipped>) {
    let mut skipped = Vec::new();
    let able = rows.into_iter().filter(|row| match trial(api, row) {
        Ok(()) => true,
        Err(reason) => {
            eprintln!("arena: SKIPPED {}: {reason}", row.name);
            skipped.push(Skipped { name: row.name.to_owned(), reason });
            false
        }
    });
    let able = able.collect();
    (able, skipped)
}

/// Sets a contestant up without calling anybody.
fn trial(api: &Api, row: &Contestant) -> Result<(), String> {
    if let Some(proxy) = row.proxy
        && proxy.find().is_none()
    {
        let program = proxy.program();
        return Err(format!(
            "{program} is not installed; on Debian: apt-get install {program} (the arena installs nothing)"
        ));
    }
    let load = scenario::ALL[0].load(2.0);
    Driver::new(api, row, &load, &[1]).map(drop)
}

fn minutes(cells: usize, seconds: f64) -> f64 {
    let warm_up = if seconds < 5.0 { 1.0 } else { 2.0 };
    cells as f64 * (seconds + warm_up + 0.5) / 60.0
}

fn cell(
    scenario: &Scenario,
    contestant: &Contestant,
    seed: u64,
    options: &Options,
    library: &Path,
    out: &Path,
) -> Cell {
    let raw = out.join("raw");
    let file = format!("{}-{}-{seed}.csv", scenario.name, contestant.name);
    let raw = match options.raw && fs::create_dir_all(&raw).is_ok() {
        true => raw.join(file).to_string_lossy().into_owned(),
        false => String::new(),
    };
    Cell {
        contestant: contestant.name.to_owned(),
        library: library.to_string_lossy().into_owned(),
        folder: out.join("proxy").to_string_lossy().into_owned(),
        raw,
        fleet: scenario.fleet(options.seconds, seed, contestant.reports_load),
        load: scenario.load(options.seconds),
    }
}

/// Runs a cell in a process of its own.
fn run_cell(cell: &Cell, seconds: f64) -> Result<Figures, String> {
    let text = |error: std::io::Error| error.to_string();
    let program = std::env::current_exe().map_err(text)?;
    let mut command = Command::new(program);
    command.arg("cell").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(text)?;
    if let Some(mut input) = child.stdin.take() {
        let plan = serde_json::to_string(cell).map_err(|error| error.to_string())?;
        input.write_all(plan.as_bytes()).map_err(text)?;
    }
    let ended = wait(&mut child, Duration::from_secs_f64(seconds) + PATIENCE)?;
    let (mut output, mut errors) = (String::new(), String::new());
    if let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) {
        out.read_to_string(&mut output).map_err(text)?;
        err.read_to_string(&mut errors).map_err(text)?;
    }
    if !ended {
        return Err(format!("ended with {:?}: {}", child.wait().map_err(text)?, errors.trim()));
    }
    serde_json::from_str(&output).map_err(|error| format!("{error}; {}", errors.trim()))
}

/// Waits for the end, and ends what takes too long; whether it ended well.
fn wait(child: &mut Child, patience: Duration) -> Result<bool, String> {
    let until = Instant::now() + patience;
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => return Ok(status.success()),
            None if Instant::now() > until => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("did not end within {patience:?}"));
            }
            // A figure of a few kilobytes fits into the pipe, so the child need not be read meanwhile.
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn say(
    done: usize,
    count: usize,
    scenario: &str,
    contestant: &str,
    seed: u64,
    result: &Result<Figures, String>,
) {
    match result {
        Ok(f) => println!(
            "[{done}/{count}] {scenario:<12} {contestant:<12} seed {seed}  p50 {:>6.1}  p99 {:>7.1}  \
             p99.9 {:>7.1} ms  errors {:>7.3} %  attempts {:.3}  cpu {:.0}+{:.0}+{:.0} others {:.0} %{}",
            f.p50_ms,
            f.p99_ms,
            f.p999_ms,
            100.0 * f.errors as f64 / f.calls.max(1) as f64,
            f.attempts_per_call,
            100.0 * f.usage.driver,
            100.0 * f.usage.servers,
            100.0 * f.usage.proxy,
            100.0 * f.usage.others,
            if crate::report::is_busy(f) { "  BUSY" } else { "" },
        ),
        Err(problem) => println!("[{done}/{count}] {scenario} {contestant} FAILED: {problem}"),
    }
}

fn scenario_row(scenario: &Scenario, seconds: f64) -> ScenarioRow {
    let load = scenario.load(seconds);
    let trouble = load.surge.map(|(from, to, _)| (from, to));
    let trouble = trouble.or_else(|| load.watched.as_ref().map(|w| (w.from_ms, w.to_ms)));
    ScenarioRow {
        name: scenario.name.to_owned(),
        title: scenario.title.to_owned(),
        about: scenario.about.to_owned(),
        per_second: scenario.per_second(),
        capacity: scenario.capacity(),
        deadline_ms: load.deadline_ms,
        end_ms: load.end_ms,
        trouble,
        surge: load.surge.is_some(),
    }
}

fn contestant_row(contestant: &Contestant) -> ContestantRow {
    ContestantRow {
        name: contestant.name.to_owned(),
        about: contestant.about.to_owned(),
        family: contestant.family.name().to_owned(),
    }
}

fn versions(contestants: &[Contestant]) -> Vec<String> {
    let mut versions: Vec<_> = contestants.iter().filter_map(|row| row.proxy?.version()).collect();
    versions.dedup();
    versions
}

fn cell_result(
    scenario: &Scenario,
    contestant: &Contestant,
    seed: u64,
    result: Result<Figures, String>,
) -> CellResult {
    let (figures, problem) = match result {
        Ok(figures) => (Some(figures), None),
        Err(problem) => (None, Some(problem)),
    };
    CellResult {
        scenario: scenario.name.to_owned(),
        contestant: contestant.name.to_owned(),
        seed,
        figures,
        problem,
    }
}
