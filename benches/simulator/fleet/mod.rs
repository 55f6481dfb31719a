//! What a large fleet does to its service and to its registry with the defaults, and at which size each default must
//! change. Every endpoint is at 60 % of what it can do, so a fleet with more endpoints makes more calls.

mod checks;
mod connections;
mod outage;
mod page;
mod plot;
mod registry;

use crate::lab::Lab;
use connections::Connections;

/// A fleet and its service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    pub(crate) clients: u32,
    pub(crate) endpoints: u32,
    /// How many of the endpoints each client uses; none for all.
    pub(crate) subset: Option<u32>,
}

impl Fleet {
    const fn all(clients: u32, endpoints: u32) -> Self {
        Self { clients, endpoints, subset: None }
    }

    /// How many endpoints a client uses.
    pub(crate) fn used(self) -> u32 {
        self.subset.map_or(self.endpoints, |size| size.min(self.endpoints))
    }

    /// How many clients use an endpoint.
    pub(crate) fn clients_of_endpoint(self) -> f64 {
        f64::from(self.clients) * f64::from(self.used()) / f64::from(self.endpoints)
    }

    /// Calls a second of one client to one endpoint that it uses.
    pub(crate) fn pair_rate(self) -> f64 {
        CALLS_OF_ENDPOINT / self.clients_of_endpoint()
    }
}

/// A default, and the largest fleet with which it may stay.
pub(crate) struct Threshold {
    /// The option, or the rule where there is none.
    pub(crate) setting: &'static str,
    pub(crate) default: &'static str,
    /// What there may be so many of.
    pub(crate) of: &'static str,
    /// What bounds it.
    pub(crate) bound: &'static str,
    /// What to do beyond.
    pub(crate) beyond: &'static str,
    /// The largest of `SIZES` up to which it holds; the tests and the README say the same.
    pub(crate) stated: u32,
    holds: fn(u32) -> bool,
}

/// Every default that a fleet of up to 10,000 clients or endpoints meets.
pub(crate) const THRESHOLDS: [Threshold; 10] = [
    Threshold {
        setting: "subset",
        default: "off",
        of: "clients",
        bound: "1,000 connections at an endpoint",
        beyond: "subset = 20 or more",
        stated: 1000,
        holds: |it| Connections::of(Fleet::all(it, 1000)).at_endpoint <= 1000.0,
    },
    Threshold {
        setting: "subset",
        default: "off",
        of: "endpoints",
        bound: "1,000 descriptors of a client, near the usual limit of 1,024",
        beyond: "subset = 20 or more, or a higher limit on descriptors",
        stated: 1000,
        holds: |it| Connections::of(Fleet::all(1000, it)).of_client <= 1000.0,
    },
    Threshold {
        setting: "idle_timeout",
        default: "60 s",
        of: "clients",
        bound: "1 call in 100 without a kept connection",
        beyond: "subset, or a longer idle_timeout where the endpoints keep connections for longer",
        stated: 2000,
        holds: |it| Connections::of(Fleet::all(it, 1000)).handshakes_percent <= 1.0,
    },
    Threshold {
        setting: "health_check_interval",
        default: "off; 3 s in the profile resilient",
        of: "clients",
        bound: "400 checks a second at an endpoint, as many as the calls that it can do",
        beyond: "health_check_interval = clients / 400 s, or subset",
        stated: 1000,
        holds: |it| checks::when_well(Fleet::all(it, 1000)) <= CAPACITY,
    },
    Threshold {
        setting: "health_thresholds_out_interval",
        default: "off; 1 s in the profile resilient",
        of: "clients",
        bound: "400 checks a second at an endpoint that is trying to get up",
        beyond: "health_thresholds_out_interval = clients / 400 s, or subset",
        stated: 200,
        holds: |it| checks::when_out(Fleet::all(it, 1000)) <= CAPACITY * 1.02,
    },
    Threshold {
        setting: "retry_budget_floor, retry_budget_stock",
        default: "1 a second; 100",
        of: "clients of 20 endpoints",
        bound: "1.5 attempts a call while all endpoints answer 503 for 10 s",
        beyond: "retry_budget_floor = 0, and retry_budget_stock = calls of a client in a second",
        stated: 100,
        holds: |it| outage::attempts(it) <= 1.5,
    },
    Threshold {
        setting: "breaker_consecutive_failures",
        default: "5",
        of: "clients",
        bound: "half of its calls to an endpoint that answers 503, 5 to 10 s after it began",
        beyond: "subset: a client that calls an endpoint seldom learns of its failures late",
        stated: 200,
        holds: |it| outage::calls_to_faulty(it) <= CALLS_OF_ENDPOINT / 2.0,
    },
    Threshold {
        setting: "pauses of a source that failed",
        default: "full jitter, 500 ms to 32 s",
        of: "endpoints, for 10,000 clients of one registry",
        bound: "40 s from the registry's return until each client has its list, 1 Gbit/s",
        beyond: "several registries, or a cache before them: no pause makes the lists shorter",
        stated: 1000,
        holds: |it| registry::restart(MOST, it).all_served <= 40.0,
    },
    Threshold {
        setting: "a blocking query's wait",
        default: "60 s",
        of: "endpoints, for 10,000 clients of one registry",
        bound: "a tenth of the registry's line while nothing changes, 1 Gbit/s",
        beyond: "a source that watches, or a cache before the registry",
        stated: 200,
        holds: |it| registry::at_rest(MOST, it) <= registry::BYTES_PER_SECOND / 10.0,
    },
    Threshold {
        setting: "metrics_endpoints",
        default: "100",
        of: "clients",
        bound: "a million series of one service in a Prometheus",
        beyond: "metrics_endpoints = 1,000,000 / 21 / clients",
        stated: 200,
        holds: |it| f64::from(it) * 100.0 * SERIES_OF_ENDPOINT <= 1e6,
    },
];

