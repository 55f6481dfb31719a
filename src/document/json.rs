//! JSON as it was written: with the order of keys, and with those that stand twice.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::error::{Error, ErrorKind};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Flag(bool),
    Number(Number),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// Reads a whole text.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        // The parser's message tells place and syntax, and quotes nothing of the text.
        serde_json::from_str(text)
            .map_err(|fault| Error::new(ErrorKind::InvalidArgument, format!("json: {fault}")))
    }

    /// What it is, as a fault says it.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number from 0; 3.0 is one.
    pub(super) fn as_count(&self) -> Option<u64> {
        let Self::Number(number) = self else { return None };
        let whole = |real: &f64| real.fract() == 0.0 && (0.0..=MOST_EXACT).contains(real);
        number.as_u64().or_else(|| number.as_f64().filter(whole).map(|real| real as u64))
    }
}

/// The largest number up to which floating point has every whole one.
const MOST_EXACT: f64 = 9_007_199_254_740_992.0;

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AsWritten)
    }
}

struct AsWritten;

impl<'de> Visitor<'de> for AsWritten {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        // The parser refuses what is not finite.
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(pair) = pairs.next_entry()? {
            object.push(pair);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_twice_is_kept_twice() {
        let Ok(Json::Object(pairs)) = Json::parse(r#"{"b": 1, "a": true, "b": null}"#) else {
            panic!("an object");
        };
        let keys: Vec<_> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["b", "a", "b"]);
        assert_eq!((&pairs[1].1, &pairs[2].1), (&Json::Flag(true), &Json::Null));
    }

    #[test]
    fn numbers_are_whole_where_they_have_no_fraction() {
        let count = |text| Json::parse(text).unwrap().as_count();
        assert_eq!(["3", "3.0", "1e3"].map(count), [Some(3), Some(3), Some(1000)]);
        assert_eq!(["-1", "1.5", "1e300", "\"3\"", "true"].map(count), [None; 5]);
        assert_eq!(count("18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn a_fault_tells_its_place_and_quotes_nothing() {
        let message = Json::parse("{\"headers\": {\"a\": \"hunter2\"}, }").unwrap_err();
        assert!(message.message().starts_with("json: "), "{}", message.message());
        assert!(message.message().contains("line 1 column"), "{}", message.message());
        assert!(!message.message().contains("hunter2"));
        let deep = "[".repeat(100_000);
        assert!(Json::parse(&deep).is_err(), "a deep text takes no stack");
    }
}
