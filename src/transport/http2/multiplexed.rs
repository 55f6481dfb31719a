//! HTTP/2 for calls that are balanced: few connections to an endpoint, each shared by many exchanges.
//!
//! It stands on h2 itself, for hyper's client does not tell how many streams a peer allows, so that further
//! requests would queue inside it, unsent and out of sight. What does not speak HTTP/2 is left to
//! [`Direct`].

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::{timeout, timeout_at};

use crate::endpoint::{Endpoint, Scheme};
use crate::outcome::{Failure, FailureKind};
use crate::phase::Phase;
use crate::runtime::descriptors::Reserve;

use super::keep_alive::KeepAlive;
use super::pool::{Acquire, Bounds, Dial, H2Pool, StreamRequest, StreamSlot};
use super::session::{self, Session};
use crate::transport::dial::{Dialler, not_connected, not_resolved};
use crate::transport::expect::{expects, is_unmet};
use crate::transport::http1::direct::{Direct, DirectConfig};
use crate::transport::request;
use crate::transport::tls::AlpnProtocols;
use crate::transport::traffic::Traffic;
use crate::transport::wire::Stream;
use crate::transport::{Answer, Exchange, Transport, stayed_in_use, warm};

/// What the connections of a [`Multiplexed`] have in common.
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

    fn bounds(&self) -> Bounds {
        let idle_timeout = self.direct.idle_timeout;
        Bounds { max_connections: self.max_connections, idle_timeout }
    }

    fn alpn(&self) -> AlpnProtocols {
        if self.prior_knowledge { AlpnProtocols::Http2 } else { AlpnProtocols::Either }
    }

    /// Without TLS there is nothing to agree by.
    fn may_speak_http2(&self, endpoint: &Endpoint) -> bool {
        self.prior_knowledge || endpoint.scheme() == Scheme::Https
    }

    fn is_http2(&self, stream: &Stream) -> bool {
        self.prior_knowledge || stream.protocol() == Some(b"h2")
    }
}

/// The transport of balanced calls over HTTP/2; one for each client and I/O thread.
///
/// Its connections are tasks of the runtime that it is used in, which must be one that is driven always.
/// Dropping it lets them end with their last stream.
pub struct Multiplexed {
    config: Arc<MultiplexedConfig>,
    direct: Arc<Direct>,
    pools: Arc<H2Pools>,
}

type H2Pools = Mutex<HashMap<usize, Arc<H2Pool>>>;

impl Multiplexed {
    /// A transport without connections.
    #[must_use]
    pub fn new(config: Arc<MultiplexedConfig>) -> Self {
        let direct = Arc::new(Direct::new(Arc::clone(&config.direct)));
        Self { config, direct, pools: Arc::default() }
    }

    /// Lets go of connections that are too old, idle for too long, closed by the peer, or to an endpoint
    /// that departed or that nobody else knows any more; those in use end with their last stream.
    ///
    /// Must be called every now and then, in the context of the runtime that drives the connections. Of very many over
    /// HTTP/1.1 some are left for the next time; whether that is so.
    #[allow(clippy::must_use_candidate, reason = "mostly the next time comes anyway")]
    pub fn sweep(&self) -> bool {
        let now = Instant::now();
        let idle_timeout = self.config.direct.idle_timeout;
        let mut pools = self.pools();
        let departed: Vec<_> = pools
            .extract_if(|_, pool| {
                let endpoint = pool.endpoint();
                let departed = endpoint.has_departed() || Arc::strong_count(endpoint) == 1;
                let left = pool.sweep(now, idle_timeout);
                if departed {
                    pool.departs();
                }
                !left || departed
            })
            .collect();
        drop(pools);
        drop(departed);
        self.direct.sweep()
    }

    /// Closes the connections that are in no use, in any context and on any thread; the others with their last stream.
    pub fn close(&self) {
        let pools = std::mem::take(&mut *self.pools());
        drop(pools);
        self.direct.close();
    }

