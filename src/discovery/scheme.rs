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
    /// Makes the source; [`Scheme::source`] checks first what all schemes have in common.
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
    /// The same in a build without the cargo feature `registries`: its source is not made, and so not linked.
    #[must_use]
    pub(super) const fn of_registry(self) -> Self {
        if cfg!(feature = "registries") { self } else { Self { make: left_out, ..self } }
    }

    /// The source that `config` names.
    ///
    /// # Errors
    /// The URL or its options name none, or do not go together; the text names them.
    pub fn source(&self, config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
        config.registry.check()?;
        (self.make)(config)
    }

    /// The cargo feature that its source needs and that this build is without.
    #[must_use]
    pub fn missing_feature(&self) -> Option<&'static str> {
        match self.name {
            "xds" if cfg!(not(feature = "xds")) => Some("xds"),
            "consul" | "etcd" | "http+sd" | "k8s" | "zk" if cfg!(not(feature = "registries")) => {
                Some("registries")
            }
            _ => None,
        }
    }

    /// Whether it takes the option called `key`.
    #[must_use]
    pub fn takes(&self, key: &str) -> bool {
        COMMON.contains(&key) || self.keys.contains(&key)
    }
}

fn left_out(_: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    Err("is not in this build of the library".to_owned())
}
