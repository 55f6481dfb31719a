//! What the attempts of one shard or I/O thread count.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::cell::Cell;
use super::counter::Counter;
use super::key::Key;
use super::series::SeriesTable;

/// The cells of one shard or I/O thread, whose thread alone counts what is frequent. One stripe is shared by all that
/// have none of their own.
#[derive(Debug)]
pub struct Stripe {
    counters: [Cell; Counter::COUNT],
    calls: SeriesTable,
    attempts: SeriesTable,
    own: Option<Own>,
}

/// What a stripe of its own knows beside its cells.
#[derive(Debug)]
struct Own {
    shared: Arc<Stripe>,
    /// How many series all stripes of the client may still make.
    left: Arc<AtomicUsize>,
}

impl Stripe {
    /// The stripe that all share.
    pub(super) fn shared() -> Arc<Self> {
        Arc::new(Self::with_room(MOST_SERIES, None))
    }

    /// One more stripe beside `shared`.
    pub(super) fn own(shared: &Arc<Self>, left: &Arc<AtomicUsize>) -> Arc<Self> {
        let own = Own { shared: Arc::clone(shared), left: Arc::clone(left) };
        Arc::new(Self::with_room(MOST_OWN_SERIES, Some(own)))
    }

    fn with_room(series: usize, own: Option<Own>) -> Self {
        Self {
            counters: [const { Cell::new() }; Counter::COUNT],
            calls: SeriesTable::new(series),
            attempts: SeriesTable::new(series),
            own,
        }
    }

    /// Counts, on the thread of the stripe where the counter is a frequent one.
    #[inline]
    pub fn count(&self, counter: Counter, count: u64) {
        let alone = self.own.is_some() && counter.is_frequent();
        self.counters[counter as usize].add_as(count, alone);
    }

    /// Counts on any thread.
    pub fn count_anywhere(&self, counter: Counter, count: u64) {
        self.own.as_ref().map_or(self, |own| &own.shared).count(counter, count);
    }

    /// A call has ended.
    #[inline]
    pub fn record_call(&self, key: Key, elapsed: Duration) {
        match &self.own {
            Some(own) => self.calls.record(key, elapsed, &own.shared.calls, &own.left),
            None => self.calls.record_shared(key, elapsed),
        }
    }

    /// An attempt that was made for `reason` has ended.
    #[inline]
    pub fn record_attempt(&self, reason: Counter, key: Key, elapsed: Duration) {
        self.count(reason, 1);
        match &self.own {
            Some(own) => self.attempts.record(key, elapsed, &own.shared.attempts, &own.left),
            None => self.attempts.record_shared(key, elapsed),
        }
    }

    /// The counter of that number.
    pub(super) fn at(&self, counter: usize) -> u64 {
        self.counters[counter].get()
    }

    pub(super) const fn calls(&self) -> &SeriesTable {
        &self.calls
    }

    pub(super) const fn attempts(&self) -> &SeriesTable {
        &self.attempts
    }
}

/// Series of calls, and of attempts, that a client shows; beyond it all are one. Few services have more outcomes.
const MOST_SERIES: usize = 48;
/// Those that a stripe keeps itself: the common ones.
const MOST_OWN_SERIES: usize = 12;
