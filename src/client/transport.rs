//! Which transport carries a client's exchanges on one shard.

use std::io;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::Client;
use super::preconnect::Preconnect;
use super::route::Route;
use crate::config::{ClientConfig, DEFAULT_CONNECT_TIMEOUT, Http2};
use crate::outcome::Failure;
use crate::runtime::attachment::Attachment;
use crate::runtime::io_thread;
use crate::runtime::process::PerProcess;
use crate::transport::{
    Answer, Direct, DirectConfig, Exchange, Http, HttpConfig, Multiplexed, MultiplexedConfig,
    Resolver, Tls, Transport,
};

static RESOLVER: PerProcess<OnceCell<Arc<Resolver>>> = PerProcess::new();

/// A client's transport in one place.
#[derive(Debug)]
pub(crate) struct ClientTransport {
    transport: Kind,
    preconnect: Option<Preconnect>,
}

/// Balanced calls go over connections that the library owns, shared ones where HTTP/2 is on; all others over
/// reqwest, which follows redirects.
#[derive(Debug)]
enum Kind {
    Direct(Arc<Direct>),
    Multiplexed(Multiplexed),
    Http(Http),
}

/// Where a transport is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// On a shard: one exchange at a time, driven by its caller.
    Shard,
    /// On an I/O thread: many at once, driven always.
    IoThread,
}

impl ClientTransport {
    /// Connections of HTTP/1.1 by the client's settings, for what goes on beside its calls.
    pub(crate) fn direct(client: &Client, resolver: Arc<Resolver>) -> Direct {
        Direct::new(Arc::new(direct(&client.config, client.tls(), resolver, Driver::IoThread)))
    }

    /// A client's transport for one shard or I/O thread, without connections yet. Only I/O threads carry a
    /// client that speaks HTTP/2, since a parked shard would answer no PING; and only they warm up, since only
    /// theirs are kept ready for anybody.
    pub(crate) fn new(client: &Client, resolver: Arc<Resolver>, place: Driver) -> Self {
        let config = &client.config;
        let tls = client.tls();
        let Route::Balanced(balancer) = &client.route else {
            return Self { transport: Kind::Http(http(config, tls, resolver)), preconnect: None };
        };
        let direct = Arc::new(direct(config, tls, resolver, place));
        let transport = match config.http2 {
            Http2::Off => Kind::Direct(Arc::new(Direct::new(direct))),
            Http2::Alpn | Http2::PriorKnowledge => {
                let mut multiplexed = MultiplexedConfig::new(direct);
                multiplexed.prior_knowledge = config.http2 == Http2::PriorKnowledge;
                if let Some(most) = config.max_connections_per_endpoint {
                    multiplexed.max_connections = multiplexed.max_connections.min(most.get());
                }
                Kind::Multiplexed(Multiplexed::new(Arc::new(multiplexed)))
            }
        };
        let preconnect = || {
            let limit = config.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
            Preconnect::new(Arc::clone(balancer), config.warm_up, limit)
        };
        let warms = place == Driver::IoThread && config.warm_up > 0;
        Self { transport, preconnect: warms.then(preconnect) }
    }

    /// Opens connections to the endpoints that joined since this was last done; in the context of the I/O thread.
    pub(crate) fn warm_up(&self) {
        let Some(preconnect) = &self.preconnect else { return };
        let newcomers = preconnect.newcomers();
        match &self.transport {
            Kind::Direct(direct) => direct.warm(newcomers, preconnect.count, preconnect.limit),
            Kind::Multiplexed(multiplexed) => {
                multiplexed.warm(newcomers, preconnect.count, preconnect.limit);
            }
            Kind::Http(_) => {}
        }
    }
}

fn direct(
    config: &ClientConfig,
    tls: Arc<Tls>,
    resolver: Arc<Resolver>,
    place: Driver,
) -> DirectConfig {
    let mut direct = DirectConfig::new(tls, resolver);
    direct.names = config.names;
    direct.idle_timeout = config.idle_timeout;
    direct.max_age = config.max_connection_age;
    direct.max_idle_per_endpoint = config.max_idle_per_endpoint;
    // A shard has one exchange at a time, and so at most one connection in use.
    if place == Driver::IoThread {
        direct.max_per_endpoint = config.max_connections_per_endpoint;
    }
    direct
}

fn http(config: &ClientConfig, tls: Arc<Tls>, resolver: Arc<Resolver>) -> Http {
    let mut http = HttpConfig::new(tls, resolver);
    http.idle_timeout = config.idle_timeout;
    http.max_idle_per_host = config.max_idle_per_endpoint;
    http.connect_timeout = config.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
    http.redirects = config.redirects as usize;
    Http::new(http)
}

impl Transport for ClientTransport {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        match &self.transport {
            Kind::Direct(direct) => direct.send(exchange).await,
            // Boxed, or every call would carry, and move, the state of all three.
            Kind::Multiplexed(multiplexed) => Box::pin(multiplexed.send(exchange)).await,
            Kind::Http(http) => Box::pin(http.send(exchange)).await,
        }
    }
}

impl Attachment for ClientTransport {
    fn tend(&self) {
        match &self.transport {
            Kind::Direct(direct) => direct.sweep(),
            Kind::Multiplexed(multiplexed) => multiplexed.sweep(),
            // reqwest's connections are tasks of the shard's runtime, which was driven just now.
            Kind::Http(_) => {}
        }
        self.warm_up();
    }

    fn let_go(&self) {
        if let Kind::Direct(direct) = &self.transport {
            direct.let_go();
        }
    }
}

/// The process's resolver: one cache for all clients.
pub(crate) fn resolver() -> io::Result<Arc<Resolver>> {
    let made = || Ok(Arc::new(Resolver::new(io_thread::first()?.handle().clone())));
    RESOLVER.get().get_or_try_init(made).map(Arc::clone)
}
