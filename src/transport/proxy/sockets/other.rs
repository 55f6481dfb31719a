//! Systems that lack what Linux has.

use reqwest::ClientBuilder;

use crate::transport::socket_options::SocketOptions;

pub(super) fn apply(
    sockets: &SocketOptions,
    builder: ClientBuilder,
) -> Result<ClientBuilder, String> {
    let set = [
        (sockets.interface.is_some(), "interface"),
        (sockets.user_timeout.is_some(), "tcp_user_timeout"),
    ];
    match set.into_iter().find(|(is_set, _)| *is_set) {
        Some((_, name)) => Err(format!("{name} needs Linux")),
        None => Ok(builder),
    }
}
