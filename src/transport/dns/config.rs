//! How names are resolved for one client.

use std::time::Duration;

/// How names are resolved for one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameConfig {
    /// What is asked.
    pub service: NameService,
    /// For how long the last known addresses serve beyond their time to live, while the name service is silent or
    /// fails; [`Duration::MAX`] for ever.
    pub max_stale: Duration,
}

impl Default for NameConfig {
    fn default() -> Self {
        Self { service: NameService::Dns, max_stale: MAX_STALE }
    }
}

/// What is asked for the addresses of a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameService {
    /// `hosts`, then the servers of `resolv.conf`.
    #[default]
    Dns,
    /// The C library, which asks what the system is set up for.
    System,
}

/// RFC 8767 recommends one to three days.
const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
