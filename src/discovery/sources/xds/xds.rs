//! What is asked of the control plane, and what is taken of its answers.
//!
//! A new stream asks with an empty version, so that it gets everything whatever the server remembers; the list of the
//! stream before goes on serving. An answer that cannot be read is refused with its reason (NACK) and changes nothing.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use prost::Message;
use tokio::time::timeout;

use super::assignment;
use super::stream::{self, Pings, Stream, Target};
use crate::discovery::config::{ProviderConfig, RegistryConfig, XdsConfig};
use crate::discovery::source::{Session, SessionEnd, Source, UpdateChannel};
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::protobuf::{
    ASSIGNMENT, Any, ClusterLoadAssignment, DiscoveryRequest, DiscoveryResponse, Node, Status,
    WRAPPED, Wrapped,
};
use crate::discovery::wire::{self, RegistryCache, reach};
use crate::endpoint::bracketed;
use crate::transport::AlpnProtocols;

/// How long a control plane may take to name a cluster's endpoints (gRPC's rule).
const FIRST: Duration = Duration::from_secs(15);
/// From 20 s to 11 minutes; gRPC's servers allow a ping in five unless they are told otherwise.
const MOST_DOUBLINGS: u32 = 5;
/// Where control planes listen that state no port: istiod's without TLS.
const PORT: u16 = 15010;
const PATH: &str =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

pub(super) fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let mut servers = config.target.servers(PORT)?;
    let cluster = config.target.path.trim_start_matches('/');
    if cluster.is_empty() || servers.len() != 1 {
        return Err("wants one server and a cluster: xds://host:port/cluster".to_owned());
    }
    Ok(Arc::new(Xds {
        server: servers.remove(0),
        cluster: cluster.to_owned(),
        xds: config.xds.clone(),
        registry: config.registry.clone(),
        cache: Arc::default(),
        doublings: AtomicU32::new(0),
    }))
}

/// The next answer to what was asked. Answers of other types, which some control planes send unasked, are nobody's
/// matter.
async fn response(stream: &mut Stream) -> Result<DiscoveryResponse, SessionEnd> {
    loop {
        let response = DiscoveryResponse::decode(stream.next().await?)
            .map_err(|_| SessionEnd::Failed("an answer that is not xDS".to_owned()))?;
        if response.type_url.is_empty() || response.type_url == ASSIGNMENT {
            return Ok(response);
        }
    }
}

/// Waits for `response`, and tells where it is late; a control plane with much to do would begin anew with each stream.
async fn first<T>(response: impl Future<Output = T>, updates: &UpdateChannel) -> T {
    let mut response = pin!(response);
    match timeout(FIRST, response.as_mut()).await {
        Ok(response) => response,
        Err(_) => {
            updates.failing(format!("no endpoints of the cluster for {} s", FIRST.as_secs()));
            response.await
        }
    }
}

/// What a resource is, in its wrapping or without.
fn assignment(resource: &Any) -> Result<ClusterLoadAssignment, String> {
    let unread = || "a ClusterLoadAssignment that cannot be read".to_owned();
    let inner = match resource.type_url == WRAPPED {
        true => Wrapped::decode(resource.value.clone()).map_err(|_| unread())?.resource,
        false => None,
    };
    let resource = inner.as_ref().unwrap_or(resource);
    if resource.type_url != ASSIGNMENT {
        return Err("a resource that is no ClusterLoadAssignment".to_owned());
    }
    ClusterLoadAssignment::decode(resource.value.clone()).map_err(|_| unread())
}

/// The endpoints of one cluster.
#[derive(Debug)]
struct Xds {
    server: (String, u16),
    cluster: String,
    xds: XdsConfig,
    registry: RegistryConfig,
    cache: Arc<RegistryCache>,
    /// How often a server said that pings come too often.
    doublings: AtomicU32,
}

impl Source for Xds {
    fn watch<'a>(&'a self, context: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        Box::pin(self.session(context, updates))
    }

    fn describe(&self) -> String {
        format!("xds://{}:{}/{}", bracketed(&self.server.0), self.server.1, self.cluster)
    }
}

