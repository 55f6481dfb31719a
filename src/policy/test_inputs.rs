//! The two inputs that the rules refuse to fetch themselves, made reproducible for tests.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

/// Some instant; tests only ever use the distance to it.
#[allow(
    clippy::disallowed_methods,
    reason = "an Instant has no other source, and no test depends on which one it is"
)]
pub(crate) fn t0() -> Instant {
    Instant::now()
}

/// A generator that draws the same numbers in each run.
pub(crate) fn rng() -> StdRng {
    StdRng::seed_from_u64(0x00a4_0a40)
}

/// Milliseconds, short enough for a table of times.
pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}
