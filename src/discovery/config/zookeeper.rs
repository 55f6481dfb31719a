//! How a session with ZooKeeper is kept.

use std::time::Duration;

/// How a session with ZooKeeper is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZooKeeperConfig {
    /// After which silence either side gives the session up; default 15 s.
    pub session_timeout: Duration,
}

impl Default for ZooKeeperConfig {
    fn default() -> Self {
        // A ping goes out each third of it, and a server that stops is noticed after two: 10 s. 10,000 clients cost
        // their servers 2,000 pings a second.
        Self { session_timeout: Duration::from_secs(15) }
    }
}
