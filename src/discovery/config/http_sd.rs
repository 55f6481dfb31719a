//! How a document is asked for over HTTP.

use std::time::Duration;

/// How a document is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpSdConfig {
    /// How often; default 30 s.
    pub refresh: Duration,
}

impl Default for HttpSdConfig {
    fn default() -> Self {
        // Prometheus asks once a minute, for what it scrapes as often.
        Self { refresh: Duration::from_secs(30) }
    }
}
