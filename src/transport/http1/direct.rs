//! HTTP/1.1 over connections of its own.
//!
//! A balanced call needs connections that the library owns: to dial one address under another authority, to know
//! whether a byte left, and to close on cancel. A general client offers none of that, so this transport stands on
//! hyper's single connections.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::header::CONNECTION;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::time::{timeout, timeout_at};

use crate::endpoint::Endpoint;
use crate::outcome::{Failure, FailureKind};
use crate::phase::Phase;
use crate::runtime::cold_path::cold_path;
use crate::runtime::descriptors::{self, Reserve};
use crate::runtime::os_error::no_descriptor;
#[cfg(test)]
use crate::statistics::ClientCells;
use crate::statistics::{CloseReason, Stripe};

use super::body_flow::{BodyFlow, ReturnToPool};
use super::connection::{Connection, ConnectionPermit};
use super::idle::Idle;
use super::pool::{ConnectionPool, SkipConnection};
use super::shard_pools::ShardPools;
use super::tail::{Tail, TailFlow};
use super::watermark::Watermark;
use crate::transport::content::{self, Content, Reading};
use crate::transport::dial::{Dialler, UNTOLD};
use crate::transport::dns::{NameConfig, Resolver};
use crate::transport::expect::{Consent, expects, is_unmet};
use crate::transport::failure::{Stage, cause_of, io_cause};
use crate::transport::request::{self, RequestBody};
use crate::transport::socket_options::SocketOptions;
use crate::transport::tls::{AlpnProtocols, Tls};
use crate::transport::trace::WireTrace;
use crate::transport::traffic::Traffic;
use crate::transport::wire::Stream;
use crate::transport::{Answer, Exchange, Transport, stayed_in_use, warm};

/// What the connections of a [`Direct`] have in common.
#[derive(Clone, Debug)]
pub struct DirectConfig {
    /// Trust and identity.
    pub tls: Arc<Tls>,
    /// Resolves names, on a runtime that is always driven.
    pub resolver: Arc<Resolver>,
    /// What is asked for the addresses of names.
    pub names: NameConfig,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How long a connection is used, ±10 %, so that load follows changes of the roster.
    pub max_age: Duration,
    /// How many unused connections to one endpoint are kept. Each costs about 17 KB, and 1 KB from the
    /// janitor's next visit on.
    pub max_idle_per_endpoint: usize,
    /// How many unused connections are kept in all; `None` for any number. Where URLs name the endpoints there may be
    /// no end of them.
    pub max_idle: Option<usize>,
    /// Whether each exchange is a task of its own, whose memory lasts while an idle connection could wake it, on a
    /// runtime that is driven always.
    pub by_tasks: bool,
    /// How many connections to one endpoint there may be, used and unused; `None` for no limit. An exchange that
    /// finds none free waits for one.
    pub max_per_endpoint: Option<NonZeroUsize>,
    /// The pools that lend each other connections; `None` for a transport that is driven always.
    pub shard_pools: Option<Arc<ShardPools>>,
    /// What sockets are told, and which names have addresses of their own.
    pub sockets: SocketOptions,
    /// With which of a name's addresses connections begin; raised where one took a connection and did not answer.
    pub turn: Arc<AtomicUsize>,
    /// Where connections and bytes are counted.
    pub stripe: Arc<Stripe>,
    /// Where what goes over connections is told; `None` for nowhere.
    pub trace: Option<WireTrace>,
}

#[cfg(test)]
impl DirectConfig {
    /// What no test waits for the end of. The defaults that users have stand in the settings.
    pub(crate) fn of_tests(tls: Arc<Tls>, resolver: Arc<Resolver>) -> Self {
        Self {
            tls,
            resolver,
            names: NameConfig::default(),
            idle_timeout: FAR,
            max_age: FAR,
            max_idle_per_endpoint: 256,
            max_idle: None,
            by_tasks: true,
            max_per_endpoint: None,
            shard_pools: None,
            sockets: SocketOptions::default(),
            turn: Arc::default(),
            stripe: ClientCells::default().stripe(),
            trace: None,
        }
    }
}

impl DirectConfig {
    /// When a connection made now should be used no longer.
    pub(crate) fn retirement(&self) -> Instant {
        let now = Instant::now();
        now.checked_add(varied(self.max_age)).unwrap_or_else(|| now + FAR)
    }
}

