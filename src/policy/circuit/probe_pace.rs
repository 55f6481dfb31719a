//! How often a client probes one endpoint.
//!
//! Short open waits bring an endpoint back soon, and are a flood in a large fleet: 10,000 clients that
//! probe once in three seconds send 3,333 requests a second to a host that is trying to get up. So
//! a client that has sent a probe sends the next one only after it has made enough calls: its
//! probes stay below a tenth of the share of calls that the endpoint would get. A busy client probes
//! as often as the open wait allows, a rare one once in 30 s.
//!
//! It holds while others serve. If nobody else admits, the call has no other way, and the open wait
//! alone decides.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// When one endpoint was last probed. Times are whole milliseconds since an origin that its callers share.
#[derive(Debug, Default)]
pub struct ProbePace {
    /// When, plus one; zero before the first.
    at: AtomicU64,
    /// How many calls had been counted then.
    calls: AtomicU64,
}

impl ProbePace {
    /// Not probed yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { at: AtomicU64::new(0), calls: AtomicU64::new(0) }
    }

    /// Forgets the last probe.
    pub fn forget(&self) {
        self.at.store(0, Relaxed);
    }

    /// Whether the next probe may go, with `calls` counted so far to `endpoints` endpoints.
    #[must_use]
    pub fn allows(&self, calls: u64, endpoints: usize, millis: u64) -> bool {
        let at = self.at.load(Relaxed);
        let made = calls.saturating_sub(self.calls.load(Relaxed));
        at == 0
            || made >= CALLS_PER_PROBE.saturating_mul(endpoints as u64)
            || millis.saturating_sub(at - 1) >= ALWAYS_EVERY_MS
    }

    /// A probe goes out.
    pub fn note(&self, calls: u64, millis: u64) {
        self.calls.store(calls, Relaxed);
        self.at.store(millis + 1, Relaxed);
    }
}

/// Of ten calls that the endpoint would get one is a probe.
const CALLS_PER_PROBE: u64 = 10;

/// A client with a call a minute is to see a recovery too.
const ALWAYS_EVERY_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_probe_goes_and_the_next_after_ten_times_the_share_of_one() {
        let pace = ProbePace::new();
        assert!(pace.allows(0, 3, 0));
        pace.note(7, 0);
        assert!(!pace.allows(36, 3, 29_999));
        assert!(pace.allows(37, 3, 1));
        pace.forget();
        assert!(pace.allows(7, 3, 1));
    }

    #[test]
    fn a_rare_caller_probes_once_in_30_s() {
        let pace = ProbePace::new();
        pace.note(0, 5);
        assert!(!pace.allows(1, 1000, 30_004));
        assert!(pace.allows(1, 1000, 30_005));
    }

    /// 10,000 clients with a call a second each, one of 20 hosts out: its share is 500 calls a second.
    #[test]
    fn a_fleet_stays_below_a_tenth_of_the_hosts_share() {
        let (mut probes, seconds) = (0, 300_u64);
        for client in 0..100_u64 {
            let pace = ProbePace::new();
            for second in 0..seconds {
                let millis = second * 1000 + client * 10;
                // The open wait's cap: a probe is due each three seconds.
                if second % 3 == 0 && pace.allows(second, 20, millis) {
                    pace.note(second, millis);
                    probes += 1;
                }
            }
        }
        let per_second = probes as f64 * 100.0 / seconds as f64;
        assert!(per_second < 400.0, "{per_second} of 3,333");
    }
}
