//! What 10,000 endpoints cost, by the source that tells them: memory, the time until a change is seen, and CPU.
//!
//! Prints one line a figure, as `benches/micro/run.sh` reads it. `sources NAME...` measures those alone. Each source is
//! measured in a process of its own, `sources measure NAME URL`, which holds nothing but the library; this one holds the
//! registry, and changes it when the other says so.

mod measure;
mod registries;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use registries::Registry;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    match &arguments[..] {
        [word, name, url] if word == "measure" => measure::measure(name, url),
        names => {
            let all = registries::all().into_iter();
            all.filter(|(name, _)| names.is_empty() || names.iter().any(|it| it == name))
                .for_each(|(name, start)| serve(name, start()));
        }
    }
}

/// Measures one source: hands its figures on, and changes the registry when it is told to.
fn serve(name: &str, mut registry: Registry) {
    let program = std::env::current_exe().expect("the path of this program");
    let mut child = Command::new(program)
        .args(["measure", name, &registry.url])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let told = BufReader::new(child.stdout.take().expect("its output"));
    for line in told.lines() {
        match line.expect("a line of text").as_str() {
            measure::JOIN => (registry.change)(true),
            measure::LEAVE => (registry.change)(false),
            figure => println!("{figure}"),
        }
    }
    assert!(child.wait().expect("its end").success(), "{name} was not measured");
}
