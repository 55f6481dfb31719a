//! The tail of a large body, read past hyper into the place where it stays.
//!
//! hyper reads a body into a buffer of its own, and what lies there is copied: a fifth of what a body of 16 MiB costs. So
//! where an answer announces much, hyper is told of no more than came with its head (see [`super::answer`]), and rests
//! then. The connection is taken apart, the rest is read from its stream, and the connection is put together again.

use std::future::Future;
use std::io;
use std::mem;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::body_flow::ReturnToPool;
use super::connection::{Connection, ConnectionPermit};
use super::parked::Parked;
use super::watermark::Watermark;
use crate::outcome::{Failure, FailureKind};
use crate::transport::cause::Cause;
use crate::transport::content::{Flow, PollInto};
use crate::transport::failure::{Stage, cause_of, io_cause};
use crate::transport::wire::{Stream, others_first};

/// A connection of which nothing but the tail of a body is to be read.
pub(super) struct Tail {
    parked: Parked,
    permit: Option<ConnectionPermit>,
    left: u64,
    /// Whether hyper would take another request.
    stays: bool,
    watermark: Watermark,
}

impl Tail {
    /// Of `connection`, of whose answer `left` bytes are yet to come, and hyper has had its part.
    ///
    /// # Errors
    /// The peer has sent what nobody asked for.
    pub(super) fn of(
        mut connection: Box<Connection>,
        left: u64,
        watermark: Watermark,
    ) -> Result<Self, Failure> {
        let stays = connection.is_usable();
        let permit = connection.permit.take();
        let unasked = || Failure::sent(FailureKind::Protocol, "answer breaks its framing");
        let parked = connection.park().ok_or_else(unasked)?;
        Ok(Self { parked, permit, left, stays, watermark })
    }

    /// Puts the next bytes behind what `buf` holds, as many as one read gives; to be asked until none is left.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
    ) -> Poll<Result<usize, Cause>> {
        let Some(socket) = self.parked.stream.descriptor() else {
            return self.poll_now(cx, buf);
        };
        self.watermark.set(socket, self.left_in_socket());
        let mut read = self.poll_now(cx, buf);
        if read.is_pending() && self.watermark.has_timed_out(socket, cx) {
            read = self.poll_now(cx, buf);
        }
        if let Poll::Ready(Ok(count)) = &read {
            self.watermark.note(*count);
            if self.left == 0 {
                // The next answer is to be told of from its first byte on.
                self.watermark.set(socket, 1);
            }
        }
        read
    }

    /// What the socket is yet to bring at least: TLS may hold the best part of a record.
    fn left_in_socket(&self) -> u64 {
        match self.parked.stream {
            Stream::Plain(_) => self.left,
            Stream::Tls(_) => self.left.saturating_sub(RECORD),
        }
    }

    fn poll_now(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut impl BufMut,
    ) -> Poll<Result<usize, Cause>> {
        self.parked.traffic.begin_turn();
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(MOST_AT_ONCE);
        let mut room = buf.limit(most);
        let read = pin!(self.parked.stream.read_buf(&mut room));
        Poll::Ready(match ready!(read.poll(cx)) {
            Ok(0) => Err(io_cause(&io::ErrorKind::UnexpectedEof.into(), Stage::Exchange)),
            Ok(count) => {
                self.parked.traffic.advanced();
                self.left -= count as u64;
                Ok(count)
            }
            Err(error) => Err(cause_of(&error, Stage::Exchange)),
        })
    }

    /// The next read does not wait.
    fn is_looked_at(&mut self) {
        if let Some(socket) = self.parked.stream.descriptor() {
            self.watermark.comes_down(socket);
        }
    }

    /// The next read is made in the context of another runtime.
    fn changes_runtime(&mut self) {
        self.parked.traffic.changes_runtime();
        self.watermark.changes_runtime();
    }

    /// The connection for the next exchange, where it may have one: all of the body was read.
    pub(super) fn into_connection(self) -> Option<Box<Connection>> {
        let Self { parked, permit, left, stays, .. } = self;
        if left > 0 || !stays {
            return None;
        }
        let mut connection = Connection::unpark(parked)?;
        connection.permit = permit;
        Some(connection)
    }
}

