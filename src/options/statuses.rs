//! Sets of statuses as text: numbers and ranges.

use super::form::Form;
use super::number;
use super::value::{Problem, Value};
use crate::policy::StatusSet;

/// The form of a set of statuses.
pub(super) const STATUSES: Form =
    Form::Text("numbers and ranges joined by commas, from 100 to 599, such as 429,500-504");

/// The word for a set without any.
pub(super) const NONE: &str = "none";

/// The set that a value says.
pub(super) fn statuses(value: Value) -> Result<StatusSet, Problem> {
    match value {
        Value::Word(_) => Ok(StatusSet::EMPTY),
        value => parse_statuses(&value.text()?),
    }
}

/// Ranges of neighbours, joined by commas.
pub(super) fn print_statuses(statuses: &StatusSet) -> Value {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for status in (100..=599).filter(|status| statuses.contains(*status)) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == status => *last = status,
            _ => ranges.push((status, status)),
        }
    }
    let range = |(first, last): &(u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    match ranges.is_empty() {
        true => Value::Word(NONE),
        false => ranges.iter().map(range).collect::<Vec<_>>().join(",").into(),
    }
}

fn parse_statuses(text: &str) -> Result<StatusSet, Problem> {
    let mut statuses = StatusSet::EMPTY;
    for range in text.split(',').map(str::trim) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number::count(first.trim())?, number::count(last.trim())?);
        let (first, last) = (status(first)?, status(last)?);
        if last < first {
            return Err(format!("{range} ends below its beginning").into());
        }
        // Each is in range, so each can be inserted.
        for status in first..=last {
            let _ = statuses.insert(status);
        }
    }
    Ok(statuses)
}

fn status(number: u64) -> Result<u16, Problem> {
    let status = u16::try_from(number).ok().filter(|status| (100..=599).contains(status));
    status.ok_or_else(|| "holds a number outside 100 to 599".into())
}
