//! A connection that the pool keeps: ready for a request, or parked.

use std::net::SocketAddr;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::parked::Parked;
use crate::statistics::CloseReason;

/// What the pool keeps.
pub(crate) enum Idle {
    /// Used just now.
    Ready(Box<Connection>),
    /// Unused for a while.
    Parked(Box<Parked>),
}

impl Idle {
    /// The connection, ready for a request; `None` where it cannot take one.
    pub(crate) fn unpark(self) -> Option<Box<Connection>> {
        match self {
            Self::Ready(connection) => Some(connection),
            Self::Parked(parked) => Connection::unpark(*parked),
        }
    }

    /// The connection, parked; `None` where the peer has sent what nobody asked for.
    pub(crate) fn park(self) -> Option<Parked> {
        match self {
            Self::Ready(connection) => connection.park(),
            Self::Parked(parked) => Some(*parked),
        }
    }

    /// The address that it leads to.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        match self {
            Self::Ready(connection) => connection.traffic.remote(),
            Self::Parked(parked) => parked.traffic.remote(),
        }
    }

    /// Since when it is unused.
    pub(crate) fn idle_since(&self) -> Instant {
        match self {
            Self::Ready(connection) => connection.idle_since,
            Self::Parked(parked) => parked.idle_since,
        }
    }

    /// How long it may be unused: a peer that closes it earlier than `idle_timeout` has said so.
    fn idle_limit(&self, idle_timeout: Duration) -> Duration {
        let keep_alive = match self {
            Self::Ready(connection) => connection.answer.keep_alive(),
            Self::Parked(parked) => parked.keep_alive,
        };
        keep_alive.map_or(idle_timeout, |limit| limit.min(idle_timeout))
    }

    /// Whether it may be used further; one that may not is closed by its caller.
    pub(crate) fn is_current(&self, now: Instant, idle_timeout: Duration) -> bool {
        let (retires, idle_since) = match self {
            Self::Ready(connection) => (connection.retires, connection.idle_since),
            Self::Parked(parked) => (parked.retires, parked.idle_since),
        };
        let idle = now.saturating_duration_since(idle_since) < self.idle_limit(idle_timeout);
        if now >= retires || !idle {
            self.closes(if idle { CloseReason::Age } else { CloseReason::Idle });
        }
        now < retires && idle
    }

    /// It is about to be closed, and why.
    pub(crate) fn closes(&self, reason: CloseReason) {
        match self {
            Self::Ready(connection) => connection.closes(reason),
            Self::Parked(parked) => parked.traffic.closes(reason),
        }
    }

    /// Until when it may stay parked unasked, where it is.
    pub(crate) fn parked_until(&self, idle_timeout: Duration) -> Option<Instant> {
        match self {
            Self::Ready(_) => None,
            Self::Parked(parked) => {
                let until = parked.idle_since.checked_add(self.idle_limit(idle_timeout));
                Some(until.map_or(parked.retires, |until| until.min(parked.retires)))
            }
        }
    }

    /// The janitor's look: gone where the peer closed it, parked where nobody used it for a while. What happens to
    /// it then wakes the `waker`, where its runtime is driven always.
    pub(crate) fn swept(self, now: Instant, waker: Option<&Waker>) -> Option<Self> {
        self.closes(CloseReason::Peer);
        let kept = self.kept_open(now, waker)?;
        // What closes it later is not the peer, as far as is known.
        kept.closes(CloseReason::Other);
        Some(kept)
    }

    fn kept_open(self, now: Instant, waker: Option<&Waker>) -> Option<Self> {
        match self {
            Self::Parked(mut parked) => parked.is_still_open(waker).then_some(Self::Parked(parked)),
            Self::Ready(mut connection) => {
                let stands = connection.is_still_open();
                let idle = now.saturating_duration_since(connection.idle_since);
                match (stands, idle < PARK_AFTER) {
                    (false, _) => None,
                    (true, true) => Some(Self::Ready(connection)),
                    (true, false) => {
                        let mut parked = Box::new(connection.park()?);
                        let stands = waker.is_none() || parked.is_still_open(waker);
                        stands.then_some(Self::Parked(parked))
                    }
                }
            }
        }
    }
}

/// Less than the janitor's round, so that what one round passes over is parked with the next; far more than the pause
/// between two calls of a busy caller.
const PARK_AFTER: Duration = Duration::from_millis(500);
