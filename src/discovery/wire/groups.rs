//! A list in JSON, of the kind that Prometheus's HTTP and file service discovery read.
//!
//! Its elements are groups with `targets` and `labels`, and beside them the library's own entries: objects with an
//! `address`, or texts.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::entry::{of_json, of_text, property};
use super::json;
use super::parsed_entries::ParsedEntries;
use super::{Entries, Entry, EntryConfig, Skipped};

/// The elements of a document that is read again and again.
#[derive(Debug, Default)]
pub struct Groups {
    elements: ParsedEntries<Entries>,
    long: Long,
}

impl Groups {
    /// The hosts of a document. A group's labels `weight`, `zone`, `priority`, `scheme` (or Prometheus's `__scheme__`),
    /// `authority` and `server_name` hold for its targets; others are left alone. None where the document is as before.
    ///
    /// # Errors
    /// The document is no list in JSON.
    pub fn read(&mut self, document: &[u8]) -> Result<Option<Entries>, &'static str> {
        let is_new = self.elements.read(document, |at| {
            let element = json::element(document, at)?;
            Ok(element.map(|(element, end)| (end, entries(element, &mut self.long))))
        })?;
        Ok(is_new.then(|| self.elements.iter().collect()))
    }
}

/// The targets of the last long group: a document may be one group, of which at a change nearly all is as before.
#[derive(Debug, Default)]
struct Long {
    labels: Option<Value>,
    targets: ParsedEntries<Entry>,
}

/// The hosts of one document.
///
/// # Errors
/// As for [`Groups::read`].
pub fn groups(document: &[u8]) -> Result<Entries, &'static str> {
    Groups::default().read(document).map(Option::unwrap_or_default)
}

/// A group whose targets are not read yet, since there may be thousands.
#[derive(Default)]
struct Group<'a> {
    targets: Option<&'a RawValue>,
    labels: Option<Value>,
}

impl<'a> Deserialize<'a> for Group<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'a> Visitor<'a> for Fields {
    type Value = Group<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a group")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut fields: A) -> Result<Group<'a>, A::Error> {
        let mut group = Group::default();
        while let Some(name) = fields.next_key::<String>()? {
            match name.as_str() {
                "targets" => group.targets = Some(fields.next_value()?),
                "labels" => group.labels = Some(fields.next_value()?),
                _ => drop(fields.next_value::<Value>()?),
            }
        }
        Ok(group)
    }
}

/// The hosts of one element.
fn entries(element: &RawValue, long: &mut Long) -> Entries {
    if let Ok(Group { targets: Some(targets), labels }) = serde_json::from_str(element.get()) {
        return group(targets, labels, long);
    }
    let mut entries = Entries::default();
    match serde_json::from_str::<Value>(element.get()) {
        // Nested deeper than is read.
        Err(_) => entries.skipped.add("not JSON"),
        Ok(element) => entries.add(of_json(&element, &EntryConfig::default())),
    }
    entries
}

fn group(targets: &RawValue, labels: Option<Value>, long: &mut Long) -> Entries {
    let targets = targets.get().as_bytes();
    if !targets.starts_with(b"[") {
        let skipped = Skipped { count: 1, why: Some("its targets are no list"), line: None };
        return Entries { skipped, ..Entries::default() };
    }
    let mut short = Long::default();
    let known = if targets.len() < LONG { &mut short } else { long };
    if known.labels != labels {
        *known = Long { labels, ..Long::default() };
    }
    let labels = known.labels.as_ref();
    // As a list that was read once, this one has no errors.
    let _ = known.targets.read(targets, |at| {
        let element = json::element(targets, at)?;
        Ok(element.map(|(target, end)| (end, self::target(target, labels))))
    });
    known.targets.iter().collect()
}

/// From how many bytes on the targets of a group are worth keeping: some hundreds of them.
const LONG: usize = 8 * 1024;

fn target(target: &RawValue, labels: Option<&Value>) -> Entry {
    let target: Cow<'_, str> = text(target).ok_or("a target is not a text")?;
    let target = target.trim();
    if target.contains(|c: char| c.is_ascii_whitespace()) {
        return Err("its address is not valid");
    }
    let mut host = of_text(target)?;
    for (label, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        let key = if label == "__scheme__" { "scheme" } else { label };
        // To Prometheus an empty label is none.
        if let Some(value) = value.as_str().filter(|value| !value.is_empty()) {
            // Labels of these names are there for other uses too, as the number of an alert.
            let is_free = matches!(key, "priority" | "scheme");
            property(&mut host, key, value)
                .or_else(|why| if is_free { Ok(()) } else { Err(why) })?;
        }
    }
    Ok(Some(Arc::new(host)))
}

