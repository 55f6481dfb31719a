//! One HTTP/2 connection: a task drives it, and many exchanges share it.
//!
//! The task belongs to the runtime in which the connection was opened, which must be driven always: a peer's
//! PING wants an answer also while nobody calls. It ends when the session and its streams are gone (h2 then
//! says GOAWAY), when the peer closes, or when the peer is silent although it was pinged.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::Request;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::outcome::{Failure, FailureKind};

use super::frames::FrameStream;
use super::keep_alive::{KeepAlive, NO_STREAMS, PROMPT_PING_TIMEOUT, StreamWatch};
use crate::transport::cause::Cause;
use crate::transport::duplex::Duplex;
use crate::transport::failure::{Stage, cause_of};
use crate::transport::http1::answer::MAX_HEAD;
use crate::transport::trace::Tap;
use crate::transport::traffic::Traffic;
use crate::transport::wire::Stream;

/// The shared end of one connection.
pub(crate) struct Session {
    sender: SendRequest<Bytes>,
    traffic: Traffic,
    /// Asks the driver to ping the peer now.
    ping_request: Arc<PingRequest>,
    /// Told what the exchanges that wait for a stream are told, while the connection is being opened. Apart from
    /// theirs: a stream that falls free wakes one of them, and is none for an exchange that opens another connection.
    opening: Arc<Notify>,
    /// The peer did not answer a PING in time.
    silent: Arc<AtomicBool>,
    /// Exchanges that hold a stream of it, also once it takes no new ones any more.
    streams: AtomicUsize,
    /// An exchange got an answer over it.
    answered: AtomicBool,
    /// An exchange got none, and the peer may have carried it out.
    may_have_processed: AtomicBool,
    opened_at: Instant,
    /// The peer sends without end what nothing comes of: its connection is ended, for a reset stream would not stop it.
    condemned: Arc<AtomicBool>,
}

impl Session {
    /// Speaks HTTP/2 over `stream` and waits until the peer has said how many streams it allows: streams
    /// opened on a guess would be refused, and a peer that speaks something else is found out while
    /// nothing was asked of it yet. `changed` is told when the limit changes and when the connection ends.
    pub(crate) async fn open(
        stream: Stream,
        traffic: Traffic,
        keep_alive: KeepAlive,
        changed: Arc<Notify>,
    ) -> Result<Arc<Self>, StreamFailure> {
        let unusable = |_| Failure::unsent(FailureKind::Connect, "connection not usable");
        traffic.tap().into_iter().for_each(Tap::speaks_http2);
        let duplex = Duplex::shared(stream, traffic.clone());
        let frames = FrameStream::new(duplex, traffic.clone());
        let (sender, connection) = builder().handshake(frames).await.map_err(unusable)?;
        let session = Arc::new(Self {
            sender,
            traffic,
            ping_request: Arc::default(),
            opening: Arc::default(),
            silent: Arc::default(),
            streams: AtomicUsize::default(),
            answered: AtomicBool::default(),
            may_have_processed: AtomicBool::default(),
            opened_at: Instant::now(),
            condemned: Arc::default(),
        });
        tokio::spawn(Driver::new(&session, connection, keep_alive, changed));
        session.limit_known().await?;
        Ok(session)
    }

    async fn limit_known(&self) -> Result<(), StreamFailure> {
        loop {
            let mut change = pin!(self.opening.notified());
            change.as_mut().enable();
            if self.max_streams() > NO_STREAMS {
                return Ok(());
            }
            if let Err(error) = self.check_open() {
                let cause =
                    self.traffic.overrun().map_or_else(|| no_session(&error), |f| f.cause());
                return Err(StreamFailure::new(cause.failure(false), &error));
            }
            change.await;
        }
    }

    /// How many streams the peer allows at once. One that was cancelled counts with h2 until its reset has
    /// left, so that the peer never sees one too many.
    pub(crate) fn max_streams(&self) -> usize {
        self.sender.current_max_send_streams()
    }

