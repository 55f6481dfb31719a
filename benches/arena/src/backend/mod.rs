//! The servers of a cell: all endpoints in one process and one thread, so that they cost little and nothing
//! between them can go wrong. Each endpoint is a virtual machine of some slots before which requests wait in
//! line; work is a timer, not a computation, so that hundreds of slots fit on a small machine.
//!
//! The first line of standard input is the fleet as JSON; the answer is the ports. `start NANOSECONDS` sets the
//! time 0, `report` asks for what was counted. The end of the input ends the process.

mod answer;
mod fleet;
mod http;
mod poll;
mod server;
mod slab;

use std::io::{self, BufRead, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::plan::{Fleet, Served};

/// The process's whole life.
pub(crate) fn serve() -> io::Result<()> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let mut fleet = fleet::Running::new(serde_json::from_str(&line)?)?;
    println!("{}", serde_json::to_string(&fleet.ports())?);
    fleet.run()
}

/// The servers' process, from the side of its owner; ends with this.
#[derive(Debug)]
pub(crate) struct Backends {
    child: Child,
    input: Option<ChildStdin>,
    output: io::BufReader<ChildStdout>,
    /// A port for each endpoint.
    pub(crate) ports: Vec<u16>,
}

impl Backends {
    /// Starts the process and waits until every endpoint listens.
    pub(crate) fn start(fleet: &Fleet) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("backends")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || io::Error::other("a pipe of the servers' process is missing");
        let mut input = child.stdin.take().ok_or_else(missing)?;
        let mut output = io::BufReader::new(child.stdout.take().ok_or_else(missing)?);
        writeln!(input, "{}", serde_json::to_string(fleet)?)?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        let ports = serde_json::from_str(&line)?;
        Ok(Self { child, input: Some(input), output, ports })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Says when the time 0 is.
    pub(crate) fn begin(&mut self, zero: u64) -> io::Result<()> {
        self.say(&format!("start {zero}"))
    }

    /// What was counted.
    pub(crate) fn report(&mut self) -> io::Result<Served> {
        self.say("report")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        match &mut self.input {
            Some(input) => writeln!(input, "{line}"),
            None => Err(io::Error::other("the servers' process was ended")),
        }
    }
}

impl Drop for Backends {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.child.wait();
    }
}
