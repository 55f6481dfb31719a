//! One connection and what drives it.
//!
//! A connection is owned whole, its driver included, and no task runs for it: the exchange polls it, and dropping it
//! closes it. That is why a kept connection notices nothing on its own and is asked before use.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use crate::outcome::{Failure, FailureKind};
use crate::phase::{ConnectionInfo, Phase, Protocol};
use crate::runtime::socket::{Descriptor, is_silent};
use crate::statistics::CloseReason;

use super::answer::{AnswerProgress, AnswerStream};
use super::parked::Parked;
use crate::transport::Progress;
use crate::transport::duplex::Duplex;
use crate::transport::request::RequestBody;
use crate::transport::traffic::Traffic;
use crate::transport::wire::Stream;

/// One connection with its driver.
pub(crate) struct Connection {
    /// Takes requests.
    pub(crate) sender: SendRequest<RequestBody>,
    driver: http1::Connection<TokioIo<AnswerStream<Duplex>>, RequestBody>,
    /// Its driver has not ended, as far as was seen.
    open: bool,
    /// The socket, where it can be asked past the driver.
    descriptor: Option<Descriptor>,
    pub(super) traffic: Traffic,
    pub(crate) answer: Arc<AnswerProgress>,
    pub(crate) retires: Instant,
    pub(crate) idle_since: Instant,
    /// Whether it hands the pieces of a body to the socket as they are. Others copy them behind the head, which is
    /// quicker for little.
    gathers: bool,
    /// Its place among the endpoint's connections while it is in use, where those are limited.
    pub(crate) permit: Option<ConnectionPermit>,
}

/// The right to one connection in use.
pub(crate) type ConnectionPermit = OwnedSemaphorePermit;

impl Connection {
    /// Speaks HTTP/1.1 over `stream` until `retires`.
    pub(crate) fn new(
        stream: Stream,
        traffic: Traffic,
        retires: Instant,
    ) -> Result<Box<Self>, Failure> {
        let (idle_since, keep_alive) = (Instant::now(), None);
        let parked = Parked { stream, traffic, retires, idle_since, keep_alive };
        Self::unpark(parked).ok_or_else(not_usable)
    }

    /// Puts a connection together again. hyper calls it a handshake, but nothing is sent, and it is done at once.
    pub(crate) fn unpark(parked: Parked) -> Option<Box<Self>> {
        Self::assembled(parked, false)
    }

    fn assembled(parked: Parked, gathers: bool) -> Option<Box<Self>> {
        let Parked { stream, traffic, retires, idle_since, keep_alive } = parked;
        let answer = Arc::new(AnswerProgress::new(traffic.clone(), keep_alive));
        let descriptor = stream.bare_descriptor();
        let duplex = Duplex::new(stream, traffic.clone());
        let stream = TokioIo::new(AnswerStream::new(duplex, Arc::clone(&answer)));
        let mut builder = http1::Builder::new();
        let most = if gathers { MOST_GATHERED } else { MAX_READ_BUFFER };
        let begin = pin!(builder.max_buf_size(most).writev(gathers).handshake(stream));
        match begin.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok((sender, driver))) => Some(Box::new(Self {
                sender,
                driver,
                open: true,
                descriptor,
                traffic,
                answer,
                retires,
                idle_since,
                gathers,
                permit: None,
            })),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    /// Takes a connection apart that nobody uses; `None` where the peer has sent what nobody asked for.
    pub(crate) fn park(self) -> Option<Parked> {
        let Self { sender, driver, traffic, answer, retires, idle_since, .. } = self;
        drop(sender);
        let parts = driver.into_parts();
        let stream = parts.io.into_inner().into_inner()?.into_inner();
        let keep_alive = answer.keep_alive();
        let parked = Parked { stream, traffic, retires, idle_since, keep_alive };
        parts.read_buf.is_empty().then_some(parked)
    }

    /// Ready for a request whose body is large, or may be; to be called between exchanges, as [`Self::copying`] is.
    pub(crate) fn gathering(self: Box<Self>) -> Result<Box<Self>, Failure> {
        self.changed(true).ok_or_else(not_usable)
    }

    /// Ready for a request with a small body, or none; `None` where the peer has sent what nobody asked for.
    pub(crate) fn copying(self: Box<Self>) -> Option<Box<Self>> {
        self.changed(false)
    }

    /// Taken apart and put together again: hyper takes the choice at its beginning.
    fn changed(mut self: Box<Self>, gathers: bool) -> Option<Box<Self>> {
        if self.gathers == gathers {
            return Some(self);
        }
        let permit = self.permit.take();
        let mut fresh = Self::assembled(self.park()?, gathers)?;
        fresh.permit = permit;
        Some(fresh)
    }

