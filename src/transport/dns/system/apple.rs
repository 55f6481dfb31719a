//! A file, and the system's own store of settings.

use std::path::PathBuf;

use super::store;
use crate::transport::dns::settings::Settings;

/// Names with addresses.
pub(in crate::transport::dns) fn hosts() -> PathBuf {
    "/etc/hosts".into()
}

/// The system writes it anew when the name servers change, which is all it is looked at for.
pub(in crate::transport::dns) const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The name servers of the store.
pub(in crate::transport::dns) fn settings(_: &[u8]) -> Settings {
    store::settings()
}