impl Xds {
    async fn session(&self, context: &SourceContext, updates: &UpdateChannel) -> SessionEnd {
        let authorization = match wire::http::authorization(&self.registry, &self.cache) {
            Ok(authorization) => authorization,
            Err(ended) => return ended,
        };
        let (registry, server) = (&self.registry, &self.server);
        let connected =
            reach::connect(registry, server, AlpnProtocols::Http2, context, &self.cache).await;
        let connection = match connected {
            Ok(connection) => connection,
            Err(ended) => return ended,
        };
        let scheme = if self.registry.tls { "https" } else { "http" };
        let origin = format!("{scheme}://{}:{}", bracketed(&server.0), server.1);
        let target = Target { origin: &origin, path: PATH, authorization };
        let holds = AtomicBool::new(false);
        let alive = || {
            if holds.load(Ordering::Relaxed) {
                updates.alive();
            }
        };
        let work = |stream| self.follow(stream, updates, &holds);
        let pings = self.pings();
        let ended = stream::call(connection, target, pings, alive, work).await;
        if stream::is_too_many_pings(&ended) {
            // As gRPC's clients do (A8): also for the sessions that come.
            self.doublings.fetch_add(1, Ordering::Relaxed);
        } else if !holds.load(Ordering::Relaxed) {
            self.cache.leave_address();
        }
        ended
    }

    fn pings(&self) -> Pings {
        let silence = self.registry.silence;
        let doublings = self.doublings.load(Ordering::Relaxed).min(MOST_DOUBLINGS);
        Pings { every: (silence / 3).saturating_mul(1 << doublings), patience: silence / 3 * 2 }
    }

    /// Asks, and takes or refuses each answer. `holds` says whether the last one that names the cluster was taken: then a
    /// server that is alive says that it still holds.
    async fn follow(
        &self,
        mut stream: Stream,
        updates: &UpdateChannel,
        holds: &AtomicBool,
    ) -> SessionEnd {
        let (mut asked, mut is_listed) = (self.request(), false);
        loop {
            if let Err(ended) = stream.send(&asked.encode_to_vec()).await {
                return ended;
            }
            let next = response(&mut stream);
            let response = match is_listed {
                true => next.await,
                false => first(next, updates).await,
            };
            let response = match response {
                Ok(response) => response,
                Err(ended) => return ended,
            };
            asked.node = None;
            asked.response_nonce.clone_from(&response.nonce);
            asked.error_detail = match self.take(&response, updates) {
                Ok(is_told) => {
                    is_listed |= is_told;
                    holds.fetch_or(is_told, Ordering::Relaxed);
                    asked.version_info = response.version_info;
                    None
                }
                Err(message) => {
                    holds.store(false, Ordering::Relaxed);
                    updates.failing(format!("an answer was refused: {message}"));
                    // INVALID_ARGUMENT.
                    Some(Status { code: 3, message })
                }
            };
        }
    }

    /// The first request of a stream.
    fn request(&self) -> DiscoveryRequest {
        let node = Node {
            id: self.xds.node_id.clone().unwrap_or_default(),
            cluster: self.xds.node_cluster.clone().unwrap_or_default(),
            user_agent_name: "libahoy".to_owned(),
            user_agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        DiscoveryRequest {
            node: Some(node),
            resource_names: vec![self.cluster.clone()],
            type_url: ASSIGNMENT.to_owned(),
            ..DiscoveryRequest::default()
        }
    }

    /// Tells the endpoints that the answer names; whether it names the cluster.
    fn take(&self, response: &DiscoveryResponse, updates: &UpdateChannel) -> Result<bool, String> {
        let mut found = None;
        for resource in &response.resources {
            let assignment = assignment(resource)?;
            if assignment.cluster_name == self.cluster {
                found = Some(assignment);
            }
        }
        let Some(assignment) = found else { return Ok(false) };
        // An assignment without any endpoint is meant; one whose endpoints are all unwell may be a fault.
        match assignment.endpoints.iter().all(|locality| locality.lb_endpoints.is_empty()) {
            true => updates.none(),
            false => assignment::hosts(&assignment).tell(updates),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_read_with_and_without_its_wrapping() {
        let web = ClusterLoadAssignment { cluster_name: "web".to_owned(), endpoints: Vec::new() };
        let any =
            |kind: &str, value: Vec<u8>| Any { type_url: kind.to_owned(), value: value.into() };
        let bare = any(ASSIGNMENT, web.encode_to_vec());
        let wrapped = Wrapped { resource: Some(bare.clone()) }.encode_to_vec();
        assert_eq!(assignment(&bare), Ok(web.clone()));
        assert_eq!(assignment(&any(WRAPPED, wrapped)), Ok(web));
        for wrong in [any("other", Vec::new()), any(WRAPPED, Vec::new()), any(WRAPPED, vec![255])] {
            assert!(assignment(&wrong).is_err(), "{wrong:?}");
        }
    }
}