    /// Reads nothing before a request has begun to leave: an answer may be there already.
    pub(crate) fn expect_answer(&self) {
        self.traffic.hold_reads();
    }

    /// It is about to be closed, and why.
    pub(crate) fn closes(&self, reason: CloseReason) {
        self.traffic.closes(reason);
    }

    /// Whether threads beside the one of its transport poll it.
    pub(crate) fn is_read_on_any_thread(&self, on_any: bool) {
        self.traffic.is_read_on_any_thread(on_any);
    }

    /// It is polled in the context of another runtime from its next poll on.
    pub(crate) fn changes_runtime(&self) {
        self.traffic.changes_runtime();
    }

    /// Whether it has not been read from there yet.
    pub(crate) fn is_to_change(&self) -> bool {
        self.traffic.is_to_change()
    }

    /// It is used again after it was kept.
    pub(crate) fn is_used_again(&self) {
        self.traffic.is_used_again();
    }

    /// The connection as it is told of an exchange that it carries.
    pub(crate) fn info(&self, reused: bool) -> Option<ConnectionInfo> {
        self.traffic.info(Protocol::Http1, reused)
    }

    /// Bytes that the socket has taken so far.
    pub(crate) fn written(&self) -> u64 {
        self.traffic.written()
    }

    /// Polls the connection together with `work`, which waits for it, and marks the first byte to leave.
    pub(crate) async fn drive<W: Future + Unpin>(
        &mut self,
        progress: &Progress,
        mut work: W,
    ) -> W::Output {
        let (before, read) = (self.written(), self.traffic.read());
        poll_fn(|cx| {
            self.answer.begin_turn();
            // Twice, since each side may have made the other's next step possible.
            for _ in 0..2 {
                self.open = self.open && Pin::new(&mut self.driver).poll(cx).is_pending();
                let written = self.traffic.written() - before;
                if written > 0 {
                    progress.mark_sent();
                }
                progress.mark_moved(written + self.traffic.read() - read);
                if let Poll::Ready(output) = Pin::new(&mut work).poll(cx) {
                    return Poll::Ready(output);
                }
                // What waits for the head has nothing to do before it comes.
                if self.open && self.answer.expects_head() {
                    break;
                }
            }
            if !self.answer.expects_head() {
                progress.enter(Phase::Body);
            }
            Poll::Pending
        })
        .await
    }

    /// Polls the connection and what waits for it, as [`Self::drive`] does; `open` says until when.
    pub(crate) fn poll_with<T>(
        &mut self,
        open: &mut bool,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.answer.begin_turn();
        for _ in 0..2 {
            self.open = self.open && Pin::new(&mut self.driver).poll(cx).is_pending();
            *open = self.open;
            if let Poll::Ready(output) = work(cx) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }

    /// Whether an idle connection can take a request; costs one look at the socket.
    pub(crate) fn is_still_open(&mut self) -> bool {
        // Mostly nothing has arrived, and then there is nothing for the driver to do.
        if self.is_idle() && self.descriptor.is_some_and(is_silent) {
            return true;
        }
        self.traffic.ask_socket();
        self.is_usable()
    }

    /// Whether the connection can take a request, as far as its driver sees by now. No task is woken for it any more,
    /// or held in memory.
    pub(crate) fn is_usable(&mut self) -> bool {
        self.traffic.asks_again();
        self.is_usable_still()
    }

    /// The same in the turn of an exchange that has ended, on a caller's own thread: what the socket brings wakes that
    /// thread, which is no task.
    pub(crate) fn is_usable_still(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.open = self.open && Pin::new(&mut self.driver).poll(&mut cx).is_pending();
        self.is_idle()
    }

    /// Whether the driver waits for a request, as far as it has seen.
    fn is_idle(&self) -> bool {
        self.open && self.sender.is_ready()
    }
}

fn not_usable() -> Failure {
    Failure::unsent(FailureKind::Connect, "connection not usable")
}

/// A read buffer grows with large answers and stays so while its connection is used: with hyper's 408 KiB a few
/// hundred idle connections held 60 MB. A head that does not fit is read elsewhere. Larger reads gain nothing: what was
/// read is copied while it still lies in a processor's own cache.
const MAX_READ_BUFFER: usize = 64 * 1024;

/// A body's bytes that wait for the socket, by reference; beyond it no further piece is taken.
const MOST_GATHERED: usize = 256 * 1024;
