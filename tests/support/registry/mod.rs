//! Registries that tests register services in.

#[cfg(feature = "xds")]
pub mod ads;
mod churn;
pub mod consul;
pub mod daemon;
pub mod etcd;
mod forked;
pub mod kubernetes;
pub mod zookeeper;

pub use churn::churn;
pub use forked::forked;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::{Balancer, ms};

/// Before this what is to be seen is seen, also on a machine that does something else.
pub const SOON: Duration = ms(20_000);

/// The ports of a balancer's endpoints.
pub fn ports(balancer: &Balancer) -> BTreeSet<u16> {
    // The list may grow shorter meanwhile.
    let endpoints = (0..balancer.count()).filter_map(|index| balancer.at(index).ok());
    endpoints.map(|endpoint| endpoint.port()).collect()
}

/// Waits until these are a balancer's endpoints; how long that took.
pub fn sees(balancer: &Balancer, expected: &[u16], within: Duration) -> Duration {
    let (expected, begun): (BTreeSet<u16>, _) =
        (expected.iter().copied().collect(), Instant::now());
    loop {
        let found = ports(balancer);
        if found == expected {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < within,
            "not within {within:?}: {found:?} are to be {expected:?}"
        );
        std::thread::sleep(ms(1));
    }
}

/// The most memory that this process holds now, in KiB.
pub fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How long this process has computed, all its threads together.
pub fn cpu() -> Duration {
    // SAFETY: room for one answer, which is plain numbers.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage), 0);
        usage
    };
    let of = |time: libc::timeval| {
        Duration::new(time.tv_sec.cast_unsigned(), time.tv_usec.cast_unsigned() as u32 * 1000)
    };
    of(usage.ru_utime) + of(usage.ru_stime)
}
