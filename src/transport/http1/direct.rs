//! HTTP/1.1 over connections of its own.
//!
//! A balanced call needs connections that the library owns: to dial one address under another authority, to know
//! whether a byte left, and to close on cancel. A general client offers none of that, so this transport stands on
//! hyper's single connections.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use http::{Method, Request, Response, response};
use hyper::body::Incoming;

use crate::endpoint::Endpoint;
use crate::outcome::Failure;
use crate::phase::Phase;
use crate::runtime::cold_path::cold_path;
use crate::runtime::descriptors::Reserve;
use crate::statistics::CloseReason;

use super::answer::AnswerBody;
use super::body_flow::{BodyFlow, ReturnToPool};
use super::connection::Connection;
use super::pool::ConnectionPool;
use super::tail::{Tail, TailFlow};
use super::watermark::Watermark;
use crate::transport::content::{self, Content, Reading};
use crate::transport::dial::{Dialler, UNTOLD};
use crate::transport::direct_config::DirectConfig;
use crate::transport::expect::{Consent, expects, is_unmet};
use crate::transport::failure::{Stage, cause_of};
use crate::transport::request::{self, RequestBody};
use crate::transport::tls::AlpnProtocols;
use crate::transport::traffic::Traffic;
use crate::transport::wire::Stream;
use crate::transport::{Answer, Exchange, Transport, warm};

/// The transport of calls without a proxy; one for each client and shard.
///
/// It spawns nothing: dropping it, or the future of an exchange, closes sockets at once, on any thread.
pub struct Direct {
    pub(super) config: Arc<DirectConfig>,
    /// Shared with answers under way, whose connections come back later.
    pub(super) pool: Arc<ConnectionPool>,
}

impl Direct {
    /// A transport without connections.
    #[must_use]
    pub fn new(config: Arc<DirectConfig>) -> Self {
        let pool = Arc::default();
        config.shard_pools.iter().for_each(|shard_pools| shard_pools.join(&pool));
        Self { config, pool }
    }

    /// Closes kept connections that are too old, idle for too long, closed by the peer, or to an endpoint that
    /// departed.
    ///
    /// Exchanges do so every now and then; a transport that is not used needs to be told. Must be called in the
    /// context of the runtime that drives the connections. Of very many some are left for the next time; whether that is
    /// so.
    #[allow(clippy::must_use_candidate, reason = "mostly the next time comes anyway")]
    pub fn sweep(&self) -> bool {
        self.pool.sweep(Instant::now(), self.config.idle_timeout, self.config.by_tasks)
    }

    /// Opens connections in the background until `count` are kept to each of `endpoints`, 256 in all; each within
    /// `limit`. An endpoint that refuses one gets no more.
    ///
    /// Must be called in the context of a runtime that is driven always.
    pub fn warm(
        self: &Arc<Self>,
        mut endpoints: Vec<Arc<Endpoint>>,
        count: usize,
        limit: Duration,
    ) {
        endpoints.truncate(warm::MOST / count.max(1));
        let direct = Arc::downgrade(self);
        warm::spread(endpoints, move |endpoint| {
            let direct = Weak::clone(&direct);
            async move {
                // Looked for each time: the client may be gone.
                while let Some(direct) = direct.upgrade()
                    && direct.warm_one(&endpoint, count, limit).await
                {}
            }
        });
    }

    /// Closes kept connections to endpoints that departed, in any context and on any thread.
    pub fn let_go(&self) {
        self.pool.let_go();
    }

    /// Closes all kept connections, in any context and on any thread.
    pub fn close(&self) {
        self.pool.close();
    }

