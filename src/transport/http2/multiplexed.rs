//! HTTP/2 for calls that are balanced: few connections to an endpoint, each shared by many exchanges.
//!
//! It stands on h2 itself, for hyper's client does not tell how many streams a peer allows, so that further
//! requests would queue inside it, unsent and out of sight. What does not speak HTTP/2 is left to
//! [`Direct`].

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;
use crate::outcome::{Failure, FailureKind};

use super::config::MultiplexedConfig;
use super::connect::establish;
use super::exchange;
use super::pool::{Acquire, H2Pool, StreamSlot};
use super::stream_wait::StreamWait;
use crate::transport::expect::{expects, is_unmet};
use crate::transport::http1::direct::Direct;
use crate::transport::request;
use crate::transport::{Answer, Exchange, Transport, warm};

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
        let mut wait = StreamWait::new(exchange);
        loop {
            let mut change = pin!(pool.changed().notified());
            change.as_mut().enable();
            match pool.acquire(Instant::now(), self.config.bounds(), wait.request()) {
                Acquire::StreamSlot(slot) => return Ok(Some(slot)),
                Acquire::Http1 => return Ok(None),
                Acquire::Failed(failure) => return Err(failure),
                Acquire::Dial(dial) => {
                    wait.note_dial();
                    let (config, direct) = (Arc::clone(&self.config), Arc::clone(&self.direct));
                    let (met, limit) = (exchange.met.to_vec(), exchange.connect_timeout);
                    tokio::spawn(establish(dial, config, direct, met, limit));
                }
                Acquire::Await(failures) => wait.for_connection(&pool, failures, change).await?,
                Acquire::Busy(may_dial_at) => wait.for_stream(may_dial_at, change).await?,
            }
        }
    }

    /// Sends the exchange over HTTP/1.1; `None` where it is to be sent again.
    async fn send_http1(
        &self,
        exchange: &Exchange<'_>,
        resend: &mut Resend,
    ) -> Option<Result<Answer, Failure>> {
        let outcome = self.direct.send(exchange).await;
        let failed_by_tls = matches!(&outcome, Err(it) if it.kind == FailureKind::Tls);
        if failed_by_tls && !resend.asked_again && !resend.over_http1 && exchange.can_repeat() {
            // Since it was asked last it may have learnt HTTP/2, and forgotten the other one.
            resend.asked_again = true;
            pool(&self.pools, exchange.endpoint).ask_again();
            return None;
        }
        Some(outcome)
    }

    /// Sends the exchange over a stream; `None` where it is to be sent again.
    async fn send_http2(
        &self,
        slot: StreamSlot,
        request: http::Request<()>,
        exchange: &Exchange<'_>,
        resend: &mut Resend,
    ) -> Option<Result<Answer, Failure>> {
        let outcome = exchange::exchange(slot, request, exchange, resend.expects).await;
        if outcome.as_ref().is_err_and(|stream_failure| stream_failure.wants_http1) {
            self.note_wants_http1(exchange.endpoint);
            if exchange.can_repeat() {
                resend.over_http1 = true;
                return None;
            }
        }
        match outcome.map_err(|stream_failure| stream_failure.failure) {
            Err(failure) if failure.kind == FailureKind::Connect => {
                pool(&self.pools, exchange.endpoint).note_unused(Instant::now());
                Some(Err(failure))
            }
            Err(failure) if !failure.sent && resend.unsent_left > 0 && exchange.can_repeat() => {
                resend.unsent_left -= 1;
                None
            }
            Ok(answer) if resend.expects && is_unmet(&answer) && exchange.can_repeat() => {
                resend.expects = false;
                None
            }
            outcome => Some(outcome),
        }
    }
}

/// How an exchange is sent once more within its attempt: no server has carried it out.
struct Resend {
    /// With `Expect: 100-continue`, until a server says that it does not know that.
    expects: bool,
    /// The peer said of the stream that it wants HTTP/1.1.
    over_http1: bool,
    /// The endpoint spoke HTTP/1.1 before, and was asked again what it speaks.
    asked_again: bool,
    /// Each of the connections may have ended unnoticed, before it took any byte.
    unsent_left: usize,
}

impl Transport for Multiplexed {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        if !self.config.may_speak_http2(exchange.endpoint) {
            return self.direct.send(exchange).await;
        }
        if exchange.fresh {
            Box::pin(self.ping_all(exchange.endpoint)).await;
        }
        let mut resend = Resend {
            expects: expects(exchange),
            over_http1: false,
            asked_again: false,
            unsent_left: self.config.max_connections,
        };
        loop {
            let request = request::build_multiplexed(exchange, resend.expects)?;
            let slot = if resend.over_http1 { None } else { self.slot(exchange).await? };
            let outcome = match slot {
                Some(slot) => self.send_http2(slot, request, exchange, &mut resend).await,
                None => self.send_http1(exchange, &mut resend).await,
            };
            if let Some(outcome) = outcome {
                return outcome;
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

/// Identity, not equality: an endpoint whose properties changed is a new one with connections of its own.
fn key(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint).addr()
}
