//! From a configuration to the text that describes it, which is read as the same again.

use serde_json::{Map, Value};
use url::Url;

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
            match live.supply().origin() {
                Origin::Hosts(hosts) => put("hosts", hosts::write(&hosts)),
                Origin::Url(url) => put("provider", masked(&url).into()),
                Origin::Host => put("provider", MASK.into()),
            }
            balancer::write(live.config()).into_iter().for_each(|(key, value)| put(key, value));
        }
    }
    pretty(&top)
}

/// With a line for each value, and the keys in their order.
pub(super) fn pretty(object: &Map<String, Value>) -> String {
    let text = serde_json::to_string_pretty(object);
    text.map_or_else(|_| String::new(), |text| text + "\n")
}

/// A provider's URL without user, password and whatever its query calls a secret.
fn masked(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return MASK.to_owned() };
    let mut masks = false;
    if !url.username().is_empty() || url.password().is_some() {
        masks = url.set_username(MASK).is_ok() && url.set_password(None).is_ok();
        if !masks {
            return MASK.to_owned();
        }
    }
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let is_secret =
        |name: &str| SECRETS.iter().any(|word| name.to_ascii_lowercase().contains(word));
    if pairs.iter().any(|(name, _)| is_secret(name)) {
        let mut query = url.query_pairs_mut();
        query.clear();
        for (name, value) in &pairs {
            query.append_pair(name, if is_secret(name) { MASK } else { value });
        }
        drop(query);
        masks = true;
    }
    if masks { url.into() } else { text.to_owned() }
}

/// What is in the name of a parameter that is a secret.
const SECRETS: [&str; 6] = ["auth", "credential", "key", "password", "secret", "token"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_url_is_shown_without_its_secrets() {
        for (url, shown) in [
            ("etcd://a:2379/x?interval=5s", "etcd://a:2379/x?interval=5s"),
            ("etcd://u:hunter2@a:2379/x", "etcd://****@a:2379/x"),
            ("http://a/x?ACL_Token=hunter2&dc=b", "http://a/x?ACL_Token=****&dc=b"),
            ("hunter2", "****"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }
}
