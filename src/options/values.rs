//! The forms that an option's value has, and what is wrong with one that has not its form.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::policy::Ratio;

/// `250ms`, `3s`, `2m`, `1h`, a bare number of milliseconds, or `forever`.
pub(super) fn duration(value: &str) -> Result<Duration, String> {
    if value == "forever" {
        return Ok(Duration::MAX);
    }
    let (count, unit) = quantity(value)?;
    let milliseconds = match unit {
        "ms" | "" => Some(count),
        "s" => count.checked_mul(1_000),
        "m" => count.checked_mul(60_000),
        "h" => count.checked_mul(3_600_000),
        _ => return Err("has a unit other than ms, s, m and h".to_owned()),
    };
    milliseconds.map(Duration::from_millis).ok_or_else(|| "is too large".to_owned())
}

/// A duration that is not 0.
pub(super) fn positive(duration: Duration) -> Result<Duration, String> {
    if duration.is_zero() { Err("is 0; the least is 1ms".to_owned()) } else { Ok(duration) }
}

/// Bytes, as `512`, `64KiB`, `2MiB` or `1GiB`.
pub(super) fn size(value: &str) -> Result<usize, String> {
    let (count, unit) = quantity(value)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("has a unit other than B, KiB, MiB and GiB".to_owned()),
    };
    let bytes = count.checked_mul(factor).and_then(|bytes| usize::try_from(bytes).ok());
    bytes.ok_or_else(|| "is too large".to_owned())
}

/// `off` for none.
pub(super) fn unless_off<T>(
    value: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if value == "off" { Ok(None) } else { parse(value).map(Some) }
}

/// A whole number and what follows it.
fn quantity(value: &str) -> Result<(u64, &str), String> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (count, unit) = value.split_at(digits);
    let count = count.parse().map_err(|_| "does not start with a whole number".to_owned())?;
    Ok((count, unit.trim()))
}

/// A whole number from 0.
pub(super) fn number(value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| "is no whole number from 0".to_owned())
}

/// `true` or `false`.
pub(super) fn boolean(value: &str) -> Result<bool, String> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

/// A whole number from 1.
pub(super) fn count(value: &str) -> Result<NonZeroU32, String> {
    let refused = |_| "is no whole number from 1".to_owned();
    value.parse().map_err(refused)
}

/// A number with or without a point, but neither infinite nor none.
pub(super) fn real(value: &str) -> Result<f64, String> {
    let number = value.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "is no number".to_owned())
}

/// A share between 0 and 1.
pub(super) fn ratio(value: &str) -> Result<Ratio, String> {
    Ratio::new(real(value)?).ok_or_else(|| "is not between 0 and 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_understood() {
        let durations = ["250ms", "250", "3s", "2m", "1h", "3 s"].map(|it| duration(it).unwrap());
        assert_eq!(
            durations.map(|it| it.as_millis()),
            [250, 250, 3_000, 120_000, 3_600_000, 3_000]
        );
        assert_eq!(duration("forever"), Ok(Duration::MAX));
        let sizes = ["512", "512B", "64KiB", "64 KiB", "1GiB"].map(|it| size(it).unwrap());
        assert_eq!(sizes, [512, 512, 65_536, 65_536, 1 << 30]);
    }

    #[test]
    fn what_has_not_its_form_is_refused() {
        for bad in ["", "soon", "-1", "1.5s", "1 day", "99999999999999999h"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "1TB", "99999999999999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
        for bad in ["", "0", "-1", "1.5", "4294967296"] {
            assert!(count(bad).is_err(), "{bad}");
        }
        for bad in ["", "x", "nan", "inf", "-inf", "1,5"] {
            assert!(real(bad).is_err(), "{bad}");
        }
        for bad in ["-0.1", "1.1", "50%", "nan"] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
        assert_eq!(ratio("0.5"), Ok(Ratio::HALF));
        assert!(positive(Duration::ZERO).is_err() && boolean("yes").is_err());
    }
}
