//! `ahoy get`: one call, as a service makes it, with all its attempts.

use std::fs;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use crate::Outcome;
use crate::cli::GetArgs;
use crate::library::{Attempt, Client, Response};
use crate::print;

/// The answer is an HTTP error.
const HTTP_ERROR: u8 = 4;

pub(crate) fn run(asked: &GetArgs) -> Outcome {
    let client = client(asked)?;
    let response = client.get(&asked.path, &asked.header).map_err(|failure| {
        // Its message has a line for each attempt.
        let text = failure.message();
        if failure.has_attempts() { text } else { format!("{}: {text}", asked.service_shown()) }
    })?;
    if !asked.quiet || response.status() >= 400 {
        tell(&response);
    }
    let mut out = stdout().lock();
    if asked.include {
        let _ = writeln!(out, "{}", response.status());
        for (name, value) in response.headers() {
            let _ = writeln!(out, "{name}: {value}");
        }
        let _ = writeln!(out);
    }
    let written = out.write_all(response.body()).and_then(|()| out.flush());
    written.map_err(|error| format!("writing the body: {error}"))?;
    match response.status() {
        ..400 => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::from(HTTP_ERROR)),
    }
}

impl GetArgs {
    /// The service without what may be a secret: user and password, and a query, also an escaped one of the registry's own.
    fn service_shown(&self) -> String {
        let Some((scheme, rest)) = self.service.split_once("://") else {
            return self.service.clone();
        };
        let end = |mark: &str| rest.to_ascii_lowercase().find(mark);
        let end = ["?", "#", "%3f"].into_iter().filter_map(end).min().unwrap_or(rest.len());
        let (servers, path) = rest[..end].split_at(rest[..end].find('/').unwrap_or(end));
        let servers = servers.rsplit_once('@').map_or(servers, |(_, servers)| servers);
        format!("{scheme}://{servers}{path}")
    }
}

fn client(asked: &GetArgs) -> Result<Client, String> {
    if asked.service.contains("://") {
        return Ok(Client::of(&asked.service, &asked.options)?);
    }
    if !asked.options.is_empty() {
        return Err("-o is for a URL: a configuration states its own options".to_owned());
    }
    let path = Path::new(&asked.service);
    let json = fs::read_to_string(path).map_err(|error| {
        format!("{}: {error}; a service is a URL or the path of a configuration", path.display())
    })?;
    Client::of_config(&json).map_err(|problem| format!("{}: {problem}", path.display()))
}

fn tell(response: &Response) {
    let attempts = response.attempts();
    let width = attempts.iter().map(|attempt| attempt.url.len()).max().unwrap_or_default();
    for (number, attempt) in (1..).zip(&attempts) {
        print::tell(&line(number, attempt, width));
    }
    let reason = response.stop_reason();
    if !reason.is_empty() {
        print::tell(&format!("no other attempt: {reason}"));
    }
}

fn line(number: usize, attempt: &Attempt, width: usize) -> String {
    let Attempt { url, result, took, .. } = attempt;
    let mut line =
        format!("attempt {number}  {url:width$}  {result}  {:.1} ms", took.as_secs_f64() * 1000.0);
    if attempt.is_hedge {
        line.push_str("  beside the one before");
    }
    if attempt.opened_circuit {
        line.push_str("  circuit opened");
    }
    line
}
