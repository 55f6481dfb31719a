//! The points in time that loads count in.

use std::time::Duration;

/// A point in time: whole microseconds since an origin that all of a load's callers share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(pub(super) u64);

impl Tick {
    /// The tick that lies this long after the origin. It does not wrap around: 64 bits last for half
    /// a million years, beyond which all ticks are equal.
    #[must_use]
    pub const fn after_origin(elapsed: Duration) -> Self {
        Self(whole_micros(elapsed))
    }

    /// Microseconds since the origin.
    pub(crate) const fn micros(self) -> u64 {
        self.0
    }

    /// The tick that lies this much later.
    pub(crate) const fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(whole_micros(time)))
    }

    /// Microseconds from an earlier tick; none from a later one, as threads that read the clock may
    /// overtake each other.
    pub(super) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

pub(super) const fn whole_micros(duration: Duration) -> u64 {
    let micros = duration.as_secs().saturating_mul(1_000_000);
    micros.saturating_add(duration.subsec_micros() as u64)
}
