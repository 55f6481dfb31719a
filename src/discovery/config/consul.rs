//! Which instances of a service in Consul are wanted.

/// Which instances are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsulConfig {
    /// The datacenter; none for that of the agent.
    pub datacenter: Option<String>,
    /// A tag that they have; none for any.
    pub tag: Option<String>,
    /// Only those whose checks all pass; otherwise those that warn too, with their weight for that.
    pub passing: bool,
}
