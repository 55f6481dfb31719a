//! What only Linux has.

use reqwest::ClientBuilder;

use crate::transport::socket_options::SocketOptions;

#[allow(clippy::unnecessary_wraps, reason = "elsewhere it fails")]
pub(super) fn apply(
    sockets: &SocketOptions,
    builder: ClientBuilder,
) -> Result<ClientBuilder, String> {
    let builder = builder.tcp_user_timeout(sockets.user_timeout);
    Ok(match &sockets.interface {
        Some(name) => builder.interface(name),
        None => builder,
    })
}
