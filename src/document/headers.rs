//! The headers that a text gives every request, and those that it passes on.

use std::slice;

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Map, Value};

use super::faults::{Faults, below, item};
use super::json::Json;
use super::object::{AGAIN, MASK, MASKED, Object, list, misplaced, text};
use crate::config::ClientConfig;
use crate::error::Error;

/// Adds the headers at `path` to `config`. A masked value is the one that `present` has.
pub(super) fn read(
    json: &Json,
    path: &str,
    config: &mut ClientConfig,
    present: Option<&HeaderMap>,
    faults: &mut Faults,
) {
    let Some(object) = Object::of(json, path, faults) else { return };
    let fields = object.into_rest();
    for (place, &(name, json)) in fields.iter().enumerate() {
        let path = below(path, name);
        if fields[..place].iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            faults.add(path, AGAIN);
            continue;
        }
        let values = match json {
            Json::List(values) => values,
            json => slice::from_ref(json),
        };
        let kept: Vec<_> = present.into_iter().flat_map(|kept| kept.get_all(name)).collect();
        if let Some(problem) = misplaced(values, kept.len()) {
            faults.add(path, problem);
            continue;
        }
        for (index, value) in values.iter().enumerate() {
            let path = match json {
                Json::List(_) => item(&path, index),
                _ => path.clone(),
            };
            add(config, name, (value, &path), kept.get(index).copied(), faults);
        }
    }
}

fn add(
    config: &mut ClientConfig,
    name: &str,
    (json, path): (&Json, &str),
    kept: Option<&HeaderValue>,
    faults: &mut Faults,
) {
    let added = match (json, kept) {
        (Json::Text(value), Some(kept)) if value == MASK => {
            config.add_header(name, kept.as_bytes())
        }
        (Json::Text(value), None) if value == MASK => Err(Error::invalid("value", MASKED)),
        (Json::Text(value), _) => config.add_header(name, value.as_bytes()),
        _ => Err(Error::invalid("value", format!("is {}; it takes a text", json.what()))),
    };
    added.unwrap_or_else(|error| faults.add_error(path, &error));
}

/// Takes the names of a list at `path`, each by `take`.
pub(super) fn read_names(
    json: &Json,
    path: &str,
    mut take: impl FnMut(&str) -> Result<(), Error>,
    faults: &mut Faults,
) {
    for (index, json) in list(json, path, faults).iter().enumerate() {
        let path = item(path, index);
        if let Some(name) = text(json, &path, faults)
            && let Err(error) = take(name)
        {
            faults.add_error(&path, &error);
        }
    }
}

/// The headers as a text shows them: of those that are not known to be harmless, the value is masked.
pub(super) fn write(headers: &HeaderMap) -> Value {
    let one = |name: &header::HeaderName| {
        let shown = |value: &HeaderValue| {
            let value = value.to_str().ok().filter(|_| HARMLESS.contains(name));
            Value::from(value.unwrap_or(MASK))
        };
        let mut values: Vec<Value> = headers.get_all(name).iter().map(shown).collect();
        let value = if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
        (name.as_str().to_owned(), value)
    };
    Value::Object(headers.keys().map(one).collect::<Map<_, _>>())
}

/// Names whose values are no secrets. Any other may be a credential of some service.
const HARMLESS: [header::HeaderName; 10] = [
    header::ACCEPT,
    header::ACCEPT_CHARSET,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::CONTENT_TYPE,
    header::HOST,
    header::PRAGMA,
    header::RANGE,
    header::USER_AGENT,
];
