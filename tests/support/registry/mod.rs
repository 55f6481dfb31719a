//! Registries that tests register services in.

#[cfg(feature = "xds")]
pub mod ads;
mod churn;
#[cfg(unix)]
pub mod consul;
#[cfg(unix)]
pub mod daemon;
#[cfg(unix)]
pub mod etcd;
pub mod folder;
#[cfg(unix)]
mod forked;
pub mod kubernetes;
#[cfg(unix)]
pub mod zookeeper;

pub use churn::churn;
#[cfg(unix)]
pub use forked::forked;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

pub use super::cpu;
use super::{Balancer, ms, resident};

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

/// The memory that this process holds now, in KiB.
pub fn resident_kib() -> u64 {
    resident() as u64 / 1024
}
