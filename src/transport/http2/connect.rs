//! How a connection of HTTP/2 is made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::MultiplexedConfig;
use super::keep_alive::KeepAlive;
use super::pool::{Dial, H2Pool};
use super::session::Session;
use crate::outcome::{Failure, FailureKind};
use crate::runtime::clock::timeout;
use crate::runtime::descriptors::Reserve;
use crate::transport::dial::{Dialler, not_connected};
use crate::transport::http1::direct::Direct;
use crate::transport::traffic::Traffic;

/// Makes one connection for all that wait for it. A task of its own: the exchange that asked first may be cut off
/// while the others still wait.
pub(super) async fn establish(
    dial: Dial,
    config: Arc<MultiplexedConfig>,
    direct: Arc<Direct>,
    met: Vec<SocketAddr>,
    limit: Duration,
) {
    let retires = config.direct.retirement();
    match connect(dial.pool(), &config, &direct, &met, limit).await {
        Ok(Some(session)) => dial.connected(session, retires),
        // Asked again with the next renewal: servers learn.
        Ok(None) => dial.speaks_http1(retires),
        Err(failure) => dial.failed(failure),
    }
}

/// `None` where the endpoint speaks HTTP/1.1, whose connection is then the other transport's, or wants that.
async fn connect(
    pool: &H2Pool,
    config: &MultiplexedConfig,
    direct: &Direct,
    met: &[SocketAddr],
    limit: Duration,
) -> Result<Option<Arc<Session>>, Failure> {
    let (begun, traffic, endpoint) = (Instant::now(), Traffic::default(), pool.endpoint());
    let enter = |phase| pool.enter(phase);
    let dialler = Dialler {
        endpoint,
        config: &config.direct,
        alpn: config.alpn(),
        met,
        traffic: traffic.clone(),
        limit,
        // A few carry all streams.
        reserve: Reserve::Used,
        enter: &enter,
    };
    let stream = dialler.dial().await.inspect_err(|failure| note_dial(pool, failure, &traffic))?;
    if !config.is_http2(&stream) {
        direct.adopt(endpoint, stream, traffic)?;
        return Ok(None);
    }
    let keep_alive = KeepAlive { interval: config.ping_interval, timeout: config.ping_timeout };
    let changed = Arc::clone(pool.changed());
    let left = limit.saturating_sub(begun.elapsed());
    let opening = timeout(left, Session::open(stream, traffic.clone(), keep_alive, changed));
    match opening.await.unwrap_or_else(|_| Err(not_connected(limit).into())) {
        Ok(session) => Ok(Some(session)),
        Err(stream_failure) if stream_failure.wants_http1 => Ok(None),
        Err(stream_failure) => {
            note_dial(pool, &stream_failure.failure, &traffic);
            Err(stream_failure.failure)
        }
    }
}

/// A peer that takes a connection and ends it at once, or speaks something else, is like one that ends it a moment later.
fn note_dial(pool: &H2Pool, failure: &Failure, traffic: &Traffic) {
    let ended = matches!(failure.kind, FailureKind::Connect | FailureKind::Protocol);
    if ended && traffic.written() > 0 {
        pool.note_unused(Instant::now());
    }
}
