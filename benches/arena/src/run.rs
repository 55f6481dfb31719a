//! The whole run: every scenario for every seed and contestant, one cell after the other, and the report.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::api::Api;
use crate::contestant::{Contestant, Limits};
use crate::curl;
use crate::driver::Driver;
use crate::measure::Figures;
use crate::options::Options;
use crate::plan::Cell;
use crate::report::{CellResult, ContestantRow, Report, ScenarioRow, Skipped, markdown, page};
use crate::scenario::{self, Length, Scenario, Times};

/// A cell that takes so much longer than planned has hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many cells of light scenarios at once: each needs about a hundredth of the machine.
const AT_ONCE: usize = 16;

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
    let mut report = Report::new(api.version(), &options);
    report.scenarios = scenarios.iter().map(|s| scenario_row(s, &options)).collect();
    report.contestants = contestants.iter().map(|c| contestant_row(&api, c)).collect();
    report.skipped = skipped;
    report.defaults = api.defaults();
    report.proxies = versions(&contestants);
    let named = !options.contestants.is_empty();
    let mut cells = Vec::new();
    for seed in 1..=options.seeds {
        for scenario in &scenarios {
            let able = contestants.iter().filter(|row| named || scenario.admits(row));
            cells.extend(able.map(|contestant| Planned { seed, scenario, contestant }));
        }
    }
    println!("arena: {} cells, about {:.0} min", cells.len(), minutes(&cells, options.length()));
    run_all(&cells, &options, &copy, &out, &mut report)?;
    println!("arena: {}", out.join("report.html").display());
    let failed = report.cells.iter().filter(|cell| cell.figures.is_none()).count();
    if failed > 0 { Err(format!("{failed} cells failed")) } else { Ok(()) }
}

/// A cell before its plan is written out.
#[derive(Clone, Copy, Debug)]
struct Planned<'a> {
    seed: u64,
    scenario: &'static Scenario,
    contestant: &'a Contestant,
}

