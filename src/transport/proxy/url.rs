//! The URL of a proxy.

use url::Url;

/// A proxy's URL, which may hold a user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct ProxyUrl(pub(super) Url);

impl ProxyUrl {
    /// Its problem does not quote it.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
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
