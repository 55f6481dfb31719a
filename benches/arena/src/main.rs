//! The arena: real servers on loopback with scripted work and faults, an open-loop load through libahoy's C ABI,
//! every contestant under the same seeds, and a report that one would rather look at than read.
//!
//!     arena [--quick] [--realtime] [--seconds S] [--seeds N] [--scenarios A,B] [--contestants A,B] [--raw]
//!           [--library FILE] [--out FOLDER]
//!     arena render [--out FOLDER]       the report once more, from report.json
//!     arena table [--out FOLDER] [--before FOLDER] [--contestants A,B]      the situations as Markdown

mod api;
mod arrivals;
mod backend;
mod cell;
mod clock;
mod contestant;
mod curl;
mod draw;
mod driver;
mod measure;
mod options;
mod plan;
mod proxy;
mod report;
mod run;
mod scenario;
mod setup;
mod situation;
mod usage;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("backends") => backend::serve().map_err(|error| error.to_string()),
        Some("cell") => cell::run(),
        Some("table") => run::table(&arguments[1..]),
        Some("render") => run::render(&arguments[1..]),
        _ => run::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("arena: {problem}");
            ExitCode::FAILURE
        }
    }
}
