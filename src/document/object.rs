//! An object of a text: what stands in it once, and what is left when all that is known was taken.

use super::faults::{Faults, below};
use super::json::Json;
use crate::error::ErrorKind;
use crate::options::{handles_with_own, nearest};

/// The fields of an object that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Object<'a> {
    path: String,
    fields: Vec<(&'a str, &'a Json)>,
}

impl<'a> Object<'a> {
    /// The object at `path`. What is none, and what stands in it twice, is a fault.
    pub(super) fn of(json: &'a Json, path: &str, faults: &mut Faults) -> Option<Self> {
        let Json::Object(pairs) = json else {
            let name = if path.is_empty() { "json" } else { path };
            faults.add(name, format!("is {}; it takes an object", json.what()));
            return None;
        };
        let mut object = Self { path: path.to_owned(), fields: Vec::with_capacity(pairs.len()) };
        for (key, json) in pairs {
            if object.fields.iter().any(|(known, _)| known == key) {
                faults.add(below(path, key), AGAIN);
            } else {
                object.fields.push((key, json));
            }
        }
        Some(object)
    }

    /// Where it stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Takes the field out, with its path.
    pub(super) fn take(&mut self, key: &str) -> Option<(&'a Json, String)> {
        let at = self.fields.iter().position(|(known, _)| *known == key)?;
        let (_, json) = self.fields.remove(at);
        Some((json, below(&self.path, key)))
    }

    /// The same, where it `is` what is looked for.
    pub(super) fn take_if(
        &mut self,
        key: &str,
        is: impl FnOnce(&Json) -> bool,
    ) -> Option<(&'a Json, String)> {
        let found = self.fields.iter().find(|(known, _)| *known == key);
        found.is_some_and(|(_, json)| is(json)).then(|| self.take(key)).flatten()
    }

    /// Whether it is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.iter().any(|(known, _)| *known == key)
    }

    /// What is left.
    pub(super) fn into_rest(self) -> Vec<(&'a str, &'a Json)> {
        self.fields
    }

    /// Names all that is left as unknown, each with the nearest of `known`.
    pub(super) fn end(self, known: &[&str], faults: &mut Faults) {
        for (key, _) in self.fields {
            unknown(&self.path, key, known.iter().copied(), faults);
        }
    }
}

/// A key that no object of this kind has.
pub(super) fn unknown<'k>(
    path: &str,
    key: &str,
    known: impl Iterator<Item = &'k str>,
    faults: &mut Faults,
) {
    let mut problem = "no such key".to_owned();
    if let Some(nearest) = nearest(known, key) {
        problem.push_str("; the nearest is ");
        problem.push_str(nearest);
    }
    if let Some(handles) = handles_with_own(key) {
        problem.push_str(&format!("; {handles} have it"));
    }
    faults.push(ErrorKind::UnknownOption, below(path, key), problem);
}

/// The text of a field. What is none is a fault, and so is a mask.
pub(super) fn text<'a>(json: &'a Json, path: &str, faults: &mut Faults) -> Option<&'a str> {
    let text = json.as_text();
    match text {
        None => faults.add(path, format!("is {}; it takes a text", json.what())),
        Some(MASK) => faults.add(path, MASKED),
        Some(_) => {}
    }
    text.filter(|text| *text != MASK)
}

/// The whole number of a field, up to `most`.
pub(super) fn count(json: &Json, path: &str, most: u32, faults: &mut Faults) -> Option<u32> {
    let count = json.as_count().and_then(|count| u32::try_from(count).ok());
    let count = count.filter(|count| *count <= most);
    if count.is_none() {
        let is = match json {
            Json::Number(number) => number.to_string(),
            _ => json.what().to_owned(),
        };
        faults.add(path, format!("is {is}; it takes a whole number from 0 to {most}"));
    }
    count
}

/// The items of a list. What is none is a fault.
pub(super) fn list<'a>(json: &'a Json, path: &str, faults: &mut Faults) -> &'a [Json] {
    match json {
        Json::List(items) => items,
        _ => {
            faults.add(path, format!("is {}; it takes a list", json.what()));
            &[]
        }
    }
}

/// What is wrong with a key that stood before.
pub(super) const AGAIN: &str = "stands here a second time";

/// What a text shows in place of a secret, and of what text cannot hold, such as a function of the host.
pub(super) const MASK: &str = "****";

/// What is wrong with the masks of a list: each stands for what the client has at the same place, so a list of another
/// length would take some for others.
pub(super) fn misplaced(items: &[Json], present: usize) -> Option<String> {
    let masked = items.iter().any(|item| item.as_text() == Some(MASK));
    let (stated, known) = (counted(items.len()), counted(present));
    (masked && present > 0 && items.len() != present).then(|| {
        format!(
            "has **** in a list of {stated}, and the client has {known}, so no place tells which is \
             meant; write the values themselves"
        )
    })
}

fn counted(count: usize) -> String {
    format!("{count} {}", if count == 1 { "value" } else { "values" })
}

/// Why a mask is refused.
pub(super) const MASKED: &str =
    "is ****, which stands for what a configuration's text does not show; write the value itself";

/// Why a URL is refused that has a mask in it and is not the present one.
pub(super) const MASKED_OTHER: &str =
    "has **** in it and is not what the client's text shows; write the secrets themselves";