    /// How many connections are kept.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.pool.len()
    }

    /// One more connection to `endpoint`, idle from the beginning; false where there are `count`, or none more
    /// can be had.
    async fn warm_one(&self, endpoint: &Arc<Endpoint>, count: usize, limit: Duration) -> bool {
        let idle = self.pool.len_of(endpoint);
        if idle >= count.min(self.config.max_idle_per_endpoint) || endpoint.has_departed() {
            return false;
        }
        let mut permit = None;
        if let Some(most) = self.config.max_per_endpoint {
            let permits = self.pool.permits(endpoint, most.get());
            let Ok(own) = Arc::clone(&permits).try_acquire_owned() else { return false };
            // Idle ones hold no place, but together there may be no more than there are places.
            if idle > permits.available_permits() {
                return false;
            }
            permit = Some(own);
        }
        let fresh = self.fresh(endpoint, &[], (limit, Reserve::Spared), UNTOLD).await;
        let Ok(mut connection) = fresh else { return false };
        connection.permit = permit;
        self.keep(endpoint, connection);
        true
    }

    /// Connects to `endpoint`, TLS included, and hangs up.
    ///
    /// # Errors
    /// It could not be done within `limit`.
    pub async fn reach(&self, endpoint: &Arc<Endpoint>, limit: Duration) -> Result<(), Failure> {
        self.dialler(endpoint, &[], (limit, Reserve::Used), UNTOLD).dial().await.map(drop)
    }

    fn dialler<'a>(
        &'a self,
        endpoint: &'a Endpoint,
        met: &'a [SocketAddr],
        (limit, reserve): (Duration, Reserve),
        enter: &'a (dyn Fn(Phase) + Sync),
    ) -> Dialler<'a> {
        let (config, traffic) = (&*self.config, Traffic::default());
        Dialler {
            endpoint,
            config,
            alpn: AlpnProtocols::Http1,
            met,
            traffic,
            limit,
            reserve,
            enter,
        }
    }

    pub(super) async fn fresh(
        &self,
        endpoint: &Endpoint,
        met: &[SocketAddr],
        bounds: (Duration, Reserve),
        enter: &(dyn Fn(Phase) + Sync),
    ) -> Result<Box<Connection>, Failure> {
        let dialler = self.dialler(endpoint, met, bounds, enter);
        let traffic = dialler.traffic.clone();
        let stream = dialler.dial().await?;
        Connection::new(stream, traffic, self.config.retirement())
    }

    /// Keeps a connection that was made elsewhere and turned out to speak HTTP/1.1.
    pub(in crate::transport) fn adopt(
        &self,
        endpoint: &Arc<Endpoint>,
        stream: Stream,
        traffic: Traffic,
    ) -> Result<(), Failure> {
        let connection = Connection::new(stream, traffic, self.config.retirement())?;
        self.keep(endpoint, connection);
        Ok(())
    }

    /// Hands `request` to `connection`, which sends it once it is driven.
    fn begin_exchange(
        &self,
        connection: &mut Connection,
        request: Request<RequestBody>,
        exchange: &Exchange<'_>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        exchange.progress.mark_connected();
        // What reads past hyper is not traced; a request is to be gone before, which its head mostly is.
        let may_leave = !exchange.has_body()
            && exchange.method != Method::HEAD
            && !exchange.headers.contains_key(CONNECTION)
            && self.config.trace.is_none();
        connection.answer.begin_exchange(may_leave);
        connection.sender.send_request(request)
    }

    /// Drives `connection` until its answer is there, and keeps it afterwards where that allows it.
    async fn exchange(
        &self,
        mut connection: Box<Connection>,
        reply: impl Future<Output = hyper::Result<Response<Incoming>>> + Send,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        let before = connection.written();
        if exchange.streams.is_some() {
            return cold_path(|| self.begin(connection, reply, exchange)).await;
        }
        let answer = Arc::clone(&connection.answer);
        let work = pin!(async {
            let (head, content) = answer.received(reply.await.map_err(Step::Lost)?);
            content::read(head, content, request::reading(exchange)).await.map_err(Step::Failed)
        });
        match connection.drive(exchange.progress, work).await {
            Ok(answer) => self.whole(connection, answer, exchange).await,
            Err(Step::Failed(failure)) => Err(failure),
            Err(Step::Lost(error)) => {
                let sent = connection.written() > before;
                Err(cause_of(&error, Stage::Exchange).failure(sent))
            }
        }
    }

    /// Reads the head, and leaves the body to its reader where it is streamed.
    async fn begin(
        &self,
        mut connection: Box<Connection>,
        reply: impl Future<Output = hyper::Result<Response<Incoming>>> + Send,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        let before = connection.written();
        let reply = connection.drive(exchange.progress, pin!(reply)).await.map_err(|error| {
            let sent = connection.written() > before;
            cause_of(&error, Stage::Exchange).failure(sent)
        })?;
        let (head, content) = connection.answer.received(reply);
        if exchange.is_streamed(head.status) {
            return self.streamed(connection, head, content, exchange).await;
        }
        let work = pin!(content::read(head, content, request::reading(exchange)));
        let answer = connection.drive(exchange.progress, work).await?;
        self.whole(connection, answer, exchange).await
    }

    /// The answer whose body its reader takes, piece by piece.
    async fn streamed(
        &self,
        mut connection: Box<Connection>,
        mut head: response::Parts,
        content: AnswerBody,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        let (config, pool) = (Arc::clone(&self.config), Arc::clone(&self.pool));
        let endpoint = Arc::clone(exchange.endpoint);
        let calls_host = exchange.source.is_some() || config.trace.is_some();
        let keep: ReturnToPool =
            Box::new(move |connection| keep(&config, &pool, &endpoint, connection));
        let (left, reading) = (connection.answer.left(), request::reading(exchange));
        if left > 0 {
            // There already: hyper was told of no more.
            let reading = Reading { max_body: usize::MAX, ..reading };
            let work = pin!(content::read(head, content, reading));
            let answer = connection.drive(exchange.progress, work).await?;
            let tail = Tail::of(connection, left, Watermark::of_pieces())?;
            let flow = TailFlow::new(answer.body.clone(), tail, keep);
            return Ok(content::carried_by(answer, flow));
        }
        let content = Content::open(&mut head, content, reading)?;
        connection.is_read_on_any_thread(true);
        Ok(content::answer(head, BodyFlow::new(content, connection, calls_host, keep)))
    }

    /// The answer whose body is held, of which hyper has given all that it was told of; the connection is kept.
    async fn whole(
        &self,
        connection: Box<Connection>,
        answer: Answer,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        if connection.answer.left() > 0 {
            return cold_path(|| self.with_tail(connection, answer, exchange)).await;
        }
        self.keep(exchange.endpoint, connection);
        Ok(answer)
    }

    /// Reads the rest past hyper. To be boxed: most answers are small.
    async fn with_tail(
        &self,
        connection: Box<Connection>,
        mut answer: Answer,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        let left = connection.answer.left();
        let mut tail = Tail::of(connection, left, Watermark::of_whole())?;
        exchange.progress.enter(Phase::Body);
        let read = |cx: &mut Context<'_>, buf: &mut Vec<u8>| {
            let read = tail.poll_read(cx, buf);
            if let Poll::Ready(Ok(count)) = read {
                exchange.progress.add_moved(count);
            }
            read
        };
        let (began, reading) = (answer.body, request::reading(exchange));
        let body = content::read_on(began, left, read, reading).await;
        answer.body = body.map_err(|cause| cause.failure(true))?;
        if let Some(connection) = tail.into_connection() {
            self.keep(exchange.endpoint, connection);
        }
        Ok(answer)
    }

    fn keep(&self, endpoint: &Arc<Endpoint>, connection: Box<Connection>) {
        keep(&self.config, &self.pool, endpoint, connection);
    }
}

