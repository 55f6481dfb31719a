//! One number that only grows.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count.
///
/// A locked addition costs about 5 ns, and one that has the cell to itself a tenth of that. So each count says which
/// it needs; a cell is counted by one of the two ways always.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    /// Zero.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Adds `count`, from any thread.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds `count` where no other thread writes meanwhile; others may read.
    #[inline]
    pub fn add_alone(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// By the way that `alone` says.
    #[inline]
    pub fn add_as(&self, count: u64, alone: bool) {
        if alone { self.add_alone(count) } else { self.add(count) }
    }

    /// The count.
    #[must_use]
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
