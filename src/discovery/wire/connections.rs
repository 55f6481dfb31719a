//! How the connections to a registry are made: its TLS, read from files as its options name them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::RegistryCache;
use crate::discovery::config::RegistryConfig;
use crate::discovery::source::SessionEnd;
use crate::discovery::source_context::SourceContext;
use crate::runtime::files;
use crate::statistics::ClientCells;
use crate::transport::{DirectConfig, NameConfig, SocketOptions, Tls, TlsConfig};

/// The connections to the registry that `registry` describes. The files are read each time, so that a certificate that
/// was renewed is taken by the next session.
///
/// # Errors
/// A file cannot be read or is not what it is to be.
pub fn connections(
    registry: &RegistryConfig,
    context: &SourceContext,
    cache: &RegistryCache,
) -> Result<Arc<DirectConfig>, SessionEnd> {
    let mut config = TlsConfig::default();
    if let Some(path) = &registry.ca_file {
        config.platform_roots = false;
        config.extra_roots_pem.push(read("ca_file", path)?);
    }
    config.identity = match (&registry.cert_file, &registry.key_file) {
        (Some(chain), Some(key)) => Some((read("cert_file", chain)?, read("key_file", key)?)),
        // One alone is refused when the provider is made.
        _ => None,
    };
    connections_over("ca_file, cert_file or key_file", config, context, cache)
}

/// The connections to a registry with TLS that is not in files of its own; `named` says what it comes from.
///
/// # Errors
/// It is not what it is to be.
pub fn connections_over(
    named: &str,
    config: TlsConfig,
    context: &SourceContext,
    cache: &RegistryCache,
) -> Result<Arc<DirectConfig>, SessionEnd> {
    let tls = Tls::new(config, None)
        .map_err(|problem| SessionEnd::Refused(format!("{named}: {problem}")))?;
    Ok(Arc::new(DirectConfig {
        tls: Arc::new(tls),
        resolver: Arc::clone(context.resolver()),
        names: NameConfig::default(),
        idle_timeout: IDLE,
        max_age: MAX_AGE,
        max_idle_per_endpoint: 2,
        max_idle: None,
        by_tasks: false,
        max_per_endpoint: None,
        shard_pools: None,
        sockets: SocketOptions { keepalive: Some(KEEPALIVE), ..SocketOptions::default() },
        turn: cache.turn(),
        // Counted for nobody: a client's figures are of its calls.
        stripe: ClientCells::default().stripe(),
        trace: None,
    }))
}

/// Servers close a connection that rests for a minute or two.
const IDLE: Duration = Duration::from_secs(45);
/// The system notices within two and a half minutes that a host is gone, also where nothing else asks.
const KEEPALIVE: Duration = Duration::from_secs(15);
/// A stream that follows a registry stays as long as it is of use.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// A file that an option names, such as a token or a certificate.
///
/// # Errors
/// It cannot be read, is no file, or is longer than [`LONGEST`]. Where it is not there it may be about to come, as one
/// that is written anew.
pub(crate) fn read(option: &str, path: &Path) -> Result<Vec<u8>, SessionEnd> {
    let problem = |why: &str| format!("{option} {} cannot be read: {why}", path.display());
    let refused = |why: &str| SessionEnd::Refused(problem(why));
    let failed = |error: io::Error| match error.kind() {
        kind @ io::ErrorKind::NotFound => SessionEnd::Failed(problem(&kind.to_string())),
        kind => refused(&kind.to_string()),
    };
    let bytes = files::read(path, LONGEST).map_err(failed)?;
    let bytes = bytes.ok_or_else(|| refused("not a file"))?;
    if bytes.len() as u64 > LONGEST {
        return Err(refused("longer than 1 MiB"));
    }
    Ok(bytes)
}

/// A bundle of all public roots has 250 KiB.
const LONGEST: u64 = 1 << 20;
