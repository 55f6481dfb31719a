//! How far an attempt came; written by the transport, read by the call that times it or cuts it short.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::runtime::clock;

/// How far an attempt came.
///
/// A transport that can count reports the bytes of its connection; one that cannot says that it was
/// connected, which must count as sent.
#[derive(Debug)]
pub struct Progress {
    sent: AtomicBool,
    connected: AtomicBool,
    waiting: AtomicBool,
    resolving: AtomicBool,
    began: Instant,
    /// Bytes sent and received.
    moved: AtomicU64,
    /// How long after the beginning the attempt's clock was restarted, in nanoseconds.
    restarted: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new(clock::now())
    }
}

impl Progress {
    /// Of an attempt that begins at this instant.
    #[must_use]
    pub const fn new(began: Instant) -> Self {
        Self {
            sent: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            resolving: AtomicBool::new(false),
            began,
            moved: AtomicU64::new(0),
            restarted: AtomicU64::new(0),
        }
    }

    /// A connection stands (fresh or kept); the connect limit no longer applies.
    pub fn mark_connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// Bytes of the request left for the peer, or may have.
    pub fn mark_sent(&self) {
        self.sent.store(true, Ordering::Relaxed);
    }

    /// All connections that there may be are in use: the attempt waits for one, which is no fault of the endpoint.
    /// Its clock starts when it has one.
    pub fn mark_waiting(&self, waiting: bool) {
        self.waiting.store(waiting, Ordering::Relaxed);
        self.restart();
    }

    /// This number of bytes was sent and received so far. Each [`STEP`] restarts the attempt's clock.
    #[inline]
    pub fn mark_moved(&self, moved: u64) {
        let before = self.moved.load(Ordering::Relaxed);
        if moved / STEP != before / STEP {
            self.restart();
        }
        if moved != before {
            self.moved.store(moved, Ordering::Relaxed);
        }
    }

    /// This number of bytes more was sent or received.
    pub fn add_moved(&self, more: usize) {
        self.mark_moved(self.moved.load(Ordering::Relaxed) + more as u64);
    }

    #[cold]
    fn restart(&self) {
        let after = clock::now().saturating_duration_since(self.began).as_nanos() as u64;
        self.restarted.store(after, Ordering::Relaxed);
    }

    /// From when on the attempt's limit counts.
    #[must_use]
    pub fn counts_from(&self) -> Instant {
        self.began + Duration::from_nanos(self.restarted.load(Ordering::Relaxed))
    }

    /// The addresses of the endpoint's name are being asked for: an end of the attempt meanwhile is no fault of the
    /// endpoint.
    pub fn mark_resolving(&self, resolving: bool) {
        self.resolving.store(resolving, Ordering::Relaxed);
    }

    /// Whether it waits for the addresses of a name.
    #[must_use]
    pub fn is_resolving(&self) -> bool {
        self.resolving.load(Ordering::Relaxed)
    }

    /// Whether it waits for a connection that is in use.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether a connection stood.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Whether any byte of the request may have reached the peer.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A large body is under way for longer than an answer takes, and nothing hangs while it moves.
const STEP: u64 = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_16_kib_and_the_end_of_a_wait_restart_the_clock() {
        let began = clock::now();
        let progress = Progress::new(began - Duration::from_secs(1));
        let before = progress.counts_from();
        progress.mark_moved(16_383);
        assert_eq!(progress.counts_from(), before);
        progress.mark_moved(16_384);
        let first = progress.counts_from();
        assert!(first >= began);
        progress.add_moved(100);
        assert_eq!(progress.counts_from(), first);
        progress.mark_waiting(false);
        assert!(progress.counts_from() > first);
    }
}
