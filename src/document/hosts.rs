//! The list of hosts in a text.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::faults::{Faults, item};
use super::json::Json;
use super::object::{Object, count, list, text};
use crate::discovery::wire::{self, EntryConfig, EntryForm};
use crate::endpoint::{Host, Scheme, bracketed, unix_path};
use crate::error::Error;
use crate::host::{LAST_PRIORITY, MOST_WEIGHT};

/// What an object of the list may say.
pub(super) const KEYS: [&str; 8] =
    ["address", "port", "weight", "zone", "priority", "scheme", "authority", "server_name"];

/// The hosts at `path`.
pub(super) fn read(json: &Json, path: &str, faults: &mut Faults) -> Vec<Host> {
    let items = list(json, path, faults).iter().enumerate();
    items.filter_map(|(index, json)| host(json, &item(path, index), faults)).collect()
}

fn host(json: &Json, path: &str, faults: &mut Faults) -> Option<Host> {
    match json {
        Json::Text(text) => named(text).map_err(|problem| faults.add(path, problem)).ok(),
        Json::Object(_) => described(Object::of(json, path, faults)?, faults),
        _ => {
            let is = json.what();
            faults.add(
                path,
                format!("is {is}; it takes \"host:port\", or an object with address and port"),
            );
            None
        }
    }
}

/// The host that `host:port` names, perhaps with a scheme before it, or the unix socket of `unix:/path`.
fn named(text: &str) -> Result<Host, String> {
    if unix_path(text).is_some() {
        // A socket has no port: this one says that http is spoken.
        return Host::checked(text, 80).map_err(str::to_owned);
    }
    if text.contains(char::is_whitespace) {
        return Err("holds white space; it takes \"host:port\", or an object".to_owned());
    }
    let rules = EntryConfig { form: EntryForm::Text, ..EntryConfig::default() };
    let host =
        wire::host(text.as_bytes(), &rules).map_err(|problem| format!("is no host: {problem}"));
    host?.ok_or_else(|| "is no host".to_owned())
}

fn described(mut object: Object<'_>, faults: &mut Faults) -> Option<Host> {
    let address = required(&mut object, "address", faults).and_then(|(json, path)| {
        let address = text(json, &path, faults)?;
        Host::checked(address, 1).map_err(|problem| faults.add(path, problem)).ok()
    });
    let port = required(&mut object, "port", faults);
    let port = port.and_then(|(json, path)| port_of(json, &path, faults));
    let mut host = address.unwrap_or_else(|| Host::new("", 1));
    host.port = port.unwrap_or(1);
    if let Some((json, path)) = object.take("weight")
        && let Some(weight) = count(json, &path, MOST_WEIGHT, faults)
    {
        host.weight = weight;
    }
    if let Some((json, path)) = object.take("priority")
        && let Some(priority) = count(json, &path, LAST_PRIORITY, faults)
    {
        host.priority = priority;
    }
    if let Some((json, path)) = object.take("zone") {
        host.zone = text(json, &path, faults).map(str::to_owned);
    }
    if let Some((json, path)) = object.take("scheme") {
        host.scheme = scheme(json, &path, faults);
    }
    for (key, set) in NAMES {
        if let Some((json, path)) = object.take(key)
            && let Some(name) = text(json, &path, faults)
        {
            checked(set(&mut host, name), &path, faults);
        }
    }
    object.end(&KEYS, faults);
    (!host.address.is_empty()).then_some(host)
}

type Set = fn(&mut Host, &str) -> Result<(), Error>;

const NAMES: [(&str, Set); 2] =
    [("authority", Host::set_authority), ("server_name", Host::set_server_name)];

fn required<'a>(
    object: &mut Object<'a>,
    key: &str,
    faults: &mut Faults,
) -> Option<(&'a Json, String)> {
    let found = object.take(key);
    if found.is_none() {
        faults.add(super::faults::below(object.path(), key), "is missing");
    }
    found
}

fn port_of(json: &Json, path: &str, faults: &mut Faults) -> Option<u16> {
    let port = json.as_count().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    if port.is_none() {
        faults.add(path, "is no whole number from 1 to 65535");
    }
    port
}

fn scheme(json: &Json, path: &str, faults: &mut Faults) -> Option<Scheme> {
    match text(json, path, faults)? {
        "http" => Some(Scheme::Http),
        "https" => Some(Scheme::Https),
        _ => {
            faults.add(path, "is neither http nor https");
            None
        }
    }
}

fn checked<T>(made: Result<T, Error>, path: &str, faults: &mut Faults) -> Option<T> {
    made.map_err(|error| faults.add_error(path, &error)).ok()
}

/// The hosts as a text has them: as short as they can be.
pub(super) fn write(hosts: &[Arc<Host>]) -> Value {
    hosts.iter().map(|host| one(host)).collect()
}

fn one(host: &Host) -> Value {
    let Host { address, port, .. } = host;
    let plain = Host::new(address.as_str(), *port);
    let short = format!("{}:{port}", bracketed(address));
    // The path of a socket may hold what a text is not read with, such as a blank.
    if *host == plain && named(&short).is_ok_and(|read| read == plain) {
        return short.into();
    }
    let mut object = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        value.into_iter().for_each(|value| drop(object.insert(key.to_owned(), value)));
    };
    put("address", Some(address.as_str().into()));
    put("port", Some((*port).into()));
    put("weight", (host.weight != plain.weight).then(|| host.weight.into()));
    put("priority", (host.priority != plain.priority).then(|| host.priority.into()));
    put("zone", host.zone.as_deref().map(Value::from));
    put("scheme", host.scheme.map(|scheme| scheme.as_str().into()));
    put("authority", host.authority.as_deref().map(Value::from));
    put("server_name", host.server_name.as_deref().map(Value::from));
    Value::Object(object)
}
