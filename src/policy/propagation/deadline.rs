//! How much time is left, for the next server, from the last one, and for another attempt.
//!
//! One deadline covers a call with all its attempts and waits. What is passed on is the time that
//! is left, never an instant: two machines' clocks are not compared. So each hop shortens it by its
//! own work, and a server far down knows when nobody waits for its answer any more. The time on the
//! wire is lost to this count, which errs by a round trip at most; an instant would err by however
//! much the clocks differ.
//!
//! An inbound value is read strictly and can only shorten the call's own limit. One that cannot be
//! read is none: it must not end a call that its caller waits for.

use std::time::Duration;

/// The shorter of this client's own limit and what the caller before it has left; none if neither
/// sets one.
#[must_use]
pub fn effective(own: Option<Duration>, received: Option<Duration>) -> Option<Duration> {
    match (own, received) {
        (Some(own), Some(received)) => Some(own.min(received)),
        (own, received) => own.or(received),
    }
}

/// How long an attempt may still be put off if it is to end in time, judged by the time that half
/// of them take; none without a deadline, zero if it is too late.
#[must_use]
pub fn latest_start(time_left: Option<Duration>, p50: Option<Duration>) -> Option<Duration> {
    time_left.map(|left| left.saturating_sub(p50.unwrap_or(Duration::ZERO)))
}

/// Whether an attempt that starts now can be expected to end in time: more is left than half of
/// them take. An unknown time is no obstacle.
#[must_use]
pub fn has_time(time_left: Option<Duration>, p50: Option<Duration>) -> bool {
    latest_start(time_left, p50).is_none_or(|left| !left.is_zero())
}

/// What a header of that name tells a service of the time left: gRPC's own has a form of its own.
#[must_use]
pub fn told(name: &str, time_left: Duration) -> String {
    match name == GRPC_TIMEOUT {
        true => to_grpc(time_left),
        false => to_ms(time_left).to_string(),
    }
}

/// Reads what [`told`] writes.
#[must_use]
pub fn parse(name: &str, value: &[u8]) -> Option<Duration> {
    match name == GRPC_TIMEOUT {
        true => parse_grpc(value),
        false => parse_ms(value),
    }
}

