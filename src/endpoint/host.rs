//! A host as the user, a file or a registry states it.

use std::net::Ipv6Addr;

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
    /// A host as a registry or a file states it: as [`checked`](Self::checked), but no unix socket. Entries of a registry
    /// come from many programs, and the sockets of this machine are no business of theirs.
    ///
    /// # Errors
    /// As for `checked`, and the address is a unix socket.
    pub fn registered(address: &str, port: u16) -> Result<Self, &'static str> {
        match unix_path(address) {
            Some(_) => Err("is a unix socket"),
            None => Self::checked(address, port),
        }
    }

    /// A host as a provider states it. However its name or IPv6 address is written, it is the same host: case does not
    /// matter, nor how zeros are left out.
    ///
    /// # Errors
    /// The address can be neither dialled nor named to a peer, or the port is 0; the text does not show it.
    pub fn checked(address: &str, port: u16) -> Result<Self, &'static str> {
        if let Some(path) = unix_path(address) {
            // What fits into a socket's address on every system.
            let fits = path.starts_with('/') && path.len() <= 103;
            return match fits && !path.contains(|c: char| c.is_ascii_control()) {
                true => Ok(Self::new(address, port)),
                false => Err(
                    "is no path of a unix socket: one that begins with / and has up to 103 bytes",
                ),
            };
        }
        let bare =
            address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
        let is_name = has_labels(address);
        if address.len() <= 253 && address.bytes().all(is_plain) && is_name && port > 0 {
            return Ok(Self::new(address.to_ascii_lowercase(), port));
        }
        // The address is the Host header as well, if no authority is stated: there only these characters may stand.
        let odd = |c: char| !c.is_ascii_graphic() || "/?#@[]\\\"<>^`{|}".contains(c);
        // A link's address may have a zone, the name of an interface: `fe80::1%eth0`.
        let (ip, zone) = bare.split_once('%').map_or((bare, None), |(ip, zone)| (ip, Some(zone)));
        let v6 = ip.parse::<Ipv6Addr>().ok();
        let misplaced = v6.is_none() && (bare.contains(':') || zone.is_some()) || zone == Some("");
        let unnamed = v6.is_none() && !is_name;
        if bare.len() > 253 || bare.contains(odd) || misplaced || unnamed {
            return Err(no_address(bare));
        }
        if port == 0 {
            return Err("has the port 0");
        }
        Ok(Self::new(
            match (v6, zone) {
                (None, _) => bare.to_ascii_lowercase(),
                (Some(v6), None) => v6.to_string(),
                (Some(v6), Some(zone)) => format!("{v6}%{zone}"),
            },
            port,
        ))
    }

    /// What makes it the same endpoint as another host.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        let scheme = self.scheme.unwrap_or_else(|| Scheme::from_port(self.port));
        Identity { address: &self.address, port: self.port, scheme }
    }

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

/// Whether each part between dots is as long as parts of names are; a dot may stand behind the last one.
fn has_labels(name: &str) -> bool {
    let labels = name.strip_suffix('.').unwrap_or(name).split('.');
    labels.into_iter().all(|label| (1..=63).contains(&label.len()))
}

/// What is wrong with an address that is none. A URL, or a port behind the name, is what is most often written instead.
fn no_address(text: &str) -> &'static str {
    let has_port = text.rsplit_once(':').is_some_and(|(name, port)| {
        port.parse::<u16>().is_ok() && (name.ends_with(']') || !name.contains(':'))
    });
    match (text.contains("://"), has_port) {
        (true, _) => "is a url; write the host's name alone, and the port beside it",
        (_, true) => "holds a port; write the host's name alone, and the port beside it",
        _ => "is neither a host name nor an ip address",
    }
}

/// The path of a unix socket, which stands for an address as `unix:/path`.
#[must_use]
pub fn unix_path(address: &str) -> Option<&str> {
    address.strip_prefix("unix:")
}

/// What makes two hosts the same endpoint: live state survives an update under this identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity<'a> {
    /// Name or IP address to dial.
    pub address: &'a str,
    /// TCP port.
    pub port: u16,
    /// How it is spoken to.
    pub scheme: Scheme,
}
