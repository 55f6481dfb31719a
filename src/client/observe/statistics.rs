//! What a client counts, as metrics, with those of its balancer.

use crate::client::core::Core;
use crate::client::route::Route;
use crate::statistics::counter::FAMILIES;
use crate::statistics::{
    CloseReason, Counter, Distribution, Family, Key, Sample, Snapshot, Totals,
};

type Labels = Vec<(&'static str, String)>;

impl Core {
    /// All metrics at this time.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let totals = self.statistics().totals();
        let mut families = self.durations(&totals);
        families.extend(self.gauges(&totals));
        families.extend(FAMILIES.iter().map(|(name, help, counters)| {
            let samples = counters.iter().map(|(counter, labels)| {
                let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned()));
                Sample::number(labels.collect(), totals.get(*counter) as f64)
            });
            Family::counter(name, help, samples.collect())
        }));
        if let Some(balancer) = self.route.balancer() {
            families.extend(balancer.metrics());
        }
        Snapshot::of_client(self.config.name.clone(), families)
    }

    fn durations(&self, totals: &Totals) -> Vec<Family> {
        let labelled = |(key, read): (&Key, &Distribution)| {
            let mut labels = key.labels();
            labels.extend(self.server());
            (labels, *read)
        };
        vec![
            Family::histogram(
                "http_client_request_duration_seconds",
                "How long attempts took, by OpenTelemetry's conventions.",
                totals.attempts.iter().map(labelled),
            ),
            Family::histogram(
                "ahoy_client_call_duration_seconds",
                "How long calls took, with all their attempts and waits.",
                totals.calls.iter().map(|(key, read)| (key.labels(), *read)),
            ),
        ]
    }

    /// The server of a client that has one.
    fn server(&self) -> Labels {
        match &self.route {
            Route::Base { endpoint, .. } => vec![
                ("server_address", endpoint.address().to_owned()),
                ("server_port", endpoint.port().to_string()),
            ],
            Route::Balanced(_) | Route::Absolute => Vec::new(),
        }
    }

    fn gauges(&self, totals: &Totals) -> Vec<Family> {
        let mut families = vec![
            Family::plain_gauge(
                "ahoy_client_active_calls",
                "Calls under way, those included that wait for room.",
                totals.calls_in_flight() as f64,
            ),
            connections(totals),
        ];
        if let Some((limit, waiting)) = self.admission().limit_and_waiting() {
            families.push(Family::plain_gauge(
                "ahoy_client_waiting_calls",
                "Calls that wait for room below the limit.",
                waiting as f64,
            ));
            families.push(Family::plain_gauge(
                "ahoy_client_calls_limit",
                "The present limit on calls under way.",
                f64::from(limit),
            ));
        }
        families
    }
}

/// The idle ones are those that were kept, and neither used again nor closed.
fn connections(totals: &Totals) -> Family {
    let closed: u64 = (0..CloseReason::COUNT).map(|it| totals.get(CloseReason::counter(it))).sum();
    let open = totals.get(Counter::ConnectionsOpened).saturating_sub(closed);
    let left = totals.get(Counter::ConnectionsReused) + totals.get(Counter::ClosedAtRest);
    let idle = totals.get(Counter::ConnectionsKept).saturating_sub(left).min(open);
    let sample = |state: &str, count: u64| {
        Sample::number(vec![("http_connection_state", state.to_owned())], count as f64)
    };
    Family::gauge(
        "http_client_open_connections",
        "Open connections by state, by OpenTelemetry's conventions.",
        vec![sample("active", open - idle), sample("idle", idle)],
    )
}
