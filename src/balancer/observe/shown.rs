//! Which endpoints are shown one by one: the busiest, and all others as one.
//!
//! The first ones with traffic are shown. Where there are more, each snapshot gives the places of the idlest to those
//! of the rest that are twice as busy: less would make series come and go with chance.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::statistics::EndpointCells;

/// The places of a balancer's endpoints among the shown.
#[derive(Debug)]
pub(crate) struct Shown {
    left: AtomicUsize,
    /// What was counted of all others.
    pub(crate) rest: EndpointCells,
    /// Held while places change hands.
    exchange: Mutex<()>,
}

impl Shown {
    /// Room for `most`.
    pub(crate) fn new(most: usize) -> Self {
        let (rest, exchange) = (EndpointCells::default(), Mutex::default());
        Self { left: AtomicUsize::new(most), rest, exchange }
    }

    /// The right to let places change hands; none while another snapshot does.
    pub(super) fn begin_exchange(&self) -> Option<MutexGuard<'_, ()>> {
        self.exchange.try_lock().ok()
    }

    /// A place, if one is left.
    pub(crate) fn grant(&self) -> bool {
        let one_less = |left: usize| left.checked_sub(1);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }

    /// A place is free again.
    pub(crate) fn give_back(&self) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }
}
