//! The one clock: tokio's, so that a test's paused runtime makes the whole library's time virtual.

use std::time::Instant;

/// The monotonic time that every policy is told.
#[must_use]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
