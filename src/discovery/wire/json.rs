//! Values of JSON as registries write them: a number may stand in a string.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

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

/// The element of a list that stands behind the one that ends at `at`, the first one at 0, and where it ends; none at the
/// end of the list.
pub(super) fn element(
    document: &[u8],
    at: usize,
) -> Result<Option<(&RawValue, usize)>, &'static str> {
    let begun = behind_space(document, at);
    let byte = document.get(begun);
    let place = match (at, byte) {
        (0, Some(b'[')) => behind_space(document, begun + 1),
        (1.., Some(b',')) => behind_space(document, begun + 1),
        (1.., Some(b']')) => begun,
        _ => return Err(NO_LIST),
    };
    // Behind a comma an element follows.
    if document.get(place) == Some(&b']') && byte != Some(&b',') {
        let is_over = behind_space(document, place + 1) == document.len();
        return if is_over { Ok(None) } else { Err(NO_LIST) };
    }
    let at = place;
    let mut reader = serde_json::Deserializer::from_slice(&document[at..]);
    let element = <&RawValue>::deserialize(&mut reader).map_err(|_| NO_LIST)?;
    Ok(Some((element, at + element.get().len())))
}

fn behind_space(document: &[u8], at: usize) -> usize {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
    at + document[at..].iter().take_while(|byte| is_space(byte)).count()
}

const NO_LIST: &str = "not a list in JSON";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All elements, one after the other.
    fn elements(document: &[u8]) -> Option<Vec<&str>> {
        let (mut all, mut at) = (Vec::new(), 0);
        while let Some((value, end)) = element(document, at).ok()? {
            all.push(value.get());
            at = end;
        }
        Some(all)
    }

    fn at_once(document: &[u8]) -> Option<Vec<&str>> {
        let all: Vec<&RawValue> = serde_json::from_slice(document).ok()?;
        Some(all.into_iter().map(RawValue::get).collect())
    }

    proptest! {
        #[test]
        fn a_list_read_by_its_elements_is_the_one_read_at_once(
            text in r#"[\[\]{},: \n"0-9a]{0,9}|\[( ?[0-9]{1,2},){0,3}[ 0-9]{0,2}\]{1,2}[ ,]?|\[(\{"a":\[1\]\}[, ]{0,2}){0,3}\] ?"#,
        ) {
            prop_assert_eq!(elements(text.as_bytes()), at_once(text.as_bytes()));
        }
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for text in
            ["", "[", "[1", "[1,]", "[,1]", "[1 2]", "[]]", "[1]x", "{}", "null", "[01]", "[1,,2]"]
        {
            assert_eq!(elements(text.as_bytes()), None, "{text}");
        }
        let all = [r#""a""#, "7", "[[]]", r#"{"b": 1}"#, "true"];
        let text = format!(" [ {} ]\n", all.join(" , "));
        assert_eq!(elements(text.as_bytes()).unwrap(), all);
        assert_eq!(elements(b" [ ] "), Some(vec![]));
        assert_eq!(elements(b"[\xff]"), None);
    }
}
