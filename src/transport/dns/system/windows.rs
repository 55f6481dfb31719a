//! A file, and the network adapters.

use std::path::PathBuf;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::system_conf::read_system_conf;

use crate::runtime::files::system_folder;

/// Names with addresses.
pub(in crate::transport::dns) fn hosts() -> PathBuf {
    system_folder().join(r"drivers\etc\hosts")
}

/// There is none; nothing tells that the adapters' name servers changed, but failing ones are asked for anew.
pub(in crate::transport::dns) const RESOLV_CONF: &str = "";

/// The name servers of all adapters.
pub(in crate::transport::dns) fn configuration(
    _: &[u8],
) -> Result<(ResolverConfig, ResolverOpts), NetError> {
    Ok(read_system_conf()?)
}
