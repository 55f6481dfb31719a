//! How names are asked for.

use std::net::SocketAddr;
use std::time::Duration;

/// How a name is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsConfig {
    /// The servers that are asked; none for those of the system.
    pub servers: Vec<SocketAddr>,
    /// How long a server may take; default 2 s.
    pub timeout: Duration,
    /// Which addresses are wanted.
    pub family: Family,
    /// Over what is asked.
    pub transport: DnsTransport,
    /// The least time between two questions; default 1 s.
    pub min_ttl: Duration,
    /// How long an answer is believed at most; default 5 minutes.
    pub max_ttl: Duration,
}

/// Which addresses of a name are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both kinds.
    #[default]
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// Over what name servers are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsTransport {
    /// UDP, and TCP where an answer is cut or brings fewer records than before.
    #[default]
    Udp,
    /// TCP alone.
    Tcp,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            // A name server answers in a millisecond, or asks others, which takes a few hundred.
            timeout: Duration::from_secs(2),
            family: Family::Any,
            transport: DnsTransport::Udp,
            min_ttl: Duration::from_secs(1),
            // A zone that states a day is one whose names never moved so far.
            max_ttl: Duration::from_secs(300),
        }
    }
}
