//! The messages of xDS that endpoint discovery needs, with the fields that are read.
//!
//! They are written out, so that no build needs protoc and no library carries the 6.7 MB that its generator makes of
//! all of xDS. A field that is not here is skipped, as protobuf has it. Names and numbers are those of
//! `envoy/service/discovery/v3/discovery.proto` and `envoy/config/endpoint/v3/`.

use prost::Message;

/// The type of [`ClusterLoadAssignment`] where it stands in an [`Any`].
pub(crate) const ASSIGNMENT: &str =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

/// The type of a [`Wrapped`] resource where it stands in an [`Any`].
pub(crate) const WRAPPED: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// What a client wants, and whether it took what came last.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DiscoveryRequest {
    /// The version that was taken last; empty on a new stream.
    #[prost(string, tag = "1")]
    pub(crate) version_info: String,
    /// The node that asks; on the first request of a stream.
    #[prost(message, optional, tag = "2")]
    pub(crate) node: Option<Node>,
    #[prost(string, repeated, tag = "3")]
    pub(crate) resource_names: Vec<String>,
    #[prost(string, tag = "4")]
    pub(crate) type_url: String,
    /// The nonce of the answer that this takes or refuses.
    #[prost(string, tag = "5")]
    pub(crate) response_nonce: String,
    /// Why it was refused.
    #[prost(message, optional, tag = "6")]
    pub(crate) error_detail: Option<Status>,
}

/// A client, as the control plane knows it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Node {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) cluster: String,
    #[prost(string, tag = "6")]
    pub(crate) user_agent_name: String,
    #[prost(string, tag = "7")]
    pub(crate) user_agent_version: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Status {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

/// Resources of one type, of one version.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DiscoveryResponse {
    #[prost(string, tag = "1")]
    pub(crate) version_info: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) resources: Vec<Any>,
    #[prost(string, tag = "4")]
    pub(crate) type_url: String,
    #[prost(string, tag = "5")]
    pub(crate) nonce: String,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: bytes::Bytes,
}

/// A resource with its name and version, as control planes may send it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Wrapped {
    #[prost(message, optional, tag = "2")]
    pub(crate) resource: Option<Any>,
}

/// The endpoints of a cluster.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ClusterLoadAssignment {
    #[prost(string, tag = "1")]
    pub(crate) cluster_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) endpoints: Vec<LocalityLbEndpoints>,
}

/// Those of one locality and priority.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LocalityLbEndpoints {
    #[prost(message, optional, tag = "1")]
    pub(crate) locality: Option<Locality>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) lb_endpoints: Vec<LbEndpoint>,
    #[prost(message, optional, tag = "3")]
    pub(crate) load_balancing_weight: Option<UInt32Value>,
    #[prost(uint32, tag = "5")]
    pub(crate) priority: u32,
}

/// Where endpoints stand.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Locality {
    #[prost(string, tag = "1")]
    pub(crate) region: String,
    #[prost(string, tag = "2")]
    pub(crate) zone: String,
    #[prost(string, tag = "3")]
    pub(crate) sub_zone: String,
}

/// One endpoint with its health and weight.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct LbEndpoint {
    #[prost(message, optional, tag = "1")]
    pub(crate) endpoint: Option<Endpoint>,
    /// 0 unknown, 1 healthy; all else is not to be used.
    #[prost(int32, tag = "2")]
    pub(crate) health_status: i32,
    #[prost(message, optional, tag = "4")]
    pub(crate) load_balancing_weight: Option<UInt32Value>,
}

/// Its address.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Endpoint {
    #[prost(message, optional, tag = "1")]
    pub(crate) address: Option<Address>,
}

/// A socket's, or one of a kind that is not used here, as a pipe's.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Address {
    #[prost(message, optional, tag = "1")]
    pub(crate) socket_address: Option<SocketAddress>,
}

/// Address and port.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SocketAddress {
    /// 0 is TCP.
    #[prost(int32, tag = "1")]
    pub(crate) protocol: i32,
    #[prost(string, tag = "2")]
    pub(crate) address: String,
    #[prost(uint32, tag = "3")]
    pub(crate) port_value: u32,
}

/// A number that may be left out.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct UInt32Value {
    #[prost(uint32, tag = "1")]
    pub(crate) value: u32,
}
