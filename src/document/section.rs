//! The settings of one table in an object of a text.

use serde_json::{Map, Value};

use super::faults::{Faults, below};
use super::json::Json;
use super::object::{MASK, MASKED, Object, unknown};
use crate::options::{Form, Row, Table};

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
    // What a profile sets is left where a setting of its own says otherwise.
    pairs.sort_by_key(|(key, _)| *key != PROFILE);
    let pairs = pairs.iter().map(|(key, text)| (*key, text.as_str()));
    for (kind, (key, problem)) in table.set_each(config, pairs) {
        faults.push(kind, below(&path, &key), problem);
    }
}

const PROFILE: &str = "profile";

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
        (Form::Duration(..) | Form::Size | Form::Text(_) | Form::Choice(_), Json::Text(text)) => {
            Some(text.clone())
        }
        _ => None,
    };
    let is = match (row.range, json) {
        (Form::Count(..) | Form::Size, Json::Number(_)) => "no whole number from 0",
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