    /// How many exchanges hold a stream.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// One more exchange holds a stream.
    pub(crate) fn stream_begins(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// One exchange less does.
    pub(crate) fn stream_ends(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether new streams can be opened: the connection stands and the peer is not going away.
    pub(crate) fn is_open(&self) -> bool {
        self.check_open().is_ok()
    }

    /// Whether the peer has gone away because it wants HTTP/1.1.
    pub(crate) fn wants_http1(&self) -> bool {
        self.check_open().is_err_and(|error| wants_http1(&error))
    }

    fn check_open(&self) -> Result<(), h2::Error> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.sender.clone().poll_ready(&mut cx) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Ok(()),
        }
    }

    /// An exchange that failed before its answer came. A connection that the peer ended before it answered anything
    /// was as good as none: the peer vouches that nothing was done with the request.
    pub(super) fn before_answer(
        &self,
        error: &h2::Error,
        sent: bool,
        alone: bool,
    ) -> StreamFailure {
        let failure = self.cause(error).failure(sent);
        let unprocessed = failure.kind == FailureKind::RefusedStream && error.is_go_away();
        if sent && !unprocessed {
            // It may be this very request that the peer ends connections for, as one with too large a head: the next
            // connection carries others.
            self.may_have_processed.store(true, Ordering::Relaxed);
        }
        let failure = match alone && self.ended_unused() {
            true => ended_unused(),
            false => failure,
        };
        StreamFailure::new(failure, error)
    }

    /// An answer whose head is above the bound: the peer's next one would be too.
    pub(super) fn refuse_head(&self) -> StreamFailure {
        self.condemned.store(true, Ordering::Relaxed);
        self.may_have_processed.store(true, Ordering::Relaxed);
        let detail = format!("answer's head above {MAX_HEAD} bytes");
        Failure::sent(FailureKind::Unacceptable, detail).into()
    }

    /// Whether it ended soon, before it answered anything or may have processed a request.
    pub(crate) fn ended_unused(&self) -> bool {
        let soon = self.opened_at.elapsed() < SOON;
        let used =
            [&self.answered, &self.may_have_processed].iter().any(|it| it.load(Ordering::Relaxed));
        soon && !used && !self.is_open()
    }

    /// Pings the peer now; one that is silent for a second loses the connection.
    pub(crate) fn ping_now(&self) -> PendingPing {
        let read = self.traffic.read();
        self.ping_request.is_pending.store(true, Ordering::Relaxed);
        self.ping_request.driver.notify_one();
        // The driver ends a silent connection at the end of that time, and may be late: a call that looked before would
        // go over a connection which is about to end.
        PendingPing { read, until: Instant::now() + PROMPT_PING_TIMEOUT * 2 }
    }

    /// Back when the peer has said something since, or the connection has ended.
    pub(crate) async fn wait_alive(&self, asked: PendingPing) {
        let PendingPing { read, until } = asked;
        while self.traffic.read() == read && self.is_open() && Instant::now() < until {
            sleep(PING_POLL_INTERVAL).await;
        }
    }

    /// Opens a stream for `request`, which `ends` there where it has no body.
    ///
    /// # Errors
    /// The connection takes none.
    pub(super) fn begin_stream(
        &self,
        request: Request<()>,
        ends: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.traffic.tap().into_iter().for_each(|tap| tap.request(&request));
        self.sender.clone().send_request(request, ends)
    }

    /// An answer's head has come. Whether it is the first over this connection.
    pub(super) fn note_answer(&self) -> bool {
        !self.answered.swap(true, Ordering::Relaxed)
    }

    /// The connection, as it is counted.
    pub(crate) const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    fn cause(&self, error: &h2::Error) -> Cause {
        // h2 tells a stream of an error of the connection by its text alone.
        if let Some(fault) = self.traffic.overrun() {
            return fault.cause();
        }
        let cause = cause_of(error, Stage::Exchange);
        match self.is_silent() && cause.kind == FailureKind::ConnectionLost {
            true => Cause::new(FailureKind::ConnectionLost, "keep-alive timed out"),
            false => cause,
        }
    }