/// A body that is read piece by piece, of which hyper has given what it was told of. The connection is kept when it drops
/// after its end, by the thread that carries the exchange.
pub(super) struct TailFlow {
    /// What hyper gave.
    began: Option<Bytes>,
    /// The head is handed over with what came with it, before more is read: a reader that waits reads that itself.
    is_handed_over: bool,
    tail: Option<Tail>,
    room: BytesMut,
    keep: Option<ReturnToPool>,
}

impl TailFlow {
    pub(super) fn new(began: Bytes, tail: Tail, keep: ReturnToPool) -> Self {
        tail.parked.traffic.is_read_on_any_thread(true);
        let (began, tail, keep) = (Some(began), Some(tail), Some(keep));
        Self { began, is_handed_over: false, tail, room: BytesMut::new(), keep }
    }
}

impl Flow for TailFlow {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        if let Some(began) = self.began.take() {
            return Poll::Ready(Some(Ok(began)));
        }
        if !mem::replace(&mut self.is_handed_over, true) {
            return others_first(cx);
        }
        let Some(tail) = self.tail.as_mut().filter(|tail| tail.left > 0) else {
            return Poll::Ready(None);
        };
        if self.room.capacity() < LEAST_AT_ONCE {
            self.room.reserve(MOST_AT_ONCE);
        }
        let read = ready!(tail.poll_read(cx, &mut self.room));
        let piece = read.map(|_| self.room.split().freeze());
        Poll::Ready(Some(piece.map_err(|cause| cause.failure(true))))
    }

    fn poll_into(&mut self, cx: &mut Context<'_>, mut room: &mut [u8]) -> Option<PollInto> {
        let tail = self.tail.as_mut().filter(|tail| tail.left > 0 && self.is_handed_over)?;
        let read = tail.poll_read(cx, &mut room);
        Some(read.map_err(|cause| cause.failure(true)))
    }

    fn is_driven_by_polls(&self) -> bool {
        true
    }

    fn changes_runtime(&mut self) {
        self.tail.iter_mut().for_each(Tail::changes_runtime);
    }

    fn is_looked_at(&mut self) {
        self.tail.iter_mut().for_each(Tail::is_looked_at);
    }

    fn is_to_change(&self) -> bool {
        self.tail.as_ref().is_some_and(|tail| tail.parked.traffic.is_to_change())
    }
}

impl Drop for TailFlow {
    fn drop(&mut self) {
        if let (Some(tail), Some(keep)) = (self.tail.take(), self.keep.take()) {
            tail.parked.traffic.is_read_on_any_thread(false);
            if let Some(connection) = tail.into_connection() {
                keep(connection);
            }
        }
    }
}

/// What lies in a processor's own cache is quickly taken on.
const MOST_AT_ONCE: usize = 64 * 1024;

/// What a record of TLS holds at most.
const RECORD: u64 = 16 * 1024;

/// Small pieces share what was reserved: each keeps all of it until it is read.
const LEAST_AT_ONCE: usize = MOST_AT_ONCE / 4;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write;
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;
    use crate::runtime::descriptors::Reserve;
    use crate::transport::socket_options::SocketOptions;
    use crate::transport::traffic::Traffic;
    use crate::transport::wire::{Socket, Stream, Wire};

    #[tokio::test]
    async fn pieces_of_a_byte_share_their_memory() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let socket =
            Socket::connect(address, &SocketOptions::default(), Reserve::Used).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let traffic = Traffic::default();
        let stream = Stream::Plain(Wire::new(socket, traffic.clone()));
        let now = Instant::now();
        let parked = Parked { stream, traffic, retires: now, idle_since: now, keep_alive: None };
        let watermark = Watermark::of_pieces();
        let tail = Tail { parked, permit: None, left: 1_000_000, stays: true, watermark };
        let mut underway = TailFlow::new(Bytes::new(), tail, Box::new(drop));
        let mut pieces = Vec::new();
        while pieces.len() < 1000 {
            peer.write_all(b"x").unwrap();
            let piece = poll_fn(|cx| underway.poll_piece(cx)).await.unwrap().unwrap();
            pieces.push(piece);
        }
        let apart =
            pieces[1..].windows(2).filter(|two| two[0].as_ptr_range().end != two[1].as_ptr());
        assert_eq!(apart.count(), 0);
    }
}
