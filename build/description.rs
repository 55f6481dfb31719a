//! `ahoy.json`: the C ABI for programs, with what its signatures do not tell.
//!
//! Ownership comes from types: how `src/ffi` holds a handle, and whether a pointer is `const`. What may be NULL comes
//! from the list of arguments of each entry point. Blocking and threads come from sentences of the documentation,
//! which must be there; the tests compare them with what the library does.

use std::collections::HashMap;

use crate::fields::FIELDS;
use crate::json::Json;
use crate::source::{Constant, Function, Handle, Source};
use crate::{Result, Version};

/// The last line of the part that is made here; the settings follow, which `tests/options.rs` makes.
pub(crate) const SETTINGS: &str = "  \"settings\": [\n";

/// The text up to and with [`SETTINGS`].
pub(crate) fn write(source: &Source, version: &Version) -> Result<String> {
    let description = Description::of(source)?;
    let texts = |texts: &[(&'static str, &str)]| {
        Json::Object(texts.iter().map(|(name, text)| (*name, Json::from(*text))).collect())
    };
    let fields = [
        ("name", Json::from("ahoy")),
        ("version", Json::from(version.text.as_str())),
        ("soname", Json::from(version.soname())),
        ("fields", texts(FIELDS)),
        ("statuses", description.statuses()),
        ("enums", description.enums()),
        ("constants", source.constants.iter().map(|it| description.constant(it)).collect()),
        ("types", source.handles.iter().map(|it| description.handle(it)).collect::<Result<_>>()?),
        (
            "callbacks",
            source.callbacks.iter().map(|it| description.callback(it)).collect::<Result<_>>()?,
        ),
        (
            "functions",
            source.functions.iter().map(|it| description.function(it)).collect::<Result<_>>()?,
        ),
    ];
    let fields: String = fields.iter().map(|(name, value)| value.field(name, ",")).collect();
    Ok(format!("{{\n{fields}{SETTINGS}"))
}

pub(crate) struct Description<'a> {
    source: &'a Source,
    pub(crate) handles: HashMap<&'a str, &'a Handle>,
    pub(crate) callbacks: HashMap<&'a str, &'a Function>,
    /// Each enum with its constants.
    enums: Vec<(String, Vec<&'a Constant>)>,
}

impl<'a> Description<'a> {
    fn of(source: &'a Source) -> Result<Self> {
        let handles = source.handles.iter().map(|it| (it.name.as_str(), it)).collect();
        let callbacks = source.callbacks.iter().map(|it| (it.name.as_str(), it)).collect();
        let mut enums: Vec<(String, Vec<&Constant>)> = Vec::new();
        for constant in &source.constants {
            let name = enum_of(constant);
            match enums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, members)) => members.push(constant),
                None => enums.push((name, vec![constant])),
            }
        }
        // What stands alone is a constant and no more.
        enums.retain(|(_, members)| members.len() > 1);
        for (name, members) in &enums {
            let mut values: Vec<_> = members.iter().map(|it| it.value).collect();
            values.sort_unstable();
            values.dedup();
            if values.len() < members.len() {
                return Err(format!("enum {name}: two of its numbers are the same").into());
            }
        }
        Ok(Self { source, handles, callbacks, enums })
    }

    fn statuses(&self) -> Json {
        let members = self.enums.iter().filter(|(name, _)| name == "status");
        let one = |it: &&Constant| {
            Json::Object(vec![
                ("name", it.name.as_str().into()),
                ("value", number(it.value)),
                ("text", it.docs.text.as_str().into()),
            ])
        };
        members.flat_map(|(_, members)| members).map(one).collect()
    }

    fn enums(&self) -> Json {
        let one = |(name, members): &(String, Vec<&Constant>)| {
            let kind = members.first().map_or("", |it| it.kind.as_str());
            Json::Object(vec![
                ("name", name.as_str().into()),
                ("type", kind.into()),
                ("flags", kind.starts_with('u').into()),
                ("members", members.iter().map(|it| it.name.as_str().into()).collect()),
            ])
        };
        self.enums.iter().map(one).collect()
    }

    fn constant(&self, constant: &Constant) -> Json {
        let mut fields = vec![
            ("name", constant.name.as_str().into()),
            ("value", number(constant.value)),
            ("type", constant.kind.as_str().into()),
        ];
        let of = enum_of(constant);
        if self.enums.iter().any(|(name, _)| *name == of) {
            fields.push(("enum", of.into()));
        }
        fields.push(("doc", constant.docs.text.as_str().into()));
        Json::Object(fields)
    }

    fn handle(&self, handle: &Handle) -> Result<Json> {
        let Handle { name, docs, held } = handle;
        let mut fields = vec![("name", name.as_str().into()), ("held", held.to_lowercase().into())];
        if held != "Lent" {
            let free = self.free(name)?;
            if !docs.text.contains(&format!("reed with {free}")) {
                return Err(
                    format!("{name}: its documentation does not say `freed with {free}`").into()
                );
            }
            let thread = docs.sentence("Thread:");
            let thread =
                thread.ok_or_else(|| format!("{name}: its documentation has no `Thread:`"))?;
            if (held == "Owned") != (thread == "one at a time") {
                return Err(format!("{name}: `Thread: {thread}`, but it is {held}").into());
            }
            fields.push(("free", free.into()));
        }
        fields.push(("doc", docs.text.as_str().into()));
        Ok(Json::Object(fields))
    }

    /// The function that frees a handle.
    pub(crate) fn free(&self, handle: &str) -> Result<String> {
        let free = format!("{handle}_free");
        let exists = self.source.functions.iter().any(|it| it.name == free);
        exists.then_some(free).ok_or_else(|| format!("{handle}: nothing frees it").into())
    }

    /// The same with the enum that the documentation names, if it is one of numbers of that type.
    pub(crate) fn with_enum(
        &self,
        mut fields: Vec<(&'static str, Json)>,
        kind: &str,
        said: &str,
    ) -> Json {
        let named = said
            .split(|it: char| !it.is_ascii_alphanumeric() && it != '_')
            .filter(|it| it.starts_with("AHOY_"));
        let mut found = named.flat_map(|word| {
            let known = |it: &Constant| {
                it.name == word || (word.ends_with('_') && it.name.starts_with(word))
            };
            self.enums
                .iter()
                .find(|(_, members)| members.iter().any(|it| known(it) && it.kind == kind))
        });
        if ["int32_t", "uint32_t"].contains(&kind)
            && let Some((name, _)) = found.next()
        {
            fields.push(("enum", name.as_str().into()));
        }
        Json::Object(fields)
    }
}

/// The enum that a constant belongs to: by what its source says, or by the first word of its name.
fn enum_of(constant: &Constant) -> String {
    let word = constant.name.split('_').nth(1).unwrap_or_default();
    match (&constant.of, word) {
        (Some(of), _) => of.clone(),
        (None, "OK" | "E") => "status".to_owned(),
        (None, word) => word.to_lowercase(),
    }
}

/// A number that readers with doubles keep, or else text.
fn number(value: i128) -> Json {
    match i64::try_from(value) {
        Ok(small) if small.unsigned_abs() < 1 << 53 => Json::Number(small.to_string()),
        _ => Json::Text(value.to_string()),
    }
}
