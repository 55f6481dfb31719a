//! A cluster's endpoints from an xDS control plane: endpoint discovery (EDS) over the aggregated stream (ADS).

#[cfg(feature = "xds")]
mod assignment;
#[cfg(all(any(fuzzing, test), feature = "xds"))]
pub mod fuzzing;
#[cfg(feature = "xds")]
mod stream;
#[cfg(feature = "xds")]
mod xds;

use std::sync::Arc;

use crate::discovery::config::ProviderConfig;
use crate::discovery::scheme::Scheme;
use crate::discovery::source::Source;

/// Known without the feature as well, so that its absence is told.
pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "xds",
    form: "xds://host:port/cluster",
    purpose: "the endpoints of a cluster, from an xDS control plane (EDS over ADS)",
    keys: &[
        "ca_file",
        "cert_file",
        "connect_timeout",
        "key_file",
        "silence",
        "tls",
        "token",
        "token_file",
        "xds_node_cluster",
        "xds_node_id",
    ],
    make,
};

#[cfg(feature = "xds")]
fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    xds::make(config)
}

#[cfg(not(feature = "xds"))]
fn make(_: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    Err("is not in this build of the library".to_owned())
}
