//! Keeps the two directions of a connection apart, which hyper ties together.
//!
//! hyper takes an answer that is there before its request for a fault of the server, and gives up reading where
//! writing fails. But a server that is full says 503 as soon as it has accepted, and one that wants no more of a
//! body says 413 and resets. So nothing is read of a fresh connection before the request has begun to leave, and
//! a write that fails is told to nobody: what has arrived is read first, and then reading fails in its place.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::transport::wire::{Stream, Traffic};

/// A stream whose reading outlasts its writing.
pub(crate) struct Duplex {
    stream: Stream,
    traffic: Traffic,
    /// Waits for the request to leave.
    reader: Option<Waker>,
    write_failed: bool,
}

impl Duplex {
    pub(crate) fn new(stream: Stream, traffic: Traffic) -> Self {
        Self { stream, traffic, reader: None, write_failed: false }
    }

    pub(crate) fn into_inner(self) -> Stream {
        self.stream
    }

    /// Holds a failure to write back, and makes sure that the rest is read.
    fn read_on(&mut self, cx: &Context<'_>) {
        self.write_failed = true;
        self.traffic.read_to_the_last();
        self.release();
        cx.waker().wake_by_ref();
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
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.write_failed {
            return Poll::Pending;
        }
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Ready(Err(_)) => {
                self.read_on(cx);
                Poll::Pending
            }
            written => {
                if written.is_ready() && self.traffic.holds_reads() {
                    self.release();
                }
                written
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_failed {
            return Poll::Pending;
        }
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(_)) => {
                self.read_on(cx);
                Poll::Pending
            }
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
