//! The form of a setting's value: how text is read and written, and which range holds.

use std::time::Duration;

use super::value::{Problem, SetResult, Value};
use super::{duration, number};

/// The form of a setting's value, with its range.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    /// `true` or `false`.
    Flag,
    /// A whole number between the two, both included.
    Count(u64, u64),
    /// A number of at least the first; below or at the second.
    Real(f64, f64),
    /// A number above 0, up to this one.
    RealAbove0(f64),
    /// Bytes, with or without a unit.
    Size,
    /// A duration between the two, both included. Where the second is [`Duration::MAX`], `forever` is one.
    Duration(Duration, Duration),
    /// One of these words. In C, the number of a word is its place.
    Choice(&'static [&'static str]),
    /// Text that the row itself reads; this says what it is.
    Text(&'static str),
}

/// A duration of at least 1 ms.
pub(super) const LIMIT: Form = Form::Duration(Duration::from_millis(1), Duration::MAX);
/// Any duration.
pub(super) const WAIT: Form = Form::Duration(Duration::ZERO, Duration::MAX);
/// A number from 0 to 1.
pub(super) const RATIO: Form = Form::Real(0.0, 1.0);
/// A number from 0.
pub(super) const FACTOR: Form = Form::Real(0.0, f64::MAX);
/// A whole number from 0.
pub(super) const COUNT: Form = Form::Count(0, u32::MAX as u64);
/// A whole number from 1.
pub(super) const POSITIVE: Form = Form::Count(1, u32::MAX as u64);
/// The name of a header.
pub(super) const HEADER: Form = Form::Text(A_HEADER);
const A_HEADER: &str = "a header name";

/// Whether it is the name of a header.
#[must_use]
pub fn is_header(form: Form) -> bool {
    matches!(form, Form::Text(A_HEADER))
}

impl Form {
    /// Reads a value from text.
    pub(super) fn parse(self, text: &str) -> Result<Value, Problem> {
        Ok(match self {
            Self::Flag => Value::Flag(flag(text)?),
            Self::Count(..) => Value::Count(number::count(text).map_err(|_| self.is_not(text))?),
            Self::Real(..) | Self::RealAbove0(_) => {
                Value::Real(number::real(text).map_err(|_| self.is_not(text))?)
            }
            Self::Size => Value::Count(number::size(text)?),
            Self::Duration(..) => Value::Duration(duration::parse(text)?),
            Self::Choice(words) => Value::Word(choice(words, text)?),
            Self::Text(_) => Value::Text(text.to_owned()),
        })
    }

    /// What is said of text that is no such value at all.
    fn is_not(self, text: &str) -> Problem {
        format!("{text} is not {}", self.describe()).into()
    }

    /// Refuses a value out of range.
    pub(super) fn check(self, value: Value) -> Result<Value, Problem> {
        match (self, &value) {
            (Self::Count(least, most), Value::Count(count)) => within(*count, least, most)?,
            (Self::Real(least, most), Value::Real(real)) => reaches(*real, least, most)?,
            (Self::RealAbove0(most), Value::Real(real)) => above_0(*real, most)?,
            (Self::Duration(least, most), Value::Duration(time)) => lasts(*time, least, most)?,
            (Self::Choice(words), Value::Count(index)) => return at(words, *index),
            _ => {}
        }
        Ok(value)
    }

    /// Writes a value as text that [`Self::parse`] reads.
    pub(super) fn print(self, value: &Value) -> String {
        match value {
            Value::Flag(flag) => flag.to_string(),
            Value::Count(bytes) if matches!(self, Self::Size) => number::print_size(*bytes),
            Value::Count(count) => count.to_string(),
            Value::Real(real) => real.to_string(),
            Value::Duration(duration) => duration::print(*duration),
            Value::Text(text) => text.clone(),
            Value::Word(word) => (*word).to_owned(),
        }
    }

    /// What a value looks like, such as `a number from 0 to 1`.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Count(least, most) if most >= u64::from(u32::MAX) => {
                format!("a whole number from {least}")
            }
            Self::Count(least, most) => format!("a whole number from {least} to {most}"),
            Self::Real(least, f64::MAX) => format!("a number from {least}"),
            Self::Real(least, most) => format!("a number from {least} to {most}"),
            Self::RealAbove0(f64::MAX) => "a number above 0".to_owned(),
            Self::RealAbove0(most) => format!("a number above 0, up to {most}"),
            Self::Size => "a size such as 64KiB or 1MiB".to_owned(),
            Self::Duration(least, most) => describe_duration(least, most),
            Self::Choice(words) => listed(words),
            Self::Text(what) => what.to_owned(),
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
    }
}

fn describe_duration(least: Duration, most: Duration) -> String {
    let (from, to) = (duration::print(least), duration::print(most));
    match (least.is_zero(), most == Duration::MAX) {
        (true, true) => "a duration, or forever".to_owned(),
        (false, true) => format!("a duration of at least {from}, or forever"),
        _ => format!("a duration from {from} to {to}"),
    }
}

