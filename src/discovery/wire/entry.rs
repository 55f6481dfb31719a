//! One registered value as a host.
//!
//! Four forms are read, told apart by what stands in them unless a form is named:
//!
//! | form | example |
//! |---|---|
//! | text | `10.0.0.7:8080 weight=5 zone=a` |
//! | own JSON | `{"address": "10.0.0.7", "port": 8080, "weight": 5, "zone": "a"}` |
//! | Curator | `{"name": "web", "address": "10.0.0.7", "port": 8080, "serviceType": "DYNAMIC"}` |
//! | ServerSet | `{"serviceEndpoint": {"host": "10.0.0.7", "port": 8080}, "status": "ALIVE"}` |

use std::str;

use rustls::pki_types::ServerName;
use serde_json::Value;

use super::json::{digits, field, number, text};
use super::{EntryConfig, EntryForm, EntryPlace};
use crate::endpoint::{Host, Scheme, unix_path};
use crate::request::is_authority;

impl EntryConfig {
    /// The host of a key and its value; none where the value says of itself that it takes no calls.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn host(&self, key: &[u8], value: &[u8]) -> Read {
        match self.place {
            EntryPlace::Value => host(value, self),
            EntryPlace::Key => {
                let last = key.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                of_text(str::from_utf8(last).map_err(|_| "not UTF-8")?).map(Some)
            }
        }
    }
}

type Read = Result<Option<Host>, &'static str>;

/// The host that `value` describes; none where it says of itself that it takes no calls.
///
/// # Errors
/// What is wrong with it.
pub fn host(value: &[u8], rules: &EntryConfig) -> Read {
    if value.len() > MAX_VALUE {
        return Err("longer than 64 KiB");
    }
    let value = str::from_utf8(value).map_err(|_| "not UTF-8")?.trim();
    if rules.form == EntryForm::Text || rules.form == EntryForm::Auto && !value.starts_with('{') {
        return of_text(value).map(Some);
    }
    of_json(&serde_json::from_str(value).map_err(|_| "not JSON")?, rules)
}

/// From here on.
const MAX_PRIORITY: u32 = 128;
/// An entry holds an address and a handful of words.
const MAX_VALUE: usize = 64 * 1024;

/// The same of JSON that was read: an object, or a string as text.
pub(super) fn of_json(value: &Value, rules: &EntryConfig) -> Read {
    if let (Value::String(text), EntryForm::Auto | EntryForm::Text) = (value, rules.form) {
        return of_text(text.trim()).map(Some);
    }
    if !value.is_object() {
        return Err("neither an object nor a text");
    }
    match rules.form {
        EntryForm::Auto if value.get("serviceEndpoint").is_some() => server_set(value, rules),
        EntryForm::Auto if ["serviceType", "sslPort"].iter().any(|it| value.get(it).is_some()) => {
            curator(value)
        }
        EntryForm::Curator => curator(value),
        EntryForm::ServerSet => server_set(value, rules),
        EntryForm::Text => Err("not a text"),
        EntryForm::Auto | EntryForm::Json => own(value).map(Some),
    }
}

/// `host:port`, or `scheme://host` with or without a port, then properties as `key=value`.
pub(super) fn of_text(line: &str) -> Result<Host, &'static str> {
    let mut words = line.split_ascii_whitespace();
    let mut host = address(words.next().unwrap_or_default(), None)?;
    for word in words {
        let (key, value) = word.split_once('=').ok_or("a word without '='")?;
        property(&mut host, key, value)?;
    }
    Ok(host)
}

fn own(value: &Value) -> Result<Host, &'static str> {
    let place = required(value, &["address", "host", "Address", "Addr"])?;
    let mut host = address(place, port(value, &["port", "Port"])?)?;
    for key in ["weight", "priority"] {
        if let Some(number) = number(value, &[key]).map_err(|()| "a number is not valid")? {
            numbered(&mut host, key, number)?;
        }
    }
    for key in ["zone", "scheme", "authority", "server_name"] {
        if let Some(text) = text(value, &[key]).map_err(|()| "a property is not a text")? {
            property(&mut host, key, text)?;
        }
    }
    Ok(host)
}