/// The transport of calls without a proxy; one for each client and shard.
///
/// It spawns nothing: dropping it, or the future of an exchange, closes sockets at once, on any thread.
pub struct Direct {
    config: Arc<DirectConfig>,
    /// Shared with answers under way, whose connections come back later.
    pool: Arc<ConnectionPool>,
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

    /// A kept connection that still stands, if there is one.
    fn kept(
        &self,
        endpoint: &Arc<Endpoint>,
        skip: Option<SkipConnection<'_>>,
    ) -> Option<Box<Connection>> {
        loop {
            let now = Instant::now();
            let kept = self.pool.take(endpoint, now, self.config.idle_timeout, skip)?;
            kept.closes(CloseReason::Peer);
            if let Some(mut connection) = kept.unpark()
                && connection.is_still_open()
            {
                connection.is_used_again();
                return Some(connection);
            }
        }
    }

    /// One that another shard kept, and has not used for a while.
    fn borrowed(
        &self,
        endpoint: &Arc<Endpoint>,
        skip: Option<SkipConnection<'_>>,
    ) -> Option<Box<Connection>> {
        let shard_pools = self.config.shard_pools.as_ref()?;
        loop {
            let (now, idle_timeout) = (Instant::now(), self.config.idle_timeout);
            let lent = shard_pools.borrow(endpoint, now, idle_timeout, skip)?;
            lent.closes(CloseReason::Peer);
            if let Some(mut parked) = lent.park()
                && parked.stream.hand_over().is_ok()
                && let Some(mut connection) = Connection::unpark(parked)
                && connection.is_still_open()
            {
                connection.is_used_again();
                return Some(connection);
            }
        }
    }

    /// A connection that is kept here or by another shard.
    fn any_kept(&self, exchange: &Exchange<'_>) -> Option<Box<Connection>> {
        if exchange.is_choosy() {
            return self.better_kept(exchange);
        }
        self.kept(exchange.endpoint, None).or_else(|| self.borrowed(exchange.endpoint, None))
    }

    /// The same, but to no address where another one is better.
    #[cold]
    fn better_kept(&self, exchange: &Exchange<'_>) -> Option<Box<Connection>> {
        let (endpoint, now) = (exchange.endpoint, Instant::now());
        let skip = |kept: &Idle| exchange.passes_over(kept.remote(), now);
        let kept = self.kept(endpoint, Some(&skip));
        let kept = kept.or_else(|| self.borrowed(endpoint, Some(&skip)));
        if kept.is_none() {
            self.pool.close_oldest_of(endpoint);
        }
        kept
    }

    /// A new connection; or, where this process has no descriptor for one, the next that comes free. Whether it was kept.
    async fn opened(&self, exchange: &Exchange<'_>) -> Result<(Box<Connection>, bool), Failure> {
        if self.pool.queue.waiting() > 0 {
            return self.next_free(exchange).await;
        }
        match self.fresh_for(exchange, Reserve::Spared).await {
            Err(failure) if is_short(&failure, Reserve::Spared) => self.next_free(exchange).await,
            opened => opened.map(|connection| (connection, false)),
        }
    }

    async fn fresh_for(
        &self,
        exchange: &Exchange<'_>,
        reserve: Reserve,
    ) -> Result<Box<Connection>, Failure> {
        let enter = |phase| exchange.progress.enter(phase);
        let bounds = (exchange.connect_timeout, reserve);
        let connection = self.fresh(exchange.endpoint, exchange.met, bounds, &enter).await?;
        connection.expect_answer();
        Ok(connection)
    }

    /// Waits in the queue for a connection, or a descriptor for one, as long as the exchange may wait. Whether it was kept.
    async fn next_free(&self, exchange: &Exchange<'_>) -> Result<(Box<Connection>, bool), Failure> {
        let until = Instant::now().checked_add(exchange.connection_wait());
        loop {
            exchange.progress.mark_waiting(true);
            let turn = within(until, self.pool.queue.turn()).await.ok_or_else(stayed_in_use)?;
            let kept = self.next_kept(exchange, until).await;
            exchange.progress.mark_waiting(false);
            // Others look while this one connects.
            drop(turn);
            if let Some(kept) = kept? {
                return Ok((kept, true));
            }
            let reserve = self.reserve();
            match self.fresh_for(exchange, reserve).await {
                // Another thread was quicker.
                Err(failure) if is_short(&failure, reserve) => {}
                opened => return opened.map(|connection| (connection, false)),
            }
        }
    }