/// gRPC's name for the time left.
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Whole milliseconds for the wire, rounded down, as the server must not believe in more than there
/// is; but 1 for what is left below that, since 0 means too late.
#[must_use]
pub fn to_ms(time_left: Duration) -> u64 {
    let ms = u64::try_from(time_left.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 && !time_left.is_zero() { 1 } else { ms }
}

/// The same for `grpc-timeout`: a number of at most eight digits and its unit, the finest that fits
/// from microseconds on.
#[must_use]
pub fn to_grpc(time_left: Duration) -> String {
    let micros = time_left.as_micros();
    let fitting = GRPC_UNITS.iter().map(|(unit, one)| (micros / one.as_micros().max(1), unit));
    let mut fitting = fitting.skip_while(|(count, _)| *count > MOST_GRPC);
    let (count, unit) = fitting.next().unwrap_or((MOST_GRPC, &b'H'));
    format!("{count}{}", char::from(*unit))
}

/// Reads whole milliseconds, with blanks around them; none for anything else or more than fifteen
/// digits, which is 31 thousand years.
#[must_use]
pub fn parse_ms(value: &[u8]) -> Option<Duration> {
    digits(value.trim_ascii(), MOST_MS_DIGITS).map(Duration::from_millis)
}

/// Reads a `grpc-timeout`: one to eight digits and one of `H`, `M`, `S`, `m`, `u` and `n`; none for
/// anything else.
#[must_use]
pub fn parse_grpc(value: &[u8]) -> Option<Duration> {
    let (unit, count) = value.trim_ascii().split_last()?;
    let count = u32::try_from(digits(count, MOST_GRPC_DIGITS)?).ok()?;
    let one = match unit {
        b'n' => Duration::from_nanos(1),
        unit => GRPC_UNITS.iter().find(|(known, _)| known == unit)?.1,
    };
    one.checked_mul(count)
}

/// A number of one to `most` digits and nothing else.
fn digits(text: &[u8], most: usize) -> Option<u64> {
    if text.is_empty() || text.len() > most || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Long enough for any deadline, and far from the end of 64 bits.
const MOST_MS_DIGITS: usize = 15;
/// By gRPC's protocol.
const MOST_GRPC_DIGITS: usize = 8;
const MOST_GRPC: u128 = 99_999_999;
/// Without nanoseconds, which nobody can keep to; those of others are read all the same.
const GRPC_UNITS: [(u8, Duration); 5] = [
    (b'u', Duration::from_micros(1)),
    (b'm', Duration::from_millis(1)),
    (b'S', Duration::from_secs(1)),
    (b'M', Duration::from_secs(60)),
    (b'H', Duration::from_secs(3600)),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::test_inputs::ms;

    #[test]
    fn a_received_deadline_only_ever_shortens() {
        let (short, long) = (Some(ms(100)), Some(ms(30_000)));
        assert_eq!(effective(long, short), short);
        assert_eq!(effective(short, long), short);
        assert_eq!(effective(None, short), short);
        assert_eq!(effective(short, None), short);
        assert_eq!(effective(None, None), None);
        assert_eq!(effective(long, Some(Duration::ZERO)), Some(Duration::ZERO));
    }

    #[test]
    fn an_attempt_needs_more_than_half_of_them_take() {
        assert!(has_time(Some(ms(21)), Some(ms(20))));
        assert!(!has_time(Some(ms(20)), Some(ms(20))));
        assert!(!has_time(Some(ms(5)), Some(ms(20))));
        assert!(has_time(Some(ms(1)), None));
        assert!(!has_time(Some(Duration::ZERO), None));
        assert!(has_time(None, Some(Duration::MAX)));
        assert_eq!(latest_start(Some(ms(50)), Some(ms(20))), Some(ms(30)));
    }

    #[test]
    fn what_is_left_goes_out_in_whole_milliseconds() {
        assert_eq!(to_ms(ms(1500)), 1500);
        assert_eq!(to_ms(Duration::from_micros(1999)), 1);
        assert_eq!(to_ms(Duration::from_micros(1)), 1, "0 would say that it is too late");
        assert_eq!(to_ms(Duration::ZERO), 0);
        assert_eq!(to_ms(Duration::MAX), u64::MAX);
    }

    #[test]
    fn grpc_gets_the_finest_unit_that_fits() {
        let of = |secs| to_grpc(Duration::from_secs(secs));
        assert_eq!(to_grpc(Duration::from_micros(250)), "250u");
        assert_eq!(to_grpc(Duration::ZERO), "0u");
        assert_eq!(of(99), "99000000u");
        assert_eq!(of(100), "100000m");
        assert_eq!(of(99_999), "99999000m");
        assert_eq!(of(100_000), "100000S");
        assert_eq!(of(100_000_000), "1666666M");
        assert_eq!(of(6_000_000_000), "1666666H");
        assert_eq!(to_grpc(Duration::MAX), "99999999H");
    }

    #[test]
    fn milliseconds_are_read_strictly() {
        assert_eq!(parse_ms(b"0"), Some(Duration::ZERO));
        assert_eq!(parse_ms(b" 250\t"), Some(ms(250)));
        assert_eq!(parse_ms(b"999999999999999"), Some(ms(999_999_999_999_999)));
        let garbled = [
            "",
            " ",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "0x10",
            "1 2",
            "5s",
            "\u{0663}",
            "1000000000000000",
        ];
        for value in garbled {
            assert_eq!(parse_ms(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn grpc_timeouts_are_read_strictly() {
        let read = [
            ("5n", Duration::from_nanos(5)),
            ("5u", Duration::from_micros(5)),
            ("100m", ms(100)),
            ("5S", ms(5000)),
            ("2M", ms(120_000)),
            ("1H", ms(3_600_000)),
            ("0m", Duration::ZERO),
            ("99999999H", Duration::from_secs(359_999_996_400)),
        ];
        for (value, expected) in read {
            assert_eq!(parse_grpc(value.as_bytes()), Some(expected), "{value}");
        }
        for garbled in ["", "m", "5", "5s", "5h", "5 m", "-5m", "+5m", "1.5S", "123456789n", "5mm"]
        {
            assert_eq!(parse_grpc(garbled.as_bytes()), None, "{garbled:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(value in prop::collection::vec(any::<u8>(), 0..32)) {
            let _ = (parse_ms(&value), parse_grpc(&value));
        }

        #[test]
        fn milliseconds_come_back_and_never_grow(
            secs in 0_u64..1_000_000_000,
            nanos in 0_u32..1_000_000_000,
        ) {
            let left = Duration::new(secs, nanos);
            let back = parse_ms(to_ms(left).to_string().as_bytes()).unwrap();
            prop_assert!(back <= left.max(ms(1)));
            prop_assert!(left - back.min(left) < ms(1));
        }

        #[test]
        fn grpc_timeouts_come_back_and_never_grow(
            secs in prop_oneof![any::<u64>(), 0_u64..1000, 0_u64..1_000_000],
            nanos in 0_u32..1_000_000_000,
        ) {
            let left = Duration::new(secs, nanos);
            let text = to_grpc(left);
            let back = parse_grpc(text.as_bytes()).unwrap();
            prop_assert!(text.len() <= 9 && back <= left);
            // Eight digits tell the time to one in a million, but for what is beyond them all.
            let lost = (left - back).as_secs_f64();
            prop_assert!(text == "99999999H" || lost <= 1e-6 + left.as_secs_f64() / 1e5, "{text}");
        }
    }
}