/// A string's text.
fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inner = value.get().strip_prefix('"')?.strip_suffix('"')?;
    match inner.contains('\\') {
        false => Some(Cow::Borrowed(inner)),
        true => serde_json::from_str(value.get()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Host, Scheme};

    #[test]
    fn groups_of_targets_have_labels() {
        let text = br#"[{"targets": ["10.0.0.7:80", "10.0.0.8:80"], "labels": {"zone": "a", "weight": "3",
                         "__scheme__": "https", "__meta_x": "y", "job": "web"}}, {"targets": ["10.0.0.9:80"]}]"#;
        let labelled = |address| Host {
            weight: 3,
            zone: Some("a".to_owned()),
            scheme: Some(Scheme::Https),
            ..Host::new(address, 80)
        };
        let hosts = [labelled("10.0.0.7"), labelled("10.0.0.8"), Host::new("10.0.0.9", 80)];
        assert_eq!(groups(text).unwrap().copied(), hosts);
    }

    #[test]
    fn a_label_of_another_meaning_takes_no_target_away() {
        let text = br#"[{"targets": ["a:80"], "labels": {"scheme": "grpc", "priority": "high", "zone": "z"}}]"#;
        let placed = Host { zone: Some("z".to_owned()), ..Host::new("a", 80) };
        assert_eq!(groups(text).unwrap().copied(), [placed]);
    }

    #[test]
    fn own_entries_stand_beside_them_and_a_bad_one_is_skipped() {
        let text = br#"[{"address": "a", "port": 1}, "b:2 weight=7", {"targets": "c:3"}, {"targets": [4, "d:x", "e:5"]},
                        7, {"targets": ["f:6"], "labels": {"weight": "heavy"}}, {"targets": ["g:1 weight=2"]}]"#;
        let read = groups(text).unwrap();
        let hosts = [Host::new("a", 1), Host { weight: 7, ..Host::new("b", 2) }, Host::new("e", 5)];
        assert_eq!(read.copied(), hosts);
        assert_eq!(read.skipped.count, 6);
        assert_eq!(read.skipped.why, Some("its targets are no list"));
        assert_eq!(groups(b"[]").unwrap(), Entries::default());
    }

    #[test]
    fn a_document_that_changed_is_read_as_if_it_were_the_first() {
        let long = |count: u16, weight: u8| {
            let targets: Vec<_> = (1..=count).map(|port| format!(r#""a:{port}""#)).collect();
            format!(
                r#"{{"targets": [{}], "labels": {{"weight": "{weight}"}}}}"#,
                targets.join(", ")
            )
        };
        let mut read = Groups::default();
        for (document, is_new) in [
            (format!("[{}]", long(2000, 1)), true),
            (format!("[{}]", long(2000, 1)), false),
            (format!("[{}]", long(2001, 1)), true),
            (format!("[{}]", long(2001, 2)), true),
            (format!("[{}, \"b:1\", {}]", long(1999, 2), long(2000, 3)), true),
            (format!("[\"b:1\", {}]", long(2000, 3)), true),
            (r#"["b:1"]"#.to_owned(), true),
            (r#" ["b:1" ] "#.to_owned(), true),
            (
                r#"[["b:1"], {"targets": ["c:1"], "targets": ["d:1"]}, {"targets": null}]"#
                    .to_owned(),
                true,
            ),
        ] {
            let again = read.read(document.as_bytes()).unwrap();
            assert_eq!(again.is_some(), is_new, "{document}");
            assert!(again.is_none_or(|again| again == groups(document.as_bytes()).unwrap()));
        }
        let last = groups(
            br#"[["b:1"], {"targets": ["c:1"], "targets": ["d\u003a1"]}, {"targets": null}]"#,
        );
        assert_eq!(last.unwrap().copied(), [Host::new("d", 1)], "the last of two counts");
    }

    #[test]
    fn garbage_is_refused_and_deep_nesting_ends_no_stack() {
        for text in [
            &b""[..],
            b"{",
            b"null",
            b"{}",
            b"[{}",
            b"[]x",
            &[0xff],
            b"[\xff]",
            &vec![b'['; 10 << 20],
        ] {
            assert!(groups(text).is_err());
        }
        let mut deep = vec![b'['; 5 << 20];
        deep.resize(10 << 20, b']');
        assert_eq!(groups(&deep).unwrap().skipped.count, 1);
    }
}
