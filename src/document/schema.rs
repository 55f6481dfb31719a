//! The JSON schema (draft 2020-12) of a configuration's text, from the tables of settings.
//!
//! It holds what one value alone can tell. What it cannot hold, as that settings go together, [`super::read()`] tells.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::section;
use super::writing::pretty;
use crate::config::algorithm::{DEFAULT, NAMED};
use crate::discovery::url::SCHEMES;
use crate::host::{LAST_PRIORITY, MOST_WEIGHT};
use crate::options::{BALANCER, BREAKER, CLIENT, Form, PROVIDER, RETRY, Row, Table, is_header};

/// The schema's text.
#[must_use]
pub fn schema() -> String {
    let mut properties = settings(&CLIENT);
    let structure = [
        ("hosts", hosts()),
        ("provider", provider()),
        (
            "base_url",
            text("The URL that requests go to, in place of hosts; its path comes before theirs."),
        ),
        ("balancer", balancer()),
        (
            "breaker",
            object("The circuit breakers of the balancer's endpoints.", settings(&BREAKER)),
        ),
        ("retry", object("When and how often a call is tried again.", settings(&RETRY))),
        ("headers", headers()),
        ("forward_headers", names("The inbound headers that are passed on.", FORWARDED)),
        ("forward_cookies", texts("The inbound cookies that are passed on.")),
        ("tls", tls()),
    ];
    properties.extend(structure.map(|(key, schema)| (key.to_owned(), schema)));
    let Value::Object(mut schema) = object("The configuration of a client of libahoy.", properties)
    else {
        return String::new();
    };
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("title".to_owned(), "libahoy client".into());
    schema.insert("$defs".to_owned(), json!({
        "duration": {
            "type": "string",
            "pattern": DURATION,
            "description": "A duration with units: 250ms, 1.5s, 1m30s, 2h."
        },
        "size": {
            "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": SIZE }],
            "description": "Bytes, or a size with a unit: 512, \"64KiB\", \"1MiB\"."
        }
    }));
    let both = |one: &str, other: &str| json!({ "not": { "required": [one, other] } });
    let one_source =
        [both("hosts", "provider"), both("hosts", "base_url"), both("provider", "base_url")];
    schema.insert("allOf".to_owned(), one_source.to_vec().into());
    pretty(&schema)
}

/// What [`crate::options`] reads as a duration, but for `forever`.
const DURATION: &str = concat!(
    r"^(?=.)([0-9]+(\.[0-9]{1,9})? *h *)?([0-9]+(\.[0-9]{1,9})? *m *)?",
    r"([0-9]+(\.[0-9]{1,9})? *s *)?([0-9]+(\.[0-9]{1,9})? *ms)?$"
);

const SIZE: &str = "^[0-9]+ *(B|KiB|MiB|GiB)?$";

/// A token (RFC 9110, section 5.6.2).
const HEADER_NAME: &str = "^[-!#$%&'*+.^_`|~0-9A-Za-z]+$";

/// The same without the sign that would seem to stand for any.
const FORWARDED: &str = "^[-!#$%&'+.^_`|~0-9A-Za-z]+$";

/// The settings of a table itself, each by its key.
fn settings<C: Clone + 'static>(table: &Table<C>) -> Map<String, Value> {
    let default = table.default();
    let own = table.rows().iter().filter(|row| !row.of_part);
    own.map(|row| (row.key.clone(), setting(row, row.text_of(&default)))).collect()
}

fn setting<C>(row: &Row<C>, default: Option<String>) -> Value {
    let mut schema = match shape(row.range) {
        Value::Object(schema) if row.words.is_empty() => schema,
        schema => Map::from_iter([("anyOf".to_owned(), json!([schema, { "enum": row.words }]))]),
    };
    let description = format!("{}. {}", row.purpose, row.cost);
    schema.insert("description".to_owned(), description.into());
    if let Some(default) = default {
        schema.insert("default".to_owned(), section::value(row, default));
    }
    Value::Object(schema)
}

