//! Name servers from the system's own store of settings, as hickory reads it.

use std::net::SocketAddr;

use hickory_resolver::config::ResolverOpts;
use hickory_resolver::system_conf::read_system_conf;

use crate::transport::dns::search::SearchList;
use crate::transport::dns::settings::Settings;

/// Those of the store; none where it cannot be read.
pub(super) fn settings() -> Settings {
    let Ok((config, options)) = read_system_conf() else {
        return Settings::at(&[], ResolverOpts::default().timeout);
    };
    let servers = config.name_servers().iter().map(|server| {
        let port = server.connections.first().map_or(53, |connection| connection.port);
        SocketAddr::new(server.ip, port)
    });
    let domains = match config.search() {
        [] => config.domain().cloned().into_iter().collect(),
        list => list.to_vec(),
    };
    Settings {
        search: SearchList { domains, ndots: options.ndots },
        attempts: options.attempts,
        edns0: options.edns0,
        ..Settings::at(&servers.collect::<Vec<_>>(), options.timeout)
    }
}
