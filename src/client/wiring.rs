//! What a client's connections are made and kept by. Where the next configuration says the same of it, they are kept.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{ClientConfig, Http2, NameConfig};
use crate::error::{Error, ErrorKind};
use crate::event::Observer;
use crate::runtime::process::PerProcess;
use crate::transport::{Proxies, ProxyConfig, ShardPools, SocketOptions, Tls, TlsConfig};

/// The settings of connections, and what is made of them once.
#[derive(Debug)]
pub(crate) struct Wiring {
    settings: Settings,
    /// Told of certificates.
    log: Option<Arc<dyn Observer>>,
    /// The proxies that calls go through; none where they go directly.
    pub(crate) proxies: Option<Arc<Proxies>>,
    /// Holds locks (session tickets), so a forked child makes its own.
    tls: PerProcess<Arc<Tls>>,
    /// What the pools of its shards lend each other.
    shard_pools: PerProcess<Arc<ShardPools>>,
}

#[derive(Debug, PartialEq)]
struct Settings {
    balanced: bool,
    tls: TlsConfig,
    proxy: ProxyConfig,
    names: NameConfig,
    sockets: SocketOptions,
    http2: Http2,
    redirects: u32,
    warm_up: usize,
    idle_timeout: Duration,
    connect_timeout: Option<Duration>,
    max_connection_age: Duration,
    max_idle_per_endpoint: usize,
    max_connections_per_endpoint: Option<NonZeroUsize>,
}

impl Settings {
    fn of(config: &ClientConfig, balanced: bool) -> Self {
        Self {
            balanced,
            tls: config.tls.clone(),
            proxy: config.proxy.clone(),
            names: config.names,
            sockets: config.sockets.clone(),
            http2: config.http2,
            redirects: config.redirects,
            warm_up: config.warm_up,
            idle_timeout: config.idle_timeout,
            connect_timeout: config.connect_timeout,
            max_connection_age: config.max_connection_age,
            max_idle_per_endpoint: config.max_idle_per_endpoint,
            max_connections_per_endpoint: config.max_connections_per_endpoint,
        }
    }
}

impl Wiring {
    /// By what `config` says, for a client with or without a balancer.
    ///
    /// # Errors
    /// Certificates or keys are unusable, or the environment names no proxy where it is asked for one.
    pub(crate) fn new(
        config: &ClientConfig,
        balanced: bool,
        log: Option<Arc<dyn Observer>>,
    ) -> Result<Arc<Self>, Error> {
        let invalid = |problem| Error::new(ErrorKind::InvalidArgument, problem);
        let settings = Settings::of(config, balanced);
        let made = Arc::new(Tls::new(settings.tls.clone(), log.clone()).map_err(invalid)?);
        let proxies = config.proxy.resolved().map_err(invalid)?.map(Arc::new);
        let (tls, shard_pools) = (PerProcess::holding(made), PerProcess::new());
        Ok(Arc::new(Self { settings, log, proxies, tls, shard_pools }))
    }

    /// This one where `config` says the same, and else another.
    pub(crate) fn reconfigured(
        self: &Arc<Self>,
        config: &ClientConfig,
        balanced: bool,
    ) -> Result<Arc<Self>, Error> {
        match Settings::of(config, balanced) == self.settings {
            true => Ok(Arc::clone(self)),
            false => Self::new(config, balanced, self.log.clone()),
        }
    }

    pub(crate) fn shard_pools(&self) -> Arc<ShardPools> {
        Arc::clone(self.shard_pools.get())
    }

    pub(crate) fn tls(&self) -> Arc<Tls> {
        let made_again = || {
            let made = Tls::again(self.settings.tls.clone(), self.log.clone());
            Arc::new(made.unwrap_or_else(|_| unreachable!("checked by new")))
        };
        Arc::clone(self.tls.get_or(made_again))
    }
}