fn shape(form: Form) -> Value {
    match form {
        Form::Flag => json!({ "type": "boolean" }),
        Form::Count(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Form::Real(least, most) => real("minimum", least, most),
        Form::RealAbove0(most) => real("exclusiveMinimum", 0.0, most),
        Form::Size => json!({ "$ref": "#/$defs/size" }),
        Form::Duration(_, Duration::MAX) => {
            json!({ "anyOf": [{ "$ref": "#/$defs/duration" }, { "const": "forever" }] })
        }
        Form::Duration(..) => json!({ "$ref": "#/$defs/duration" }),
        Form::Choice(words) => json!({ "enum": words.iter().map(choice).collect::<Vec<_>>() }),
        Form::Text(what) if is_header(form) => {
            json!({ "type": "string", "pattern": HEADER_NAME, "$comment": what })
        }
        Form::Text(what) => json!({ "type": "string", "$comment": what }),
    }
}

fn real(least_is: &str, least: f64, most: f64) -> Value {
    let mut schema = json!({ "type": "number", least_is: least });
    if most < f64::MAX {
        schema["maximum"] = most.into();
    }
    schema
}

fn choice(word: &&str) -> Value {
    word.parse().map_or_else(|_| (*word).into(), Value::Bool)
}

fn hosts() -> Value {
    let properties = json!({
        "address": { "type": "string", "minLength": 1, "maxLength": 253 },
        "port": { "type": "integer", "minimum": 1, "maximum": 65535 },
        "weight": { "type": "integer", "minimum": 0, "maximum": MOST_WEIGHT, "default": 1 },
        "zone": { "type": "string" },
        "priority": { "type": "integer", "minimum": 0, "maximum": LAST_PRIORITY, "default": 0 },
        "scheme": { "enum": ["http", "https"] },
        "authority": { "type": "string" },
        "server_name": { "type": "string" }
    });
    json!({
        "description": "The service's hosts.",
        "type": "array",
        "minItems": 1,
        "items": {
            "anyOf": [
                { "type": "string", "pattern": "^(https?://[^ ]+|[^ ]+:[0-9]+|unix:/.+)$" },
                {
                    "type": "object",
                    "properties": properties,
                    "required": ["address", "port"],
                    "additionalProperties": false
                }
            ]
        }
    })
}

fn balancer() -> Value {
    let names: Vec<_> = NAMED.iter().map(|(name, _)| *name).collect();
    let mut properties = settings(&BALANCER);
    let name =
        json!({ "enum": names, "default": DEFAULT, "description": "How endpoints are picked." });
    properties.insert("name".to_owned(), name);
    let path = json!({
        "type": "string",
        "pattern": "^/",
        "description": "The path that endpoints tell their load at; for prequal alone."
    });
    properties.insert("probe_path".to_owned(), path);
    let described = object("The balancer with its settings.", properties);
    json!({ "anyOf": [{ "enum": names }, described] })
}

/// The options of a source stand in its URL, so that their keys can only be described.
fn provider() -> Value {
    let schemes: Vec<_> = SCHEMES.iter().map(|scheme| scheme.name.replace('+', r"\+")).collect();
    let keys: Vec<_> = PROVIDER.rows().iter().map(|row| row.key.as_str()).collect();
    json!({
        "description": "The URL of a source of hosts, such as etcd://127.0.0.1:2379/services/orders?empty_hold=10s.",
        "type": "string",
        "pattern": format!("^({})://", schemes.join("|")),
        "$comment": format!("Options in its query: {}", keys.join(", "))
    })
}

fn headers() -> Value {
    let value = json!({ "type": "string" });
    json!({
        "description": "Sent with every request, unless the request has the same name.",
        "type": "object",
        "propertyNames": { "pattern": HEADER_NAME },
        "additionalProperties": { "anyOf": [value, { "type": "array", "items": value }] }
    })
}

fn tls() -> Value {
    let mut schema = object(
        "The files of certificates and keys, in PEM; they are read once.",
        Map::from_iter([
            ("ca_files".to_owned(), texts("Trusted beside the platform's certificates.")),
            ("certificate_file".to_owned(), text("The client's own chain, its certificate first.")),
            ("key_file".to_owned(), text("The key of that certificate.")),
        ]),
    );
    schema["dependentRequired"] =
        json!({ "certificate_file": ["key_file"], "key_file": ["certificate_file"] });
    schema
}

fn object(description: &str, properties: Map<String, Value>) -> Value {
    json!({
        "description": description,
        "type": "object",
        "properties": properties,
        "additionalProperties": false
    })
}

fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string" })
}

fn texts(description: &str) -> Value {
    json!({ "description": description, "type": "array", "items": { "type": "string" } })
}

fn names(description: &str, pattern: &str) -> Value {
    let mut schema = texts(description);
    schema["items"]["pattern"] = pattern.into();
    schema
}
