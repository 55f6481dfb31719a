//! A kept connection without the buffers that speaking HTTP takes.
//!
//! hyper keeps 8 KB for each direction while a connection lives, and no setting of its makes that less; heads of up
//! to 64 KB must still be read. So a connection that nobody used for a while is taken apart down to its stream,
//! and put together again at its next use, which costs a few allocations and no byte on the wire. What is used
//! all the time is never parked.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, ReadBuf};

use crate::transport::traffic::Traffic;
use crate::transport::wire::Stream;

/// A connection without hyper's buffers: its stream, and what the pool knows of it.
pub(crate) struct Parked {
    pub(crate) stream: Stream,
    pub(crate) traffic: Traffic,
    pub(crate) retires: Instant,
    pub(crate) idle_since: Instant,
    /// How long the peer lets it be unused, where it said so.
    pub(crate) keep_alive: Option<Duration>,
}

impl Parked {
    /// Whether the peer keeps it open and silent. Where the runtime is driven always, it knows, and wakes the `waker` when
    /// that changes; otherwise there is none, and this costs one look at the socket.
    pub(crate) fn is_still_open(&mut self, waker: Option<&Waker>) -> bool {
        if waker.is_none() {
            self.traffic.ask_socket();
        }
        let (mut cx, mut byte) = (Context::from_waker(waker.unwrap_or(Waker::noop())), [0]);
        // The end, or bytes that nobody asked for. Tickets of TLS are taken on the way and are neither.
        Pin::new(&mut self.stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}
