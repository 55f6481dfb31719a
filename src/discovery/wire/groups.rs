//! A list in JSON, of the kind that Prometheus's HTTP and file service discovery read.
//!
//! Its elements are groups with `targets` and `labels`, and beside them the library's own entries: objects with an
//! `address`, or texts.

use serde_json::Value;
use serde_json::value::RawValue;

use super::Entries;
use super::EntryConfig;
use super::entry::{of_json, of_text, property};
use crate::endpoint::Host;

/// The hosts of a document. A group's labels `weight`, `zone`, `priority`, `scheme` (or Prometheus's `__scheme__`),
/// `authority` and `server_name` hold for its targets; others are left alone.
///
/// # Errors
/// The document is no list in JSON.
pub fn groups(document: &[u8]) -> Result<Entries, &'static str> {
    let elements: Vec<&RawValue> =
        serde_json::from_slice(document).map_err(|_| "not a list in JSON")?;
    let mut entries = Entries::default();
    for element in elements {
        match serde_json::from_str::<Value>(element.get()) {
            // Nested deeper than is read.
            Err(_) => entries.skipped.add("not JSON"),
            Ok(element) => match element.get("targets") {
                Some(targets) => group(&mut entries, targets, element.get("labels")),
                None => entries.add(of_json(&element, &EntryConfig::default())),
            },
        }
    }
    Ok(entries)
}

fn group(entries: &mut Entries, targets: &Value, labels: Option<&Value>) {
    let Value::Array(targets) = targets else {
        entries.skipped.add("its targets are no list");
        return;
    };
    for target in targets {
        entries.add(self::target(target, labels).map(Some));
    }
}

fn target(target: &Value, labels: Option<&Value>) -> Result<Host, &'static str> {
    let target = target.as_str().ok_or("a target is not a text")?.trim();
    if target.contains(|c: char| c.is_ascii_whitespace()) {
        return Err("its address is not valid");
    }
    let mut host = of_text(target)?;
    for (label, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        let key = if label == "__scheme__" { "scheme" } else { label };
        if let Some(value) = value.as_str() {
            property(&mut host, key, value)?;
        }
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Scheme;

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
