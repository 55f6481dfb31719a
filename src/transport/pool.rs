//! Connections kept between exchanges, endpoint by endpoint.
//!
//! A connection is owned whole, its driver included, and no task runs for it: who exchanges polls it, and
//! who drops it closes it. That is why a kept connection notices nothing on its own and is asked before use.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use crate::endpoint::Endpoint;
use crate::outcome::{Failure, FailureKind};

use super::Progress;
use super::request::RequestBody;
use super::wire::{Stream, Traffic};

/// One connection with its driver.
pub(super) struct Connection {
    /// Takes requests.
    pub(super) sender: SendRequest<RequestBody>,
    driver: http1::Connection<TokioIo<Stream>, RequestBody>,
    traffic: Traffic,
    retires: Instant,
    idle_since: Instant,
}

impl Connection {
    /// Speaks HTTP/1.1 over `stream` until `retires`.
    ///
    /// An answer's head is bounded by hyper's 100 headers and by the read buffer.
    pub(super) async fn new(
        stream: Stream,
        traffic: Traffic,
        retires: Instant,
    ) -> Result<Box<Self>, Failure> {
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(MAX_READ_BUFFER)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::unsent(FailureKind::Connect, "connection not usable"))?;
        Ok(Box::new(Self { sender, driver, traffic, retires, idle_since: Instant::now() }))
    }

    /// Bytes that the socket has taken so far.
    pub(super) fn written(&self) -> u64 {
        self.traffic.written()
    }

    /// Polls the connection together with `work`, which waits for it, and marks the first byte to leave.
    pub(super) async fn drive<W: Future + Unpin>(
        &mut self,
        progress: &Progress,
        mut work: W,
    ) -> W::Output {
        let before = self.written();
        let mut open = true;
        poll_fn(|cx| {
            // Twice, since each side may have made the other's next step possible.
            for _ in 0..2 {
                open = open && Pin::new(&mut self.driver).poll(cx).is_pending();
                if self.traffic.written() > before {
                    progress.mark_sent();
                }
                if let Poll::Ready(output) = Pin::new(&mut work).poll(cx) {
                    return Poll::Ready(output);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Polls the connection and what waits for it, as [`Self::drive`] does; `open` says until when.
    pub(super) fn poll_with<T>(
        &mut self,
        open: &mut bool,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        for _ in 0..2 {
            *open = *open && Pin::new(&mut self.driver).poll(cx).is_pending();
            if let Poll::Ready(output) = work(cx) {
                return Poll::Ready(output);
            }
        }
        Poll::Pending
    }

    /// Whether a connection that rested can take a request; costs one look at the socket.
    pub(super) fn still_stands(&mut self) -> bool {
        self.traffic.ask_socket();
        self.is_usable()
    }

    /// Whether the connection can take a request, as far as its driver has seen.
    pub(super) fn is_usable(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(&mut self.driver).poll(&mut cx).is_pending() && self.sender.is_ready()
    }

    /// How long nobody has used it.
    pub(super) fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.idle_since)
    }

    fn is_current(&self, now: Instant, idle_timeout: Duration) -> bool {
        now < self.retires && self.idle_for(now) < idle_timeout
    }
}

/// The kept connections of one transport.
#[derive(Default)]
pub(super) struct Pool {
    slots: Mutex<Slots>,
}

impl Pool {
    /// The connection to `endpoint` used last; older ones may rest until they are not needed any more.
    pub(super) fn take(
        &self,
        endpoint: &Arc<Endpoint>,
        now: Instant,
        idle_timeout: Duration,
    ) -> Option<Box<Connection>> {
        loop {
            // The guard ends with the statement: connections close outside the lock.
            let kept = self.lock().by_endpoint.get_mut(&key(endpoint))?.idle.pop()?;
            if kept.is_current(now, idle_timeout) {
                return Some(kept);
            }
        }
    }

    /// Keeps `connection` for the next exchange with `endpoint`, at most `max_idle` of them.
    pub(super) fn put(
        &self,
        endpoint: &Arc<Endpoint>,
        mut connection: Box<Connection>,
        now: Instant,
        max_idle: usize,
    ) {
        connection.idle_since = now;
        if now >= connection.retires || max_idle == 0 {
            return;
        }
        let surplus = self.lock().slot(endpoint).keep(connection, max_idle);
        drop(surplus);
    }

    /// Closes what is too old, idle for too long, or closed by the peer, and forgets endpoints without any.
    pub(super) fn sweep(&self, now: Instant, idle_timeout: Duration) {
        let mut ended = Vec::new();
        let mut slots = self.lock();
        slots.by_endpoint.retain(|_, slot| {
            let stays = |kept: &mut Box<Connection>| {
                kept.is_current(now, idle_timeout) && kept.still_stands()
            };
            ended.extend(slot.idle.extract_if(.., |kept| !stays(kept)));
            !slot.idle.is_empty()
        });
        drop(slots);
        drop(ended);
    }

    /// Sweeps when the last time is long enough ago.
    pub(super) fn sweep_if_due(&self, now: Instant, idle_timeout: Duration) {
        let mut slots = self.lock();
        let due = slots.next_sweep.is_none_or(|next| now >= next);
        if due {
            slots.next_sweep = Some(now + SWEEP_INTERVAL);
        }
        let empty = slots.by_endpoint.is_empty();
        drop(slots);
        if due && !empty {
            self.sweep(now, idle_timeout);
        }
    }

    /// Closes the kept connections to `endpoint`.
    pub(super) fn forget(&self, endpoint: &Arc<Endpoint>) {
        let slot = self.lock().by_endpoint.remove(&key(endpoint));
        drop(slot);
    }

    /// Kept connections to all endpoints.
    pub(super) fn len(&self) -> usize {
        self.lock().by_endpoint.values().map(|slot| slot.idle.len()).sum()
    }

    /// A panic elsewhere cannot leave the map half changed.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Slots {
    by_endpoint: HashMap<usize, Slot>,
    next_sweep: Option<Instant>,
}

impl Slots {
    fn slot(&mut self, endpoint: &Arc<Endpoint>) -> &mut Slot {
        self.by_endpoint
            .entry(key(endpoint))
            .or_insert_with(|| Slot { _endpoint: Arc::clone(endpoint), idle: Vec::new() })
    }
}

/// Holds the endpoint, so that its address in memory names no other one meanwhile.
struct Slot {
    _endpoint: Arc<Endpoint>,
    #[allow(
        clippy::vec_box,
        reason = "a connection is large, and moved in and out for every exchange"
    )]
    idle: Vec<Box<Connection>>,
}

impl Slot {
    /// Returns the connection that has to go for `connection`, the one unused for longest.
    fn keep(&mut self, connection: Box<Connection>, max_idle: usize) -> Option<Box<Connection>> {
        let surplus = (self.idle.len() >= max_idle).then(|| self.idle.remove(0));
        self.idle.push(connection);
        surplus
    }
}

/// Identity, not equality: an endpoint whose properties changed is a new one with connections of its own.
fn key(endpoint: &Arc<Endpoint>) -> usize {
    Arc::as_ptr(endpoint).addr()
}

/// A read buffer grows with large answers and stays so while its connection is kept: with hyper's 408 KiB a few
/// hundred idle connections held 60 MB. No head of a sane answer is larger.
const MAX_READ_BUFFER: usize = 64 * 1024;

/// Often enough to bound what departed endpoints hold, rarely enough to cost nothing.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);
