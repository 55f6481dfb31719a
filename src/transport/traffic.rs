//! What goes over a connection: how much, to what end, and how much of it a turn may read.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use super::connection_stats::ConnectionStats;
use super::http1::fault::AnswerFault;
use super::trace::{Tap, WireTrace};
use crate::phase::{ConnectionInfo, Ends, Protocol};
use crate::statistics::{CloseReason, Stripe};

/// Bytes that went through a socket, readable while the connection owns the socket.
#[derive(Clone, Debug, Default)]
pub(super) struct Traffic(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    read: AtomicU64,
    ask_socket: AtomicBool,
    changes_runtime: AtomicBool,
    holds_reads: AtomicBool,
    reads_the_last: AtomicBool,
    /// Whether the runtime knew of nothing to read since the turn began.
    is_drained: AtomicBool,
    /// Whether the connection was asked to read since the turn began, where that is noted.
    is_asked: AtomicBool,
    /// Bytes that have been read since the turn began, where turns are counted.
    turn: AtomicUsize,
    /// Bytes that have been read since something came of them.
    idle: AtomicUsize,
    /// What is counted of the connection, once it stands.
    stats: OnceLock<ConnectionStats>,
    /// Listens where the host wants a trace.
    tap: OnceLock<Tap>,
}

impl Traffic {
    /// The connection stands: it and its bytes are counted on `stripe` from here on.
    pub(super) fn opened(&self, stripe: &Arc<Stripe>, ends: Ends) {
        let _ = self.0.stats.set(ConnectionStats::new(stripe, ends));
    }

    /// What goes over the connection is told, from here on.
    pub(super) fn traced_by(&self, trace: &WireTrace, ends: &Ends) {
        // A unix socket's ends have no addresses.
        let [local, remote] =
            [ends.local, ends.remote].map(|end| end.map(|end| end.to_string()).unwrap_or_default());
        let _ = self.0.tap.set(Tap::new(trace, &format!("{local} to {remote}")));
    }

    /// What listens on the connection.
    #[inline]
    pub(super) fn tap(&self) -> Option<&Tap> {
        self.0.tap.get()
    }

    /// The connection as it is told of an exchange that it carries.
    pub(super) fn info(&self, protocol: Protocol, reused: bool) -> Option<ConnectionInfo> {
        let ends = Arc::clone(self.0.stats.get()?.ends());
        Some(ConnectionInfo { ends, protocol, reused })
    }

