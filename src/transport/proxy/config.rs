//! What a client is told of proxies.
//!
//! The environment is read only where the host asks for it, once, when a client is built: elsewhere reading it
//! would race the host's `setenv`. Nothing here shows a proxy's URL, which may hold a password.

use std::env;
use std::fmt;

use super::url::ProxyUrl;
use super::{Proxies, exceptions};

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

/// Whether both reach every server in the same way.
impl PartialEq for ProxyConfig {
    fn eq(&self, other: &Self) -> bool {
        // Only before the environment does an empty list say more than none.
        let same_exceptions = match self.from_environment {
            true => self.no_proxy == other.no_proxy,
            false => self.no_proxy() == other.no_proxy(),
        };
        let same_source = self.from_environment == other.from_environment;
        same_source && self.proxy == other.proxy && same_exceptions
    }
}

impl ProxyConfig {
    /// The setting that a proxy may come of.
    pub(crate) const fn setting(&self) -> &'static str {
        if self.proxy.is_none() && self.from_environment {
            "proxy_from_environment"
        } else {
            "proxy"
        }
    }

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

    /// Takes over the proxy for all calls that `other` has.
    pub fn keep_proxy_of(&mut self, other: &Self) {
        self.proxy.clone_from(&other.proxy);
    }

    /// Sets which hosts are reached without a proxy.
    ///
    /// # Errors
    /// Names the entry that none could be meant by: passed over, its host would be reached through the proxy. Of the
    /// environment, which is written for other programs as well, such entries are passed over.
    pub fn set_no_proxy(&mut self, hosts: &str) -> Result<(), String> {
        exceptions::parse(hosts)?;
        self.no_proxy = Some(hosts.to_owned());
        Ok(())
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

    /// Whether [`Self::shown`] is this URL, with or without the slash at its end.
    #[must_use]
    pub fn is_shown_as(&self, url: Option<&str>) -> bool {
        let bare = |url: &str| url.strip_suffix('/').unwrap_or(url).to_owned();
        self.shown().is_some_and(|shown| Some(bare(&shown)) == url.map(bare))
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

    pub(super) fn resolved_by(
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
