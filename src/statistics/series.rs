//! The series of one stripe: a histogram for each method and outcome, made when it is first seen.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::key::Key;

/// One series.
#[derive(Debug)]
pub struct Series {
    /// What it counts.
    pub key: Key,
    /// How many, and how long they took.
    pub histogram: Histogram,
}

impl Series {
    fn new(key: Key) -> Box<Self> {
        Box::new(Self { key, histogram: Histogram::default() })
    }
}

/// The series of a stripe that one thread at a time writes, or of the one that all share; in the order in which they
/// were seen, so that the common ones are found at once.
#[derive(Debug)]
pub struct SeriesTable {
    slots: Box<[OnceLock<Box<Series>>]>,
}

impl SeriesTable {
    /// Room for `most` series.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { slots: (0..most).map(|_| OnceLock::new()).collect() }
    }

    /// The series that are there.
    pub fn all(&self) -> impl Iterator<Item = &Series> {
        self.slots.iter().map_while(OnceLock::get).map(Box::as_ref)
    }

    #[inline]
    fn find(&self, key: Key) -> Option<&Series> {
        self.all().find(|series| series.key == key)
    }

    /// Records one in the series of `key`, which is made where there is room and `left` more may be made; else in the
    /// series of `shared`.
    #[inline]
    pub(super) fn record(&self, key: Key, elapsed: Duration, shared: &Self, left: &AtomicUsize) {
        match self.find(key) {
            Some(series) => series.histogram.record(elapsed, true),
            None => self.record_first(key, elapsed, shared, left),
        }
    }

    #[cold]
    fn record_first(&self, key: Key, elapsed: Duration, shared: &Self, left: &AtomicUsize) {
        let first = shared.shared_series(key);
        // A key that is one of the rest in the shared table is one of the rest here.
        let own = if first.key == key { self.make(key, left) } else { self.find(first.key) };
        match own {
            Some(own) => own.histogram.record(elapsed, true),
            None => first.histogram.record(elapsed, false),
        }
    }

    fn make(&self, key: Key, left: &AtomicUsize) -> Option<&Series> {
        let free = self.slots.iter().find(|slot| slot.get().is_none())?;
        let one_less = |left: usize| left.checked_sub(1);
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok()?;
        Some(free.get_or_init(|| Series::new(key)))
    }

    /// Records one in a table that all threads share.
    pub(super) fn record_shared(&self, key: Key, elapsed: Duration) {
        self.shared_series(key).histogram.record(elapsed, false);
    }

    /// The series of `key`, or that of the rest where all slots but one are taken.
    fn shared_series(&self, key: Key) -> &Series {
        let (last, others) = self.slots.split_last().unwrap_or_else(|| unreachable!("not empty"));
        let made = others.iter().map(|slot| slot.get_or_init(|| Series::new(key)));
        let found = made.map(Box::as_ref).find(|series| series.key == key);
        found.unwrap_or_else(|| last.get_or_init(|| Series::new(Key::REST)))
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn status(status: u16) -> Key {
        Key::answered(&Method::GET, status)
    }

    fn count(table: &SeriesTable, key: Key) -> u64 {
        table.find(key).map_or(0, |series| series.histogram.read().count())
    }

    #[test]
    fn beyond_the_bound_all_are_the_rest() {
        let shared = SeriesTable::new(3);
        for it in [200, 404, 500, 503, 200] {
            shared.record_shared(status(it), Duration::ZERO);
        }
        assert_eq!((count(&shared, status(200)), count(&shared, status(404))), (2, 1));
        assert_eq!(count(&shared, Key::REST), 2);
    }

    #[test]
    fn what_has_no_room_of_its_own_is_counted_with_all() {
        let (shared, own, left) = (SeriesTable::new(4), SeriesTable::new(9), AtomicUsize::new(1));
        for it in [200, 404, 200, 404, 500, 503] {
            own.record(status(it), Duration::ZERO, &shared, &left);
        }
        assert_eq!((count(&own, status(200)), count(&own, status(404))), (2, 0));
        assert_eq!((count(&shared, status(200)), count(&shared, status(404))), (0, 2));
        assert_eq!((count(&shared, status(500)), count(&shared, Key::REST)), (1, 1));
    }
}
