//! Functions and types of callbacks in `ahoy.json`.

use crate::Result;
use crate::description::Description;
use crate::docs::Docs;
use crate::json::Json;
use crate::source::{Function, Parameter};

impl Description<'_> {
    pub(crate) fn callback(&self, callback: &Function) -> Result<Json> {
        let Function { name, docs, parameters, returns } = callback;
        let thread = docs.sentence("Thread:").ok_or_else(|| {
            format!("{name}: its documentation has no `Thread:`; see CONTRIBUTING.md")
        })?;
        let (place, several) = place_of(thread)
            .ok_or_else(|| format!("{name}: `Thread: {thread}` is none that is known"))?;
        let owns = docs.text.contains(" owns ");
        let parameters = parameters.iter().map(|it| self.callback_parameter(it, owns));
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

    /// A parameter of a callback; with `owns`, handles that it gets are the host's.
    fn callback_parameter(&self, parameter: &Parameter, owns: bool) -> Result<Json> {
        let kind = parameter.kind.as_str();
        let mut fields = vec![("name", parameter.name.as_str().into()), ("type", kind.into())];
        let handle = self.handles.get(base(kind));
        let role = match kind {
            _ if handle.is_some() => "handle",
            "void *" => "user_data",
            "const char *" => "text",
            "const uint8_t *" => "bytes",
            "uint8_t *" => "buffer",
            pointer if pointer.ends_with('*') => "out_value",
            _ => "value",
        };
        fields.push(("role", role.into()));
        if let Some(handle) = handle
            && owns
            && !kind.starts_with("const ")
        {
            fields.push(("free", self.free(&handle.name)?.into()));
        }
        Ok(Json::Object(fields))
    }

    pub(crate) fn function(&self, function: &Function) -> Result<Json> {
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
}

/// Where a callback runs, by what follows `Thread:`, and whether several do at once.
fn place_of(thread: &str) -> Option<(&'static str, bool)> {
    let (place, several) = match thread.strip_suffix(", several at once") {
        Some(place) => (place, true),
        None => (thread, false),
    };
    let place = match place {
        "the caller's" => "caller",
        "the one that drives the call" => "call",
        "an I/O thread" => "io",
        "any" => "any",
        _ => return None,
    };
    Some((place, several))
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
