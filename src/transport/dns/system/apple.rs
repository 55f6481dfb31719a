//! A file, and the system's own store of settings.

use std::path::PathBuf;

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::system_conf::read_system_conf;

/// Names with addresses.
pub(in crate::transport::dns) fn hosts() -> PathBuf {
    "/etc/hosts".into()
}

/// The system writes it anew when the name servers change, which is all it is looked at for.
pub(in crate::transport::dns) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The name servers of the store.
pub(in crate::transport::dns) fn configuration(
    _: &[u8],
) -> Result<(ResolverConfig, ResolverOpts), NetError> {
    Ok(read_system_conf()?)
}