    /// The first of the queue waits for a connection that comes back, or `None` for a descriptor that is free.
    async fn next_kept(
        &self,
        exchange: &Exchange<'_>,
        until: Option<Instant>,
    ) -> Result<Option<Box<Connection>>, Failure> {
        loop {
            let kept = if exchange.fresh { None } else { self.any_kept(exchange) };
            if kept.is_some() || self.close_oldest() || descriptors::has_free(self.reserve()) {
                return Ok(kept);
            }
            if self.in_use() == 0 {
                return Err(io_cause(&no_descriptor(), Stage::Connect).failure(false));
            }
            within(until, self.pool.queue.returned()).await.ok_or_else(stayed_in_use)?;
        }
    }

    /// Closes an idle connection; whether there was one.
    fn close_oldest(&self) -> bool {
        let shard_pools =
            || self.config.shard_pools.as_ref().is_some_and(|shard_pools| shard_pools.close_one());
        self.pool.close_oldest() || shard_pools()
    }

    /// A pool that has many connections leaves the host's descriptors to it: its exchanges have something to wait for.
    fn reserve(&self) -> Reserve {
        match self.in_use() >= descriptors::few() {
            true => Reserve::Spared,
            false => Reserve::Used,
        }
    }

    fn in_use(&self) -> usize {
        self.config.max_per_endpoint.map_or(0, |most| self.pool.in_use(most.get()))
    }

    /// A place for one more connection in use, of `most`, waited for as long as the exchange may wait for one.
    async fn permit(
        &self,
        exchange: &Exchange<'_>,
        most: NonZeroUsize,
    ) -> Result<ConnectionPermit, Failure> {
        let permits = self.pool.permits(exchange.endpoint, most.get());
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Ok(permit);
        }
        exchange.progress.mark_waiting(true);
        let permit = timeout(exchange.connection_wait(), permits.acquire_owned()).await;
        exchange.progress.mark_waiting(false);
        permit.ok().and_then(Result::ok).ok_or_else(stayed_in_use)
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

    async fn fresh(
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
            Ok(answer) if connection.answer.left() > 0 => {
                cold_path(|| self.with_tail(connection, answer, exchange)).await
            }
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
        let (mut head, content) = connection.answer.received(reply);
        let reading = request::reading(exchange);
        if !exchange.is_streamed(head.status) {
            let work = pin!(content::read(head, content, reading));
            let answer = connection.drive(exchange.progress, work).await?;
            if connection.answer.left() > 0 {
                return cold_path(|| self.with_tail(connection, answer, exchange)).await;
            }
            self.keep(exchange.endpoint, connection);
            return Ok(answer);
        }
        let (config, pool) = (Arc::clone(&self.config), Arc::clone(&self.pool));
        let endpoint = Arc::clone(exchange.endpoint);
        let calls_host = exchange.source.is_some() || config.trace.is_some();
        let keep: ReturnToPool =
            Box::new(move |connection| keep(&config, &pool, &endpoint, connection));
        let left = connection.answer.left();
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

    /// The whole of an answer of which hyper has given what it was told of. To be boxed: most answers are small.
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

/// Whether a connection was not made for want of a descriptor. Other wants have other reasons.
fn is_short(failure: &Failure, reserve: Reserve) -> bool {
    failure.kind == FailureKind::Local && !descriptors::has_free(reserve)
}

/// What `work` gives, unless it takes beyond `until`.
async fn within<T>(until: Option<Instant>, work: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => timeout_at(until.into(), work).await.ok(),
        None => Some(work.await),
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
            // Boxed, as connecting is: a wait is rare, and its state large.
            let permit = match self.config.max_per_endpoint {
                Some(most) => Some(cold_path(|| self.permit(exchange, most)).await?),
                None => None,
            };
            // Where others wait for a connection, one that came back is theirs.
            let is_first = self.pool.queue.waiting() == 0;
            let kept = if exchange.fresh || !is_first { None } else { self.any_kept(exchange) };
            let (mut connection, was_kept) = match kept {
                Some(connection) => (connection, true),
                None => cold_path(|| self.opened(exchange)).await?,
            };
            connection.permit = permit;
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

/// ±10 %: connections opened together should not all be renewed together.
fn varied(age: Duration) -> Duration {
    let seconds = age.as_secs_f64() * rand::random_range(0.9..=1.1);
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Beyond any process's life; the clock's own end is not to be reached.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
