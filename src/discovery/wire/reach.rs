//! Connections to registries that do not speak HTTP/1.1.

use super::Memory;
use super::connections::connections;
use crate::discovery::config::RegistryConfig;
use crate::discovery::ground::Ground;
use crate::discovery::source::Ended;
use crate::endpoint::{Endpoint, Host, Scheme};
use crate::transport::{Connection, Connector, Offer};

/// A connection to a server of the registry, over TLS where it speaks that.
///
/// # Errors
/// Why there is none; refused where a file of the options is missing or wrong.
pub(crate) async fn connect(
    registry: &RegistryConfig,
    (address, port): &(String, u16),
    offer: Offer,
    ground: &Ground,
    memory: &Memory,
) -> Result<Connection, Ended> {
    let host = Host::checked(address, *port)
        .map_err(|problem| Ended::Refused(format!("a server {problem}")))?;
    let scheme = if registry.tls { Scheme::Https } else { Scheme::Http };
    let server = Endpoint::new(Host { scheme: Some(scheme), ..host });
    let connector = Connector::new(connections(registry, ground, memory)?);
    let connected = connector.connect(&server, offer, registry.connect_timeout).await;
    connected
        .map_err(|failure| Ended::Failed(format!("{}: {}", server.authority(), failure.detail)))
}
