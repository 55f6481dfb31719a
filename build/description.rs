//! `ahoy.json`: the C ABI for programs, with what its signatures do not tell.
//!
//! Ownership comes from types: how `src/ffi` holds a handle, and whether a pointer is `const`. What may be NULL comes
//! from the list of arguments of each entry point. Blocking and threads come from sentences of the documentation,
//! which must be there; the tests compare them with what the library does.

use std::collections::HashMap;

use crate::docs::Docs;
use crate::json::Json;
use crate::source::{Constant, Function, Handle, Parameter, Source};
use crate::{Result, Version};

/// The last line of the part that is made here; the settings follow, which `tests/options.rs` makes.
pub(crate) const SETTINGS: &str = "  \"settings\": [\n";

const FIELDS: &[(&str, &str)] = &[
    ("value", "a number, or text where it is above 2^53"),
    (
        "types.held",
        "owned: freed by the host, one thread at a time; shared: freed by the host, any thread; lent: never freed by the host",
    ),
    (
        "returns.free, parameters.free",
        "the host owns the handle that comes out and frees it with this function",
    ),
    (
        "returns.of",
        "borrowed: valid until the handle of this parameter is freed; static: always valid; host: what the host itself has set",
    ),
    ("returns.length", "the parameter that gets the number of bytes"),
    (
        "parameters.role",
        "handle: lent for the call; freed: given back; out: a place for a handle, whose content is overwritten; out_array: places for as many handles as size says; out_value: a place for a number or a truth; text: NUL-terminated, lent for the call; bytes, buffer, array: as long as size says, lent for the call; size: the size of another parameter; callback, user_data, destroy: see callbacks; error: a place for an ahoy_error; value: a number or a truth",
    ),
    ("parameters.optional", "NULL is a value that it takes"),
    (
        "parameters.unit",
        "ms: milliseconds, where 18446744073709551615 (AHOY_FOREVER) has no end; us: microseconds",
    ),
    (
        "parameters.enum, returns.enum",
        "one of the numbers of this enum; with flags, several combined",
    ),
    (
        "functions.blocks",
        "waits: it may wait, and inside a callback it returns AHOY_E_WOULD_DEADLOCK instead; first_use: it waits while the provider is asked, at the first use of its balancer only; never",
    ),
    ("functions.blocks_up_to", "the parameter that limits the wait; with 0 it does not wait"),
    (
        "callbacks.thread",
        "caller: inside the function that it was passed to, or that waits; call: the thread that drives the call, which is the caller's for a blocking call; io: a thread of the library; any: any of these",
    ),
    ("callbacks.several_at_once", "on several threads at the same time"),
    ("callbacks.must_not_block", "its thread carries other calls"),
    (
        "settings.type",
        "flag, count, real, size, duration, choice or text; settings.words are taken as well, and as text a size and a duration may have units",
    ),
    (
        "settings.scope",
        "the handle: the client's builder takes those of retry as well, with the prefix retry_, and a balancer those of breaker, with breaker_",
    ),
];

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

