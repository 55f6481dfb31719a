//! Durations as text: `250ms`, `1.5s`, `1m30s`, `2h`, `forever`.

use std::time::Duration;

use super::value::Problem;

/// What stands for no limit.
const FOREVER: &str = "forever";

/// The units from large to small, in nanoseconds.
const UNITS: [(&str, u128); 4] =
    [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", MILLISECOND)];

const MILLISECOND: u128 = 1_000_000;

/// Reads a duration. Every number has a unit: a bare one means seconds to some and milliseconds to others.
pub(super) fn parse(text: &str) -> Result<Duration, Problem> {
    if text == FOREVER {
        return Ok(Duration::MAX);
    }
    let mut rest = text.trim();
    let mut nanoseconds = 0_u128;
    let mut larger = u128::MAX;
    while !rest.is_empty() {
        let (number, unit, after) = term(text, rest)?;
        if unit >= larger {
            return Err(
                format!("{text} does not go from large units to small, as 1m30s does").into()
            );
        }
        nanoseconds = nanoseconds.saturating_add(scaled(text, number, unit)?);
        (larger, rest) = (unit, after.trim_start());
    }
    // What C can set, in milliseconds, is written and read again.
    let fits = (nanoseconds / MILLISECOND < u128::from(u64::MAX)).then_some(nanoseconds);
    fits.filter(|_| !text.is_empty()).map(Duration::from_nanos_u128).ok_or_else(|| match text {
        "" => "is empty; write a duration such as 5s".into(),
        _ => format!("{text} is too long; the most is forever").into(),
    })
}

/// The first number of `rest`, its unit in nanoseconds, and what follows.
fn term<'a>(text: &str, rest: &'a str) -> Result<(&'a str, u128, &'a str), Problem> {
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
    let (number, after) = rest.split_at(digits);
    if number.is_empty() {
        return Err(format!("{text} is no duration; write one such as 250ms, 1.5s or 1m30s").into());
    }
    let after = after.trim_start();
    let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
    let (unit, after) = after.split_at(letters);
    if unit.is_empty() {
        return Err(format!("{text} has no unit; write {number}s or {number}ms").into());
    }
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    let (_, nanoseconds) = known
        .ok_or_else(|| Problem::from(format!("{text} has a unit other than ms, s, m and h")))?;
    Ok((number, *nanoseconds, after))
}

/// `number` times `unit`, without a detour by binary fractions: 0.1s is 100 ms exactly.
fn scaled(text: &str, number: &str, unit: u128) -> Result<u128, Problem> {
    let problem = || Problem::from(format!("{text}: {number} is no number"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 9 || whole.len() > 20 {
        return Err(problem());
    }
    let whole: u128 = whole.parse().map_err(|_| problem())?;
    let part: u128 = fraction.parse().map_err(|_| problem())?;
    let places = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    Ok(whole * unit + part * unit / places)
}

/// Writes a duration with the largest unit that needs no fraction.
pub(super) fn print(duration: Duration) -> String {
    if duration == Duration::MAX {
        return FOREVER.to_owned();
    }
    let nanoseconds = duration.as_nanos();
    let whole = |unit: &u128| nanoseconds != 0 && nanoseconds.is_multiple_of(*unit);
    match UNITS.iter().find(|(_, unit)| whole(unit)) {
        Some((name, unit)) => format!("{}{name}", nanoseconds / unit),
        None => fraction(nanoseconds),
    }
}

/// Milliseconds with as many decimals as it takes; binary fractions would write 0.0029ms as 0.0029000000000000002ms.
fn fraction(nanoseconds: u128) -> String {
    let (whole, part) = (nanoseconds / MILLISECOND, nanoseconds % MILLISECOND);
    match part {
        0 => format!("{whole}ms"),
        part => format!("{whole}.{}ms", format!("{part:06}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_decimals_and_compounds_are_read() {
        for (text, milliseconds) in [
            ("250ms", 250),
            ("3s", 3_000),
            ("3 s", 3_000),
            ("1.5s", 1_500),
            ("0.1s", 100),
            ("1m30s", 90_000),
            ("1m 30s", 90_000),
            ("2h", 7_200_000),
            ("1h0.5m1s5ms", 3_631_005),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(parse("forever"), Ok(Duration::MAX));
        assert_eq!(parse("0.25ms"), Ok(Duration::from_micros(250)));
    }

    #[test]
    fn a_number_without_a_unit_is_refused_with_what_to_write() {
        let problem = parse("5").unwrap_err().about_setting();
        assert_eq!(problem, "5 has no unit; write 5s or 5ms");
        let problem = parse("1m30").unwrap_err().about_setting();
        assert_eq!(problem, "1m30 has no unit; write 30s or 30ms");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "soon",
            "-1s",
            "1 day",
            "1.s",
            ".5s",
            "1..5s",
            "1.2.3s",
            "30s1m",
            "1s1s",
            "s",
            "5us",
            "99999999999999999h",
            "99999999999999999999s",
            "1.0000000001s",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for (milliseconds, text) in [
            (0, "0ms"),
            (3, "3ms"),
            (1_500, "1500ms"),
            (30_000, "30s"),
            (600_000, "10m"),
            (7_200_000, "2h"),
        ] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(print(duration), text);
            assert_eq!(parse(text), Ok(duration));
        }
        for (nanoseconds, text) in [
            (1, "0.000001ms"),
            (2_900, "0.0029ms"),
            (250_000, "0.25ms"),
            (1_500_000, "1.5ms"),
            (123_456_789_123_456_789, "123456789123.456789ms"),
        ] {
            let duration = Duration::from_nanos(nanoseconds);
            assert_eq!(print(duration), text);
            assert_eq!(parse(text), Ok(duration));
        }
        for milliseconds in [1_u64 << 53, u64::MAX / 2, u64::MAX - 1] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse(&print(duration)), Ok(duration), "all that C can set");
        }
        assert!(parse(&format!("{}ms", u64::MAX)).is_err(), "which is forever in C");
        assert_eq!(print(Duration::MAX), FOREVER);
    }
}
