//! Counts one connection from its handshake to its end, and the bytes that went through.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::phase::Ends;
use crate::statistics::{CloseReason, Counter, Stripe};

/// The counters of one connection, from its handshake until it is dropped, on whatever thread.
#[derive(Debug)]
pub(super) struct ConnectionStats {
    stripe: Arc<Stripe>,
    ends: Arc<Ends>,
    is_idle: AtomicBool,
    /// Whether its bytes are counted by threads beside the one whose stripe it is.
    on_any_thread: AtomicBool,
    /// Why it will be closed, once that is known.
    closes: AtomicU8,
}

impl ConnectionStats {
    /// A connection stands.
    pub(super) fn new(stripe: &Arc<Stripe>, ends: Ends) -> Self {
        stripe.count(Counter::ConnectionsOpened, 1);
        Self {
            stripe: Arc::clone(stripe),
            ends: Arc::new(ends),
            is_idle: AtomicBool::new(false),
            on_any_thread: AtomicBool::new(false),
            closes: AtomicU8::new(CloseReason::Other as u8),
        }
    }

    /// Where it begins and ends.
    pub(super) const fn ends(&self) -> &Arc<Ends> {
        &self.ends
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.count(Counter::BytesSent, bytes);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.count(Counter::BytesReceived, bytes);
    }

    fn count(&self, counter: Counter, bytes: usize) {
        match self.on_any_thread.load(Ordering::Relaxed) {
            false => self.stripe.count(counter, bytes as u64),
            true => self.stripe.count_anywhere(counter, bytes as u64),
        }
    }

    /// Whether threads beside its own poll it.
    pub(super) fn is_read_on_any_thread(&self, on_any: bool) {
        self.on_any_thread.store(on_any, Ordering::Relaxed);
    }

    /// It is kept for the next exchange.
    pub(super) fn becomes_idle(&self) {
        self.is_idle.store(true, Ordering::Relaxed);
        self.stripe.count(Counter::ConnectionsKept, 1);
    }

    /// It is used again.
    pub(super) fn is_used_again(&self) {
        self.is_idle.store(false, Ordering::Relaxed);
        self.closes(CloseReason::Other);
        self.stripe.count(Counter::ConnectionsReused, 1);
    }

    /// One that exchanges share is used by none of them any more; told on any thread.
    pub(super) fn is_shared_by_none(&self) {
        self.is_idle.store(true, Ordering::Relaxed);
        self.stripe.count_anywhere(Counter::ConnectionsKept, 1);
    }

    /// One that exchanges use already is used by one more, which needs no handshake either.
    pub(super) fn is_shared(&self) {
        self.stripe.count(Counter::ConnectionsKept, 1);
        self.stripe.count(Counter::ConnectionsReused, 1);
    }

    /// It is about to be closed, and why.
    pub(super) fn closes(&self, reason: CloseReason) {
        self.closes.store(reason as u8, Ordering::Relaxed);
    }
}

impl Drop for ConnectionStats {
    fn drop(&mut self) {
        self.stripe.count(CloseReason::counter(*self.closes.get_mut()), 1);
        if *self.is_idle.get_mut() {
            self.stripe.count(Counter::ClosedAtRest, 1);
        }
    }
}
