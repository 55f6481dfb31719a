//! What may stand on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Looks at services as libahoy does: their endpoints, and what a call to them meets.
#[derive(Parser)]
#[command(name = "ahoy", version, about, max_term_width = 100, after_long_help = EXITS)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXITS: &str = "\
Exit status:
  0  what was asked for was found
  1  it was not: no list, no endpoint, no answer, a wrong configuration
  2  the command line is wrong
  4  get: the answer is an HTTP error (4xx, 5xx)";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the endpoints that a source tells
    Endpoints(EndpointsArgs),
    /// Make a GET and tell its attempts
    Get(GetArgs),
    /// Print the settings with their defaults
    Options(OptionsArgs),
    /// Read a configuration and say whether a client can be made of it
    Check(CheckArgs),
    /// Print completions for a shell
    #[command(hide = true)]
    Completions { shell: Shell },
    /// Print the man page
    #[command(hide = true)]
    Man,
}

#[derive(Args)]
pub(crate) struct EndpointsArgs {
    /// Where endpoints are registered, such as etcd://127.0.0.1:2379/services/web
    pub(crate) url: String,
    /// Go on, and tell each change until interrupted
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Set an option of the source; `ahoy options provider` lists them
    #[arg(short, long = "option", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) options: Vec<(String, String)>,
    /// How long to wait for the first list
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) wait: Duration,
}

#[derive(Args)]
pub(crate) struct GetArgs {
    /// A service: a URL of a source, http://host:port, or the path of a configuration in JSON
    pub(crate) service: String,
    /// The path to ask for, such as /health
    pub(crate) path: String,
    /// Set an option of the client; `ahoy options client` lists them
    #[arg(short, long = "option", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) options: Vec<(String, String)>,
    /// Send a header
    #[arg(short = 'H', long, value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) header: Vec<(String, String)>,
    /// Print status and headers before the body
    #[arg(short, long)]
    pub(crate) include: bool,
    /// Tell nothing about attempts that went well
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct OptionsArgs {
    /// Only those of a handle (client, balancer, retry, breaker, provider), or whose key holds this text
    pub(crate) filter: Option<String>,
}

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// A configuration in JSON; - reads standard input
    pub(crate) config: PathBuf,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// A duration as the library's options have it: numbers with units, the larger unit first.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a number with its unit, such as 500ms, 10s or 1m30s".to_owned();
    let (mut rest, mut seconds, mut larger) = (text.trim(), 0.0, f64::INFINITY);
    while !rest.is_empty() {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        let (number, after) = rest.split_at(rest.find(|c| !is_digit(c)).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(is_digit).unwrap_or(after.len()));
        let unit = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(wrong()),
        };
        if unit >= larger {
            return Err(wrong());
        }
        let number: f64 = number.parse().map_err(|_| wrong())?;
        seconds += number * unit;
        (rest, larger) = (after, unit);
    }
    let known = Some(seconds).filter(|_| !text.trim().is_empty()).ok_or_else(wrong)?;
    Duration::try_from_secs_f64(known).map_err(|_| "out of range".to_owned())
}
