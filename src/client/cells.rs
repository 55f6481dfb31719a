//! What a pick looks at: one bit for each of 64 endpoints, beside one another.
//!
//! A pick among many that followed pointers to each endpoint would wait for memory. The bit says that an
//! endpoint is in rotation without a question; where it is clear, the endpoint itself is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::level::Level;

/// Endpoints that share their cells.
pub(super) const WIDTH: usize = 64;

/// The hot state of neighbouring places, the same for every version of the roster.
#[derive(Debug)]
pub(super) struct Cells {
    rotating: AtomicU64,
    level: Arc<Level>,
}

impl Cells {
    pub(super) fn new(level: Arc<Level>) -> Self {
        Self { rotating: AtomicU64::new(0), level }
    }

    pub(super) fn level(&self) -> &Arc<Level> {
        &self.level
    }

    /// Whether the endpoint at `place` gets traffic without a question.
    pub(super) fn is_rotating(&self, place: usize) -> bool {
        self.rotating.load(Ordering::Relaxed) & bit(place) != 0
    }

    /// Takes the endpoint at `place` into rotation or out of it. Counted once, whoever says it again.
    pub(super) fn set_rotating(&self, place: usize, rotating: bool) {
        // Mostly nothing changes, and a load meets nobody.
        if self.is_rotating(place) == rotating {
            return;
        }
        let bit = bit(place);
        if rotating {
            if self.rotating.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                self.level.joined();
            }
        } else if self.rotating.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
            self.level.left();
        }
    }
}

const fn bit(place: usize) -> u64 {
    1 << (place % WIDTH)
}