    /// Opens connections in the background: one to each of `endpoints` that speaks HTTP/2, where exchanges share
    /// it, and `count` to the others; 256 in all, each within `limit`.
    pub fn warm(&self, endpoints: Vec<Arc<Endpoint>>, count: usize, limit: Duration) {
        let multiplexed = |endpoint: &Arc<Endpoint>| self.config.may_speak_http2(endpoint);
        let (mut shared, own): (Vec<_>, Vec<_>) = endpoints.into_iter().partition(multiplexed);
        self.direct.warm(own, count, limit);
        shared.truncate(warm::MOST);
        let config = Arc::clone(&self.config);
        let (pools, direct) = (Arc::downgrade(&self.pools), Arc::downgrade(&self.direct));
        warm::spread(shared, move |endpoint| {
            let (config, pools) = (Arc::clone(&config), pools.upgrade());
            let direct = direct.upgrade();
            async move {
                let (Some(pools), Some(direct)) = (pools, direct) else { return };
                let pool = pool(&pools, &endpoint);
                if let Acquire::Dial(dial) = pool.acquire(Instant::now(), config.bounds(), None) {
                    establish(dial, config, direct, Vec::new(), limit).await;
                    pool.become_idle();
                }
            }
        });
    }

    /// How many HTTP/2 connections take new streams.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.pools().values().map(|pool| pool.len()).sum()
    }

    fn pools(&self) -> MutexGuard<'_, HashMap<usize, Arc<H2Pool>>> {
        locked(&self.pools)
    }

    /// The peer wants HTTP/1.1. It is asked again with the next renewal: servers learn.
    fn note_wants_http1(&self, endpoint: &Arc<Endpoint>) {
        pool(&self.pools, endpoint).wants_http1(self.config.direct.retirement());
    }

    /// An attempt on a connection to `endpoint` is late. A connection whose peer answers a PING is as good as a new
    /// one, and any other is closed.
    async fn ping_all(&self, endpoint: &Arc<Endpoint>) {
        let sessions = pool(&self.pools, endpoint).sessions();
        // All are asked before the first is waited for, so that several that are dead take no longer than one.
        let asked: Vec<_> = sessions.iter().map(|session| session.ping_now()).collect();
        for (session, asked) in sessions.iter().zip(asked) {
            session.wait_alive(asked).await;
        }
    }

    /// A stream for `exchange`, waited for where need be; `None` where the endpoint speaks HTTP/1.1.
    async fn slot(&self, exchange: &Exchange<'_>) -> Result<Option<StreamSlot>, Failure> {
        let pool = pool(&self.pools, exchange.endpoint);
        let (mut begun, mut failures, mut busy_since) = (Instant::now(), None, None);
        let mut may_dial = true;
        loop {
            let mut change = pin!(pool.changed().notified());
            change.as_mut().enable();
            let stream_request =
                exchange.is_choosy().then_some(StreamRequest { exchange, may_dial });
            match pool.acquire(Instant::now(), self.config.bounds(), stream_request) {
                Acquire::StreamSlot(slot) => return Ok(Some(slot)),
                Acquire::Http1 => return Ok(None),
                Acquire::Failed(failure) => return Err(failure),
                Acquire::Dial(dial) => {
                    may_dial = false;
                    let limit = exchange.connect_timeout;
                    tokio::spawn(establish(
                        dial,
                        Arc::clone(&self.config),
                        Arc::clone(&self.direct),
                        exchange.met.to_vec(),
                        limit,
                    ));
                }
                Acquire::Await(so_far) => {
                    if let Some(failure) = pool.failed_since(*failures.get_or_insert(so_far)) {
                        return Err(failure);
                    }
                    let limit = exchange.connect_timeout;
                    let left = limit.saturating_sub(begun.elapsed());
                    let phase = pool.dial_phase();
                    exchange.progress.enter(phase);
                    match (timeout(left, change).await, phase) {
                        (Ok(()), _) => {}
                        (Err(_), Phase::Resolve) => return Err(not_resolved(limit)),
                        (Err(_), _) => return Err(not_connected(limit)),
                    }
                }
                Acquire::Busy(may_dial_at) => {
                    // Connections stand, so the limit on making one no longer applies.
                    exchange.progress.mark_connected();
                    let gives_up_at = busy_since
                        .get_or_insert_with(Instant::now)
                        .checked_add(exchange.connection_wait());
                    if gives_up_at.is_some_and(|at| at <= Instant::now()) {
                        return Err(stayed_in_use());
                    }
                    exchange.progress.mark_waiting(true);
                    match gives_up_at.into_iter().chain(may_dial_at).min() {
                        Some(at) => drop(timeout_at(at.into(), change).await),
                        None => change.await,
                    }
                    exchange.progress.mark_waiting(false);
                    // Where none stands any more, the limit is on making the next one, however long this took.
                    begun = Instant::now();
                }
            }
        }
    }
}

