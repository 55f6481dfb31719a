//! YAML as a tree, for files that people write: texts, lists and maps, no deeper than such files are.
//!
//! The parser's events are taken, not the tree that its crate would build: the end of a very deep one overflows the
//! stack of the host's thread. Anchors are refused, with which a short text becomes a huge one. Each scalar is a text
//! but a plain `null`, `~` or nothing, so that no version is read as a number.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};
use serde_json::{Map, Value};

/// Kubernetes's files are six deep.
const DEEPEST: usize = 32;

/// The first document of `text`.
///
/// # Errors
/// Says where it is no YAML, and quotes nothing.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, _) = event.map_err(|error| place(&error))?;
        let value = match event {
            Event::SequenceStart(anchor, _) => {
                begin(&mut open, anchor, Open::List(Vec::new()))?;
                continue;
            }
            Event::MappingStart(anchor, _) => {
                begin(&mut open, anchor, Open::Map(Map::new(), None))?;
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(list)) => Value::Array(list),
                Some(Open::Map(map, _)) => Value::Object(map),
                None => return Err("it ends before it begins".to_owned()),
            },
            Event::Scalar(text, style, 0, _) => scalar(&text, style),
            Event::Scalar(..) | Event::Alias(_) => return Err(ANCHORS.to_owned()),
            _ => continue,
        };
        match open.last_mut() {
            Some(parent) => parent.take(value)?,
            None => return Ok(value),
        }
    }
    Ok(Value::Null)
}

const ANCHORS: &str = "anchors and aliases are not supported";

/// A list or map whose end has not come.
enum Open {
    List(Vec<Value>),
    /// What it holds, and a key whose value has not come.
    Map(Map<String, Value>, Option<String>),
}

impl Open {
    fn take(&mut self, value: Value) -> Result<(), String> {
        match self {
            Self::List(list) => list.push(value),
            Self::Map(map, key) => match (key.take(), value) {
                (Some(key), value) => drop(map.insert(key, value)),
                (None, Value::String(text)) => *key = Some(text),
                (None, _) => return Err("a key that is not a text".to_owned()),
            },
        }
        Ok(())
    }
}

fn begin(open: &mut Vec<Open>, anchor: usize, new: Open) -> Result<(), String> {
    if anchor != 0 {
        return Err(ANCHORS.to_owned());
    }
    if open.len() == DEEPEST {
        return Err(format!("deeper than {DEEPEST} levels"));
    }
    open.push(new);
    Ok(())
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null") => Value::Null,
        _ => Value::String(text.to_owned()),
    }
}

fn place(error: &ScanError) -> String {
    format!("not YAML, line {} column {}", error.marker().line(), error.marker().col() + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_maps_and_texts() {
        let text =
            "a: 1\nb: [x, 'y', \"null\", null]\nc:\n- d: |\n    two\n    lines\n- ~\ne: {f: true}";
        let expected = json!({
            "a": "1", "b": ["x", "y", "null", null], "c": [{"d": "two\nlines\n"}, null], "e": {"f": "true"}
        });
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("--- a\n--- b"), Ok(json!("a")), "the first document");
        assert_eq!(read("# nothing"), Ok(Value::Null));
    }

    #[test]
    fn a_fault_is_named_by_its_place() {
        assert_eq!(read("a: b\nc: ]secret"), Err("not YAML, line 2 column 4".to_owned()));
    }

    #[test]
    fn p23_what_is_deep_or_refers_to_itself_is_refused() {
        for deep in ["[", "{a: ", "- ", "? "] {
            let error = read(&deep.repeat(100_000)).unwrap_err();
            assert!(error.contains("deeper") || error.contains("line 1"), "{error}");
        }
        assert_eq!(read("a: &b [x]\nc: *b"), Err(ANCHORS.to_owned()));
        assert_eq!(read("a: &b x"), Err(ANCHORS.to_owned()));
    }
}
