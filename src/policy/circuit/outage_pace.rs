//! How soon an endpoint is probed while no other takes calls.
//!
//! An open wait is long, since others serve meanwhile. Where nobody does, it is an outage of its own: the only endpoint
//! restarted in 50 ms, and its circuit failed all calls for up to 1.2 s more, each of which a refused connect would have
//! cost nothing. So there the wait follows the outage: a quarter of the time that it has lasted, and a twentieth of the
//! open wait's base at least. An outage thus lasts a quarter longer than the service was away, and one that goes on is
//! met by a few probes in its first seconds and then by the open wait's. It holds for failed connects alone: what
//! answers or hangs costs its callers something.

use std::time::Duration;

/// The wait between two probes, in an outage that has lasted for `age`.
#[must_use]
pub fn early_wait(age: Duration, open_base: Duration) -> Duration {
    (age / 4).max(open_base / 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::test_inputs::ms;

    #[test]
    fn it_grows_with_the_outage() {
        let base = ms(500);
        for (age, wait) in [(0, 25), (100, 25), (200, 50), (2_000, 500)] {
            assert_eq!(early_wait(ms(age), base), ms(wait), "{age} ms");
        }
        assert_eq!(early_wait(ms(0), ms(60_000)), ms(3_000));
    }

    #[test]
    fn few_probes_meet_an_outage_in_its_first_four_seconds() {
        let (mut at, mut probes) = (Duration::ZERO, 0);
        while at < ms(4_000) {
            at += early_wait(at, ms(500));
            probes += 1;
        }
        assert!((10..25).contains(&probes), "{probes}");
    }
}