/// The answer's head; a body that waits for the server's consent is not sent any more then.
async fn answered(
    reply: impl Future<Output = hyper::Result<Response<Incoming>>> + Send,
    consent: Option<Consent>,
) -> hyper::Result<Response<Incoming>> {
    let reply = reply.await;
    consent.iter().for_each(Consent::answered);
    reply
}

fn keep(
    config: &DirectConfig,
    pool: &ConnectionPool,
    endpoint: &Arc<Endpoint>,
    mut connection: Box<Connection>,
) {
    let now = Instant::now();
    // Asked although it is seen to be idle: a waker left behind would be woken by the next request, for another turn of
    // its call that finds nothing to do.
    let is_usable =
        if config.by_tasks { connection.is_usable() } else { connection.is_usable_still() };
    if !is_usable {
        connection.closes(CloseReason::Peer);
    } else if let Some(connection) = connection.copying() {
        if let Some(most) = config.max_idle {
            pool.make_room(most);
        }
        pool.put(endpoint, connection, now, config.max_idle_per_endpoint);
    }
    pool.sweep_if_due(now, config.idle_timeout, config.by_tasks);
}

impl Transport for Direct {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        let mut expects = expects(exchange);
        loop {
            let request = request::build(exchange, expects)?;
            let (mut connection, was_kept) = self.acquire(exchange).await?;
            connection.info(was_kept).into_iter().for_each(|it| exchange.progress.carried_by(it));
            if exchange.has_large_body() {
                connection = connection.gathering()?;
            }
            let consent = request.extensions().get::<Consent>().cloned();
            // Pinned where it is made: each future that it is handed on to by value would copy it.
            let sent = pin!(self.begin_exchange(&mut connection, request, exchange));
            let reply = answered(sent, consent);
            match self.exchange(connection, reply, exchange).await {
                // It had ended unnoticed and took no byte: as if it had not been kept.
                Err(failure) if was_kept && !failure.sent && exchange.can_repeat() => {}
                Ok(answer) if expects && is_unmet(&answer) && exchange.can_repeat() => {
                    expects = false;
                }
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
