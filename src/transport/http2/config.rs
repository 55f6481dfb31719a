//! How connections of HTTP/2 are made and kept.

use std::sync::Arc;
use std::time::Duration;

use super::pool::Bounds;
use crate::endpoint::{Endpoint, Scheme};
use crate::transport::direct_config::DirectConfig;
use crate::transport::tls::AlpnProtocols;
use crate::transport::wire::Stream;

/// What the connections of a [`Multiplexed`](super::multiplexed::Multiplexed) have in common.
#[derive(Clone, Debug)]
pub struct MultiplexedConfig {
    /// How connections are made, and how long they are kept; the rest is for those of HTTP/1.1.
    pub direct: Arc<DirectConfig>,
    /// Speak HTTP/2 unasked, also without TLS; otherwise only where TLS agrees on it. Default false.
    pub prior_knowledge: bool,
    /// How many connections to one endpoint there may be; default 4. A further one is made when the streams
    /// of the others are used up.
    pub max_connections: usize,
    /// After how long a silence the peer is pinged, also while nobody calls; default 10 s.
    pub ping_interval: Duration,
    /// How long it may then be silent before the connection is closed; default 5 s.
    pub ping_timeout: Duration,
}

impl MultiplexedConfig {
    /// The defaults.
    #[must_use]
    pub fn new(direct: Arc<DirectConfig>) -> Self {
        Self {
            direct,
            prior_knowledge: false,
            max_connections: MAX_CONNECTIONS,
            ping_interval: PING_INTERVAL,
            ping_timeout: PING_TIMEOUT,
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        let idle_timeout = self.direct.idle_timeout;
        Bounds { max_connections: self.max_connections, idle_timeout }
    }

    pub(super) fn alpn(&self) -> AlpnProtocols {
        if self.prior_knowledge { AlpnProtocols::Http2 } else { AlpnProtocols::Either }
    }

    /// Without TLS there is nothing to agree by.
    pub(super) fn may_speak_http2(&self, endpoint: &Endpoint) -> bool {
        self.prior_knowledge || endpoint.scheme() == Scheme::Https
    }

    pub(super) fn is_http2(&self, stream: &Stream) -> bool {
        self.prior_knowledge || stream.protocol() == Some(b"h2")
    }
}

/// Beyond that a server says something with its limit on streams.
const MAX_CONNECTIONS: usize = 4;

/// Finds a dead peer within 15 s, and keeps the connection known to what lies between.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Far above any round trip.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
