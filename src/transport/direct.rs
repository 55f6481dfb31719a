//! HTTP/1.1 over connections of its own, for calls that are balanced.
//!
//! Who balances must own the connections: dial one address under another authority, know whether a byte
//! left, and close on cancel. A general client offers none of that, so this one stands on hyper's single
//! connections.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;

use crate::endpoint::Endpoint;
use crate::outcome::Failure;

use super::dial::{dial, within};
use super::dns::Resolver;
use super::failure::{Stage, cause_of};
use super::pool::{Connection, Pool};
use super::request::{self, RequestBody};
use super::stream::{self, Content, Flow};
use super::tls::{Offer, Tls};
use super::wire::{Stream, Traffic};
use super::{Answer, Exchange, Transport, body};

/// What the connections of a [`Direct`] have in common.
#[derive(Clone, Debug)]
pub struct DirectConfig {
    /// Trust and identity.
    pub tls: Arc<Tls>,
    /// Resolves names, on a runtime that is always driven.
    pub resolver: Arc<Resolver>,
    /// How long an unused connection is kept; default 60 s.
    pub idle_timeout: Duration,
    /// How long a connection is used, ±10 %, so that load follows changes of the roster; default 10 min.
    pub max_age: Duration,
    /// How many unused connections to one endpoint are kept; default 32. Each costs about 17 KB.
    pub max_idle_per_endpoint: usize,
}

impl DirectConfig {
    /// The defaults.
    #[must_use]
    pub fn new(tls: Arc<Tls>, resolver: Arc<Resolver>) -> Self {
        Self {
            tls,
            resolver,
            idle_timeout: IDLE_TIMEOUT,
            max_age: MAX_AGE,
            max_idle_per_endpoint: MAX_IDLE_PER_ENDPOINT,
        }
    }
}

impl DirectConfig {
    /// When a connection made now should be used no longer.
    pub(super) fn retirement(&self) -> Instant {
        Instant::now() + varied(self.max_age)
    }
}

/// The transport of balanced calls; one for each client and shard.
///
/// It spawns nothing: dropping it, or the future of an exchange, closes sockets at once, on any thread.
pub struct Direct {
    config: Arc<DirectConfig>,
    /// Shared with answers under way, whose connections come back later.
    pool: Arc<Pool>,
}

impl Direct {
    /// A transport without connections.
    #[must_use]
    pub fn new(config: Arc<DirectConfig>) -> Self {
        Self { config, pool: Arc::default() }
    }

    /// Closes kept connections that are too old, idle for too long, or closed by the peer.
    ///
    /// Exchanges do so every now and then; a transport that rests needs to be told. Must be called in the
    /// context of the runtime that drives the connections.
    pub fn sweep(&self) {
        self.pool.sweep(Instant::now(), self.config.idle_timeout);
    }

    /// Closes the kept connections to `endpoint`: it left the roster.
    pub fn forget(&self, endpoint: &Arc<Endpoint>) {
        self.pool.forget(endpoint);
    }

