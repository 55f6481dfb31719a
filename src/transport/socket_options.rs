//! What a client's sockets are told before they connect, and which names have addresses of the client's own.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use socket2::{Domain, Socket, TcpKeepalive, Type};

use crate::runtime::socket::{bind_interface, set_user_timeout};

/// How the sockets of a client are made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// The address of this host that connections come from.
    pub local_address: Option<IpAddr>,
    /// The network interface that connections leave by.
    pub interface: Option<String>,
    /// After how long without traffic the system asks whether the peer is there, and how often then.
    pub keepalive: Option<Duration>,
    /// How long sent bytes may stay unacknowledged before the system gives the connection up.
    pub user_timeout: Option<Duration>,
    /// Addresses of names.
    pub overrides: Overrides,
}

impl SocketOptions {
    /// Prepares a TCP socket that is to connect to `address`.
    pub(super) fn apply(&self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        if let Some(every) = self.keepalive {
            let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
            socket.set_tcp_keepalive(&keepalive)?;
        }
        if let Some(limit) = self.user_timeout {
            set_user_timeout(socket, limit)?;
        }
        if let Some(name) = &self.interface {
            bind_interface(socket, name)?;
        }
        match self.local_address {
            // Of a name with addresses of both families, the other one tells more.
            Some(local) if local.is_ipv4() != address.is_ipv4() => Err(io::Error::new(
                io::ErrorKind::NetworkUnreachable,
                "local_address is of the other family",
            )),
            Some(local) => bind(socket, local),
            None => Ok(()),
        }
    }

    /// What a connect to `address` that failed means. Where this host has no address of a family, as in a container
    /// without IPv6, systems say the same as where the ports of its address are used up; a datagram socket, which has
    /// ports of its own, tells which.
    pub(super) fn told(&self, error: io::Error, address: SocketAddr) -> io::Error {
        let unclear = error.kind() == io::ErrorKind::AddrNotAvailable;
        match unclear && self.local_address.is_none() && !self.has_source(address) {
            true => io::ErrorKind::NetworkUnreachable.into(),
            false => error,
        }
    }

    /// Whether connections to `address` have an address to come from.
    fn has_source(&self, address: SocketAddr) -> bool {
        let look = || {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
            if let Some(name) = &self.interface {
                bind_interface(&socket, name)?;
            }
            // Nothing is sent.
            socket.connect(&address.into())
        };
        look().map_or_else(|error| error.kind() != io::ErrorKind::AddrNotAvailable, |()| true)
    }
}

/// Lets a connection come from `local`.
fn bind(socket: &Socket, local: IpAddr) -> io::Result<()> {
    let bound = socket.bind(&SocketAddr::new(local, 0).into());
    bound.map_err(|error| match error.kind() {
        kind @ io::ErrorKind::AddrNotAvailable => io::Error::new(kind, "no such local address"),
        _ => error,
    })
}

/// Addresses of names and ports that no name service is asked for, as curl's `--resolve` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(Vec<Override>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Override {
    name: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

impl Overrides {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses of a name and port, where they are stated; the last entry counts.
    pub(super) fn of(&self, name: &str, port: u16) -> Option<&[IpAddr]> {
        let is = |it: &&Override| it.port == port && it.name.eq_ignore_ascii_case(name);
        let found = self.0.iter().rfind(is);
        found.map(|it| it.addresses.as_slice())
    }
}

impl FromStr for Overrides {
    type Err = String;

    /// Reads `name:port:address,address` entries, separated by spaces.
    fn from_str(text: &str) -> Result<Self, String> {
        let read = |entry: &str| {
            parse_one(entry)
                .ok_or_else(|| format!("{entry} is not name:port:address or a list of addresses"))
        };
        text.split_whitespace().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Override { name, port, addresses }) in self.0.iter().enumerate() {
            let addresses: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{name}:{port}:{}", addresses.join(","))?;
        }
        Ok(())
    }
}

fn parse_one(entry: &str) -> Option<Override> {
    let (name, rest) = entry.split_once(':')?;
    let (port, addresses) = rest.split_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let addresses = addresses.split(',').map(bare).collect::<Option<Vec<_>>>()?;
    // What curl takes for any name, and for entries that end or are taken back, would apply to no name here.
    let is_name = !name.is_empty() && !name.starts_with(['*', '+', '-']);
    is_name.then(|| Override { name: name.to_owned(), port, addresses })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_by_name_and_port() {
        let text = "a.test:80:127.0.0.1,::1 b.test:443:10.0.0.1";
        let overrides = text.parse::<Overrides>().unwrap();
        let addresses: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(overrides.of("A.test", 80), Some(&addresses[..]));
        assert_eq!(overrides.of("a.test", 81), None);
        assert_eq!(overrides.to_string(), text);
        assert_eq!("a:80:[::1]".parse::<Overrides>().unwrap().of("a", 80).unwrap(), [addresses[1]]);
        for wrong in [
            "a.test",
            "a.test:80",
            "a.test:0:127.0.0.1",
            "a.test:80:b.test",
            ":80:127.0.0.1",
            "a:80:",
            "*:80:127.0.0.1",
            "-a:80:127.0.0.1",
            "+a:80:127.0.0.1",
        ] {
            assert!(wrong.parse::<Overrides>().unwrap_err().starts_with(wrong), "{wrong}");
        }
    }
}