    /// What a peer has begun to answer it has not refused, whatever it says.
    pub(super) fn within_answer(&self, mut failure: Failure) -> Failure {
        if let Some(fault) = self.traffic.overrun() {
            return fault.cause().failure(failure.sent);
        }
        if failure.kind == FailureKind::RefusedStream {
            failure.kind = FailureKind::Protocol;
        } else if failure.kind == FailureKind::ConnectionLost && self.is_silent() {
            "keep-alive timed out".clone_into(&mut failure.detail);
        }
        failure
    }
}

/// Why a stream brought no answer.
pub(crate) struct StreamFailure {
    pub(crate) failure: Failure,
    /// The peer has not processed it, and wants it over HTTP/1.1 (RFC 9113, 7).
    pub(crate) wants_http1: bool,
}

impl StreamFailure {
    fn new(failure: Failure, error: &h2::Error) -> Self {
        Self { failure, wants_http1: wants_http1(error) }
    }
}

fn wants_http1(error: &h2::Error) -> bool {
    error.is_remote() && error.reason() == Some(h2::Reason::HTTP_1_1_REQUIRED)
}

impl From<Failure> for StreamFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, wants_http1: false }
    }
}

/// A PING that a call waits for: until its peer has sent something, or this long.
pub(crate) struct PendingPing {
    /// What had come from it by then, in bytes.
    read: u64,
    until: Instant,
}

/// A call's request that the driver sends a PING now.
#[derive(Default)]
struct PingRequest {
    is_pending: AtomicBool,
    driver: Notify,
}

/// Hyper's figures where they are not named otherwise; h2's own windows (64 KiB) hold back fast networks.
fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(NO_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .data_frame_budget(SMALL_FRAMES)
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        .reset_stream_duration(RESETS_REMEMBERED)
        .max_send_buffer_size(SEND_BUFFER);
    builder
}

/// What a connection is called that ended before it was of use.
pub(crate) fn ended_unused() -> Failure {
    let detail = "peer ended the connection before it answered anything";
    Failure::unsent(FailureKind::Connect, detail)
}

/// A connection that ended before it was one.
fn no_session(error: &h2::Error) -> Cause {
    let cause = cause_of(error, Stage::Connect);
    match cause.kind {
        FailureKind::Protocol => {
            Cause::new(FailureKind::Protocol, "peer does not speak http/2 as it should")
        }
        FailureKind::ConnectionLost | FailureKind::RefusedStream => {
            Cause::new(FailureKind::Connect, "closed while connecting")
        }
        _ => cause,
    }
}