    /// How many connections are kept.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.pool.len()
    }

    /// A kept connection that still stands, if there is one.
    fn kept(&self, endpoint: &Arc<Endpoint>) -> Option<Box<Connection>> {
        loop {
            let now = Instant::now();
            let mut kept = self.pool.take(endpoint, now, self.config.idle_timeout)?;
            if kept.still_stands() {
                return Some(kept);
            }
        }
    }

    /// Connects to `endpoint`, TLS included, and hangs up.
    ///
    /// # Errors
    /// It could not be done within `limit`.
    pub async fn reach(&self, endpoint: &Arc<Endpoint>, limit: Duration) -> Result<(), Failure> {
        let dialling = dial(endpoint, &self.config, Offer::Http1, Traffic::default());
        within(limit, dialling).await.map(drop)
    }

    async fn fresh(&self, exchange: &Exchange<'_>) -> Result<Box<Connection>, Failure> {
        let config = &self.config;
        let traffic = Traffic::default();
        let limit = exchange.connect_timeout;
        let dialling = dial(exchange.endpoint, config, Offer::Http1, traffic.clone());
        let stream = within(limit, dialling).await?;
        Connection::new(stream, traffic, config.retirement()).await
    }

    /// Keeps a connection that was made elsewhere and turned out to speak HTTP/1.1.
    pub(super) async fn adopt(
        &self,
        endpoint: &Arc<Endpoint>,
        stream: Stream,
        traffic: Traffic,
    ) -> Result<(), Failure> {
        let connection = Connection::new(stream, traffic, self.config.retirement()).await?;
        self.keep(endpoint, connection);
        Ok(())
    }

    /// Sends over `connection` and keeps it afterwards where the answer allows it.
    async fn exchange(
        &self,
        mut connection: Box<Connection>,
        request: Request<RequestBody>,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        exchange.progress.mark_connected();
        let before = connection.written();
        let reply = connection.sender.send_request(request);
        if exchange.streams.is_some() {
            return Box::pin(self.begin(connection, reply, exchange)).await;
        }
        let work = pin!(async {
            let (head, content) = reply.await.map_err(Step::Lost)?.into_parts();
            body::read(head, content, request::reading(exchange)).await.map_err(Step::Failed)
        });
        match connection.drive(exchange.progress, work).await {
            Ok(answer) => {
                self.keep(exchange.endpoint, connection);
                Ok(answer)
            }
            Err(Step::Failed(failure)) => Err(failure),
            Err(Step::Lost(error)) => {
                let sent = connection.written() > before;
                Err(cause_of(&error, Stage::Exchange).failure(sent))
            }
        }
    }

    /// Reads the head, and leaves the body to who wants it where it is streamed.
    async fn begin(
        &self,
        mut connection: Box<Connection>,
        reply: impl Future<Output = hyper::Result<Response<Incoming>>>,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        let before = connection.written();
        let reply = connection.drive(exchange.progress, pin!(reply)).await.map_err(|error| {
            let sent = connection.written() > before;
            cause_of(&error, Stage::Exchange).failure(sent)
        })?;
        let (mut head, content) = reply.into_parts();
        let reading = request::reading(exchange);
        if !exchange.is_streamed(head.status) {
            let work = pin!(body::read(head, content, reading));
            let answer = connection.drive(exchange.progress, work).await?;
            self.keep(exchange.endpoint, connection);
            return Ok(answer);
        }
        let content = Content::open(&mut head, content, reading)?;
        let (config, pool) = (Arc::clone(&self.config), Arc::clone(&self.pool));
        let endpoint = Arc::clone(exchange.endpoint);
        let connection = Some(connection);
        let underway = Underway { content, connection, open: true, config, pool, endpoint };
        Ok(stream::answer(head, underway))
    }

    fn keep(&self, endpoint: &Arc<Endpoint>, connection: Box<Connection>) {
        keep(&self.config, &self.pool, endpoint, connection);
    }
}

fn keep(
    config: &DirectConfig,
    pool: &Pool,
    endpoint: &Arc<Endpoint>,
    mut connection: Box<Connection>,
) {
    let now = Instant::now();
    if connection.is_usable() {
        pool.put(endpoint, connection, now, config.max_idle_per_endpoint);
    }
    pool.sweep_if_due(now, config.idle_timeout);
}

/// An answer whose body is read piece by piece; its connection is kept when the body has ended.
struct Underway {
    content: Content<Incoming>,
    connection: Option<Box<Connection>>,
    open: bool,
    config: Arc<DirectConfig>,
    pool: Arc<Pool>,
    endpoint: Arc<Endpoint>,
}

impl Flow for Underway {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(None);
        };
        let content = &mut self.content;
        let piece = ready!(connection.poll_with(&mut self.open, cx, |cx| content.poll_piece(cx)));
        if !matches!(piece, Some(Ok(_)))
            && let Some(connection) = self.connection.take()
            && piece.is_none()
        {
            keep(&self.config, &self.pool, &self.endpoint, connection);
        }
        Poll::Ready(piece)
    }
}

impl Transport for Direct {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        loop {
            let request = request::build(exchange)?;
            let kept = self.kept(exchange.endpoint);
            let was_kept = kept.is_some();
            let connection = match kept {
                Some(connection) => connection,
                // Boxed: connecting is rare, and its state large.
                None => Box::pin(self.fresh(exchange)).await?,
            };
            match self.exchange(connection, request, exchange).await {
                // It had ended unnoticed and took no byte: as if it had not been kept.
                Err(failure) if was_kept && !failure.sent && exchange.can_repeat() => {}
                outcome => return outcome,
            }
        }
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct").field("idle", &self.idle_connections()).finish_non_exhaustive()
    }
}

/// Where an exchange ended early.
enum Step {
    /// Before there was a head.
    Lost(hyper::Error),
    /// While the body was read.
    Failed(Failure),
}

/// ±10 %: connections opened together should not all be renewed together.
fn varied(age: Duration) -> Duration {
    age.mul_f64(rand::random_range(0.9..=1.1))
}

/// Below what common servers and load balancers keep (60–75 s), so that the client closes first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Long enough to make handshakes rare, short enough for a new server to get its share soon.
const MAX_AGE: Duration = Duration::from_secs(600);

/// A burst of calls from one shard; 32 of them hold about half a megabyte.
const MAX_IDLE_PER_ENDPOINT: usize = 32;
