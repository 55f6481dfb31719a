//! What passes between a circuit and its callers: the right to send, what that showed, and what came
//! of it.
//!
//! A permit is consumed by giving it back, so that it cannot be counted twice. It carries the circuit's
//! generation instead of a place in a list: a permit that comes back after a change of state is
//! recognised without a list of the attempts under way.

use std::time::{Duration, Instant};

use crate::outcome::{Transition, Verdict};

/// What an attempt showed of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation {
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took, from the permit to the end.
    pub elapsed: Duration,
    /// Whether it passed its limit: its endpoint hangs, and does not merely fail.
    pub late: bool,
    /// How long the answer asked to be left alone: an endpoint knows best when it will be back. Sets
    /// the open wait if this attempt trips, within the bounds that hold for any.
    pub retry_after: Option<Duration>,
}

impl Observation {
    /// An ending and the time until then, without a wish for a wait.
    #[must_use]
    pub const fn new(verdict: Verdict, elapsed: Duration) -> Self {
        Self { verdict, elapsed, late: false, retry_after: None }
    }

    /// When an attempt began that ended `now`.
    pub(crate) fn began(&self, now: Instant) -> Option<Instant> {
        now.checked_sub(self.elapsed)
    }
}

/// The right to send once. Must be given back, by [`settle`](super::Breaker::settle) or
/// [`release`](super::Breaker::release).
#[must_use = "a probe's permit that is dropped blocks its place for the probe timeout"]
#[derive(Debug, PartialEq, Eq)]
pub struct Permit {
    pub(crate) generation: u32,
    pub(crate) probe: bool,
}

impl Permit {
    /// Whether this is a probe of a half-open circuit.
    #[must_use]
    pub const fn probe(&self) -> bool {
        self.probe
    }
}

/// The circuit does not let the caller through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotPermitted {
    /// When the next probe may go; none for a circuit opened by hand.
    pub retry_at: Option<Instant>,
}

/// What an outcome did.
#[must_use = "the roster must act on a trip that a rule wants"]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The change of state, if there was one.
    pub transition: Option<Transition>,
    /// A rule on answers is met: call [`trip`](super::Breaker::trip) unless too few circuits would stay closed.
    pub wants_trip: bool,
}

impl Settled {
    pub(crate) const fn changed(transition: Transition) -> Self {
        Self { transition: Some(transition), wants_trip: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_fits_into_a_register() {
        assert_eq!(size_of::<Permit>(), 8);
    }
}
