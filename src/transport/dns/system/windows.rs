//! A file, and the network adapters.

use std::path::PathBuf;

use super::store;
use crate::runtime::files::system_folder;
use crate::transport::dns::settings::Settings;

/// Names with addresses.
pub(in crate::transport::dns) fn hosts() -> PathBuf {
    system_folder().join(r"drivers\etc\hosts")
}

/// There is none; nothing tells that the adapters' name servers changed, but failing ones are asked for anew.
pub(in crate::transport::dns) const RESOLV_CONF: &str = "";

/// The name servers of all adapters.
pub(in crate::transport::dns) fn settings(_: &[u8]) -> Settings {
    store::settings()
}
