//! The settings of one table in an object of a text.

use serde_json::{Map, Value};

use super::faults::{Faults, below};
use super::json::Json;
use super::object::{MASK, MASKED, Object, unknown};
use crate::options::{Form, OFF, Row, Table};

/// Sets in `config` what is left of `object`. The object has the keys `others` as well, for hints.
pub(super) fn read<C: Clone + 'static>(
    table: &Table<C>,
    config: &mut C,
    object: Object<'_>,
    others: &[&str],
    faults: &mut Faults,
) {
    let path = object.path().to_owned();
    let mut pairs = Vec::new();
    for (key, json) in object.into_rest() {
        let Some(row) = table.row(key).filter(|row| !row.of_part) else {
            let keys = table.rows().iter().filter(|row| !row.of_part).map(|row| row.key.as_str());
            unknown(&path, key, keys.chain(others.iter().copied()), faults);
            continue;
        };
        match text_of(json, row) {
            Ok(text) => pairs.push((key, text)),
            Err(problem) => faults.add(below(&path, key), problem),
        }
    }
    // Keys of a text have no order: what a profile sets is left where a setting of its own says otherwise, and what is
    // switched off stays off, whatever else is said of it.
    let (off, mut on): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(_, text)| is_off(text));
    on.sort_by_key(|(key, _)| *key != PROFILE);
    set(table, config, &on, &path, faults);
    for (key, other) in displaced(table, config, &on) {
        let key = below(&path, key);
        if !faults.has(&key) {
            faults.add(key, format!("does not go with {other}, which stands in its place"));
        }
    }
    set(table, config, &off, &path, faults);
}

const PROFILE: &str = "profile";

/// A key and its value.
type Pair<'a> = (&'a str, String);

fn is_off(text: &str) -> bool {
    text == OFF || text == "false"
}

fn set<C: Clone + 'static>(
    table: &Table<C>,
    config: &mut C,
    pairs: &[Pair<'_>],
    path: &str,
    faults: &mut Faults,
) {
    let pairs = pairs.iter().map(|(key, text)| (*key, text.as_str()));
    for (kind, (key, problem)) in table.set_each(config, pairs) {
        faults.push(kind, below(path, &key), problem);
    }
}

/// The keys of `pairs` that are not in effect, each with the one that stands in its place: no order tells which of
/// both is meant.
fn displaced<'a, C: Clone + 'static>(
    table: &Table<C>,
    config: &C,
    pairs: &[Pair<'a>],
) -> Vec<(&'a str, &'a str)> {
    let has = |config: &C, key| table.row(key).is_some_and(|row| row.text_of(config).is_some());
    let displaces = |(other, text): &Pair<'a>, (key, own): &Pair<'a>| {
        let mut tried = config.clone();
        table.set_each(&mut tried, [(*key, own.as_str())]);
        let before = has(&tried, key);
        table.set_each(&mut tried, [(*other, text.as_str())]);
        before && !has(&tried, key)
    };
    let lost = pairs.iter().filter(|(key, _)| !has(config, key));
    let with_other = |key| {
        let other = pairs.iter().find(|other| displaces(other, key))?;
        Some((key.0, other.0))
    };
    lost.filter_map(with_other).collect()
}

/// The value of a row as its text, where it is of the row's type.
fn text_of<C>(json: &Json, row: &Row<C>) -> Result<String, String> {
    let whole = || json.as_count().map(|count| count.to_string());
    let text = match (row.range, json) {
        (_, Json::Text(text)) if text == MASK => return Err(MASKED.to_owned()),
        (_, Json::Text(text)) if row.words.contains(&text.as_str()) => Some(text.clone()),
        (Form::Flag, Json::Flag(flag)) => Some(flag.to_string()),
        (Form::Choice(words), Json::Flag(flag)) => {
            Some(flag.to_string()).filter(|flag| words.contains(&flag.as_str()))
        }
        (Form::Count(..), Json::Number(_)) => whole(),
        (Form::Size, Json::Number(_)) => whole(),
        (Form::Real(..) | Form::RealAbove0(_), Json::Number(number)) => Some(number.to_string()),
        (Form::Duration(..), Json::Number(_)) => {
            return Err("is a number; a duration is a text with a unit, such as \"1.5s\"".into());
        }
        // What is written as true or false is no text.
        (Form::Choice(_), Json::Text(text)) if text.parse::<bool>().is_ok() => None,
        (Form::Duration(..) | Form::Size | Form::Text(_) | Form::Choice(_), Json::Text(text)) => {
            Some(text.clone())
        }
        _ => None,
    };
    let is = match (row.range, json) {
        (Form::Count(..) | Form::Size, Json::Number(number)) => &number.to_string(),
        _ => json.what(),
    };
    text.ok_or_else(|| format!("is {is}; it takes {}", row.form))
}

/// Every setting of the table itself that is in effect.
pub(super) fn write<C: Clone + 'static>(table: &Table<C>, config: &C) -> Map<String, Value> {
    let own = table.rows().iter().filter(|row| !row.of_part);
    own.filter_map(|row| Some((row.key.clone(), value(row, row.text_of(config)?)))).collect()
}

/// The value that stands for a row's text.
pub(super) fn value<C>(row: &Row<C>, text: String) -> Value {
    let parsed = match row.range {
        _ if row.words.contains(&text.as_str()) => None,
        Form::Flag | Form::Choice(_) => text.parse().ok().map(Value::Bool),
        Form::Count(..) => text.parse().ok().map(|count: u64| count.into()),
        Form::Real(..) | Form::RealAbove0(_) => text.parse().ok().map(|real: f64| real.into()),
        Form::Size | Form::Duration(..) | Form::Text(_) => None,
    };
    parsed.unwrap_or(Value::String(text))
}
