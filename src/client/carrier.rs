//! Which transport carries a client's exchanges on one shard.

use std::io;
use std::sync::Arc;

use once_cell::sync::OnceCell;

use super::Client;
use super::route::Route;
use crate::config::{DEFAULT_CONNECT_TIMEOUT, Http2};
use crate::outcome::Failure;
use crate::runtime::attachment::Attachment;
use crate::runtime::io_thread;
use crate::runtime::process::PerProcess;
use crate::transport::{
    Answer, Direct, DirectConfig, Exchange, Http, HttpConfig, Multiplexed, MultiplexedConfig,
    Resolver, Transport,
};

static RESOLVER: PerProcess<OnceCell<Arc<Resolver>>> = PerProcess::new();

/// Balanced calls go over connections that the library owns, shared ones where HTTP/2 is on; all others over reqwest, which follows
/// redirects.
#[derive(Debug)]
pub(super) enum Carrier {
    Direct(Direct),
    Multiplexed(Multiplexed),
    Http(Http),
}

impl Carrier {
    /// Connections of HTTP/1.1 by the client's settings.
    pub(super) fn direct(client: &Client, resolver: Arc<Resolver>) -> Direct {
        Direct::new(Self::direct_config(client, resolver))
    }

    fn direct_config(client: &Client, resolver: Arc<Resolver>) -> Arc<DirectConfig> {
        let mut direct = DirectConfig::new(client.tls(), resolver);
        direct.idle_timeout = client.config.idle_timeout;
        Arc::new(direct)
    }

    /// A client's transport for one shard or I/O thread, without connections yet. Only I/O threads carry a
    /// client that speaks HTTP/2: a parked shard would answer no PING.
    pub(super) fn new(client: &Client, resolver: Arc<Resolver>) -> Self {
        let config = &client.config;
        match client.route {
            Route::Balanced(_) if config.http2 == Http2::Off => {
                Self::Direct(Self::direct(client, resolver))
            }
            Route::Balanced(_) => {
                let direct = Self::direct_config(client, resolver);
                let mut multiplexed = MultiplexedConfig::new(direct);
                multiplexed.prior_knowledge = config.http2 == Http2::PriorKnowledge;
                Self::Multiplexed(Multiplexed::new(Arc::new(multiplexed)))
            }
            Route::Base { .. } | Route::Absolute => {
                let mut http = HttpConfig::new(client.tls(), resolver);
                http.idle_timeout = config.idle_timeout;
                http.connect_timeout = config.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
                http.redirects = config.redirects as usize;
                Self::Http(Http::new(http))
            }
        }
    }
}

impl Transport for Carrier {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        match self {
            Self::Direct(direct) => direct.send(exchange).await,
            // Boxed, or every call would carry, and move, the state of all three.
            Self::Multiplexed(multiplexed) => Box::pin(multiplexed.send(exchange)).await,
            Self::Http(http) => Box::pin(http.send(exchange)).await,
        }
    }
}

impl Attachment for Carrier {
    fn tend(&self) {
        match self {
            Self::Direct(direct) => direct.sweep(),
            Self::Multiplexed(multiplexed) => multiplexed.sweep(),
            // reqwest's connections are tasks of the shard's runtime, which was driven just now.
            Self::Http(_) => {}
        }
    }
}

/// The process's resolver: one cache for all clients.
pub(super) fn resolver() -> io::Result<Arc<Resolver>> {
    let made = || Ok(Arc::new(Resolver::new(io_thread::first()?.handle().clone())));
    RESOLVER.get().get_or_try_init(made).map(Arc::clone)
}
