//! What a scheme of URLs names, and which options it takes.

use std::sync::Arc;

use super::config::ProviderConfig;
use super::source::Source;

/// A scheme of URLs: what it names, which options it takes, and how its source is made.
#[derive(Debug)]
pub struct Scheme {
    /// What stands before `://`.
    pub name: &'static str,
    /// How a whole URL looks.
    pub form: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The keys of the options that it takes beside [`COMMON`].
    pub keys: &'static [&'static str],
    /// Makes the source.
    pub make: fn(&ProviderConfig) -> Result<Arc<dyn Source>, String>,
}

/// The keys of options that every source takes.
pub const COMMON: &[&str] = &["coalesce", "empty_hold", "max_stale", "snapshot"];

/// The keys of options for reaching a registry, for the sources that ask one.
pub const REGISTRY: &[&str] = &[
    "ca_file",
    "cert_file",
    "connect_timeout",
    "key_file",
    "password",
    "silence",
    "tls",
    "token",
    "token_file",
    "username",
];

impl Scheme {
    /// Whether it takes the option called `key`.
    #[must_use]
    pub fn takes(&self, key: &str) -> bool {
        COMMON.contains(&key) || self.keys.contains(&key)
    }
}
