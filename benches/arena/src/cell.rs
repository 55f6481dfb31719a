//! One cell in a process of its own: servers, proxy, load, figures. What one leaves behind, or how it dies, is
//! nothing to the next.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::api::Api;
use crate::backend::Backends;
use crate::clock::{MS, now};
use crate::contestant::{self, Contestant};
use crate::curl;
use crate::driver::{Driven, Driver};
use crate::measure::{self, Figures};
use crate::plan::Cell;
use crate::usage;

/// Reads the cell from standard input and writes its figures to standard output.
pub(crate) fn run() -> Result<(), String> {
    let cell: Cell = serde_json::from_reader(io::stdin().lock()).map_err(|e| e.to_string())?;
    usage::end_with_parent();
    let came_first = cell.realtime && usage::come_first();
    let figures = Figures { came_first, ..measure(&cell)? };
    println!("{}", serde_json::to_string(&figures).map_err(|e| e.to_string())?);
    Ok(())
}

fn measure(cell: &Cell) -> Result<Figures, String> {
    let all = contestant::all();
    let contestant = all.iter().find(|known| known.name == cell.contestant);
    let contestant = contestant.ok_or_else(|| format!("no contestant {}", cell.contestant))?;
    let api = Api::load(&cell.library)?;
    let text = |error: io::Error| error.to_string();
    let mut backends = Backends::start(&cell.fleet).map_err(text)?;
    let limit = cell.load.attempt_ms.unwrap_or_else(|| cell.load.deadline_ms());
    let proxy =
        contestant.proxy.map(|proxy| proxy.start(Path::new(&cell.folder), &backends.ports, limit));
    let proxy = proxy.transpose().map_err(text)?;
    let ports = proxy.as_ref().map_or_else(|| backends.ports.clone(), |proxy| vec![proxy.port]);
    let processes: Vec<u32> =
        [Some(backends.id()), proxy.as_ref().map(|p| p.id())].into_iter().flatten().collect();
    let driven = drive(cell, contestant, &api, &mut backends, &ports, &processes)?;
    let served = backends.report().map_err(text)?;
    if !cell.raw.is_empty() {
        write_raw(&cell.raw, &driven).map_err(text)?;
    }
    let name = |status| match contestant.curl {
        Some(_) => curl::status_name(status),
        None => api.status_name(status),
    };
    Ok(measure::figures(cell, &driven, &served, proxy.is_some(), name))
}

/// Makes the calls, with libahoy or with libcurl.
fn drive(
    cell: &Cell,
    contestant: &Contestant,
    api: &Api,
    backends: &mut Backends,
    ports: &[u16],
    processes: &[u32],
) -> Result<Driven, String> {
    // Room to set the timers before the first call.
    let zero = now() + (cell.load.warm_up_ms + 50) * MS;
    let seed = cell.fleet.seed;
    if let Some(tries) = contestant.curl {
        let calls = curl::Loop::new(tries, &cell.load, ports, zero)?;
        backends.begin(zero).map_err(|error| error.to_string())?;
        return Ok(calls.run(seed, processes));
    }
    let driver = Driver::new(api, contestant, &cell.load, ports)?;
    let zero = now() + (cell.load.warm_up_ms + 50) * MS;
    backends.begin(zero).map_err(|error| error.to_string())?;
    Ok(driver.run(&cell.load, seed, zero, processes))
}

/// Every call, a line each.
fn write_raw(file: &str, driven: &Driven) -> io::Result<()> {
    let mut out = io::BufWriter::new(fs::File::create(file)?);
    writeln!(out, "id,at_us,took_us,late_us,status,http,attempts,first_endpoint,hedged,work_us")?;
    for (id, call) in driven.calls.iter().enumerate() {
        let first = call.first.map_or_else(String::new, |first| first.to_string());
        let (hedged, work) = (u8::from(call.hedged), call.work_us);
        writeln!(
            out,
            "{id},{},{},{},{},{},{},{first},{hedged},{work}",
            call.at_us, call.took_us, call.late_us, call.status, call.http, call.attempts
        )?;
    }
    out.flush()
}
