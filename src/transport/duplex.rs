//! Keeps the two directions of a connection apart, which hyper and h2 tie together.
//!
//! Both give up reading where writing fails, and hyper takes an answer that is there before its request for a fault
//! of the server. But a server that is full says 503 as soon as it has accepted, and one that wants no more of a
//! body says 413 and resets. So nothing is read of a fresh connection of HTTP/1.1 before the request has begun to
//! leave, and a write that fails is told to nobody: what has arrived is read first, and then reading fails in its
//! place.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::yield_now;

use super::trace::Direction;
use super::traffic::Traffic;
use super::wire::Stream;

/// A stream whose reading outlasts its writing.
pub(super) struct Duplex {
    stream: Stream,
    traffic: Traffic,
    /// Waits for the request to leave.
    reader: Option<Waker>,
    write_failed: bool,
    /// How reading ended, while that is held back.
    end: Option<HeldBack>,
    /// Whether its end was told.
    read_ended: bool,
    is_shared: bool,
}

struct HeldBack {
    end: io::Result<()>,
    /// Until all other tasks had a turn.
    pause: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Duplex {
    pub(super) fn new(stream: Stream, traffic: Traffic) -> Self {
        let (reader, end) = (None, None);
        let (write_failed, read_ended, is_shared) = (false, false, false);
        Self { stream, traffic, reader, write_failed, end, read_ended, is_shared }
    }

    /// For a connection that is driven beside its exchanges. h2 forgets with the connection's end that an answer was
    /// complete: so the end is told only when the exchange had a turn to see that.
    pub(super) fn shared(stream: Stream, traffic: Traffic) -> Self {
        Self { is_shared: true, ..Self::new(stream, traffic) }
    }

    pub(super) fn into_inner(self) -> Stream {
        self.stream
    }

    /// What a write comes to where nothing more is written. One that fails while the end is held back would bring it
    /// forward; behind the end it is told, for h2 waits to say goodbye then.
    fn is_over<T>(&self) -> Option<Poll<io::Result<T>>> {
        match self.write_failed {
            true if self.is_shared && self.read_ended => {
                Some(Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())))
            }
            true => Some(Poll::Pending),
            false => self.end.is_some().then_some(Poll::Pending),
        }
    }

    /// Holds a failure to write back, and makes sure that the rest is read.
    fn read_on<T>(&mut self, cx: &Context<'_>) -> Poll<io::Result<T>> {
        self.write_failed = true;
        self.traffic.read_to_the_last();
        self.release();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells the trace of what was written, where there is one.
    #[inline]
    fn trace(&self, written: &Poll<io::Result<usize>>, bufs: &[IoSlice<'_>]) {
        if let (Some(tap), Poll::Ready(Ok(count))) = (self.traffic.tap(), written) {
            let mut left = *count;
            for buf in bufs {
                let taken = left.min(buf.len());
                tap.pass(Direction::Sent, &buf[..taken]);
                left -= taken;
            }
        }
    }

    /// Tells what a write came to, unless it failed.
    fn wrote(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(_)) => self.read_on(cx),
            written => {
                if written.is_ready() && self.traffic.holds_reads() {
                    self.release();
                }
                written
            }
        }
    }

    fn release(&mut self) {
        self.traffic.release_reads();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncRead for Duplex {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.traffic.holds_reads() {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if let Some(held) = &mut self.end {
            ready!(held.pause.as_mut().poll(cx));
            self.read_ended = true;
            return Poll::Ready(self.end.take().map_or(Ok(()), |held| held.end));
        }
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if let Some(tap) = self.traffic.tap() {
            tap.pass(Direction::Received, &buf.filled()[before..]);
        }
        let ended = read.is_err() || buf.filled().len() == before;
        if ended && self.is_shared {
            let mut pause: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(yield_now());
            if pause.as_mut().poll(cx).is_pending() {
                self.end = Some(HeldBack { end: read, pause });
                self.traffic.read_to_the_last();
                return Poll::Pending;
            }
        }
        self.read_ended |= ended;
        Poll::Ready(read)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(over) = self.is_over() {
            return over;
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.trace(&written, &[IoSlice::new(buf)]);
        self.wrote(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(over) = self.is_over() {
            return over;
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.trace(&written, bufs);
        self.wrote(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(over) = self.is_over() {
            return over;
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(_)) => self.read_on(cx),
            flushed => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.write_failed {
            true => Poll::Ready(Ok(())),
            false => Pin::new(&mut self.stream).poll_shutdown(cx),
        }
    }
}
