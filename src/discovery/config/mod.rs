//! What a provider is told: what it watches, how fresh its lists are, and how it reaches a registry.

mod consul;
mod dns;
mod entry;
mod etcd;
mod http_sd;
mod kubernetes;
mod registry;
mod xds;
mod zookeeper;

use std::path::PathBuf;

pub use consul::ConsulConfig;
pub use dns::{DnsConfig, DnsTransport, Family};
pub use entry::{EntryConfig, EntryForm, EntryPlace};
pub use etcd::EtcdConfig;
pub use http_sd::HttpSdConfig;
pub use kubernetes::KubernetesConfig;
pub use registry::{HIDDEN, RegistryConfig, Secret};
pub use xds::XdsConfig;
pub use zookeeper::ZooKeeperConfig;

use super::target::Target;
use crate::policy::FreshnessConfig;

/// What a provider is told.
#[derive(Clone, Debug, Default)]
pub struct ProviderConfig {
    /// The URL that says all that it was told; none where no URL does.
    pub url: Option<Secret>,
    /// What its URL names.
    pub target: Target,
    /// When a list applies, and for how long.
    pub freshness: FreshnessConfig,
    /// Where a function of the host runs that tells the list.
    pub callbacks: Callbacks,
    /// Where the last list is kept for a start while the registry is down; none where it is not.
    pub snapshot: Option<PathBuf>,
    /// How a registry is reached.
    pub registry: RegistryConfig,
    /// How names are asked for.
    pub dns: DnsConfig,
    /// What is taken of the entries of registries that hold keys and values.
    pub entry: EntryConfig,
    /// Which keys of etcd are wanted.
    pub etcd: EtcdConfig,
    /// Which instances of Consul are wanted.
    pub consul: ConsulConfig,
    /// How a document is asked for over HTTP.
    pub http_sd: HttpSdConfig,
    /// Where the API server of Kubernetes is, and which port of a service is meant.
    pub kubernetes: KubernetesConfig,
    /// The name by which a client asks an xDS control plane.
    pub xds: XdsConfig,
    /// How a session with ZooKeeper is kept.
    pub zookeeper: ZooKeeperConfig,
}

/// Where a function of the host runs that tells the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Callbacks {
    /// On the thread of the blocking call that needs the list, and for other calls on a thread of its own.
    #[default]
    Any,
    /// On a thread of its own always, so that a blocking call keeps its limit too.
    Thread,
    /// Only inside of library calls that the host makes itself: for hosts with one thread.
    Caller,
}
