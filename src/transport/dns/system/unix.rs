//! Two files.

use std::path::PathBuf;

use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::parse_resolv_conf;

use super::resolv_conf;
use crate::transport::dns::settings::Settings;

/// Names with addresses.
pub(in crate::transport::dns) fn hosts() -> PathBuf {
    "/etc/hosts".into()
}

/// The name servers.
pub(in crate::transport::dns) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The name servers that the bytes of `resolv.conf` name.
pub(in crate::transport::dns) fn settings(resolv_conf: &[u8]) -> Settings {
    resolv_conf::settings(resolv_conf, own_domain)
}

/// What follows the first dot of the host's own name. Hickory takes it where a file has no domain.
fn own_domain() -> Option<Name> {
    let (config, _) = parse_resolv_conf("nameserver 127.0.0.1\n").ok()?;
    config.domain().cloned()
}
