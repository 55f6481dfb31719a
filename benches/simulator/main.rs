//! The policies in virtual time: `sim prove` shows that the simulator tells the truth, `sim run` puts the
//! policies through the scenarios and says which targets they meet.
//!
//! It ships nowhere. It uses the very code of `policy/`, and around it does what `client/` does; see
//! `benches/simulator/README.md` for what is left out. Read `world.rs` first, then `attempt.rs`.

mod attempt;
mod call;
mod churn;
mod client;
mod contestant;
mod defaults;
mod draws;
mod fault;
mod figures;
mod fleet;
#[cfg(test)]
mod golden;
mod hedge;
mod lab;
mod large;
mod life;
mod lists;
mod member;
mod one_bad;
mod overload;
mod prove;
mod queue;
mod race;
mod report;
mod server;
mod setup;
mod stats;
mod time;
mod tower;
mod world;

use std::process::ExitCode;

use lab::Lab;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let place = arguments.iter().position(|argument| argument == name)?;
        arguments.get(place + 1).cloned()
    };
    let quick = arguments.iter().any(|argument| argument == "--quick");
    match arguments.first().map(String::as_str) {
        Some("prove") => prove(quick),
        Some("run") => {
            let seeds = option("--seeds").and_then(|seeds| seeds.parse().ok()).unwrap_or(5);
            let lab = Lab { seeds: if quick { 1 } else { seeds }, quick, ..Lab::default() };
            run(lab, option("--only").as_deref(), option("--out").as_deref())
        }
        _ => {
            eprintln!("usage: sim prove [--quick]");
            eprintln!(
                "       sim run [--quick] [--seeds N] [--only one-bad|overload|defaults|lists|large|fleet] [--out DIR]"
            );
            ExitCode::from(2)
        }
    }
}

fn prove(quick: bool) -> ExitCode {
    let calls = if quick { 500_000 } else { 2_000_000 };
    let mut holds = true;
    println!("{:52} {:>9} {:>9} {:>7}", "closed form, mean sojourn", "expected", "found", "off");
    for proof in prove::all(1000, calls) {
        let error = proof.error();
        let is_near = error <= prove::TOLERANCE;
        holds &= is_near;
        let word = if is_near { "" } else { "  MISSED" };
        let percent = 100.0 * error;
        println!(
            "{:52} {:9.4} {:9.4} {percent:5.2} %{word}",
            proof.name, proof.expected, proof.found
        );
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(mut lab: Lab, only: Option<&str>, out: Option<&str>) -> ExitCode {
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    if wanted("one-bad") {
        one_bad::run(&mut lab);
    }
    if wanted("overload") {
        overload::run(&mut lab);
    }
    if wanted("defaults") {
        defaults::run(&mut lab);
    }
    if wanted("lists") {
        lists::run(&mut lab);
    }
    if wanted("large") {
        large::run(&mut lab);
        life::run(&mut lab);
    }
    if wanted("fleet") {
        fleet::run(&mut lab, out);
    }
    print!("{}", report::table(&lab));
    eprintln!("{}", peak_memory());
    let Some(out) = out else { return ExitCode::SUCCESS };
    let written = std::fs::create_dir_all(out)
        .and_then(|()| std::fs::write(format!("{out}/report.json"), report::json(&lab)));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{out}/report.json: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The most that was resident at a time, where the system tells; no part of the report, as it is not the same
/// in each run.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    line.map_or_else(String::new, |line| {
        format!("peak memory: {}", line.trim_start_matches("VmHWM:").trim())
    })
}
