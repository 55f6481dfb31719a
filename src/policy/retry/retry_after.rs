//! The `Retry-After` header: how long an endpoint asks to be left alone.
//!
//! The wall clock is an argument because the header may name a date; the result is a duration, and
//! from there on only the monotonic clock counts. A value that cannot be read is no value: guessing
//! a wait would be worse than the ordinary backoff.

use std::time::{Duration, SystemTime};

/// A wait that an endpoint asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryAfter {
    /// How long to wait, clamped to the cap; zero for a date that has passed.
    pub wait: Duration,
    /// Whether the endpoint asked for more than the cap: then waiting is not worth it.
    pub beyond_cap: bool,
}

/// Whether an answer with this status may ask for a wait: only one that says "not now". On others the
/// header means other things, as on a redirect, or nothing.
#[must_use]
pub const fn may_ask(status: u16) -> bool {
    matches!(status, 429 | 503)
}

/// Reads the header's value: whole seconds, or a date in one of HTTP's three forms.
///
/// None for an empty, negative or garbled value. A number of any length is fine and saturates.
#[must_use]
pub fn parse(value: &[u8], wall_now: SystemTime, cap: Duration) -> Option<RetryAfter> {
    let text = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    let asked = seconds(text).or_else(|| until_date(text, wall_now))?;
    Some(RetryAfter { wait: asked.min(cap), beyond_cap: asked > cap })
}

fn seconds(text: &str) -> Option<Duration> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // With nothing but digits, the only way to fail is a number too large for 64 bits.
    all_digits.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

fn until_date(text: &str, wall_now: SystemTime) -> Option<Duration> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(wall_now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAP: Duration = Duration::from_secs(300);

    /// 37 seconds past 08:49 on Sunday, 6 November 1994: the date in the RFCs.
    fn wall_now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn read(value: &str) -> Option<RetryAfter> {
        parse(value.as_bytes(), wall_now(), CAP)
    }

    fn secs(wait: u64) -> Option<RetryAfter> {
        Some(RetryAfter { wait: Duration::from_secs(wait), beyond_cap: false })
    }

    #[test]
    fn only_too_many_and_unavailable_may_ask() {
        let asking: Vec<_> = (100..600).filter(|status| may_ask(*status)).collect();
        assert_eq!(asking, [429, 503]);
    }

    #[test]
    fn seconds_are_read_with_blanks_around_them() {
        assert_eq!(read("0"), secs(0));
        assert_eq!(read("120"), secs(120));
        assert_eq!(read(" \t 7 \t"), secs(7));
        assert_eq!(read("000000000000000000000000000009"), secs(9));
        assert_eq!(read("300"), secs(300));
    }

    #[test]
    fn all_three_date_forms_name_the_same_instant() {
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), secs(60));
        assert_eq!(read("Sunday, 06-Nov-94 08:50:37 GMT"), secs(60));
        assert_eq!(read("Sun Nov  6 08:50:37 1994"), secs(60));
    }

    #[test]
    fn a_date_that_has_passed_is_no_wait() {
        assert_eq!(read("Sun, 06 Nov 1994 08:49:36 GMT"), secs(0));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), secs(0));
    }

    #[test]
    fn more_than_the_cap_is_clamped_and_said() {
        let beyond = Some(RetryAfter { wait: CAP, beyond_cap: true });
        assert_eq!(read("301"), beyond);
        assert_eq!(read("99999999999999999999999999999999999"), beyond);
        assert_eq!(read("Fri, 31 Dec 9999 23:59:59 GMT"), beyond);
    }

    #[test]
    fn garbage_is_no_value() {
        let garbled = ["", "  ", "-1", "+5", "1.5", "5s", "soon", "1 2", "\u{0663}"];
        for value in garbled {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert_eq!(read("Mon, 06 Nov 1994 08:49:37 GMT"), None, "it was a Sunday");
        assert_eq!(read("Sun, 06 Nov 1994 25:49:37 GMT"), None);
        assert_eq!(parse(b"\xff\xfe", wall_now(), CAP), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(found) = parse(&value, wall_now(), CAP) {
                prop_assert!(found.wait <= CAP);
            }
        }

        /// Random bytes seldom get past the first check, so dates are damaged as well.
        #[test]
        fn no_damaged_date_makes_it_panic(
            form in 0_usize..3,
            at in 0_usize..30,
            with in any::<u8>(),
            cut in 0_usize..31,
        ) {
            let mut value = [
                "Sun, 06 Nov 1994 08:50:37 GMT",
                "Sunday, 06-Nov-94 08:50:37 GMT",
                "Sun Nov  6 08:50:37 1994",
            ][form].as_bytes().to_vec();
            let at = at % value.len();
            value[at] = with;
            value.truncate(cut);
            if let Some(found) = parse(&value, wall_now(), CAP) {
                prop_assert!(found.wait <= CAP);
            }
        }

        #[test]
        fn every_number_of_seconds_reads_back(wait in any::<u64>()) {
            let found = parse(wait.to_string().as_bytes(), wall_now(), Duration::MAX);
            prop_assert_eq!(found, secs(wait));
        }
    }
}
