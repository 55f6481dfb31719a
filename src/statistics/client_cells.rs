//! All that one client counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, PoisonError};

use super::counter::Counter;
use super::histogram::Distribution;
use super::key::Key;
use super::stripe::Stripe;

/// The stripes of a client, made as shards and I/O threads first work for it.
///
/// At most 64 KiB: stripes of 1 KB for as many shards as [`MOST_STRIPES`], and series of 150 bytes, of which all
/// stripes together make [`MOST_OWN`] and the shared one 96.
#[derive(Debug)]
pub struct ClientCells {
    shared: Arc<Stripe>,
    own: Mutex<Vec<Arc<Stripe>>>,
    left: Arc<AtomicUsize>,
}

/// The sums over all stripes.
#[derive(Clone, Debug)]
pub struct Totals {
    /// By [`Counter`].
    pub counters: [u64; Counter::COUNT],
    /// Calls that ended.
    pub calls: BTreeMap<Key, Distribution>,
    /// Attempts that ended.
    pub attempts: BTreeMap<Key, Distribution>,
}

impl Default for ClientCells {
    fn default() -> Self {
        Self {
            shared: Stripe::shared(),
            own: Mutex::default(),
            left: Arc::new(AtomicUsize::new(MOST_OWN)),
        }
    }
}

impl ClientCells {
    /// The stripe that any thread may count on.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Stripe> {
        &self.shared
    }

    /// A stripe for a shard or I/O thread, which has it to itself until it drops the last reference. Where there are
    /// too many, the shared one.
    #[must_use]
    pub fn stripe(&self) -> Arc<Stripe> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(free) = own.iter().find(|stripe| Arc::strong_count(stripe) == 1) {
            // What its last holder wrote is seen by the next one.
            fence(Ordering::Acquire);
            return Arc::clone(free);
        }
        if own.len() >= MOST_STRIPES {
            return Arc::clone(&self.shared);
        }
        let stripe = Stripe::own(&self.shared, &self.left);
        own.push(Arc::clone(&stripe));
        stripe
    }

    /// The sums.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut totals = Totals {
            counters: [0; Counter::COUNT],
            calls: BTreeMap::new(),
            attempts: BTreeMap::new(),
        };
        let stripes = || own.iter().chain([&self.shared]);
        // What has ended first: none is to have ended that has not begun.
        for stripe in stripes() {
            for series in stripe.calls().all() {
                add(&mut totals.calls, series.key, &series.histogram.read());
            }
            for series in stripe.attempts().all() {
                add(&mut totals.attempts, series.key, &series.histogram.read());
            }
        }
        for stripe in stripes() {
            for (counter, sum) in totals.counters.iter_mut().enumerate() {
                *sum += stripe.at(counter);
            }
        }
        totals
    }
}

impl Totals {
    /// The sum of one counter.
    #[must_use]
    pub const fn get(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// Calls that have begun and not ended.
    #[must_use]
    pub fn calls_in_flight(&self) -> u64 {
        let ended: u64 = self.calls.values().map(Distribution::count).sum();
        self.get(Counter::CallsStarted).saturating_sub(ended)
    }
}

fn add(sums: &mut BTreeMap<Key, Distribution>, key: Key, read: &Distribution) {
    // Made on the shared stripe for a place in the list alone.
    if read.count() > 0 {
        sums.entry(key).or_default().merge(read);
    }
}

/// More than most machines run threads at once.
const MOST_STRIPES: usize = 24;
/// Four or five outcomes of calls and of attempts for each stripe.
const MOST_OWN: usize = 160;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Method;

    use super::*;

    #[test]
    fn stripes_add_up_and_are_used_again() {
        let cells = ClientCells::default();
        let (one, other) = (cells.stripe(), cells.stripe());
        assert!(!Arc::ptr_eq(&one, &other));
        let key = Key::answered(&Method::GET, 200);
        for stripe in [&one, &other, cells.shared()] {
            stripe.count(Counter::CallsStarted, 2);
            stripe.record_call(key, Duration::from_millis(1));
        }
        drop(one);
        let again = cells.stripe();
        again.record_attempt(Counter::First, key, Duration::ZERO);
        assert_eq!(cells.own.lock().unwrap().len(), 2);
        let totals = cells.totals();
        assert_eq!((totals.get(Counter::CallsStarted), totals.calls_in_flight()), (6, 3));
        assert_eq!((totals.calls[&key].count(), totals.attempts[&key].count()), (3, 1));
        assert_eq!(totals.get(Counter::First), 1);
    }

    #[test]
    fn a_client_takes_at_most_64_kib() {
        let (slot, series) = (size_of::<std::sync::OnceLock<Box<()>>>(), 152);
        let stripe = size_of::<Stripe>() + 16 + 2 * 12 * slot;
        let shared = size_of::<Stripe>() + 16 + 2 * 48 * slot;
        let most = MOST_STRIPES * stripe + shared + (MOST_OWN + 2 * 48) * series;
        assert!(most <= 64 << 10, "{most}");
    }

    #[test]
    fn beyond_the_most_all_share_one_stripe() {
        let cells = ClientCells::default();
        let held: Vec<_> = (0..MOST_STRIPES).map(|_| cells.stripe()).collect();
        assert!(Arc::ptr_eq(&cells.stripe(), cells.shared()));
        drop(held);
        assert!(!Arc::ptr_eq(&cells.stripe(), cells.shared()));
    }
}
