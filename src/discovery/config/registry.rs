//! How a registry is reached, and by which credentials it is asked.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How a registry is reached, and by which credentials it is asked.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// Whether the registry speaks TLS.
    pub tls: bool,
    /// A file of certificates in PEM that are trusted instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// A file with the client's certificate chain in PEM.
    pub cert_file: Option<PathBuf>,
    /// A file with its private key in PEM.
    pub key_file: Option<PathBuf>,
    /// What is sent as a bearer token.
    pub token: Option<Secret>,
    /// A file with the token, read again within a minute.
    pub token_file: Option<PathBuf>,
    /// The user's name.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// Limit on resolving, TCP and TLS together, and how long an answer is waited for before another server is asked as
    /// well; default 5 s.
    pub connect_timeout: Duration,
    /// How long an answer may take, and a stream bring nothing before it is taken for dead; default 60 s.
    pub silence: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            tls: false,
            ca_file: None,
            cert_file: None,
            key_file: None,
            token: None,
            token_file: None,
            username: None,
            password: None,
            connect_timeout: Duration::from_secs(5),
            // Registries send something at least twice a minute where they are asked to.
            silence: Duration::from_secs(60),
        }
    }
}

/// Text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` from being shown.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the registry alone.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// What stands in place of a secret.
pub const HIDDEN: &str = "***";
