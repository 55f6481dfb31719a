//! `ahoy check`: whether a client can be made of a configuration, before a service tries.

use std::fs;
use std::io::{Read, stdin};
use std::path::Path;
use std::process::ExitCode;

use crate::Outcome;
use crate::cli::CheckArgs;
use crate::library::Client;
use crate::print;

pub(crate) fn run(asked: &CheckArgs) -> Outcome {
    let is_stdin = asked.config == Path::new("-");
    let name = if is_stdin { "standard input".into() } else { asked.config.display().to_string() };
    let json = match is_stdin {
        false => fs::read_to_string(&asked.config),
        true => {
            let mut text = String::new();
            stdin().read_to_string(&mut text).map(|_| text)
        }
    };
    let json = json.map_err(|error| format!("{name}: {error}"))?;
    let client = Client::of_config(&json).map_err(|problem| format!("{name}: {problem}"))?;
    print::tell(&format!("{name}: a client can be made of it"));
    print::out(&client.config_text())?;
    Ok(ExitCode::SUCCESS)
}
