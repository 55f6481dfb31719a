//! The name by which a client asks an xDS control plane.

/// The name by which a client asks an xDS control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XdsConfig {
    /// The node's id.
    pub node_id: Option<String>,
    /// The cluster that the node belongs to, not the one that it asks for.
    pub node_cluster: Option<String>,
}
