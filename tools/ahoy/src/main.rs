//! `ahoy`: what one reaches for when a service sees no endpoints.
//!
//! It shows what a source of endpoints tells, makes a call as a service would, and reads settings before a service does,
//! all by libahoy's C functions. What was asked for goes to standard output, all else to standard error. It ends with 0
//! where it found what was asked for, 1 where it did not, 2 where it was asked wrongly, and `get` with 4 where the answer
//! is an HTTP error.

mod c;
mod check;
mod cli;
mod endpoints;
mod get;
mod library;
mod options;
mod print;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::cli::{Cli, Command};

/// Why a command came to nothing: a text for people, of one line or more.
type Outcome = Result<ExitCode, String>;

fn main() -> ExitCode {
    // As other programs do, it ends when nobody reads what it writes. The library raises no SIGPIPE.
    // SAFETY: the default action, set before there is any other thread.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(text) => {
            print::tell(&format!("ahoy: {text}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Endpoints(asked) => endpoints::run(&asked),
        Command::Get(asked) => get::run(&asked),
        Command::Options(asked) => options::run(&asked),
        Command::Check(asked) => check::run(&asked),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ahoy", &mut script);
            print::out(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man => {
            let mut page = Vec::new();
            let man = clap_mangen::Man::new(Cli::command().name("ahoy"));
            man.render(&mut page).map_err(|error| error.to_string())?;
            print::out(&String::from_utf8_lossy(&page))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
