//! Which endpoints have metric series of their own: the busiest. All others share one.
//!
//! The first ones with traffic have. Where there are more, each snapshot gives the places of the idlest to those
//! of the rest that are twice as busy: less would make series come and go with chance.

use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use crate::runtime::host::caller;
use crate::statistics::{EndpointCells, EndpointCounts, ResultLabel};

/// Cells that share no cache line with others.
#[derive(Debug, Default)]
#[repr(align(64))]
struct CachePadded(EndpointCells);

/// How many endpoints of a balancer have metric series of their own, and how many more may.
#[derive(Debug)]
pub(crate) struct SeriesLimit {
    /// Below 0 where there are fewer places than were given away.
    left: AtomicIsize,
    most: AtomicUsize,
    /// What was counted of all others; made with the first attempt of one.
    rest: OnceLock<Box<[CachePadded; STRIPES]>>,
    /// Held while places change hands.
    exchange: Mutex<()>,
}

impl SeriesLimit {
    /// Room for `most`.
    pub(crate) fn new(most: usize) -> Self {
        let (rest, exchange) = (OnceLock::new(), Mutex::default());
        Self { left: AtomicIsize::new(most as isize), most: AtomicUsize::new(most), rest, exchange }
    }

    /// Makes room for `most`. Those that have a place keep it until they leave, or an exchange takes it.
    pub(crate) fn set_most(&self, most: usize) {
        let before = self.most.swap(most, Ordering::Relaxed);
        self.left.fetch_add(most as isize - before as isize, Ordering::Relaxed);
    }

    /// The right to let places change hands; none while another snapshot does.
    pub(super) fn begin_exchange(&self) -> Option<MutexGuard<'_, ()>> {
        self.exchange.try_lock().ok()
    }

    /// A place, if one is left.
    pub(crate) fn grant(&self) -> bool {
        let one_less = |left: isize| (left > 0).then(|| left - 1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// A place is free again.
    pub(crate) fn give_back(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    /// An attempt of one without a place has ended.
    #[inline]
    pub(crate) fn count_rest(&self, result: ResultLabel, elapsed: Duration) {
        let cells = self.rest.get_or_init(Box::default);
        cells[caller::number() % STRIPES].0.record(result, elapsed, false);
    }

    /// What was counted of all without a place.
    pub(super) fn rest(&self) -> EndpointCounts {
        let mut total = EndpointCounts::default();
        let cells = self.rest.get().into_iter().flat_map(|cells| cells.iter());
        cells.for_each(|cells| total.merge(&cells.0.read()));
        total
    }
}

/// Among many endpoints most have no place, and threads passed the line of one set of cells back and forth: a tenth of what
/// an attempt takes where two threads share a balancer.
const STRIPES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_count_of_the_rest_adds_up() {
        let series_limit = SeriesLimit::new(0);
        assert_eq!(series_limit.rest().durations.count(), 0);
        std::thread::scope(|scope| {
            let count = |result| series_limit.count_rest(result, Duration::from_millis(1));
            let results = ResultLabel::ALL.into_iter().cycle().take(2 * STRIPES);
            results.for_each(|result| drop(scope.spawn(move || count(result))));
        });
        let counts = series_limit.rest();
        assert_eq!(counts.durations.count(), 2 * STRIPES as u64);
        assert_eq!(ResultLabel::ALL.map(|result| counts.of(result)), [7, 7, 6, 6, 6]);
    }
}
