//! What is to be known of name servers before they are asked.

use std::net::SocketAddr;
use std::time::Duration;

use super::search::SearchList;

/// Name servers, and how they are asked.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// In the order in which they are asked.
    pub(super) servers: Vec<SocketAddr>,
    pub(super) search: SearchList,
    /// For how long an answer is awaited.
    pub(super) timeout: Duration,
    /// How often each of them is asked while none can tell.
    pub(super) attempts: usize,
    /// Whether they are told that long answers over UDP are welcome.
    pub(super) edns0: bool,
    /// Whether each question begins with the next server.
    pub(super) rotates: bool,
    /// Whether they are asked over TCP alone.
    pub(super) over_tcp: bool,
    /// Whether nobody is asked for IPv6 addresses.
    pub(super) no_aaaa: bool,
}

impl Settings {
    /// These servers, each asked for full names, once, for at most `timeout`.
    pub(super) fn at(servers: &[SocketAddr], timeout: Duration) -> Self {
        Self {
            servers: servers.to_vec(),
            search: SearchList::default(),
            timeout,
            attempts: 1,
            edns0: true,
            rotates: false,
            over_tcp: false,
            no_aaaa: false,
        }
    }
}
