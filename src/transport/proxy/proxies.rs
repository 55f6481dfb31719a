//! Which servers are reached through which proxy.

use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::exceptions;
use super::url::ProxyUrl;
use crate::endpoint::{Endpoint, Scheme, bracketed, without_zone};

/// The proxies of a client, and which servers are reached through them.
pub(crate) struct Proxies {
    http: Option<ProxyUrl>,
    https: Option<ProxyUrl>,
    rules: Matcher,
}

impl Proxies {
    /// `None` where there is no proxy.
    pub(super) fn new(
        http: Option<ProxyUrl>,
        https: Option<ProxyUrl>,
        no_proxy: &str,
    ) -> Option<Self> {
        if http.is_none() && https.is_none() {
            return None;
        }
        // Asked only whether there is a proxy; which one it is says the client below.
        let known = |proxy: &Option<ProxyUrl>| if proxy.is_some() { "http://proxy" } else { "" };
        let matcher = Matcher::builder()
            .http(known(&http))
            .https(known(&https))
            .no(exceptions::rules(no_proxy));
        Some(Self { rules: matcher.build(), http, https })
    }

    /// No proxy, as the transport's own tests have it.
    #[cfg(test)]
    pub(in crate::transport) fn none() -> Self {
        Self { http: None, https: None, rules: Matcher::builder().build() }
    }

    /// Whether `endpoint` is reached through a proxy.
    pub(crate) fn serve(&self, endpoint: &Endpoint) -> bool {
        // A dot at a name's end only says that nothing is to be added to it.
        let address = endpoint.address();
        let host = bracketed(without_zone(address.strip_suffix('.').unwrap_or(address)));
        let url: Result<Uri, _> = format!("{}://{host}/", endpoint.scheme().as_str()).parse();
        url.is_ok_and(|url| self.rules.intercept(&url).is_some())
    }

    /// The proxies as reqwest has them.
    ///
    /// # Errors
    /// reqwest cannot use a proxy that was found well.
    pub(in crate::transport) fn of_reqwest(&self) -> reqwest::Result<Vec<reqwest::Proxy>> {
        let http = self.http.iter().map(|proxy| reqwest::Proxy::http(proxy.0.clone()));
        let https = self.https.iter().map(|proxy| reqwest::Proxy::https(proxy.0.clone()));
        http.chain(https).collect()
    }

    /// Whether TLS may be spoken with `endpoint` or with its proxy.
    pub(super) fn need_tls(&self, endpoint: &Endpoint) -> bool {
        let by_tls = |proxy: &ProxyUrl| proxy.0.scheme() == "https";
        endpoint.scheme() == Scheme::Https || self.http.as_ref().is_some_and(by_tls)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Host;
    use crate::transport::ProxyConfig;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint::new(Host::new(host, port))
    }

    fn config(proxy: &str, no_proxy: &str) -> ProxyConfig {
        let mut config = ProxyConfig::default();
        config.set_proxy(proxy).unwrap();
        config.set_no_proxy(no_proxy).unwrap();
        config
    }

    #[test]
    fn hosts_are_left_out_as_curl_does() {
        let hosts = "example.com *.wild, .internal,rooted.example.,10.0.0.0/8,192.168.1.1,[::1]";
        let proxies = config("http://p:1", hosts).resolved().unwrap().unwrap();
        for host in ["example.com", "www.example.com", "a.internal", "a.wild", "10.1.2.3", "::1"] {
            assert!(!proxies.serve(&endpoint(host, 443)), "{host}");
        }
        for host in ["example.com.", "www.example.com.", "rooted.example", "rooted.example."] {
            assert!(!proxies.serve(&endpoint(host, 80)), "{host}");
        }
        for host in ["notexample.com", "11.0.0.1", "localhost", "::2"] {
            assert!(proxies.serve(&endpoint(host, 80)), "{host}");
        }
        let none = config("http://p:1", "b, *").resolved().unwrap().unwrap();
        for host in ["a", "10.0.0.1", "2001:db8::1"] {
            assert!(!none.serve(&endpoint(host, 80)), "{host}");
        }
    }

    #[test]
    fn the_environment_counts_only_where_it_was_asked_for() {
        let variable = |name: &str| match name {
            "HTTP_PROXY" => Some("http://evil:1".to_owned()),
            "https_proxy" => Some("http://p:1".to_owned()),
            "NO_PROXY" => Some("b".to_owned()),
            _ => None,
        };
        let mut config = ProxyConfig::default();
        assert!(config.resolved_by(variable).unwrap().is_none());
        config.from_environment = true;
        let proxies = config.resolved_by(variable).unwrap().unwrap();
        assert!(proxies.serve(&endpoint("a", 443)), "https_proxy");
        assert!(!proxies.serve(&endpoint("a", 80)), "HTTP_PROXY is not looked at");
        assert!(!proxies.serve(&endpoint("b", 443)), "NO_PROXY");
        let bad = |name: &str| (name == "ALL_PROXY").then(|| "ftp://hush@p".to_owned());
        let problem = config.resolved_by(bad).unwrap_err();
        assert!(problem.contains("ALL_PROXY") && !problem.contains("hush"), "{problem}");
        config.set_proxy("http://own:1").unwrap();
        let own = config.resolved_by(variable).unwrap().unwrap();
        assert!(own.serve(&endpoint("a", 80)), "what was set comes first");
    }
}
