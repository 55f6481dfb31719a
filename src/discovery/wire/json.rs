//! Values of JSON as registries write them: a number may stand in a string.

use serde_json::Value;

/// A field, by the first of its names that is there and not null.
pub(super) fn field<'a>(object: &'a Value, names: &[&str]) -> Option<&'a Value> {
    names.iter().filter_map(|name| object.get(name)).find(|value| !value.is_null())
}

/// A text that is not empty.
pub(super) fn text<'a>(object: &'a Value, names: &[&str]) -> Result<Option<&'a str>, ()> {
    match field(object, names) {
        None => Ok(None),
        Some(Value::String(text)) => {
            Ok(Some(text).filter(|text| !text.is_empty()).map(String::as_str))
        }
        Some(_) => Err(()),
    }
}

/// A whole number from 0.
pub(super) fn number(object: &Value, names: &[&str]) -> Result<Option<u32>, ()> {
    match field(object, names) {
        None => Ok(None),
        Some(Value::String(text)) => digits(text).map(Some).ok_or(()),
        Some(value) => value.as_u64().and_then(|it| u32::try_from(it).ok()).map(Some).ok_or(()),
    }
}

/// Digits and nothing else.
pub(super) fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}