/// Runs all cells: those that leave the machine idle many at once, the others one after the other.
fn run_all(
    cells: &[Planned<'_>],
    options: &Options,
    library: &Path,
    out: &Path,
    report: &mut Report,
) -> Result<(), String> {
    let (light, heavy): (Vec<Planned<'_>>, Vec<Planned<'_>>) =
        cells.iter().partition(|planned| planned.scenario.is_light());
    let counter = AtomicUsize::new(0);
    let run = |planned: &Planned<'_>| {
        let result = run_cell(&cell(planned, options, library, out));
        let done = counter.fetch_add(1, Ordering::Relaxed) + 1;
        say((done, cells.len()), planned, &result);
        cell_result(planned, result)
    };
    for chunk in heavy.chunk_by(|a, b| a.scenario.name == b.scenario.name) {
        report.cells.extend(chunk.iter().map(&run));
        // After each scenario, so that a run that is stopped has told what it knew.
        write(report, out)?;
    }
    let found = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(light.len()) {
            scope.spawn(|| {
                while let Some(planned) = light.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = run(planned);
                    found.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    report.cells.extend(found.into_inner().unwrap_or_else(PoisonError::into_inner));
    write(report, out)
}

/// Draws the page once more from what an earlier run has measured.
pub(crate) fn render(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    write(&read(&options.out)?, &options.out)
}

/// Prints the table of situations, an earlier run beside where one is named.
pub(crate) fn table(arguments: &[String]) -> Result<(), String> {
    let options = Options::parse(arguments)?;
    let before = options.before.as_deref().map(read).transpose()?;
    print!("{}", markdown::table(&read(&options.out)?, before.as_ref(), &options.contestants));
    Ok(())
}

fn read(folder: &Path) -> Result<Report, String> {
    let file = folder.join("report.json");
    let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
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
    if row.curl.is_some() {
        return curl::version().map(drop);
    }
    let load = scenario::HEALTHY.load(Length { seconds: 2.0, quick: true }, row.limits);
    Driver::new(api, row, &load, &[1]).map(drop)
}

fn minutes(cells: &[Planned<'_>], length: Length) -> f64 {
    let each = cells.iter().map(|Planned { scenario, .. }| {
        let (warm_up, .., end) = scenario.times_ms(length);
        let at_once = if scenario.is_light() { AT_ONCE } else { 1 };
        (warm_up + end + 500) as f64 / 60_000.0 / at_once as f64
    });
    each.sum()
}

fn cell(planned: &Planned<'_>, options: &Options, library: &Path, out: &Path) -> Cell {
    let Planned { seed, scenario, contestant } = *planned;
    let proxy = format!("proxy/{}-{}-{seed}", scenario.name, contestant.name);
    let raw = out.join("raw");
    let file = format!("{}-{}-{seed}.csv", scenario.name, contestant.name);
    let raw = match options.raw && fs::create_dir_all(&raw).is_ok() {
        true => raw.join(file).to_string_lossy().into_owned(),
        false => String::new(),
    };
    Cell {
        contestant: contestant.name.to_owned(),
        library: library.to_string_lossy().into_owned(),
        folder: out.join(proxy).to_string_lossy().into_owned(),
        raw,
        realtime: options.realtime,
        fleet: scenario.fleet(options.length(), seed, contestant.reports_load),
        load: scenario.load(options.length(), contestant.limits),
    }
}

/// Runs a cell in a process of its own.
fn run_cell(cell: &Cell) -> Result<Figures, String> {
    let text = |error: std::io::Error| error.to_string();
    let program = std::env::current_exe().map_err(text)?;
    let mut command = Command::new(program);
    command.arg("cell").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(text)?;
    if let Some(mut input) = child.stdin.take() {
        let plan = serde_json::to_string(cell).map_err(|error| error.to_string())?;
        input.write_all(plan.as_bytes()).map_err(text)?;
    }
    let load = &cell.load;
    let planned = Duration::from_millis(load.warm_up_ms + load.end_ms + load.deadline_ms());
    let ended = wait(&mut child, planned + PATIENCE)?;
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
            None => thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn say((done, count): (usize, usize), planned: &Planned<'_>, result: &Result<Figures, String>) {
    let (scenario, contestant) = (planned.scenario.name, planned.contestant.name);
    let seed = planned.seed;
    match result {
        Ok(f) => println!(
            "[{done}/{count}] {scenario:<18} {contestant:<12} seed {seed}  p50 {:>6.1}  p99 {:>7.1}  \
             longest {:>7.1} ms  errors {:>7.3} %  attempts {:.3}  cpu {:.0}+{:.0}+{:.0} others {:.0} %{}",
            f.p50_ms,
            f.p99_ms,
            f.longest_ms,
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

fn scenario_row(scenario: &Scenario, options: &Options) -> ScenarioRow {
    let load = scenario.load(options.length(), Limits::Unset);
    ScenarioRow {
        name: scenario.name.to_owned(),
        title: scenario.title.to_owned(),
        about: scenario.about.to_owned(),
        per_second: scenario.per_second(),
        capacity: scenario.capacity(),
        deadline_ms: load.deadline_ms(),
        call_ms: scenario.call_ms,
        limits_ms: scenario.limits_ms,
        end_ms: load.end_ms,
        trouble: load.trouble,
        surge: load.trouble.is_some() && load.watched.is_none(),
        overload: load.surge.is_some(),
        situation: matches!(scenario.times, Times::Own { .. }),
        shortened: if options.quick { scenario.quick_part() } else { 1 },
        slow_ms: scenario.slow_ms,
        targets: scenario.targets.iter().map(|(id, most)| ((*id).to_owned(), *most)).collect(),
    }
}

fn contestant_row(api: &Api, contestant: &Contestant) -> ContestantRow {
    let ahoy = contestant.curl.is_none() && contestant.proxy.is_none();
    let constructor = ahoy.then(|| api.first_of(contestant.balancer).unwrap_or_default());
    ContestantRow {
        name: contestant.name.to_owned(),
        about: contestant.about.to_owned(),
        family: contestant.family.name().to_owned(),
        sets_both: contestant.limits == Limits::Both,
        constructor: constructor.unwrap_or_default().to_owned(),
    }
}

fn versions(contestants: &[Contestant]) -> Vec<String> {
    let mut versions: Vec<_> = contestants.iter().filter_map(|row| row.proxy?.version()).collect();
    versions.dedup();
    if contestants.iter().any(|row| row.curl.is_some()) {
        versions.extend(curl::version());
    }
    versions
}

fn cell_result(planned: &Planned<'_>, result: Result<Figures, String>) -> CellResult {
    let (figures, problem) = match result {
        Ok(figures) => (Some(figures), None),
        Err(problem) => (None, Some(problem)),
    };
    CellResult {
        scenario: planned.scenario.name.to_owned(),
        contestant: planned.contestant.name.to_owned(),
        seed: planned.seed,
        figures,
        problem,
    }
}
