//! What a control plane sends, with what must hold for any of it; only in builds for fuzzing and in unit tests.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use prost::Message;

use super::assignment::hosts;
use crate::discovery::wire::Entries;
use crate::discovery::wire::grpc::{self, Status};
use crate::discovery::wire::protobuf::{
    ASSIGNMENT, ClusterLoadAssignment, DiscoveryResponse, LbEndpoint, LocalityLbEndpoints,
};

/// A stream of messages: the same come out however it is cut, and each reads the same when it is written out.
pub fn stream(piece: usize, bytes: &[u8]) {
    let found = messages(piece, bytes);
    assert_eq!(found, messages(bytes.len().max(1), bytes));
    let mut written = Vec::new();
    found.iter().for_each(|message| written.extend_from_slice(&grpc::frame(message)));
    assert!(bytes.starts_with(&written));
    for message in found {
        let Ok(response) = DiscoveryResponse::decode(message) else { continue };
        let assignments = response.resources.iter().filter(|it| it.type_url == ASSIGNMENT);
        for resource in assignments {
            let Ok(assignment) = ClusterLoadAssignment::decode(resource.value.clone()) else {
                continue;
            };
            let again = ClusterLoadAssignment::decode(&*assignment.encode_to_vec());
            assert_eq!(again.as_ref(), Ok(&assignment));
            looked_at(&assignment);
        }
    }
}

fn messages(piece: usize, bytes: &[u8]) -> Vec<Bytes> {
    let (mut received, mut found) = (BytesMut::new(), Vec::new());
    for part in bytes.chunks(piece) {
        received.extend_from_slice(part);
        loop {
            match grpc::message(&mut received) {
                Ok(Some(message)) => found.push(message),
                Ok(None) => break,
                Err(_) => return found,
            }
        }
    }
    found
}

fn is_usable(endpoint: &&LbEndpoint) -> bool {
    endpoint.health_status == 0 || endpoint.health_status == 1
}

/// Each endpoint that takes calls is a host or passed over, those of a locality in the order of their weights, and
/// localities share as theirs say.
fn looked_at(assignment: &ClusterLoadAssignment) {
    let Entries { hosts, skipped } = hosts(assignment);
    let share = |it: &LocalityLbEndpoints| it.load_balancing_weight.map_or(0, |it| it.value);
    let is_weighted = |priority: u32| {
        assignment.endpoints.iter().any(|it| it.priority == priority && share(it) > 0)
    };
    let used: Vec<_> = assignment
        .endpoints
        .iter()
        .filter(|it| !is_weighted(it.priority) || share(it) > 0)
        .collect();
    let usable = used.iter().flat_map(|it| it.lb_endpoints.iter().filter(is_usable)).count();
    assert_eq!(hosts.len() + skipped.count, usable);
    if skipped.count > 0 {
        return;
    }
    let mut made = hosts.iter();
    for locality in used {
        let mut before: Option<(u32, u32)> = None;
        for endpoint in locality.lb_endpoints.iter().filter(is_usable) {
            let host = made.next().expect("its host");
            assert_eq!(host.priority, locality.priority.min(127));
            let own = endpoint.load_balancing_weight.map_or(1, |it| it.value);
            assert_eq!(own == 0, host.weight == 0, "a weight of 0 drains");
            if !is_weighted(locality.priority) {
                assert_eq!(host.weight, own);
            }
            if let Some((other, weight)) = before {
                assert!(other > own || weight <= host.weight, "{host:?}");
                assert!(other < own || weight >= host.weight, "{host:?}");
            }
            before = Some((own, host.weight));
        }
    }
}

/// The end of a call: what the server says of it is short and has no control character.
pub fn status(code: &[u8], message: &[u8]) {
    let mut headers = HeaderMap::new();
    for (name, value) in [("grpc-status", code), ("grpc-message", message)] {
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.insert(name, value);
    }
    let Some(status) = Status::of(&headers) else { return };
    assert!(!status.message.chars().any(char::is_control), "{:?}", status.message);
    let text = status.text();
    assert!(!text.is_empty() && text.chars().count() <= 250, "{text}");
}
