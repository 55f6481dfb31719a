//! Numbers and sizes as text.

use super::value::Problem;

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A whole number from 0.
pub(super) fn count(text: &str) -> Result<u64, Problem> {
    text.parse().map_err(|_| format!("{text} is no whole number from 0").into())
}

/// A number with or without a point, neither infinite nor undefined.
pub(super) fn real(text: &str) -> Result<f64, Problem> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| format!("{text} is no number").into())
}

/// Bytes, as `512`, `64KiB`, `2MiB` or `1GiB`.
pub(super) fn size(text: &str) -> Result<u64, Problem> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "" => "B",
        unit => unit,
    };
    if number.is_empty() || !unit.starts_with(|c: char| c.is_alphabetic()) {
        return Err(format!("{text} is no size; write one such as 512, 64KiB or 1MiB").into());
    }
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    let (_, bytes) = known.ok_or_else(|| {
        Problem::from(format!("{text} has a unit other than B, KiB, MiB and GiB"))
    })?;
    let too_large = || Problem::from(format!("{text} is too large"));
    count(number)?.checked_mul(*bytes).ok_or_else(too_large)
}

/// Writes a size with the largest unit that needs no fraction.
pub(super) fn print_size(bytes: u64) -> String {
    match UNITS.iter().find(|(_, unit)| bytes != 0 && bytes.is_multiple_of(*unit)) {
        Some(("B", _)) | None => bytes.to_string(),
        Some((name, unit)) => format!("{}{name}", bytes / unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        let sizes = ["512", "512B", "64KiB", "64 KiB", "1GiB"].map(|it| size(it).unwrap());
        assert_eq!(sizes, [512, 512, 65_536, 65_536, 1 << 30]);
        for (bytes, text) in [(0, "0"), (1_000, "1000"), (1_024, "1KiB"), (64 << 20, "64MiB")] {
            assert_eq!(print_size(bytes), text);
        }
        for text in ["", "1TB", "99999999999999999GiB", "-1", "1.5KiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-1", "1.5", "18446744073709551616"] {
            assert!(count(text).is_err(), "{text}");
        }
        for text in ["", "x", "nan", "inf", "-inf", "1,5"] {
            assert!(real(text).is_err(), "{text}");
        }
    }
}
