//! From a configuration to the text that describes it, which is read as the same again.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::balancer;
use super::headers;
use super::hosts;
use super::object::MASK;
use super::section;
use super::tls;
use crate::client::Route;
use crate::config::ClientConfig;
use crate::discovery::Origin;
use crate::options::{CLIENT, RETRY};
use crate::request::decoded;

/// The text of a client's configuration: every setting that is in effect, secrets and functions of the host masked.
#[must_use]
pub fn write(client: &ClientConfig, route: &Route) -> String {
    let mut top = section::write(&CLIENT, client);
    let mut put = |key: &str, value: Value| drop(top.insert(key.to_owned(), value));
    put("retry", Value::Object(section::write(&RETRY, &client.retry)));
    put("headers", headers::write(&client.headers));
    let names: Vec<_> = client.forward_headers.iter().map(|name| name.as_str()).collect();
    if !names.is_empty() {
        put("forward_headers", names.into());
    }
    if !client.forward_cookies.is_empty() {
        put("forward_cookies", client.forward_cookies.clone().into());
    }
    tls::write(client).into_iter().for_each(|tls| put("tls", tls));
    match route {
        Route::Absolute => {}
        Route::Base { endpoint, path } => {
            put("base_url", format!("{}{path}", endpoint.url()).into())
        }
        Route::Balanced(live) => {
            if let Origin::Hosts(hosts) = live.supply().origin() {
                put("hosts", hosts::write(&hosts));
            }
            if let Some(provider) = shown_provider(route) {
                put("provider", provider.into());
            }
            balancer::write(live.config()).into_iter().for_each(|(key, value)| put(key, value));
        }
    }
    pretty(&top)
}

/// The provider as a text shows it; none where the list is one of hosts, or there is none.
pub(super) fn shown_provider(route: &Route) -> Option<String> {
    match route.balancer()?.supply().origin() {
        Origin::Hosts(_) => None,
        Origin::Url(url) => Some(masked(&url)),
        Origin::Host => Some(MASK.to_owned()),
    }
}

/// With a line for each value, and the keys in their order.
pub(super) fn pretty(object: &Map<String, Value>) -> String {
    let text = serde_json::to_string_pretty(object);
    text.map_or_else(|_| String::new(), |text| text + "\n")
}

/// A provider's URL without user, password and whatever else in it is a secret. All else stays as it was written: its escapes
/// and its several servers are not those of web pages' URLs.
fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return MASK.to_owned() };
    let (rest, options) = rest.split_once('?').map_or((rest, None), |(rest, it)| (rest, Some(it)));
    let (before, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let mut shown = format!("{scheme}://");
    match before.rsplit_once('@') {
        Some((_, servers)) => shown.extend([MASK, "@", servers]),
        None => shown.push_str(before),
    }
    shown.push_str(&without_query(path));
    if let Some(options) = options {
        let options: Vec<_> = options.split('&').map(without_secret).collect();
        shown.extend(["?", &options.join("&")]);
    }
    shown
}

/// A path whose escaped `?` begins a query of the registry's own, which may hold anything.
fn without_query(path: &str) -> Cow<'_, str> {
    match path.to_ascii_lowercase().find("%3f") {
        Some(at) => format!("{}{MASK}", &path[..at + 3]).into(),
        None => path.into(),
    }
}

/// An option; its value is masked where its name says that it is a secret, and no file that holds one.
fn without_secret(option: &str) -> Cow<'_, str> {
    let Some((name, _)) = option.split_once('=') else { return option.into() };
    let plain = String::from_utf8_lossy(&decoded(name.as_bytes())).to_ascii_lowercase();
    match !plain.ends_with("_file") && SECRETS.iter().any(|word| plain.contains(word)) {
        true => format!("{name}={MASK}").into(),
        false => option.into(),
    }
}

/// What is in the name of an option that is a secret.
const SECRETS: [&str; 7] = ["auth", "credential", "key", "password", "secret", "token", "user"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("etcd://a:2379/x?interval=5s", "etcd://a:2379/x?interval=5s"),
            ("etcd://u:hunter2@a:2379/x", "etcd://****@a:2379/x"),
            ("etcd://u:hunter2@a:1,[::1]:2/x", "etcd://****@a:1,[::1]:2/x"),
            ("http://a/x?ACL_Token=hunter2&dc=b", "http://a/x?ACL_Token=****&dc=b"),
            ("http://a/x?%74oken=hunter2&tls&b=c%20+d", "http://a/x?%74oken=****&tls&b=c%20+d"),
            ("http://a/x%3fsig=hunter2?tls", "http://a/x%3f****?tls"),
            ("http://a?token_file=/c%26d", "http://a?token_file=/c%26d"),
            ("hunter2", "****"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
