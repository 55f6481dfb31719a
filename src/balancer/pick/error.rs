//! Why a call got no endpoint.

use std::time::Instant;

use crate::balancer::roster::Roster;

/// Why no endpoint could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PickError {
    /// How many endpoints are known.
    pub(crate) known: usize,
    /// How many of them are listed with a weight of 0.
    pub(crate) weightless: usize,
    /// How many have a circuit that is not closed.
    pub(crate) circuits: usize,
    /// When the next probe is due.
    pub(crate) retry_at: Option<Instant>,
    /// Some endpoints take calls, but are full, or a function of the host names none of them.
    pub(crate) some_admit: bool,
    /// Circuits admit, but each endpoint has as many attempts in flight as it may.
    pub(crate) full: bool,
    /// Some admit, but traffic is held back while the service recovers.
    pub(crate) held_back: bool,
    /// How many updates had ended well when the endpoints were looked at.
    pub(crate) updates_seen: u64,
}

impl PickError {
    pub(in crate::balancer) fn of(roster: &Roster) -> Self {
        let (known, weightless) = (roster.len(), roster.weightless());
        Self {
            known,
            weightless,
            circuits: 0,
            retry_at: None,
            some_admit: false,
            full: false,
            held_back: false,
            updates_seen: 0,
        }
    }

    /// What the caller is told.
    pub(crate) fn reason(self, now: Instant) -> String {
        if self.full {
            return "every endpoint has as many attempts in flight as it may".to_owned();
        }
        let probe = self.next_probe(now);
        match self.known - self.weightless {
            _ if self.held_back => HELD_BACK.to_owned(),
            0 if self.known > 0 => "every endpoint is listed with a weight of 0".to_owned(),
            0 => "no endpoint is known".to_owned(),
            _ if self.circuits == 0 => "no endpoint was picked".to_owned(),
            known if self.circuits < known => {
                format!(
                    "no endpoint was picked; of {known}, {} have an open circuit; {probe}",
                    self.circuits
                )
            }
            1 => format!("the circuit of the one endpoint is open; {probe}"),
            known => format!("all {known} circuits are open; {probe}"),
        }
    }

    fn next_probe(self, now: Instant) -> String {
        let wait = self.retry_at.map(|at| at.saturating_duration_since(now).as_millis());
        match wait {
            Some(wait) => format!("the next probe is due in {wait} ms"),
            None => "none will be probed by itself".to_owned(),
        }
    }
}

/// What a call is told that [`Recovery`](crate::policy::Recovery) holds back.
pub(crate) const HELD_BACK: &str = "held back while the service recovers from an outage";
