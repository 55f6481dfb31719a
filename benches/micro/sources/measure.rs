//! One source in a process of its own.

use std::time::{Duration, Instant};

use crate::registries::{MANY, address};
use support::registry::folder::Folder;
use support::{Balancer, Host, Provider, cpu, ms, resident};

/// What the process that holds the registry is asked for: one endpoint more, and the same without it.
pub(crate) const JOIN: &str = "join";
pub(crate) const LEAVE: &str = "leave";
/// The URL of a list that this process pushes itself.
pub(crate) const PUSHED: &str = "pushed";

/// Prints what the endpoints behind `url` cost.
pub(crate) fn measure(name: &str, url: &str) {
    warm_up();
    let (before, begun) = (resident(), Instant::now());
    let provider = if url == PUSHED { Provider::list() } else { Provider::from_url(url).unwrap() };
    if url == PUSHED {
        provider.replace(&hosts(MANY)).unwrap();
    }
    let balancer = Balancer::round_robin(&provider);
    balancer.wait_ready(LIMIT).unwrap();
    let first = begun.elapsed();
    assert_eq!(balancer.count(), MANY, "{name}");
    std::thread::sleep(SETTLES);
    let (peak, held) = (most_resident().saturating_sub(before), resident().saturating_sub(before));
    let tell = |figure: &str, value: f64, unit: &str| {
        println!("source_{name}_{figure}\t{value:.6}\t{unit}\t\t\t\t");
    };
    tell("first_ms", millis(first), "ms");
    tell("mib", held as f64 / MIB, "MiB");
    tell("bytes", held as f64 / MANY as f64, "B/endpoint");
    tell("peak_mib", peak as f64 / MIB, "MiB");

    let source = Source { provider: &provider, balancer: &balancer, is_pushed: url == PUSHED };
    let mut updates: Vec<_> = (0..CHANGES).map(|at| source.change(at, LOOK_OFTEN).0).collect();
    updates.sort();
    tell("update_ms", millis(updates[CHANGES / 2]), "ms");
    tell("update_worst_ms", millis(updates[CHANGES - 1]), "ms");
    let computed: Duration = (0..CHANGES).map(|at| source.change(at, LOOK_SELDOM).1).sum();
    tell("change_cpu_ms", millis(computed) / CHANGES as f64, "ms");

    let (before, begun) = (cpu(), Instant::now());
    std::thread::sleep(REST);
    let share = (cpu() - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    tell("rest_cpu_percent", 100.0 * share, "%");
}

/// Starts the library's threads, so that they count for no source.
fn warm_up() {
    let folder = Folder::new();
    let file = folder.file("one", "127.0.0.1:80\n");
    let provider = Provider::from_url(&format!("file://{}", file.display())).unwrap();
    Balancer::round_robin(&provider).wait_ready(LIMIT).unwrap();
}

struct Source<'a> {
    provider: &'a Provider,
    balancer: &'a Balancer,
    is_pushed: bool,
}

impl Source<'_> {
    /// Lets an endpoint join, or leave at odd numbers; how long it took until that was seen, and how long this process
    /// computed for it.
    fn change(&self, number: usize, look_every: Duration) -> (Duration, Duration) {
        // After a quiet time, which a change by itself comes after.
        std::thread::sleep(QUIET);
        let joins = number.is_multiple_of(2);
        let count = MANY + usize::from(joins);
        let pushed = self.is_pushed.then(|| hosts(count));
        let (computed, begun) = (cpu(), Instant::now());
        match pushed {
            Some(hosts) => self.provider.replace(&hosts).unwrap(),
            None => println!("{}", if joins { JOIN } else { LEAVE }),
        }
        while self.balancer.count() != count {
            assert!(begun.elapsed() < LIMIT, "not seen: {:?}", self.balancer.list_error());
            std::thread::sleep(look_every);
        }
        (begun.elapsed(), cpu() - computed)
    }
}

fn hosts(count: usize) -> Vec<Host> {
    (0..count).map(|number| Host::new(&address(number), 80)).collect()
}

/// The most that was resident so far, in bytes.
fn most_resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn millis(duration: Duration) -> f64 {
    1e3 * duration.as_secs_f64()
}

const MIB: f64 = 1_048_576.0;
/// Half of them joins. Even, so that the list is the first one again.
const CHANGES: usize = 20;
const LIMIT: Duration = ms(60_000);
/// What only the first list needed is given back by then.
const SETTLES: Duration = ms(500);
/// Twice `coalesce`.
const QUIET: Duration = ms(100);
/// How exactly an update is timed.
const LOOK_OFTEN: Duration = Duration::from_micros(200);
/// Where CPU is counted, so that looking costs none.
const LOOK_SELDOM: Duration = ms(20);
const REST: Duration = ms(8000);