    /// The address that the connection leads to; none of a unix socket.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.0.stats.get()?.ends().remote
    }

    /// The connection is kept for the next exchange.
    pub(super) fn becomes_idle(&self) {
        self.0.stats.get().into_iter().for_each(ConnectionStats::becomes_idle);
    }

    /// The connection is used again.
    pub(super) fn is_used_again(&self) {
        self.0.stats.get().into_iter().for_each(ConnectionStats::is_used_again);
    }

    /// Of a connection that exchanges share, the last one has ended.
    pub(super) fn is_shared_by_none(&self) {
        self.0.stats.get().into_iter().for_each(ConnectionStats::is_shared_by_none);
    }

    /// One more exchange shares the connection with others.
    pub(super) fn is_shared(&self) {
        self.0.stats.get().into_iter().for_each(ConnectionStats::is_shared);
    }

    /// The connection is about to be closed, and why.
    pub(super) fn closes(&self, reason: CloseReason) {
        self.0.stats.get().into_iter().for_each(|stats| stats.closes(reason));
    }

    /// Whether threads beside the one of its transport poll the connection.
    pub(super) fn is_read_on_any_thread(&self, on_any: bool) {
        self.0.stats.get().into_iter().for_each(|stats| stats.is_read_on_any_thread(on_any));
    }

    /// Bytes that the socket took.
    pub(super) fn note_written(&self, count: usize) {
        self.0.written.fetch_add(count as u64, Ordering::Relaxed);
        self.0.stats.get().into_iter().for_each(|stats| stats.sent(count));
    }

    /// Bytes that the socket has taken since the connection stands.
    pub(super) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Bytes that the socket has given since the connection stands.
    pub(super) fn read(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// The connection is polled: it reads its share before the others on the thread get their turn. A peer that
    /// sends without end would be read without end.
    pub(super) fn begin_turn(&self) {
        self.asks_again();
        self.goes_on();
    }

    /// It has come further within its turn, and may read as much again.
    pub(super) fn goes_on(&self) {
        self.0.turn.store(FIRST_OF_TURN, Ordering::Relaxed);
        self.0.is_asked.store(false, Ordering::Relaxed);
    }

    /// The runtime knows of nothing to read, and learns of more between turns: it is asked no more in this one.
    pub(super) fn drained(&self) {
        self.0.is_drained.store(true, Ordering::Relaxed);
    }

    /// The runtime is asked again.
    pub(super) fn asks_again(&self) {
        self.0.is_drained.store(false, Ordering::Relaxed);
    }

    /// Whether that is so. What polls the connection is woken, once there is something to read.
    #[inline]
    pub(super) fn is_drained(&self) -> bool {
        self.0.is_drained.load(Ordering::Relaxed)
    }

    /// The connection is asked to read.
    pub(super) fn is_asked(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
    }

    /// Whether nothing comes of the connection any more: writing has failed, and the connection was not asked to read in this turn.
    pub(super) fn is_of_no_use(&self) -> bool {
        self.reads_the_last() && !self.0.is_asked.load(Ordering::Relaxed)
    }

    /// Whether the share of this turn is read; never where turns are not counted.
    pub(super) fn is_turn_over(&self) -> bool {
        let is_flood = self.0.idle.load(Ordering::Relaxed) > FLOOD;
        self.0.turn.load(Ordering::Relaxed) > if is_flood { TURN / 4 } else { TURN }
    }

    /// What has been read so far brought an exchange further.
    pub(super) fn advanced(&self) {
        self.0.idle.store(0, Ordering::Relaxed);
    }

    /// Why nothing more is read, where too much came that brought no exchange further.
    pub(super) fn overrun(&self) -> Option<AnswerFault> {
        (self.0.idle.load(Ordering::Relaxed) > MAX_IDLE).then(|| AnswerFault::of_no_use(MAX_IDLE))
    }

    /// Bytes that the socket gave.
    pub(super) fn note_read(&self, count: usize) {
        if count == 0 {
            return;
        }
        self.0.read.fetch_add(count as u64, Ordering::Relaxed);
        // One thread at a time polls a connection, so that no other one counts meanwhile.
        let idle = self.0.idle.load(Ordering::Relaxed);
        self.0.idle.store(idle.saturating_add(count), Ordering::Relaxed);
        self.0.stats.get().into_iter().for_each(|stats| stats.received(count));
        let turn = self.0.turn.load(Ordering::Relaxed);
        if turn >= FIRST_OF_TURN {
            self.0.turn.store(turn.saturating_add(count), Ordering::Relaxed);
        }
    }

    /// The next read asks the socket itself, not what the runtime knows of it: while a connection was idle
    /// nobody drove the runtime, and the peer may have closed.
    pub(super) fn ask_socket(&self) {
        self.asks_again();
        self.0.ask_socket.store(true, Ordering::Relaxed);
    }

    /// The next read hands the socket to the runtime in whose context it is made.
    pub(super) fn changes_runtime(&self) {
        self.0.changes_runtime.store(true, Ordering::Relaxed);
    }

    /// Whether the next read is to do so.
    pub(super) fn is_to_change(&self) -> bool {
        self.0.changes_runtime.load(Ordering::Relaxed)
    }

    /// The same; it is done once.
    pub(super) fn take_change(&self) -> bool {
        self.is_to_change() && self.0.changes_runtime.swap(false, Ordering::Relaxed)
    }

    /// Nothing is to be read before the next write.
    pub(super) fn hold_reads(&self) {
        self.0.holds_reads.store(true, Ordering::Relaxed);
    }

    /// Whether reading waits for a write.
    pub(super) fn holds_reads(&self) -> bool {
        self.0.holds_reads.load(Ordering::Relaxed)
    }

    /// Reading need not wait any more.
    pub(super) fn release_reads(&self) {
        self.0.holds_reads.store(false, Ordering::Relaxed);
    }

    /// Writing has failed: what has arrived is read, and where nothing is left reading fails as well.
    pub(super) fn read_to_the_last(&self) {
        self.asks_again();
        self.0.reads_the_last.store(true, Ordering::Relaxed);
    }

    /// Whether reading goes on after writing has failed.
    pub(super) fn reads_the_last(&self) -> bool {
        self.0.reads_the_last.load(Ordering::Relaxed)
    }

    /// Whether the next read is to ask the socket itself; it is asked once.
    pub(super) fn take_ask(&self) -> bool {
        self.0.ask_socket.load(Ordering::Relaxed)
            && self.0.ask_socket.swap(false, Ordering::Relaxed)
    }
}

/// 0 stands for a connection whose turns are not counted.
const FIRST_OF_TURN: usize = 1;

/// Frames of a few bytes cost HTTP/2 about a microsecond each: 16 KiB of them are over in two milliseconds.
pub(super) const TURN: usize = 16 * 1024;

/// After this number of bytes that brought nothing, turns are shorter: a ticket of TLS costs as much as ten frames of its
/// size.
const FLOOD: usize = 64 * 1024;

/// Four times the largest head; whatever a peer goes on sending, be it tickets of TLS or frames of HTTP/2 that are neither
/// head nor body.
pub(super) const MAX_IDLE: usize = 1024 * 1024;
