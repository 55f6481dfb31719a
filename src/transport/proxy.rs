//! Which proxy a call goes through, if any.
//!
//! The environment is read only where the host asks for it, once, when a client is built: elsewhere reading it
//! would race the host's `setenv`. Nothing here shows a proxy's URL, which may hold a password.

use std::env;
use std::fmt;

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::endpoint::{Endpoint, Scheme, without_brackets};

/// What a client is told of proxies.
#[derive(Clone, Default)]
pub struct ProxyConfig {
    /// For all calls.
    proxy: Option<ProxyUrl>,
    /// Which hosts are reached without it, as curl reads `NO_PROXY`.
    no_proxy: Option<String>,
    /// Whether what is not set here is read from the environment.
    pub from_environment: bool,
}

/// A proxy's URL, which may hold a user and a password.
#[derive(Clone)]
struct ProxyUrl(Url);

impl ProxyConfig {
    /// Sets the proxy for all calls; `off` takes an earlier one back.
    ///
    /// # Errors
    /// It is no URL of a proxy that can be used. The message does not quote it.
    pub fn set_proxy(&mut self, url: &str) -> Result<(), &'static str> {
        self.proxy = match url {
            "off" => None,
            url => Some(ProxyUrl::parse(url)?),
        };
        Ok(())
    }

    /// Sets which hosts are reached without a proxy.
    pub fn set_no_proxy(&mut self, hosts: &str) {
        self.no_proxy = Some(hosts.to_owned());
    }

    /// The proxy for all calls, its user and password masked.
    #[must_use]
    pub fn shown(&self) -> Option<String> {
        let ProxyUrl(url) = self.proxy.as_ref()?;
        let mut url = url.clone();
        if !url.username().is_empty() || url.password().is_some() {
            let _ = url.set_username("****");
            let _ = url.set_password(None);
        }
        Some(url.into())
    }

    /// Which hosts are reached without a proxy; none where that was not set.
    #[must_use]
    pub fn no_proxy(&self) -> Option<&str> {
        self.no_proxy.as_deref().filter(|hosts| !hosts.is_empty())
    }

    /// Whether calls may go through a proxy.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.proxy.is_some() || self.from_environment
    }

    /// The proxies to use; `None` where there are none.
    ///
    /// # Errors
    /// Names the environment's variable that holds no URL of a proxy, without its value.
    pub(crate) fn resolved(&self) -> Result<Option<Proxies>, String> {
        self.resolved_by(|name| env::var(name).ok())
    }

    fn resolved_by(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Proxies>, String> {
        let read = |names: &[&'static str]| {
            let set = names.iter().find_map(|name| Some((*name, variable(name)?)));
            set.filter(|(_, value)| self.from_environment && !value.is_empty())
        };
        let proxy = |names: &[&'static str]| match (&self.proxy, read(names)) {
            (Some(own), _) => Ok(Some(own.clone())),
            (None, None) => Ok(None),
            (None, Some((name, url))) => ProxyUrl::parse(&url)
                .map(Some)
                .map_err(|problem| format!("proxy_from_environment: {name} {problem}")),
        };
        // Not HTTP_PROXY in capitals: the sender of a header `Proxy` sets it in a CGI program.
        let http = proxy(&["http_proxy", "all_proxy", "ALL_PROXY"])?;
        let https = proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?;
        let no_proxy = match &self.no_proxy {
            Some(own) => own.clone(),
            None => read(&["no_proxy", "NO_PROXY"]).map(|(_, hosts)| hosts).unwrap_or_default(),
        };
        Ok(Proxies::new(http, https, &no_proxy))
    }
}

impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyConfig")
            .field("proxy", &self.shown())
            .field("no_proxy", &self.no_proxy)
            .field("from_environment", &self.from_environment)
            .finish()
    }
}

