//! The hosts of a cluster's assignment (EDS), with gRPC's rules for what Envoy leaves to its configuration (A27, A37).

use std::collections::HashMap;

use crate::discovery::wire::Entries;
use crate::discovery::wire::protobuf::{
    ClusterLoadAssignment, LbEndpoint, Locality, LocalityLbEndpoints, UInt32Value,
};
use crate::endpoint::Host;

/// The hosts that take calls, and the endpoints that were passed over because something is wrong with them.
///
/// An endpoint takes calls where its health is `HEALTHY` or unknown. Where a locality of a priority has a weight, each
/// locality's endpoints share what it gets by their own weights, and localities without one get nothing; where none has,
/// the endpoints' own weights count.
pub(super) fn hosts(assignment: &ClusterLoadAssignment) -> Entries {
    let mut entries = Entries::default();
    let levels = levels(assignment);
    for locality in &assignment.endpoints {
        let level = &levels[&locality.priority];
        let share = weight(locality.load_balancing_weight, 0);
        if level.is_weighted && share == 0 {
            continue;
        }
        let sum = own_sum(locality);
        for endpoint in locality.lb_endpoints.iter().filter(|it| is_usable(it)) {
            let own = weight(endpoint.load_balancing_weight, 1);
            let weight = match level.is_weighted {
                true => scaled(share, own, sum, level.most),
                false => own,
            };
            entries.add(host(endpoint, locality, weight).map(Some));
        }
    }
    entries
}

/// What the localities of one priority have in common.
#[derive(Default)]
struct PriorityWeights {
    /// Whether one of them has a weight.
    is_weighted: bool,
    /// The most that the weights of one's endpoints sum up to.
    most: u64,
}

fn levels(assignment: &ClusterLoadAssignment) -> HashMap<u32, PriorityWeights> {
    let mut levels: HashMap<u32, PriorityWeights> = HashMap::new();
    for locality in &assignment.endpoints {
        let level = levels.entry(locality.priority).or_default();
        level.is_weighted |= weight(locality.load_balancing_weight, 0) > 0;
        level.most = level.most.max(own_sum(locality));
    }
    levels
}

/// UNKNOWN and HEALTHY.
fn is_usable(endpoint: &LbEndpoint) -> bool {
    matches!(endpoint.health_status, 0 | 1)
}

fn weight(stated: Option<UInt32Value>, default: u32) -> u32 {
    stated.map_or(default, |it| it.value)
}

/// The weights of a locality's endpoints that take calls.
fn own_sum(locality: &LocalityLbEndpoints) -> u64 {
    let usable = locality.lb_endpoints.iter().filter(|it| is_usable(it));
    usable.map(|it| u64::from(weight(it.load_balancing_weight, 1))).sum()
}

/// `own / sum` of the locality's `share`, in parts that are fine enough for the largest locality.
fn scaled(share: u32, own: u32, sum: u64, most: u64) -> u32 {
    let exact = u128::from(share) * u128::from(own) * u128::from(most) / u128::from(sum.max(1));
    u32::try_from(exact).unwrap_or(u32::MAX).max(own.min(1))
}

fn host(
    endpoint: &LbEndpoint,
    locality: &LocalityLbEndpoints,
    weight: u32,
) -> Result<Host, &'static str> {
    let address = endpoint.endpoint.as_ref().and_then(|it| it.address.as_ref());
    let socket = address.and_then(|it| it.socket_address.as_ref());
    let socket = socket.filter(|it| it.protocol == 0).ok_or("an endpoint without a TCP address")?;
    let port = u16::try_from(socket.port_value).map_err(|_| "an endpoint's port is not valid")?;
    let mut host = Host::registered(&socket.address, port)
        .map_err(|_| "an endpoint's address is not valid")?;
    host.weight = weight;
    host.priority = locality.priority.min(LAST);
    host.zone = locality.locality.as_ref().and_then(zone);
    Ok(host)
}

/// xDS allows priorities up to 128; the library has 128 of them.
const LAST: u32 = 127;

/// The zone, or what there is of its place otherwise.
fn zone(locality: &Locality) -> Option<String> {
    let parts = [&locality.zone, &locality.region, &locality.sub_zone];
    parts.into_iter().find(|part| !part.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::wire::protobuf::{Address, Endpoint, SocketAddress};

    fn endpoint(port: u32, health_status: i32, weight: Option<u32>) -> LbEndpoint {
        let socket =
            SocketAddress { protocol: 0, address: "10.0.0.1".to_owned(), port_value: port };
        let address = Some(Address { socket_address: Some(socket) });
        LbEndpoint {
            endpoint: Some(Endpoint { address }),
            health_status,
            load_balancing_weight: weight.map(|value| UInt32Value { value }),
        }
    }

    fn locality(
        priority: u32,
        weight: Option<u32>,
        lb_endpoints: Vec<LbEndpoint>,
    ) -> LocalityLbEndpoints {
        let locality = Locality { zone: format!("z{priority}"), ..Locality::default() };
        LocalityLbEndpoints {
            locality: Some(locality),
            lb_endpoints,
            load_balancing_weight: weight.map(|value| UInt32Value { value }),
            priority,
        }
    }

    fn of(endpoints: Vec<LocalityLbEndpoints>) -> (Vec<(u16, u32, u32)>, usize) {
        let cluster_name = "web".to_owned();
        let Entries { hosts, skipped } = hosts(&ClusterLoadAssignment { cluster_name, endpoints });
        let told = hosts.iter().map(|host| (host.port, host.weight, host.priority)).collect();
        (told, skipped.count)
    }

    #[test]
    fn endpoints_that_are_healthy_or_unknown_with_their_weights() {
        let all = (0..6).map(|health| endpoint(80 + health, health as i32, Some(health + 3)));
        assert_eq!(of(vec![locality(2, None, all.collect())]).0, [(80, 3, 2), (81, 4, 2)]);
        assert_eq!(of(vec![locality(0, None, vec![endpoint(80, 0, None)])]).0, [(80, 1, 0)]);
    }

    #[test]
    fn localities_share_by_their_weights_whatever_their_number_of_endpoints() {
        let one = locality(0, Some(1), vec![endpoint(80, 0, None)]);
        let many = locality(0, Some(1), (1..=4).map(|port| endpoint(port, 1, None)).collect());
        let none = locality(0, None, vec![endpoint(90, 0, None)]);
        let other = locality(1, None, vec![endpoint(91, 0, Some(7))]);
        let told = of(vec![one, many, none, other]).0;
        assert_eq!(told, [(80, 4, 0), (1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 0), (91, 7, 1)]);
    }

    #[test]
    fn p15_bad_endpoints_are_passed_over() {
        let mut without = endpoint(80, 0, None);
        without.endpoint = None;
        let mut named = endpoint(81, 0, None);
        let address = named.endpoint.as_mut().and_then(|it| it.address.as_mut());
        address.and_then(|it| it.socket_address.as_mut()).unwrap().address = "a b".to_owned();
        let all = vec![without, named, endpoint(70_000, 0, None), endpoint(82, 0, None)];
        assert_eq!(of(vec![locality(0, None, all)]), (vec![(82, 1, 0)], 3));
    }

    #[test]
    fn p23_weights_of_any_size_do_not_overflow() {
        let most = Some(u32::MAX);
        let one = locality(0, most, vec![endpoint(80, 0, most), endpoint(81, 0, most)]);
        let other = locality(500, most, vec![endpoint(82, 0, Some(0))]);
        let told = of(vec![one, other]).0;
        assert_eq!(told, [(80, u32::MAX, 0), (81, u32::MAX, 0), (82, 0, 127)]);
    }
}
