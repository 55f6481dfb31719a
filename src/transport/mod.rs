//! Carries one attempt to one endpoint: the seam between deciding and the network.
//!
//! A transport translates and never decides: it is told where to go and how long it may take, and it
//! reports what happened in the words of [`crate::outcome`]. It repeats nothing on its own, except that a
//! kept connection found closed before it took any byte is replaced by a fresh one.

mod cause;
mod connection_stats;
mod connector;
mod content;
mod dial;
mod direct_config;
mod dns;
mod duplex;
mod expect;
mod failure;
mod frame;
mod http1;
mod http2;
mod progress;
mod proxy;
mod request;
mod socket_options;
mod tls;
mod trace;
mod traffic;
mod warm;
mod wire;

#[cfg(test)]
mod conformance;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::http::{HeaderMap, Method, StatusCode};
use bytes::Bytes;

use crate::body_source::BodyReader;
use crate::endpoint::Endpoint;
use crate::outcome::{Failure, FailureKind};
use crate::runtime::racy_lazy::RacyLazy;

pub use crate::transport::connector::{Connection, Connector};
pub use crate::transport::content::{PollInto, StreamedBody};
pub use crate::transport::direct_config::DirectConfig;
pub use crate::transport::dns::{
    LookupError, NameConfig, NameServers, NameService, RecordKind, Records, Resolver,
    ServiceRecord, Unanswered, resolver,
};
pub use crate::transport::http1::direct::Direct;
pub use crate::transport::http1::shard_pools::ShardPools;
#[cfg(not(feature = "http2"))]
pub(crate) use crate::transport::http2::multiplexed::Multiplexed;
#[cfg(feature = "http2")]
pub use crate::transport::http2::{config::MultiplexedConfig, multiplexed::Multiplexed};
pub use crate::transport::progress::Progress;
pub use crate::transport::proxy::ProxyConfig;
pub use crate::transport::trace::{WireEvent, WireKind, WireTrace};

pub(crate) use crate::transport::proxy::{Http, HttpConfig, Proxies};
pub use crate::transport::socket_options::{Overrides, SocketOptions};
pub use crate::transport::tls::{AlpnProtocols, CertificateFiles, KeyLogSink, Tls, TlsConfig};

/// Parsers of peers' bytes, for fuzz/.
#[cfg(any(fuzzing, test))]
pub mod fuzzing;

/// One attempt: what is sent, where to, and within which bounds.
pub struct Exchange<'a> {
    /// Where to send it.
    pub endpoint: &'a Arc<Endpoint>,
    /// The request's method.
    pub method: &'a Method,
    /// Path and query, starting with `/`.
    pub path: &'a str,
    /// All headers but `Host` (set from the endpoint's authority unless present), `Content-Length` and
    /// `Accept-Encoding`.
    pub headers: &'a HeaderMap,
    /// The request's body; empty for none.
    pub body: &'a Bytes,
    /// What the body is drawn from instead, while it is sent.
    pub source: Option<&'a BodyReader>,
    /// Limit on resolving, TCP and TLS together.
    pub connect_timeout: Duration,
    /// Whether another endpoint stands by for its call; asked where all connections that there may be are in use.
    pub stands_by: &'a (dyn Fn() -> bool + Sync),
    /// How long a body that is read whole may bring nothing; `None` for no limit but that of the attempt.
    pub body_idle_timeout: Option<Duration>,
    /// Bound on the decoded body of the answer, in bytes.
    pub max_body: usize,
    /// Ask for the encodings of [`content::ASKED`] and decode them.
    pub gzip: bool,
    /// Whether the body of an answer with this status is read piece by piece; `None` where none is.
    pub streams: Option<&'a (dyn Fn(StatusCode) -> bool + Sync)>,
    /// Whether a kept connection will not do, as the one that another attempt waits on may be dead.
    pub fresh: bool,
    /// The addresses over which attempts of its call have failed, or wait: others are better.
    pub met: &'a [SocketAddr],
    /// Tells, also after the attempt was dropped, how far it came.
    pub progress: &'a Progress,
}

