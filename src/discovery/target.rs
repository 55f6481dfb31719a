//! What a URL names: a scheme, servers or a name, and a path.

/// What a URL names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The scheme; none where no URL was given.
    pub scheme: &'static str,
    /// What stands between `//` and the path, without credentials: one server or several, a name, or nothing.
    pub authority: String,
    /// The path, which begins with `/` where there is one. Escapes are decoded.
    pub path: String,
}

impl Target {
    /// The servers of the authority, `a:1,b:2,[::1]:3`; `default_port` where one states none.
    ///
    /// # Errors
    /// There is none, or one is not `host` or `host:port`.
    pub fn servers(&self, default_port: u16) -> Result<Vec<(String, u16)>, String> {
        let servers = self.authority.split(',').filter(|server| !server.is_empty());
        let servers: Vec<_> = servers
            .map(|server| host_and_port(server, Some(default_port)))
            .collect::<Result<_, _>>()?;
        match servers.is_empty() {
            true => Err(format!("{}: names no server", self.scheme)),
            false => Ok(servers),
        }
    }
}

/// A host and a port; an IPv6 address stands in brackets where a port follows it. As in any URL, a port that is left
/// out may leave its colon behind (RFC 3986, section 3.2.3).
///
/// # Errors
/// It is neither `host:port` nor, where there is a default, `host`.
pub fn host_and_port(text: &str, default_port: Option<u16>) -> Result<(String, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, ""),
        Some((host, port)) => (host, port.strip_prefix(':').unwrap_or("x")),
        None if text.matches(':').count() > 1 => (text, ""),
        None => text.split_once(':').unwrap_or((text, "")),
    };
    if host.is_empty() {
        return Err("has no host".to_owned());
    }
    let port = match port {
        "" => default_port.ok_or_else(|| "has no port".to_owned())?,
        port => port_of(port)?,
    };
    Ok((host.to_owned(), port))
}

fn port_of(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0);
    port.filter(|_| !text.starts_with('+'))
        .ok_or_else(|| "has a port that is not 1 to 65535".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_have_hosts_and_ports() {
        let servers = |authority: &str| {
            Target { authority: authority.to_owned(), ..Target::default() }.servers(7)
        };
        let found = servers("a:1,b,[::1]:3,::2,c:,[::3]:").unwrap();
        let found: Vec<_> = found.iter().map(|(host, port)| (host.as_str(), *port)).collect();
        let wanted = [("a", 1), ("b", 7), ("::1", 3), ("::2", 7), ("c", 7), ("::3", 7)];
        assert_eq!(found, wanted);
        for bad in ["", ",", "a:0", "a:x", ":1", ":", "a:99999", "[::1]x", "a:+1"] {
            assert!(servers(bad).is_err(), "{bad}");
        }
        assert_eq!(host_and_port("a:", None), Err("has no port".to_owned()));
    }
}