/// Drives a connection until it ends.
struct Driver {
    connection: h2::client::Connection<FrameStream, Bytes>,
    /// Weak: the connection closes when nobody but its driver is left.
    session: Weak<Session>,
    watch: StreamWatch,
    silent: Arc<AtomicBool>,
    condemned: Arc<AtomicBool>,
    opening: Arc<Notify>,
    changed: Arc<Notify>,
    traffic: Traffic,
    read: u64,
    /// Since when the bytes are counted of which nothing comes.
    counted_since: Instant,
    ping_request: Arc<PingRequest>,
    ping_requested: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Driver {
    fn new(
        session: &Arc<Session>,
        mut connection: h2::client::Connection<FrameStream, Bytes>,
        keep_alive: KeepAlive,
        changed: Arc<Notify>,
    ) -> Self {
        let watch = StreamWatch::new(keep_alive, connection.ping_pong());
        let traffic = session.traffic.clone();
        let silent = Arc::clone(&session.silent);
        let condemned = Arc::clone(&session.condemned);
        let opening = Arc::clone(&session.opening);
        let ping_request = Arc::clone(&session.ping_request);
        let ping_requested = ping_requested(Arc::clone(&ping_request));
        let session = Arc::downgrade(session);
        let read = 0;
        Self {
            connection,
            session,
            watch,
            silent,
            condemned,
            opening,
            changed,
            traffic,
            read,
            counted_since: Instant::now(),
            ping_request,
            ping_requested,
        }
    }

    /// Pings at once where a call has asked for that.
    fn ping_if_requested(&mut self, cx: &mut Context<'_>) {
        while self.ping_requested.as_mut().poll(cx).is_ready() {
            self.ping_requested = ping_requested(Arc::clone(&self.ping_request));
        }
        if self.ping_request.is_pending.swap(false, Ordering::Relaxed) {
            self.watch.ping_now(cx);
        }
    }

    /// The peer said something: an exchange that waits for a stream may get one now, or need another connection.
    fn note_read(&mut self) {
        let (read, before) = (self.traffic.read(), self.read);
        if read == before {
            return;
        }
        self.read = read;
        let now = Instant::now();
        self.watch.heard(now);
        if now.saturating_duration_since(self.counted_since) > COUNTED_FOR {
            self.counted_since = now;
            self.traffic.advanced();
        }
        let limit = self.connection.max_concurrent_send_streams();
        let ends = || self.session.upgrade().is_some_and(|session| !session.is_open());
        if std::mem::replace(&mut self.watch.limit, limit) != limit || ends() {
            self.tell_change();
        }
    }

    fn tell_change(&self) {
        self.opening.notify_waiters();
        self.changed.notify_waiters();
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.condemned.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        self.traffic.begin_turn();
        self.ping_if_requested(cx);
        let ended = Pin::new(&mut self.connection).poll(cx).is_ready();
        self.note_read();
        // h2 may wait to say goodbye to a peer that takes nothing more.
        if !ended && !self.traffic.is_of_no_use() {
            ready!(self.watch.poll(cx));
            self.silent.store(true, Ordering::Relaxed);
        }
        Poll::Ready(())
    }
}

impl Drop for Driver {
    /// Wakes the exchanges that wait for a stream, whichever way the connection ended. Its streams are not closed
    /// yet, so the exchanges look again only when this is over.
    fn drop(&mut self) {
        self.tell_change();
    }
}

/// A connection on which nobody calls for a day has a PING now and then.
const COUNTED_FOR: Duration = Duration::from_secs(60);

/// A server that is restarted just after a connect is as good as one that was not there. One that ends a connection
/// which nobody used for longer tidies up.
const SOON: Duration = Duration::from_secs(1);
fn ping_requested(ping_request: Arc<PingRequest>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { ping_request.driver.notified().await })
}

/// How often a call looks whether it has.
const PING_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// As hyper has it: 16 Gbit/s at 1 ms, 160 Mbit/s at 100 ms.
const STREAM_WINDOW: u32 = 2 << 20;

/// What is on its way on a stream that its call has left is ignored for so long, of so many streams at once. Beyond that h2
/// takes it for a fault of the peer, of which it counts 1,024 in a connection's whole life, and then ends all that the
/// connection carries. Its own bounds, 50 streams and a second, are used up by eighty answers left early. A stream that is
/// remembered takes some 400 bytes.
const REMEMBERED_RESETS: usize = 10_000;

/// What a full window takes at two megabits per second.
const RESETS_REMEMBERED: Duration = Duration::from_secs(10);

/// Never what holds a peer back: a few streams whose readers rest, each with its window full, would use up a
/// small one and stall all others. Their own windows are the bound.
const CONNECTION_WINDOW: u32 = 1 << 30;

/// What small frames of a body may take beside their bytes, on one connection: h2's own bound would be half of the
/// window above, 512 MB.
const SMALL_FRAMES: usize = 8 << 20;

/// What one stream may have queued for the socket; a large body is not copied whole.
const SEND_BUFFER: usize = 1 << 20;