fn flag(text: &str) -> Result<bool, Problem> {
    text.parse().map_err(|_| format!("{text} is neither true nor false").into())
}

fn choice(words: &'static [&'static str], text: &str) -> Result<&'static str, Problem> {
    let found = words.iter().find(|word| **word == text);
    found.copied().ok_or_else(|| format!("{text} is not {}", listed(words)).into())
}

fn at(words: &'static [&'static str], index: u64) -> Result<Value, Problem> {
    let word = usize::try_from(index).ok().and_then(|index| words.get(index));
    let most = words.len().saturating_sub(1);
    word.map(|word| Value::Word(word)).ok_or_else(|| format!("is not between 0 and {most}").into())
}

fn within(count: u64, least: u64, most: u64) -> SetResult {
    match count {
        // A negative number of C.
        u64::MAX => Err(format!("is not between {least} and {most}").into()),
        _ if count < least => Err(format!("is {count}; the least is {least}").into()),
        _ if count > most => Err(format!("is {count}; the most is {most}").into()),
        _ => Ok(()),
    }
}

fn reaches(real: f64, least: f64, most: f64) -> SetResult {
    match real {
        _ if (least..=most).contains(&real) => Ok(()),
        _ if most == f64::MAX => Err(format!("is {real}, not a finite number from {least}").into()),
        _ => Err(format!("is {real}, not between {least} and {most}").into()),
    }
}

fn above_0(real: f64, most: f64) -> SetResult {
    match real {
        _ if real > 0.0 && real <= most => Ok(()),
        _ if most == f64::MAX => Err(format!("is {real}, not a finite number above 0").into()),
        _ => Err(format!("is {real}, not above 0 and up to {most}").into()),
    }
}

fn lasts(time: Duration, least: Duration, most: Duration) -> SetResult {
    let is = duration::print(time);
    match time {
        _ if time < least => {
            Err(format!("is {is}; the least is {}", duration::print(least)).into())
        }
        _ if time > most => Err(format!("is {is}; the most is {}", duration::print(most)).into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(form: Form, value: impl Into<Value>) -> String {
        form.check(value.into()).unwrap_err().about_setting()
    }

    #[test]
    fn a_range_holds_its_ends() {
        for form in [Form::Count(1, 8), Form::Real(1.0, 8.0)] {
            for text in ["1", "8"] {
                assert!(form.check(form.parse(text).unwrap()).is_ok(), "{form:?} {text}");
            }
            for text in ["0", "9"] {
                assert!(form.check(form.parse(text).unwrap()).is_err(), "{form:?} {text}");
            }
        }
        assert!(Form::RealAbove0(1.0).check(1.0.into()).is_ok());
    }

    #[test]
    fn a_refusal_names_the_bound() {
        assert_eq!(refusal(POSITIVE, 0_u32), "is 0; the least is 1");
        assert_eq!(refusal(POSITIVE, -1), "is not between 1 and 4294967295");
        assert_eq!(refusal(RATIO, f64::NAN), "is NaN, not between 0 and 1");
        assert_eq!(refusal(Form::RealAbove0(1.0), 0.0), "is 0, not above 0 and up to 1");
        assert_eq!(refusal(LIMIT, Duration::ZERO), "is 0ms; the least is 1ms");
        assert_eq!(refusal(FACTOR, f64::INFINITY), "is inf, not a finite number from 0");
    }

    #[test]
    fn what_is_no_number_is_told_the_range() {
        for (form, text, said) in [
            (POSITIVE, "1.5", "1.5 is not a whole number from 1"),
            (Form::Count(0, 50), "-1", "-1 is not a whole number from 0 to 50"),
            (RATIO, "nan", "nan is not a number from 0 to 1"),
            (Form::Size, "-1", "-1 is no size; write one such as 512, 64KiB or 1MiB"),
        ] {
            assert_eq!(form.parse(text).unwrap_err().about_setting(), said);
        }
    }

    #[test]
    fn a_choice_has_a_number_in_c() {
        let form = Form::Choice(&["off", "on"]);
        assert_eq!(form.check(1_u32.into()), Ok(Value::Word("on")));
        assert_eq!(refusal(form, -1), "is not between 0 and 1");
        assert_eq!(form.parse("no").unwrap_err().about_setting(), "no is not off or on");
    }

    #[test]
    fn a_form_is_told() {
        for (form, told) in [
            (POSITIVE, "a whole number from 1"),
            (RATIO, "a number from 0 to 1"),
            (LIMIT, "a duration of at least 1ms, or forever"),
            (Form::Choice(&["a", "b", "c"]), "a, b or c"),
        ] {
            assert_eq!(form.describe(), told);
        }
    }
}
