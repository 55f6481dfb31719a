//! Where a request can go: a [`Host`] as the user states it, an [`Endpoint`] as the library uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme's name as it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 443 is https and everything else http, unless a host states its scheme.
    #[must_use]
    pub fn from_port(port: u16) -> Self {
        if port == 443 { Self::Https } else { Self::Http }
    }

    /// The port that a URL of this scheme leaves out.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// One server of a service, as a provider lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name or IP address to dial; an IPv6 address stands without brackets.
    pub address: String,
    /// TCP port, never 0.
    pub port: u16,
    /// Share of the traffic relative to the other hosts; default 1.
    pub weight: u32,
    /// Where the host stands, for balancers that prefer near hosts.
    pub zone: Option<String>,
    /// Priority level, 0 first.
    pub priority: u32,
    /// `None` takes the port's scheme.
    pub scheme: Option<Scheme>,
    /// What `Host` carries instead of `address:port`.
    pub authority: Option<String>,
    /// The name that TLS asks for and verifies, instead of the authority's host.
    pub server_name: Option<String>,
}

impl Host {
    /// A host with the defaults of every optional property.
    #[must_use]
    pub fn new(address: impl Into<String>, port: u16) -> Self {
        Self {
            address: address.into(),
            port,
            weight: 1,
            zone: None,
            priority: 0,
            scheme: None,
            authority: None,
            server_name: None,
        }
    }
}

/// What makes two hosts the same endpoint: live state survives an update under this identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Name or IP address to dial.
    pub address: Arc<str>,
    /// TCP port.
    pub port: u16,
    /// How it is spoken to.
    pub scheme: Scheme,
}

/// How many endpoints have departed in this process: where it has not changed, nobody needs to look for one.
static DEPARTURES: AtomicU64 = AtomicU64::new(0);

/// How many endpoints have departed in this process.
#[must_use]
pub fn departures() -> u64 {
    DEPARTURES.load(Ordering::Acquire)
}

/// A [`Host`] with everything derived that an attempt needs; equal to another where the hosts are.
#[derive(Debug)]
pub struct Endpoint {
    identity: Identity,
    host: Host,
    url: Arc<str>,
    authority: String,
    server_name: String,
    departed: AtomicBool,
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.host == other.host
    }
}

impl Eq for Endpoint {}

impl Endpoint {
    /// Derives scheme, URL, authority and TLS name from `host`.
    #[must_use]
    pub fn new(host: Host) -> Self {
        let scheme = host.scheme.unwrap_or_else(|| Scheme::from_port(host.port));
        let bracketed = bracketed(&host.address);
        let url = format!("{}://{bracketed}:{}", scheme.as_str(), host.port);
        let authority = host.authority.clone().unwrap_or_else(|| {
            if host.port == scheme.default_port() {
                bracketed.clone()
            } else {
                format!("{bracketed}:{}", host.port)
            }
        });
        let server_name = host.server_name.clone().unwrap_or_else(|| match &host.authority {
            Some(authority) => host_of_authority(authority).to_owned(),
            None => host.address.clone(),
        });
        let identity = Identity { address: host.address.as_str().into(), port: host.port, scheme };
        let departed = AtomicBool::new(false);
        Self { identity, host, url: url.into(), authority, server_name, departed }
    }

    /// Says that it left its list for good: who keeps something for it, such as connections, lets go.
    pub fn depart(&self) {
        if !self.departed.swap(true, Ordering::Release) {
            DEPARTURES.fetch_add(1, Ordering::Release);
        }
    }

    /// Whether it left its list. What is under way there may end.
    #[must_use]
    pub fn has_departed(&self) -> bool {
        self.departed.load(Ordering::Acquire)
    }

    /// Address, port and scheme.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The host as its provider listed it.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Name or IP address to dial, without brackets.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.identity.address
    }

    /// TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.identity.port
    }

    /// How it is spoken to.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.identity.scheme
    }

    /// `scheme://address:port`, with the port always there and no path.
    #[must_use]
    pub fn url(&self) -> &Arc<str> {
        &self.url
    }

    /// What the `Host` header carries.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The name that TLS sends and verifies; an IP address where the host has no name.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }
}

/// An IPv6 address needs brackets wherever a port may follow it.
fn bracketed(address: &str) -> String {
    if address.contains(':') { format!("[{address}]") } else { address.to_owned() }
}

fn host_of_authority(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_departure_is_for_good_and_counts_once() {
        let endpoint = Endpoint::new(Host::new("127.0.0.1", 80));
        assert!(!endpoint.has_departed());
        let before = departures();
        endpoint.depart();
        endpoint.depart();
        // Other tests may say so of theirs meanwhile.
        assert!(endpoint.has_departed() && departures() > before);
        assert_eq!(endpoint, Endpoint::new(Host::new("127.0.0.1", 80)));
    }

    #[test]
    fn port_443_is_https_and_all_else_http() {
        assert_eq!(Endpoint::new(Host::new("a", 443)).url().as_ref(), "https://a:443");
        assert_eq!(Endpoint::new(Host::new("a", 8443)).url().as_ref(), "http://a:8443");
        let mut stated = Host::new("a", 8443);
        stated.scheme = Some(Scheme::Https);
        assert_eq!(Endpoint::new(stated).url().as_ref(), "https://a:8443");
    }

    #[test]
    fn authority_leaves_out_the_default_port() {
        assert_eq!(Endpoint::new(Host::new("a", 80)).authority(), "a");
        assert_eq!(Endpoint::new(Host::new("a", 81)).authority(), "a:81");
    }

    #[test]
    fn ipv6_addresses_are_bracketed_in_text_only() {
        let endpoint = Endpoint::new(Host::new("::1", 81));
        assert_eq!(endpoint.url().as_ref(), "http://[::1]:81");
        assert_eq!(endpoint.authority(), "[::1]:81");
        assert_eq!(endpoint.address(), "::1");
        assert_eq!(endpoint.server_name(), "::1");
    }

    #[test]
    fn tls_name_follows_the_authority_unless_set_apart() {
        let mut host = Host::new("10.0.0.7", 443);
        host.authority = Some("api.example:8443".into());
        assert_eq!(Endpoint::new(host.clone()).server_name(), "api.example");
        host.authority = Some("[::1]:8443".into());
        assert_eq!(Endpoint::new(host.clone()).server_name(), "::1");
        host.server_name = Some("inner.example".into());
        assert_eq!(Endpoint::new(host).server_name(), "inner.example");
    }
}
