//! How reqwest makes the sockets of calls through a proxy: as those of direct calls are made.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod platform;

use reqwest::ClientBuilder;

use crate::transport::socket_options::SocketOptions;

/// Tells `builder` of all that is set, and that the rest is off: reqwest would probe idle peers after 15 s, and give
/// unacknowledged bytes 30 s. The names that have addresses of their own count for direct calls alone.
///
/// # Errors
/// Names what this system does not have.
pub(super) fn apply(
    sockets: &SocketOptions,
    builder: ClientBuilder,
) -> Result<ClientBuilder, String> {
    let builder = builder
        .local_address(sockets.local_address)
        .tcp_keepalive(sockets.keepalive)
        .tcp_keepalive_interval(sockets.keepalive)
        .tcp_keepalive_retries(None);
    platform::apply(sockets, builder)
}
