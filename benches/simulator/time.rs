//! Virtual time: nanoseconds since the start of a run, and nothing of the clock on the wall.

use std::time::{Duration, Instant};

use ahoy::policy::Tick;

/// Nanoseconds since the start of a run.
pub(crate) type Nanos = u64;

pub(crate) const MS: Nanos = 1_000_000;
pub(crate) const SECOND: Nanos = 1_000 * MS;
/// Later than anything that happens.
pub(crate) const NEVER: Nanos = Nanos::MAX / 4;

/// Turns virtual time into what the policies take.
///
/// They want an [`Instant`], of which they only ever use the distance to others. There is no way to
/// make one but to read the clock, so one reading serves as the origin of all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn at(self, now: Nanos) -> Instant {
        self.origin + Duration::from_nanos(now)
    }
}

/// As a load counts it.
pub(crate) const fn tick(now: Nanos) -> Tick {
    Tick::after_origin(Duration::from_nanos(now))
}

pub(crate) fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
