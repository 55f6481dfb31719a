//! What a server says about repeating the call: do not, or not before a time in milliseconds.
//!
//! Over several layers of services, only the one next to the fault can tell whether repeating
//! helps. If it has tried in vain, it says so, and the layers above it hand that on instead of each
//! trying again on top. gRPC carries it in `grpc-retry-pushback-ms`; over plain HTTP a header of the
//! client's choice carries the same value.
//!
//! It differs from `Retry-After`: that speaks for one endpoint, so another may be tried at once. A
//! pushback speaks for the call, wherever it would go next. And where a `Retry-After` that cannot be
//! read is none, a pushback that cannot be read is a no, as gRPC has it: the server did mean to hold
//! somebody back.

use std::time::Duration;

/// A server's word on repeating the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// The call is not to be repeated.
    Never,
    /// It may be repeated after exactly this wait.
    After(Duration),
}

impl Pushback {
    /// Reads the header's value: whole milliseconds, at most `cap`. A negative or garbled value means
    /// never.
    #[must_use]
    pub fn parse(value: &[u8], cap: Duration) -> Self {
        let text = std::str::from_utf8(value).unwrap_or_default().trim_matches([' ', '\t']);
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::Never;
        }
        // With nothing but digits, the only way to fail is a number too large for 64 bits.
        Self::After(Duration::from_millis(text.parse().unwrap_or(u64::MAX)).min(cap))
    }
}

/// The value that says never, for a server that hands it on.
pub const NEVER: &str = "-1";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::ms;

    const CAP: Duration = ms(300_000);

    fn read(value: &str) -> Pushback {
        Pushback::parse(value.as_bytes(), CAP)
    }

    #[test]
    fn a_number_is_a_wait_in_milliseconds() {
        assert_eq!(read("0"), Pushback::After(Duration::ZERO));
        assert_eq!(read(" 250 "), Pushback::After(ms(250)));
        assert_eq!(read("0000000000000000000000000000250"), Pushback::After(ms(250)));
    }

    #[test]
    fn a_long_wait_is_clamped() {
        assert_eq!(read("300001"), Pushback::After(CAP));
        assert_eq!(read("99999999999999999999999999999999"), Pushback::After(CAP));
    }

    #[test]
    fn anything_else_means_never() {
        for value in [NEVER, "", " ", "-0", "+1", "1.5", "no", "5s", "0x1", "1 2", "\u{0663}"] {
            assert_eq!(read(value), Pushback::Never, "{value:?}");
        }
        assert_eq!(Pushback::parse(b"\xff", CAP), Pushback::Never);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_wait_beyond_the_cap(
            value in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            if let Pushback::After(wait) = Pushback::parse(&value, CAP) {
                prop_assert!(wait <= CAP);
            }
        }

        #[test]
        fn every_wait_reads_back(wait in any::<u64>()) {
            let found = Pushback::parse(wait.to_string().as_bytes(), CAP);
            prop_assert_eq!(found, Pushback::After(ms(wait).min(CAP)));
        }
    }
}
