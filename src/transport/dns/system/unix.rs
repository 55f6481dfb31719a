//! Two files.

use std::path::PathBuf;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::system_conf::parse_resolv_conf;

/// Names with addresses.
pub(in crate::transport::dns) fn hosts() -> PathBuf {
    "/etc/hosts".into()
}

/// The name servers.
pub(in crate::transport::dns) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The name servers that the bytes of `resolv.conf` name.
pub(in crate::transport::dns) fn configuration(
    resolv_conf: &[u8],
) -> Result<(ResolverConfig, ResolverOpts), NetError> {
    parse_resolv_conf(resolv_conf)
}
