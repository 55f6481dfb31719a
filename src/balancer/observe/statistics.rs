//! What a balancer counts, as metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::history::History;
use super::status::Reason;
use crate::balancer::balancer::Balancer;
use crate::balancer::cluster_state::ClusterState;
use crate::balancer::member::{Member, OutReason};
use crate::balancer::roster::Roster;
use crate::policy::CircuitState;
use crate::statistics::{EndpointCounts, Family, ResultLabel, Sample, cluster_cells};

type Labels = Vec<(&'static str, String)>;

impl Balancer {
    /// All metrics of the balancer and its endpoints.
    #[must_use]
    pub fn metrics(&self) -> Vec<Family> {
        let (roster, cluster) = (self.roster(), self.cluster());
        let mut families = self.of_all(&roster);
        families.extend(counters(&cluster));
        families.extend(endpoints(&roster, &cluster));
        renew(&roster, &cluster);
        families
    }

    fn of_all(&self, roster: &Roster) -> Vec<Family> {
        let mut circuits = [0_u64; 3];
        let mut reasons = [0_u64; Reason::ALL.len()];
        self.each_with_reason(|member, reason| {
            circuits[member.state() as usize] += 1;
            reasons[reason as usize] += 1;
        });
        let circuit = |state: CircuitState, name: &str| {
            Sample::number(vec![("state", name.to_owned())], circuits[state as usize] as f64)
        };
        let by_reason = Reason::ALL.into_iter().map(|reason| {
            let label = vec![("state", reason.name().to_owned())];
            Sample::number(label, reasons[reason as usize] as f64)
        });
        let mut families = vec![
            Family::gauge(
                "ahoy_balancer_endpoints",
                "Endpoints by state; the sum is all that are known.",
                by_reason.filter(|_| !roster.is_empty()).collect(),
            ),
            Family::gauge(
                "ahoy_balancer_circuits",
                "Circuits by state.",
                vec![
                    circuit(CircuitState::Closed, "closed"),
                    circuit(CircuitState::Open, "open"),
                    circuit(CircuitState::HalfOpen, "half_open"),
                ],
            ),
        ];
        if let Some(age) = self.list_age() {
            families.push(Family::plain_gauge(
                "ahoy_balancer_list_age_seconds",
                "How long ago the provider told the present list.",
                age.as_secs_f64(),
            ));
        }
        families
    }
}

impl Member {
    /// What was counted of it alone, if it is shown.
    fn counts(&self) -> Option<EndpointCounts> {
        self.with_history(|history| history?.counts())
    }

    /// How many attempts ended since the last time, and whether it is shown; none before the first.
    fn take_recent(&self) -> Option<(u64, bool)> {
        self.with_history(|history| history?.take_recent())
    }

    /// Counts it alone from here on. A departed one leaves its place to others.
    fn show_alone(&self) {
        self.with_history(|history| match history {
            Some(history) if !self.has(OutReason::Departed) => history.leave_rest(),
            _ => self.cluster().series_limit.give_back(),
        });
    }

    /// Counts it with the rest from here on.
    fn show_with_rest(&self) {
        self.with_history(|history| history.is_some_and(History::join_rest));
    }
}

fn counters(cluster: &ClusterState) -> impl Iterator<Item = Family> {
    cluster_cells::FAMILIES.iter().map(|(name, help, counters)| {
        let samples = counters.iter().map(|(counter, label, value)| {
            let labels =
                if label.is_empty() { vec![] } else { vec![(*label, (*value).to_owned())] };
            Sample::number(labels, cluster.cells.get(*counter) as f64)
        });
        Family::counter(name, help, samples.collect())
    })
}

/// Each endpoint that is shown, and all others as one.
fn endpoints(roster: &Roster, cluster: &ClusterState) -> Vec<Family> {
    // One address and port may be listed for http and for https, and no two series have the same labels.
    let mut own: BTreeMap<Labels, (EndpointCounts, Option<u32>)> = BTreeMap::new();
    let mut rest_loads = None;
    for member in roster.members() {
        let in_flight = member.hot().counted_in_flight(member.slot());
        if in_flight.is_some_and(|it| it > 0) {
            member.begin_series();
        }
        let loads = match member.counts() {
            Some(counts) => {
                let (sum, loads) = own.entry(labels(member)).or_default();
                sum.merge(&counts);
                loads
            }
            None => &mut rest_loads,
        };
        *loads = in_flight.map_or(*loads, |it| Some(loads.unwrap_or(0) + it));
    }
    let own = own.into_iter().map(|(labels, (counts, in_flight))| (labels, counts, in_flight));
    let mut shown: Vec<_> = own.collect();
    let rest = cluster.series_limit.rest();
    if rest.durations.count() > 0 || rest_loads.is_some_and(|it| it > 0) {
        shown.push((vec![("server_address", "other".to_owned())], rest, rest_loads));
    }
    let durations = shown.iter().map(|(labels, counts, _)| (labels.clone(), counts.durations));
    let results = shown.iter().flat_map(|(labels, counts, _)| by_result(labels, counts));
    let loads = shown.iter().filter_map(|(labels, _, in_flight)| {
        Some(Sample::number(labels.clone(), f64::from((*in_flight)?)))
    });
    vec![
        Family::histogram(
            "ahoy_endpoint_request_duration_seconds",
            "How long the attempts of an endpoint took, whatever came of them.",
            durations,
        ),
        Family::counter(
            "ahoy_endpoint_attempts",
            "Attempts of an endpoint that ended, by how.",
            results.collect(),
        ),
        Family::gauge(
            "ahoy_endpoint_active_attempts",
            "Attempts in flight to an endpoint, where the balancer counts them.",
            loads.collect(),
        ),
    ]
}

fn labels(member: &Arc<Member>) -> Labels {
    let endpoint = member.endpoint();
    vec![
        ("server_address", endpoint.address().to_owned()),
        ("server_port", endpoint.port().to_string()),
    ]
}

fn by_result(labels: &Labels, counts: &EndpointCounts) -> Vec<Sample> {
    let sample = |result: ResultLabel| {
        let mut labels = labels.clone();
        labels.push(("result", result.name().to_owned()));
        Sample::number(labels, counts.of(result) as f64)
    };
    ResultLabel::ALL.map(sample).into()
}

/// Gives the places of the idlest endpoints to those of the rest that are twice as busy by now.
fn renew(roster: &Roster, cluster: &ClusterState) {
    let Some(_exchange) = cluster.series_limit.begin_exchange() else { return };
    let (mut shown, mut rest): (Vec<(u64, &Arc<Member>)>, Vec<_>) = (Vec::new(), Vec::new());
    for member in roster.members() {
        match member.take_recent() {
            Some((recent, true)) => shown.push((recent, member)),
            Some((recent, false)) if recent > 0 => rest.push((recent, member)),
            Some(_) | None => {}
        }
    }
    shown.sort_unstable_by_key(|(recent, _)| *recent);
    rest.sort_unstable_by_key(|(recent, _)| std::cmp::Reverse(*recent));
    let mut idlest = shown.into_iter();
    for (busy, member) in rest {
        if cluster.series_limit.grant() {
            member.show_alone();
            continue;
        }
        match idlest.next() {
            Some((idle, other)) if busy > 2 * idle => {
                other.show_with_rest();
                member.show_alone();
            }
            _ => break,
        }
    }
}