impl Transport for Multiplexed {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        if !self.config.may_speak_http2(exchange.endpoint) {
            return self.direct.send(exchange).await;
        }
        if exchange.fresh {
            Box::pin(self.ping_all(exchange.endpoint)).await;
        }
        let mut tries_left = self.config.max_connections;
        let (mut expects, mut asked_again) = (expects(exchange), false);
        let mut wants_http1 = false;
        loop {
            let request = request::build_multiplexed(exchange, expects)?;
            let slot = if wants_http1 { None } else { self.slot(exchange).await? };
            let Some(slot) = slot else {
                match self.direct.send(exchange).await {
                    // Since it was asked last it may have learnt HTTP/2, and forgotten the other one.
                    Err(failure)
                        if failure.kind == FailureKind::Tls
                            && !asked_again
                            && !wants_http1
                            && exchange.can_repeat() =>
                    {
                        asked_again = true;
                        pool(&self.pools, exchange.endpoint).ask_again();
                        continue;
                    }
                    outcome => return outcome,
                }
            };
            let outcome = session::exchange(slot, request, exchange, expects).await;
            if outcome.as_ref().is_err_and(|stream_failure| stream_failure.wants_http1) {
                self.note_wants_http1(exchange.endpoint);
                if exchange.can_repeat() {
                    wants_http1 = true;
                    continue;
                }
            }
            match outcome.map_err(|stream_failure| stream_failure.failure) {
                // Each of the connections may have ended unnoticed, before it took any byte.
                Err(failure)
                    if !failure.sent
                        && failure.kind != FailureKind::Connect
                        && tries_left > 0
                        && exchange.can_repeat() =>
                {
                    tries_left -= 1;
                }
                Ok(answer) if expects && is_unmet(&answer) && exchange.can_repeat() => {
                    expects = false;
                }
                Err(failure) if failure.kind == FailureKind::Connect => {
                    pool(&self.pools, exchange.endpoint).note_unused(Instant::now());
                    return Err(failure);
                }
                outcome => return outcome,
            }
        }
    }
}

impl fmt::Debug for Multiplexed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.connections();
        f.debug_struct("Multiplexed").field("connections", &connections).finish_non_exhaustive()
    }
}

fn pool(pools: &H2Pools, endpoint: &Arc<Endpoint>) -> Arc<H2Pool> {
    let mut pools = locked(pools);
    let pool = pools.entry(key(endpoint)).or_insert_with(|| H2Pool::new(Arc::clone(endpoint)));
    Arc::clone(pool)
}

/// A panic elsewhere cannot leave the map half changed.
fn locked(pools: &H2Pools) -> MutexGuard<'_, HashMap<usize, Arc<H2Pool>>> {
    pools.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes one connection for all that wait for it. A task of its own: the exchange that asked first may be cut off
/// while the others still wait.
async fn establish(
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

/// Identity, not equality: an endpoint whose properties changed is a new one with connections of its own.
fn key(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint).addr()
}

/// Beyond that a server says something with its limit on streams.
const MAX_CONNECTIONS: usize = 4;

/// Finds a dead peer within 15 s, and keeps the connection known to what lies between.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// Far above any round trip.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