struct Description<'a> {
    source: &'a Source,
    handles: HashMap<&'a str, &'a Handle>,
    callbacks: HashMap<&'a str, &'a Function>,
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
    fn free(&self, handle: &str) -> Result<String> {
        let free = format!("{handle}_free");
        let exists = self.source.functions.iter().any(|it| it.name == free);
        exists.then_some(free).ok_or_else(|| format!("{handle}: nothing frees it").into())
    }

    fn callback(&self, callback: &Function) -> Result<Json> {
        let Function { name, docs, parameters, returns } = callback;
        let thread = docs.sentence("Thread:").ok_or_else(|| {
            format!("{name}: its documentation has no `Thread:`; see CONTRIBUTING.md")
        })?;
        let (place, several) = match thread.strip_suffix(", several at once") {
            Some(place) => (place, true),
            None => (thread, false),
        };
        let place = match place {
            "the caller's" => "caller",
            "the one that drives the call" => "call",
            "an I/O thread" => "io",
            "any" => "any",
            other => return Err(format!("{name}: `Thread: {other}` is none that is known").into()),
        };
        let owns = docs.text.contains(" owns ");
        let parameters = parameters.iter().map(|parameter| -> Result<Json> {
            let kind = parameter.kind.as_str();
            let mut fields = vec![("name", parameter.name.as_str().into()), ("type", kind.into())];
            match self.handles.get(base(kind)) {
                Some(handle) if owns && !kind.starts_with("const ") => {
                    fields.extend([
                        ("role", "handle".into()),
                        ("free", self.free(&handle.name)?.into()),
                    ]);
                }
                Some(_) => fields.push(("role", "handle".into())),
                None if kind == "void *" => fields.push(("role", "user_data".into())),
                None if kind == "const char *" => fields.push(("role", "text".into())),
                None if kind.ends_with('*') => fields.push((
                    "role",
                    if kind == "uint8_t *" { "buffer" } else { "out_value" }.into(),
                )),
                None => fields.push(("role", "value".into())),
            }
            Ok(Json::Object(fields))
        });
        Ok(Json::Object(vec![
            ("name", name.as_str().into()),
            (
                "returns",
                self.with_enum(vec![("type", returns.as_str().into())], returns, &docs.text),
            ),
            ("parameters", parameters.collect::<Result<_>>()?),
            ("thread", place.into()),
            ("several_at_once", several.into()),
            ("must_not_block", docs.text.contains("must not block").into()),
            ("doc", docs.text.as_str().into()),
        ]))
    }

    fn function(&self, function: &Function) -> Result<Json> {
        let Function { name, docs, parameters, .. } = function;
        let unknown =
            docs.parameters.iter().find(|(said, _)| parameters.iter().all(|it| it.name != *said));
        if let Some((said, _)) = unknown {
            return Err(format!("{name}: `@param {said}` is no parameter of it").into());
        }
        let listed = (0..parameters.len()).map(|at| self.parameter(function, at));
        let mut fields = vec![
            ("name", name.as_str().into()),
            ("returns", self.returns(function)?),
            ("parameters", listed.collect::<Result<_>>()?),
            ("blocks", blocks(docs).into()),
        ];
        if blocks(docs) == "waits" && parameters.iter().any(|it| it.name == "timeout_ms") {
            fields.push(("blocks_up_to", "timeout_ms".into()));
        }
        fields.push(("doc", docs.text.as_str().into()));
        Ok(Json::Object(fields))
    }

    fn returns(&self, function: &Function) -> Result<Json> {
        let Function { name, docs, parameters, returns } = function;
        let mut fields = vec![("type", returns.as_str().into())];
        if returns.ends_with('*') {
            match self.handles.get(base(returns)) {
                Some(handle) if !returns.starts_with("const ") => {
                    fields.push(("free", self.free(&handle.name)?.into()));
                }
                _ if returns.starts_with("const ") => {
                    let lender =
                        parameters.iter().find(|it| self.handles.contains_key(base(&it.kind)));
                    fields.push(("of", lender.map_or("static", |it| &it.name).into()));
                }
                None if returns == "void *" => fields.push(("of", "host".into())),
                _ => return Err(format!("{name}: to whom does {returns} belong?").into()),
            }
            if parameters.iter().any(|it| it.name == "length" && it.kind == "size_t *") {
                fields.push(("length", "length".into()));
            }
        }
        if !docs.returns.is_empty() {
            fields.push(("doc", docs.returns.as_str().into()));
        }
        Ok(self.with_enum(fields, returns, &format!("{}\n{}", docs.returns, docs.text)))
    }

    fn parameter(&self, function: &Function, at: usize) -> Result<Json> {
        let Function { name: of, docs, parameters, .. } = function;
        let parameter = &parameters[at];
        let Parameter { name, kind, optional } = parameter;
        let role =
            self.role(function, at).ok_or_else(|| format!("{of}.{name}: what is {kind} for?"))?;
        let mut fields = vec![
            ("name", name.as_str().into()),
            ("type", kind.as_str().into()),
            ("role", role.into()),
        ];
        let optional = match role {
            "freed" | "error" | "user_data" | "destroy" | "bytes" => true,
            // Every accessor takes NULL.
            "handle" => *optional && function.returns == "ahoy_status",
            "out" | "out_array" => *optional,
            _ => *optional || takes_null(docs.of(name)),
        };
        if optional {
            fields.push(("optional", true.into()));
        }
        match role {
            "error" | "out" | "out_array" => fields.push(("free", self.free(base(kind))?.into())),
            _ => {}
        }
        if sized(role) {
            // A second array of the same size may stand between.
            let size = parameters[at..].iter().find(|it| it.kind == "size_t");
            fields.extend(size.map(|it| ("size", it.name.as_str().into())));
        }
        let unit = [("_ms", "ms"), ("_us", "us"), ("_bytes", "bytes")];
        fields.extend(
            unit.iter()
                .find(|(end, _)| name.ends_with(end))
                .map(|(_, unit)| ("unit", (*unit).into())),
        );
        if !docs.of(name).is_empty() {
            fields.push(("doc", docs.of(name).into()));
        }
        let pointed = kind.strip_suffix(" *").unwrap_or(kind);
        Ok(self.with_enum(fields, pointed, docs.of(name)))
    }

    fn role(&self, function: &Function, at: usize) -> Option<&'static str> {
        let Parameter { name, kind, .. } = &function.parameters[at];
        let next_is_size = function.parameters.get(at + 1).is_some_and(|it| it.kind == "size_t");
        let handle = self.handles.contains_key(base(kind));
        Some(match kind.as_str() {
            "ahoy_error **" if name == "err" => "error",
            "ahoy_destroy_fn" => "destroy",
            callback if self.callbacks.contains_key(callback) => "callback",
            "void *" => "user_data",
            "const char *" => "text",
            "const uint8_t *" => "bytes",
            "uint8_t *" => "buffer",
            _ if handle && kind.ends_with("**") => {
                if next_is_size {
                    "out_array"
                } else {
                    "out"
                }
            }
            _ if handle && function.name.ends_with("_free") => "freed",
            _ if handle => "handle",
            pointer
                if pointer.ends_with('*')
                    && !pointer.starts_with("const ")
                    && !pointer.ends_with("**") =>
            {
                "out_value"
            }
            pointer if pointer.ends_with('*') && next_is_array_or_size(function, at) => "array",
            pointer if pointer.ends_with('*') => return None,
            "size_t" if at > 0 && self.role(function, at - 1).is_some_and(sized) => "size",
            _ => "value",
        })
    }

    /// The same with the enum that the documentation names, if it is one of numbers of that type.
    fn with_enum(&self, mut fields: Vec<(&'static str, Json)>, kind: &str, said: &str) -> Json {
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

/// Whether a size follows, perhaps after other arrays of the same size.
fn next_is_array_or_size(function: &Function, at: usize) -> bool {
    let mut rest = function.parameters[at + 1..].iter().map(|it| it.kind.as_str());
    rest.find(|kind| !kind.ends_with('*')) == Some("size_t")
}

/// Roles of pointers whose size is a parameter of its own.
fn sized(role: &str) -> bool {
    matches!(role, "bytes" | "buffer" | "array" | "out_array")
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

/// Whether a parameter's documentation says what NULL does.
fn takes_null(said: &str) -> bool {
    ["may be NULL", "May be NULL", "NULL for", "NULL if"].iter().any(|it| said.contains(it))
}

/// Whether a function waits, by the sentence that begins with `Blocks`.
fn blocks(docs: &Docs) -> &'static str {
    match docs.sentence("Blocks ") {
        None => "never",
        Some(sentence) if sentence.starts_with("while the provider is asked") => "first_use",
        Some(_) => "waits",
    }
}

/// What a pointer points to in the end.
fn base(kind: &str) -> &str {
    let kind = kind.strip_prefix("const ").unwrap_or(kind);
    kind.split(' ').next().unwrap_or(kind)
}

/// A number that readers with doubles keep, or else text.
fn number(value: i128) -> Json {
    match i64::try_from(value) {
        Ok(small) if small.unsigned_abs() < 1 << 53 => Json::Number(small.to_string()),
        _ => Json::Text(value.to_string()),
    }
}
