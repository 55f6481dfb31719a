//! Connections to registries that do not speak HTTP/1.1.

use super::RegistryCache;
use super::connections::connections;
use crate::discovery::config::RegistryConfig;
use crate::discovery::source::SessionEnd;
use crate::discovery::source_context::SourceContext;
use crate::endpoint::{Endpoint, Host, Scheme};
use crate::transport::{AlpnProtocols, Connection, Connector};

/// A connection to a server of the registry, over TLS where it speaks that.
///
/// # Errors
/// Why there is none; refused where a file of the options is missing or wrong.
pub(crate) async fn connect(
    registry: &RegistryConfig,
    (address, port): &(String, u16),
    alpn: AlpnProtocols,
    context: &SourceContext,
    cache: &RegistryCache,
) -> Result<Connection, SessionEnd> {
    let host = Host::checked(address, *port)
        .map_err(|problem| SessionEnd::Refused(format!("a server {problem}")))?;
    let scheme = if registry.tls { Scheme::Https } else { Scheme::Http };
    let server = Endpoint::new(Host { scheme: Some(scheme), ..host });
    let connector = Connector::new(connections(registry, context, cache)?);
    let connected = connector.connect(&server, alpn, registry.connect_timeout).await;
    connected.map_err(|failure| {
        SessionEnd::Failed(format!("{}: {}", server.authority(), failure.detail))
    })
}
