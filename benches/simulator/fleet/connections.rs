//! The connections between a fleet and its service, kept by the library's own `idle_timeout`.
//!
//! Picks are even, so one client's calls to one endpoint are a Poisson process of their own, and each pair is
//! simulated alone.

use ahoy::config::ClientConfig;

use super::Fleet;
use crate::draws::{Draws, hash};
use crate::time::{Nanos, SECOND, nanos};

/// What the connections of a fleet come to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connections {
    /// At one endpoint, from all clients.
    pub(crate) at_endpoint: f64,
    /// Of one client, to all endpoints that it uses.
    pub(crate) of_client: f64,
    /// Of a hundred calls these find no kept connection.
    pub(crate) handshakes_percent: f64,
}

impl Connections {
    /// With the defaults, or with a subset.
    pub(crate) fn of(fleet: Fleet) -> Self {
        let (open, new) =
            kept(1.0 / fleet.pair_rate(), nanos(ClientConfig::default().idle_timeout));
        Self {
            at_endpoint: open * fleet.clients_of_endpoint(),
            of_client: open * f64::from(fleet.used()),
            handshakes_percent: 100.0 * new,
        }
    }
}

/// The share of time for which a pair has a connection, and the share of its calls that must make one.
fn kept(mean_pause: f64, idle_timeout: Nanos) -> (f64, f64) {
    let mut draws = Draws::new(hash(&[3, mean_pause.to_bits()]));
    let (mut open, mut new, mut all) = (0, 0, 0);
    for _ in 0..CALLS {
        let pause = draws.exponential(mean_pause * SECOND as f64);
        all += pause;
        open += pause.min(idle_timeout);
        new += u32::from(pause > idle_timeout);
    }
    (open as f64 / all.max(1) as f64, f64::from(new) / f64::from(CALLS))
}

const CALLS: u32 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_kept_as_the_closed_form_says() {
        for pause in [10.0, 60.0, 600.0] {
            let (open, new) = kept(pause, 60 * SECOND);
            let closed = (-60.0 / pause).exp();
            assert!((open - (1.0 - closed)).abs() < 0.01, "{pause}: {open}");
            assert!((new - closed).abs() < 0.01, "{pause}: {new}");
        }
    }
}
