//! The command line.

use std::path::PathBuf;

use crate::contestant::{self, Contestant};
use crate::scenario::{self, Length, Scenario};

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) raw: bool,
    pub(crate) realtime: bool,
    pub(crate) seconds: f64,
    pub(crate) seeds: u64,
    pub(crate) scenarios: Vec<String>,
    pub(crate) contestants: Vec<String>,
    pub(crate) library: PathBuf,
    pub(crate) out: PathBuf,
    /// An earlier run's folder, for `arena table`.
    pub(crate) before: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            quick: false,
            raw: false,
            realtime: false,
            seconds: 0.0,
            seeds: 1,
            scenarios: Vec::new(),
            contestants: Vec::new(),
            library: "target/release/libahoy.so".into(),
            out: "target/arena".into(),
            before: None,
        }
    }
}

impl Options {
    /// Reads it.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or_else(|| format!("{word}: no value"));
            match word.as_str() {
                "--quick" => options.quick = true,
                "--raw" => options.raw = true,
                "--realtime" => options.realtime = true,
                "--seconds" => options.seconds = number(&value()?)?,
                "--seeds" => options.seeds = number(&value()?)? as u64,
                "--scenarios" => options.scenarios = list(&value()?),
                "--contestants" => options.contestants = list(&value()?),
                "--library" => options.library = value()?.into(),
                "--before" => options.before = Some(value()?.into()),
                "--out" => options.out = value()?.into(),
                other => {
                    return Err(format!("{other}: no such option; see benches/arena/src/main.rs"));
                }
            }
        }
        if options.seconds == 0.0 {
            options.seconds = if options.quick { 3.0 } else { 10.0 };
        }
        if options.seconds < 2.0 || options.seeds == 0 {
            return Err("--seconds is at least 2, --seeds at least 1".to_owned());
        }
        Ok(options)
    }

    /// How long a run is.
    pub(crate) const fn length(&self) -> Length {
        Length { seconds: self.seconds, quick: self.quick }
    }

    /// The scenarios that it asks for.
    pub(crate) fn scenarios(&self) -> Result<Vec<&'static Scenario>, String> {
        let known: Vec<_> = scenario::all().map(|row| row.name).collect();
        check(&self.scenarios, &known)?;
        let wanted = |row: &&Scenario| match self.scenarios.as_slice() {
            [] => row.quick || !self.quick,
            names => names.iter().any(|name| name == row.name),
        };
        Ok(scenario::all().filter(wanted).collect())
    }

    /// The contestants that it asks for.
    pub(crate) fn contestants(&self) -> Result<Vec<Contestant>, String> {
        let all = contestant::all();
        let known: Vec<_> = all.iter().map(|row| row.name).collect();
        check(&self.contestants, &known)?;
        let wanted = |row: &Contestant| match self.contestants.as_slice() {
            [] => row.quick || !self.quick,
            names => names.iter().any(|name| name == row.name),
        };
        Ok(all.into_iter().filter(wanted).collect())
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{text}: no number"))
}

fn list(text: &str) -> Vec<String> {
    text.split([',', ' ']).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn check(wanted: &[String], known: &[&str]) -> Result<(), String> {
    match wanted.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("{name}: not one of {}", known.join(", "))),
        None => Ok(()),
    }
}