fn curator(value: &Value) -> Read {
    let metadata = field(value, &["payload"]).and_then(|payload| field(payload, &["metadata"]));
    let of = |key| metadata.and_then(|it| text(it, &[key]).ok()).flatten();
    let is_up = of("instance_status").is_none_or(|status| status == "UP");
    if value.get("enabled") == Some(&Value::Bool(false)) || !is_up {
        return Ok(None);
    }
    let (plain, secure) = (port(value, &["port"])?, port(value, &["sslPort"])?);
    let mut host = address(required(value, &["address"])?, plain.or(secure))?;
    if plain.is_none() {
        host.scheme = Some(Scheme::Https);
    }
    for key in ["weight", "zone"] {
        if let Some(text) = of(key) {
            property(&mut host, key, text)?;
        }
    }
    Ok(Some(host))
}

fn server_set(value: &Value, rules: &EntryConfig) -> Read {
    let status = text(value, &["status"]).map_err(|()| "its status is not a text")?;
    if status.is_some_and(|status| status != "ALIVE") {
        return Ok(None);
    }
    let endpoint = match &rules.endpoint {
        None => field(value, &["serviceEndpoint"]),
        Some(name) => field(value, &["additionalEndpoints"]).and_then(|all| all.get(name)),
    };
    let endpoint = endpoint.ok_or("without the endpoint that is asked for")?;
    address(required(endpoint, &["host"])?, port(endpoint, &["port"])?).map(Some)
}

fn required<'a>(value: &'a Value, names: &[&str]) -> Result<&'a str, &'static str> {
    text(value, names).map_err(|()| "its address is not a text")?.ok_or("without an address")
}

fn port(value: &Value, names: &[&str]) -> Result<Option<u16>, &'static str> {
    let port = number(value, names).map_err(|()| "its port is not valid")?;
    port.map(|port| u16::try_from(port).map_err(|_| "its port is not valid")).transpose()
}

/// A host at `place`, which may have a scheme, and has a port unless one stands elsewhere.
fn address(place: &str, port: Option<u16>) -> Result<Host, &'static str> {
    let (scheme, place) = match place.split_once("://") {
        None => (None, place),
        Some((scheme, rest)) => {
            (Some(self::scheme(scheme)?), rest.strip_suffix('/').unwrap_or(rest))
        }
    };
    // With a port in place of the path it is a host of that name.
    if unix_path(place).is_some_and(|path| path.starts_with('/')) {
        return Err("its address is a unix socket");
    }
    let is_bare = place.bytes().filter(|byte| *byte == b':').count() > 1 && !place.starts_with('[');
    let (address, own_port) = match place.rsplit_once(':') {
        Some((address, digits)) if !is_bare && !digits.contains(']') => (address, Some(digits)),
        _ => (place, None),
    };
    // A port that is left out may leave its colon behind (RFC 3986, section 3.2.3).
    let own_port = own_port.filter(|own| !own.is_empty());
    let own_port = own_port.map(|own| digits(own).ok_or("its port is not valid")).transpose()?;
    let port =
        port.or(own_port).or_else(|| scheme.map(Scheme::default_port)).ok_or("without a port")?;
    let mut host = checked(address, port)?;
    host.scheme = scheme;
    Ok(host)
}

/// Address and port, each with words of its own.
pub(super) fn checked(address: &str, port: u16) -> Result<Host, &'static str> {
    if port == 0 {
        return Err("its port is not valid");
    }
    Host::registered(address, port).map_err(|_| "its address is not valid")
}

fn scheme(text: &str) -> Result<Scheme, &'static str> {
    match text {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err("its scheme is neither http nor https"),
    }
}