/// Shows them all, and writes the page where a folder is given.
pub(crate) fn run(lab: &mut Lab, out: Option<&str>) {
    for threshold in &THRESHOLDS {
        let found = largest(threshold.holds);
        let what = format!("{} ({}): {}", threshold.setting, threshold.default, threshold.bound);
        let numbers =
            (format!("up to {} {}", threshold.stated, threshold.of), format!("up to {found}"));
        lab.note("F", what, numbers, found == threshold.stated, threshold.beyond);
    }
    let Some(out) = out else { return };
    let written = std::fs::create_dir_all(out)
        .and_then(|()| std::fs::write(format!("{out}/fleet.html"), page::page()));
    if let Err(error) = written {
        eprintln!("{out}/fleet.html: {error}");
    }
}

/// The largest size up to which it holds.
fn largest(holds: impl Fn(u32) -> bool) -> u32 {
    SIZES.into_iter().take_while(|size| holds(*size)).last().unwrap_or(0)
}

/// Fleets and services that are looked at.
pub(crate) const SIZES: [u32; 10] = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
pub(crate) const MOST: u32 = 10_000;
/// Calls a second that an endpoint of 4 slots and 10 ms can do.
pub(crate) const CAPACITY: f64 = 400.0;
/// Those that it gets.
pub(crate) const CALLS_OF_ENDPOINT: f64 = 240.0;
/// Lines of text about one endpoint in a snapshot.
const SERIES_OF_ENDPOINT: f64 = 21.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// At the size and at the next, as a whole search takes long without optimisation.
    #[test]
    fn each_default_holds_up_to_the_size_that_is_stated() {
        for Threshold { setting, bound, stated, holds, .. } in &THRESHOLDS {
            assert!(holds(*stated), "{setting} at {stated}: {bound}");
            let next = SIZES.into_iter().find(|size| size > stated);
            assert!(next.is_some_and(|next| !holds(next)), "{setting} above {stated}: {bound}");
        }
    }

    #[test]
    fn a_subset_makes_an_endpoint_know_as_many_clients_as_a_client_endpoints() {
        let fleet = Fleet { subset: Some(20), ..Fleet::all(MOST, MOST) };
        assert!((fleet.clients_of_endpoint() - 20.0).abs() < 1e-9);
        let found = Connections::of(fleet);
        assert!(found.at_endpoint <= 20.0 && found.of_client <= 20.0, "{found:?}");
        assert!(found.handshakes_percent < 0.1, "{found:?}");
        assert!(checks::when_well(fleet) < 1.0);
    }

    #[test]
    fn a_service_that_comes_back_is_not_held_down_by_its_clients() {
        for clients in [10, 1000] {
            let back = outage::back_after(clients);
            assert!(back <= 4.0, "{clients} clients: {back} s");
        }
    }
}