impl<'a> Exchange<'a> {
    /// A GET of `path` beside the calls, for a check or a probe: no headers, no body, and an answer of at most
    /// `max_body` bytes, held whole.
    #[must_use]
    pub fn get(
        endpoint: &'a Arc<Endpoint>,
        path: &'a str,
        connect_timeout: Duration,
        max_body: usize,
        progress: &'a Progress,
    ) -> Self {
        static NO_HEADERS: RacyLazy<HeaderMap> = RacyLazy::new(HeaderMap::new);
        static NO_BODY: Bytes = Bytes::new();
        Self {
            endpoint,
            method: &Method::GET,
            path,
            headers: &NO_HEADERS,
            body: &NO_BODY,
            source: None,
            connect_timeout,
            stands_by: &|| true,
            body_idle_timeout: None,
            max_body,
            gzip: false,
            streams: None,
            fresh: false,
            met: &[],
            progress,
        }
    }
}

/// What an attempt is called that found no connection free.
pub(crate) fn stayed_in_use() -> Failure {
    Failure::unsent(FailureKind::Local, "all connections stayed in use")
}

impl Exchange<'_> {
    /// How long it waits for a connection where all that there may be are in use: they come free, so that it is as long as
    /// its call may take, unless that can go on elsewhere.
    pub(crate) fn connection_wait(&self) -> Duration {
        if (self.stands_by)() { self.connect_timeout } else { Duration::MAX }
    }

    /// Whether the answer's body is read piece by piece.
    fn is_streamed(&self, status: StatusCode) -> bool {
        self.streams.is_some_and(|streams| streams(status))
    }

    /// Whether the request has a body, which may turn out empty where it is drawn.
    fn has_body(&self) -> bool {
        self.source.is_some() || !self.body.is_empty()
    }

    /// Whether the request's body is, or may be, worth handing to the socket without a copy.
    fn has_large_body(&self) -> bool {
        let length = match self.source {
            None => Some(self.body.len() as u64),
            Some(source) => source.length(),
        };
        length.is_none_or(|length| length > LARGE_BODY)
    }

    /// Whether it matters over which of the endpoint's addresses it goes.
    #[inline]
    fn is_choosy(&self) -> bool {
        !self.met.is_empty() || self.endpoint.is_suspect()
    }

    /// Whether a connection to `address` is to be left, as another address of the endpoint is better.
    fn passes_over(&self, address: Option<SocketAddr>, now: Instant) -> bool {
        address.is_some_and(|address| self.endpoint.passes_over(address, self.met, now))
    }

    /// Whether nothing of the request's body is gone that could not be drawn again.
    fn can_repeat(&self) -> bool {
        self.source.is_none_or(BodyReader::can_repeat)
    }
}

impl fmt::Debug for Exchange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("endpoint", &self.endpoint.url())
            .field("method", self.method)
            .finish_non_exhaustive()
    }
}

/// An answer with its body, decoded: whole, or still to come.
#[derive(Debug, Default)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers; without `Content-Encoding` and `Content-Length` where the body was decoded.
    pub headers: HeaderMap,
    /// The decoded body; empty where it is still to come.
    pub body: Bytes,
    /// The body that is read piece by piece.
    pub live: Option<Box<StreamedBody>>,
    /// The URL to which redirects led, where any were followed.
    pub moved_to: Option<Arc<str>>,
}

impl Answer {
    /// The same with its body, which may have at most `max_body` bytes.
    ///
    /// # Errors
    /// The body has more, or breaks off.
    pub async fn whole(mut self, max_body: usize) -> Result<Self, Failure> {
        let Some(mut live) = self.live.take() else { return Ok(self) };
        let mut body = Vec::new();
        while let Some(piece) = live.next().await.transpose()? {
            if piece.len() > max_body - body.len() {
                let detail = format!("body above {max_body} bytes");
                return Err(Failure::sent(FailureKind::BodyTooLarge, detail));
            }
            body.extend_from_slice(&piece);
        }
        self.body = body.into();
        Ok(self)
    }
}

/// Sends one exchange and reads its answer: whole, or only its head where the exchange says so.
///
/// The attempt's own limit is the caller's: it drops the future. Dropping it drops the exchange, so that
/// the server sees the connection close.
pub trait Transport: Send + Sync {
    /// Carries out `exchange`.
    fn send(&self, exchange: &Exchange<'_>)
    -> impl Future<Output = Result<Answer, Failure>> + Send;
}

/// Copying less costs less than another buffer for the connection.
const LARGE_BODY: u64 = 32 * 1024;