impl ProxyUrl {
    fn parse(url: &str) -> Result<Self, &'static str> {
        let url = Url::parse(url).map_err(|_| "is not a url such as http://host:port")?;
        if !["http", "https", "socks5h"].contains(&url.scheme()) {
            return Err("has a scheme other than http, https and socks5h");
        }
        if url.host_str().is_none_or(str::is_empty) || url.port() == Some(0) {
            return Err("has no host, or no valid port");
        }
        if !["", "/"].contains(&url.path()) || url.query().is_some() || url.fragment().is_some() {
            return Err("has more than a host and a port");
        }
        Ok(Self(url))
    }
}

/// The proxies of a client, and which servers are reached through them.
pub(crate) struct Proxies {
    http: Option<ProxyUrl>,
    https: Option<ProxyUrl>,
    rules: Matcher,
}

impl Proxies {
    fn new(http: Option<ProxyUrl>, https: Option<ProxyUrl>, no_proxy: &str) -> Option<Self> {
        if http.is_none() && https.is_none() {
            return None;
        }
        // Asked only whether there is a proxy; which one it is says the client below.
        let known = |proxy: &Option<ProxyUrl>| if proxy.is_some() { "http://proxy" } else { "" };
        let matcher =
            Matcher::builder().http(known(&http)).https(known(&https)).no(rules(no_proxy));
        Some(Self { rules: matcher.build(), http, https })
    }

    /// No proxy, as the transport's own tests have it.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { http: None, https: None, rules: Matcher::builder().build() }
    }

    /// Whether `endpoint` is reached through a proxy.
    pub(crate) fn serve(&self, endpoint: &Endpoint) -> bool {
        let url: Result<Uri, _> =
            format!("{}://{}/", endpoint.scheme().as_str(), endpoint.authority()).parse();
        url.is_ok_and(|url| self.rules.intercept(&url).is_some())
    }

    /// The proxies as reqwest has them.
    ///
    /// # Errors
    /// reqwest cannot use a proxy that was found well.
    pub(super) fn of_reqwest(&self) -> reqwest::Result<Vec<reqwest::Proxy>> {
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

/// The hosts as the matcher reads them: its `*` stands for names alone, and its addresses have no brackets.
fn rules(no_proxy: &str) -> String {
    let rule = |host: &str| match host.trim() {
        "*" => "*,0.0.0.0/0,::/0".to_owned(),
        host => without_brackets(host).unwrap_or(host).to_owned(),
    };
    no_proxy.split(',').map(rule).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::Host;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint::new(Host::new(host, port))
    }

    fn config(proxy: &str, no_proxy: &str) -> ProxyConfig {
        let mut config = ProxyConfig::default();
        config.set_proxy(proxy).unwrap();
        config.set_no_proxy(no_proxy);
        config
    }

    #[test]
    fn what_is_no_proxy_is_refused_and_not_quoted() {
        for url in [
            "",
            "proxy",
            "ftp://a",
            "socks5://a",
            "socks4://a",
            "http://",
            "http://a:0",
            "http://a/path",
            "http://hush:hush@a/?q",
            "hush hush",
        ] {
            let problem = ProxyConfig::default().set_proxy(url).unwrap_err();
            assert!(!problem.contains("hush"), "{problem}");
        }
        for url in ["http://a", "http://a:1/", "https://u:p@a:2", "socks5h://u:p%40@[::1]:3"] {
            let mut config = ProxyConfig::default();
            config.set_proxy(url).unwrap();
            assert!(config.is_set() && !format!("{config:?}").contains("u:p"));
            config.set_proxy("off").unwrap();
            assert!(!config.is_set());
        }
    }

    #[test]
    fn hosts_are_left_out_as_curl_does() {
        let hosts = "example.com, .internal,10.0.0.0/8,192.168.1.1,[::1]";
        let proxies = config("http://p:1", hosts).resolved().unwrap().unwrap();
        for host in ["example.com", "www.example.com", "a.internal", "10.1.2.3", "::1"] {
            assert!(!proxies.serve(&endpoint(host, 443)), "{host}");
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
