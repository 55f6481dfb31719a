//! What the processor did meanwhile: for the library and its driver, the servers, the proxy, and everybody else
//! on the machine. A figure that was taken on a busy machine is marked.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::clock::{SECOND, now};

/// Shares of the whole machine, 0 to 1.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// The load, the library and its threads.
    pub(crate) driver: f64,
    /// The servers.
    pub(crate) servers: f64,
    /// The proxy, where there is one.
    pub(crate) proxy: f64,
    /// Whatever else runs.
    pub(crate) others: f64,
}

/// Asks to come before others on a machine that has other work, servers and proxies included: what is started from
/// here on inherits it. Whether that was allowed.
///
/// The lowest real-time priority: a better nice value still waits for milliseconds where others build something,
/// and such waits are longer than what is measured. The kernel keeps a part of each second for others all the same.
pub(crate) fn come_first() -> bool {
    let lowest = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter is a local.
    (unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &raw const lowest) }) == 0
}

/// Ends this process when its parent ends, in whatever way.
pub(crate) fn end_with_parent() {
    // SAFETY: plain numbers.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Counters at a moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    at: u64,
    own: f64,
    children: Vec<f64>,
    machine: f64,
}

impl Snapshot {
    /// Reads all counters; the processes are the servers and then the proxy.
    pub(crate) fn take(processes: &[u32]) -> Self {
        Self {
            at: now(),
            own: process("self"),
            children: processes.iter().map(|id| process(&id.to_string())).collect(),
            machine: machine(),
        }
    }

    /// What was used since.
    pub(crate) fn until_now(&self, processes: &[u32]) -> Usage {
        let after = Self::take(processes);
        let seconds = (after.at - self.at) as f64 / SECOND as f64;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let share = |before: f64, after: f64| ((after - before) / (seconds * cores)).max(0.0);
        let child = |index: usize| {
            let (before, after) = (self.children.get(index), after.children.get(index));
            before.zip(after).map_or(0.0, |(before, after)| share(*before, *after))
        };
        let (driver, servers, proxy) = (share(self.own, after.own), child(0), child(1));
        let others = share(self.machine, after.machine) - driver - servers - proxy;
        // The kernel counts the whole machine and each process at different moments.
        let others = others.clamp(0.0, 1.0);
        Usage { driver, servers, proxy, others }
    }
}

/// Seconds that a process has used.
fn process(id: &str) -> f64 {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name may hold blanks; what follows its bracket does not.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: f64 = numbers(fields).skip(11).take(2).sum();
    ticks / ticks_per_second()
}

/// Seconds that all processors were busy, taken by other guests included.
fn machine() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("cpu ");
    let fields: Vec<f64> = numbers(line).take(8).collect();
    let idle = [3, 4].iter().filter_map(|index| fields.get(*index)).sum::<f64>();
    (fields.iter().sum::<f64>() - idle) / ticks_per_second()
}

fn numbers(text: &str) -> impl Iterator<Item = f64> {
    text.split_whitespace().map(|word| word.parse().unwrap_or_default())
}

fn ticks_per_second() -> f64 {
    // SAFETY: a plain number.
    (unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_own_use() {
        let before = Snapshot::take(&[]);
        let until = now() + SECOND / 5;
        let mut sum = 0u64;
        while now() < until {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let usage = before.until_now(&[]);
        assert!(usage.driver > 0.0 && usage.driver <= 1.1, "{usage:?}");
        assert_eq!(usage.servers, 0.0);
    }
}
