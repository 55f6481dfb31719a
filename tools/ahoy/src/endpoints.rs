//! `ahoy endpoints`: the list as it is, and each change of it.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::cli::EndpointsArgs;
use crate::library::{Balancer, Client, ListState, Listed, Provider};
use crate::print;

/// How often the list is looked at; libahoy itself applies changes at most every 50 ms.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(asked: &EndpointsArgs) -> Outcome {
    let provider = Provider::of(&asked.url, &asked.options)?;
    let balancer = Balancer::new(&provider);
    let _telling = Client::telling(&balancer)?;
    let ready = balancer.wait_ready(asked.wait);
    if asked.watch {
        return watch(&provider, &balancer);
    }
    ready.map_err(|failure| format!("{}: {}", provider.describe(), failure.message()))?;
    // What is wrong with a list is told just behind it.
    thread::sleep(LOOK);
    let endpoints = balancer.endpoints();
    print::tell(&heading(&provider, &balancer));
    print::out(&table(&endpoints))?;
    match endpoints.is_empty() {
        true => Err("the list is empty".to_owned()),
        false => Ok(ExitCode::SUCCESS),
    }
}

/// What is watched with its number of endpoints, and how the list is known.
fn heading(provider: &Provider, balancer: &Balancer) -> String {
    format!("{}, {}", provider.describe(), state(balancer))
}

fn state(balancer: &Balancer) -> String {
    let age =
        balancer.age().map_or_else(String::new, |age| format!(", {:.1} s old", age.as_secs_f64()));
    let problem = balancer.problem().map_or_else(String::new, |text| format!(": {text}"));
    match balancer.state() {
        ListState::None => format!("no list yet{problem}"),
        ListState::Current => format!("current{age}{problem}"),
        ListState::Last => format!("the last list that was known{age}; the source fails{problem}"),
        ListState::Stale => format!("older than max_stale{age}; the source fails{problem}"),
        ListState::Refused => format!("the source refuses{problem}"),
        ListState::Other => "known in a way that this program is too old for".to_owned(),
    }
}

/// URLs in a column, why each is available or not in the next, and then what its host states.
fn table(endpoints: &[Listed]) -> String {
    let widest = |text: fn(&Listed) -> &str| {
        endpoints.iter().map(|it| text(it).len()).max().unwrap_or_default()
    };
    let (urls, reasons) = (widest(|it| &it.url), widest(|it| &it.reason));
    let line = |Listed { url, reason, properties }: &Listed| {
        let line = format!("{url:urls$}  {reason:reasons$}  {properties}");
        format!("{}\n", line.trim_end())
    };
    endpoints.iter().map(line).collect()
}

/// Tells each change until the process is ended, or nothing can be told any more.
fn watch(provider: &Provider, balancer: &Balancer) -> Outcome {
    let begun = Instant::now();
    let tell = |line: &str| print::out(&format!("{:9.3}  {line}\n", begun.elapsed().as_secs_f64()));
    if stdout().is_terminal() {
        print::tell(&format!("{}, until interrupted", provider.describe()));
    }
    let (mut known, mut told) = (BTreeMap::new(), String::new());
    loop {
        let listed = balancer.endpoints().into_iter();
        let now: BTreeMap<_, _> = listed.map(|it| (it.url, it.properties)).collect();
        for url in known.keys().filter(|url| !now.contains_key(*url)) {
            tell(&format!("- {url}"))?;
        }
        for (url, properties) in now.iter().filter(|(url, it)| known.get(*url) != Some(*it)) {
            let sign = if known.contains_key(url) { '~' } else { '+' };
            tell(format!("{sign} {url}  {properties}").trim_end())?;
        }
        let state = format!("{:?} {:?}", balancer.state(), balancer.problem());
        if state != told || now.len() != known.len() {
            tell(&format!("  {}", heading(provider, balancer)))?;
            told = state;
        }
        known = now;
        thread::sleep(LOOK);
    }
}