/// Sets a property by its name; one that is not known is left alone, since others may read the entry too.
pub(super) fn property(host: &mut Host, key: &str, value: &str) -> Result<(), &'static str> {
    match key {
        "weight" | "priority" => {
            numbered(host, key, digits(value).ok_or("a number is not valid")?)?
        }
        "zone" => host.zone = Some(value.to_owned()),
        "scheme" => host.scheme = Some(scheme(value)?),
        "authority" if is_authority(value.as_bytes()) => host.authority = Some(value.to_owned()),
        "authority" => return Err("its authority is not valid"),
        "server_name" if ServerName::try_from(value).is_ok() => {
            host.server_name = Some(value.to_owned());
        }
        "server_name" => return Err("its server_name is not valid"),
        _ => {}
    }
    Ok(())
}

fn numbered(host: &mut Host, key: &str, number: u32) -> Result<(), &'static str> {
    match (key, number) {
        ("priority", MAX_PRIORITY..) => return Err("its priority is above 127"),
        ("priority", _) => host.priority = number,
        _ => host.weight = number,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Read {
        host(value.as_bytes(), &EntryConfig::default())
    }

    fn plain(address: &str, port: u16) -> Host {
        Host::new(address, port)
    }

    #[test]
    fn text_is_host_and_port_with_properties_behind() {
        assert_eq!(read("10.0.0.7:8080"), Ok(Some(plain("10.0.0.7", 8080))));
        assert_eq!(read(" web.example:80\n"), Ok(Some(plain("web.example", 80))));
        assert_eq!(read("[::1]:80"), Ok(Some(plain("::1", 80))));
        let https = Host { scheme: Some(Scheme::Https), ..plain("a", 443) };
        assert_eq!(read("https://a/"), Ok(Some(https.clone())));
        assert_eq!(read("https://a:/"), Ok(Some(https.clone())));
        assert_eq!(read("https://a:8443"), Ok(Some(Host { port: 8443, ..https })));
        let full = Host {
            weight: 5,
            zone: Some("east".to_owned()),
            priority: 1,
            scheme: Some(Scheme::Https),
            authority: Some("api.example".to_owned()),
            server_name: Some("inner.example".to_owned()),
            ..plain("a", 1)
        };
        let text = "a:1 weight=5 zone=east priority=1 scheme=https authority=api.example \
                    server_name=inner.example colour=blue";
        assert_eq!(read(text), Ok(Some(full)));
    }

    #[test]
    fn a_unix_socket_is_no_registered_address() {
        let refused = Err("its address is a unix socket");
        for value in [
            "unix:/run/web.sock",
            "unix:/run/web:1.sock weight=2",
            "https://unix:/run/web:1",
            r#"{"address": "unix:/run/web.sock", "port": 80}"#,
            r#"{"serviceEndpoint": {"host": "unix:/run/web.sock", "port": 80}}"#,
            r#"{"serviceType": "DYNAMIC", "address": "unix:/run/web.sock", "port": 80}"#,
        ] {
            assert_eq!(read(value), refused, "{value}");
        }
        assert_eq!(read("unix:80"), Ok(Some(plain("unix", 80))));
    }

    #[test]
    fn own_json_takes_the_properties_of_a_host() {
        let text = r#"{"address": "10.0.0.7", "port": 8080, "weight": 5, "zone": "a", "priority": 2,
                      "scheme": "https", "authority": "x", "server_name": "y", "owner": {"a": []}}"#;
        let full = Host {
            weight: 5,
            zone: Some("a".to_owned()),
            priority: 2,
            scheme: Some(Scheme::Https),
            authority: Some("x".to_owned()),
            server_name: Some("y".to_owned()),
            ..plain("10.0.0.7", 8080)
        };
        assert_eq!(read(text), Ok(Some(full)));
        assert_eq!(read(r#"{"address": "a:81", "port": null}"#), Ok(Some(plain("a", 81))));
        assert_eq!(read(r#"{"host": "::1", "port": "81"}"#), Ok(Some(plain("::1", 81))));
        // As etcd's own naming for gRPC writes it.
        assert_eq!(
            read(r#"{"Op": 0, "Addr": "a:81", "Metadata": null}"#),
            Ok(Some(plain("a", 81)))
        );
    }

    #[test]
    fn curators_instances_are_read_and_those_that_are_down_left_out() {
        let of = |more: &str| {
            read(&format!(
                r#"{{"name": "web", "id": "1", "serviceType": "DYNAMIC", "address": "a"{more}}}"#
            ))
        };
        assert_eq!(of(r#", "port": 81, "sslPort": null"#), Ok(Some(plain("a", 81))));
        let secure = Host { scheme: Some(Scheme::Https), ..plain("a", 8443) };
        assert_eq!(of(r#", "sslPort": 8443"#), Ok(Some(secure)));
        assert_eq!(of(r#", "port": 81, "enabled": false"#), Ok(None));
        let with =
            |metadata| of(&format!(r#", "port": 81, "payload": {{"metadata": {metadata}}}"#));
        assert_eq!(with(r#"{"instance_status": "OUT_OF_SERVICE"}"#), Ok(None));
        let weighted = Host { weight: 3, zone: Some("z".to_owned()), ..plain("a", 81) };
        assert_eq!(
            with(r#"{"instance_status": "UP", "weight": "3", "zone": "z"}"#),
            Ok(Some(weighted))
        );
        assert!(of("").is_err());
    }

    #[test]
    fn server_sets_offer_several_endpoints() {
        let text = r#"{"serviceEndpoint": {"host": "a", "port": 81}, "status": "ALIVE", "shard": 3,
                       "additionalEndpoints": {"admin": {"host": "a", "port": 82}}}"#;
        assert_eq!(read(text), Ok(Some(plain("a", 81))));
        let of = |name: &str| {
            let endpoint = Some(name.to_owned());
            host(
                text.as_bytes(),
                &EntryConfig { endpoint, form: EntryForm::ServerSet, ..EntryConfig::default() },
            )
        };
        assert_eq!(of("admin"), Ok(Some(plain("a", 82))));
        assert!(of("health").is_err());
        assert_eq!(read(&text.replace("ALIVE", "DEAD")), Ok(None));
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_its_value() {
        for text in [
            "",
            "a",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a b:1",
            "a/b:1",
            "user@a:1",
            "ftp://a:1",
            "a:1 weight",
            "::1",
            "a:1 weight=-1",
            "a:1 weight=4294967296",
            "a:1 priority=128",
            "a:1 scheme=ftp",
            "a:1 authority=x@y",
            "a:1 server_name=.",
            "{",
            "{}",
            r#"{"address": 7, "port": 1}"#,
            r#"{"address": "", "port": 1}"#,
            r#"{"address": "a", "port": 1.5}"#,
            r#"{"address": "a", "port": 65536}"#,
            r#"{"address": "a"}"#,
            r#"{"address": "a", "port": 1, "weight": "x"}"#,
            r#"{"address": "a", "port": 1, "zone": 3}"#,
            r#"{"serviceEndpoint": []}"#,
            r#"{"serviceEndpoint": {"host": "a"}, "status": 3}"#,
        ] {
            let why = read(text).expect_err(text);
            assert!(
                text.is_empty() || !why.contains(text) || text == "a",
                "{why:?} quotes {text:?}"
            );
        }
        assert!(host(&[0xff], &EntryConfig::default()).is_err());
        assert!(host(&vec![b' '; 70_000], &EntryConfig::default()).is_err());
        let deep = format!("{{\"address\": {}", "[".repeat(60_000));
        assert!(read(&deep).is_err());
        let named = |form| host(b"a:1", &EntryConfig { form, ..EntryConfig::default() });
        assert!(named(EntryForm::Json).is_err() && named(EntryForm::Curator).is_err());
        assert!(named(EntryForm::Text).is_ok());
    }

    #[test]
    fn a_key_may_be_the_endpoint() {
        let config = EntryConfig { place: EntryPlace::Key, ..EntryConfig::default() };
        assert_eq!(config.host(b"a/10.0.0.7:80", b"{"), Ok(Some(plain("10.0.0.7", 80))));
        assert_eq!(config.host(b"[::1]:80", b""), Ok(Some(plain("::1", 80))));
        assert!(config.host(b"a:80/", b"a:80").is_err() && config.host(b"\xff", b"").is_err());
    }
}
