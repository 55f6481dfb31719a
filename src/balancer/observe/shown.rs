//! Which endpoints are shown one by one: the busiest, and all others as one.
//!
//! The first ones with traffic are shown. Where there are more, each snapshot gives the places of the idlest to those
//! of the rest that are twice as busy: less would make series come and go with chance.

use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::statistics::EndpointCells;

/// The places of a balancer's endpoints among the shown.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Below 0 where there are fewer places than were given away.
    left: AtomicIsize,
    most: AtomicUsize,
    /// What was counted of all others.
    pub(crate) rest: EndpointCells,
    /// Held while places change hands.
    exchange: Mutex<()>,
}

impl Shown {
    /// Room for `most`.
    pub(crate) fn new(most: usize) -> Self {
        let (rest, exchange) = (EndpointCells::default(), Mutex::default());
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
}
