//! Which transport carries a client's exchanges on one shard.

use std::num::NonZeroUsize;
use std::sync::Arc;

use super::core::Core;
use super::preconnect::Preconnect;
use super::redirect::Redirects;
use super::wiring::Wiring;
use crate::config::{ClientConfig, DEFAULT_CONNECT_TIMEOUT, Http2};
use crate::outcome::Failure;
use crate::runtime::attachment::Attachment;
use crate::runtime::cold_path::cold_path;
use crate::statistics::Stripe;
#[cfg(feature = "http2")]
use crate::transport::MultiplexedConfig;
use crate::transport::{
    Answer, Direct, DirectConfig, Exchange, Http, HttpConfig, Multiplexed, Proxies, Resolver, Tls,
    Transport,
};

/// A client's transport on one shard or I/O thread.
#[derive(Debug)]
pub(crate) struct ClientTransport {
    transport: Kind,
    /// What only clients without a balancer have.
    via: Option<Box<ProxyAndRedirects>>,
    preconnect: Option<Preconnect>,
    /// What this shard or I/O thread counts for the client.
    pub(crate) stripe: Arc<Stripe>,
    /// What it was made by.
    wiring: Arc<Wiring>,
}

/// Calls go over connections that the library owns, shared ones where HTTP/2 is on.
#[derive(Debug)]
enum Kind {
    Direct(Arc<Direct>),
    Multiplexed(Multiplexed),
}

impl Kind {
    fn new(config: &ClientConfig, direct: Arc<DirectConfig>) -> Self {
        debug_assert!(cfg!(feature = "http2") || config.http2 == Http2::Off, "refused before");
        #[cfg(feature = "http2")]
        if config.http2 != Http2::Off {
            return Self::Multiplexed(Multiplexed::new(Arc::new(multiplexed(config, direct))));
        }
        Self::Direct(Arc::new(Direct::new(direct)))
    }
}

/// What lies between a call and its server.
#[derive(Debug)]
struct ProxyAndRedirects {
    /// Carries what goes through a proxy.
    proxied: Option<Http>,
    redirects: Option<Redirects>,
}

/// What drives a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// On a shard: one exchange at a time, driven by its caller.
    Shard,
    /// On an I/O thread: many at once, driven always.
    IoThread,
}

impl ClientTransport {
    /// Connections of HTTP/1.1 by the client's settings, for what goes on beside its calls.
    pub(crate) fn direct(core: &Core, resolver: Arc<Resolver>) -> Direct {
        let stripe = core.statistics().stripe();
        Direct::new(Arc::new(direct(core, resolver, Driver::IoThread, stripe)))
    }

    /// A client's transport for one shard or I/O thread, without connections yet. Only I/O threads carry a
    /// client that speaks HTTP/2, since a parked shard would answer no PING; and only they warm up, since only
    /// theirs are kept ready for all calls.
    pub(crate) fn new(core: &Core, resolver: Arc<Resolver>, driver: Driver) -> Self {
        let via = ProxyAndRedirects::new(core, &resolver).map(Box::new);
        let stripe = core.statistics().stripe();
        let mut direct = direct(core, resolver, driver, Arc::clone(&stripe));
        direct.max_idle = core.route.balancer().is_none().then_some(MAX_IDLE);
        let transport = Kind::new(&core.config, Arc::new(direct));
        let preconnect = preconnect(core, driver);
        let wiring = Arc::clone(&core.wiring);
        Self { transport, via, preconnect, stripe, wiring }
    }

    /// Whether it carries the calls of a client that is wired like that.
    #[inline]
    pub(crate) fn is_of(&self, core: &Core) -> bool {
        Arc::ptr_eq(&self.wiring, &core.wiring)
    }

    /// Over the connections that the library owns.
    async fn carry(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        match &self.transport {
            Kind::Direct(direct) => direct.send(exchange).await,
            // Boxed, or every call would carry, and move, the state of both.
            Kind::Multiplexed(multiplexed) => cold_path(|| multiplexed.send(exchange)).await,
        }
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
        }
    }
}

/// What opens connections ahead of calls, where the client was told to.
fn preconnect(core: &Core, driver: Driver) -> Option<Preconnect> {
    let config = &core.config;
    let warms_up = driver == Driver::IoThread && config.warm_up > 0;
    core.route.balancer().filter(|_| warms_up)?;
    let limit = config.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT);
    Some(Preconnect::new(core.present_balancer(), config.warm_up, limit))
}

fn direct(
    core: &Core,
    resolver: Arc<Resolver>,
    driver: Driver,
    stripe: Arc<Stripe>,
) -> DirectConfig {
    let config = &core.config;
    DirectConfig {
        tls: core.wiring.tls(),
        resolver,
        names: config.names,
        idle_timeout: config.idle_timeout,
        max_age: config.max_connection_age,
        max_idle_per_endpoint: config.max_idle_per_endpoint,
        max_idle: None,
        by_tasks: driver == Driver::IoThread,
        // A shard has one exchange at a time, and so at most one connection in use.
        max_per_endpoint: match driver {
            // Its places tell how many are in use also where there is no end of them.
            Driver::IoThread => config.max_connections_per_endpoint.or(Some(NonZeroUsize::MAX)),
            Driver::Shard => None,
        },
        shard_pools: (driver == Driver::Shard).then(|| core.wiring.shard_pools()),
        sockets: config.sockets.clone(),
        turn: Arc::default(),
        stripe,
        trace: core.hooks.on_wire.clone(),
    }
}

#[cfg(feature = "http2")]
fn multiplexed(config: &ClientConfig, direct: Arc<DirectConfig>) -> MultiplexedConfig {
    let mut multiplexed = MultiplexedConfig::new(direct);
    multiplexed.prior_knowledge = config.http2 == Http2::PriorKnowledge;
    if let Some(most) = config.max_connections_per_endpoint {
        multiplexed.max_connections = multiplexed.max_connections.min(most.get());
    }
    multiplexed
}

impl ProxyAndRedirects {
    fn new(core: &Core, resolver: &Arc<Resolver>) -> Option<Self> {
        let limit = core.config.redirects;
        let redirects = (limit > 0).then(|| Redirects {
            limit,
            deadline_header: core.config.deadline_header.clone(),
            origins: Arc::clone(core.origins()),
        });
        let proxied = core.wiring.proxies.as_ref().map(|proxies| {
            Http::new(http(
                &core.config,
                core.wiring.tls(),
                Arc::clone(resolver),
                Arc::clone(proxies),
            ))
        });
        (redirects.is_some() || proxied.is_some()).then_some(Self { proxied, redirects })
    }
}

fn http(
    config: &ClientConfig,
    tls: Arc<Tls>,
    resolver: Arc<Resolver>,
    proxies: Arc<Proxies>,
) -> HttpConfig {
    HttpConfig {
        tls,
        resolver,
        names: config.names,
        proxies,
        connect_timeout: config.connect_timeout.unwrap_or(DEFAULT_CONNECT_TIMEOUT),
        sockets: config.sockets.clone(),
        idle_timeout: config.idle_timeout,
        max_idle_per_host: config.max_idle_per_endpoint,
    }
}

impl Transport for ClientTransport {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        match &self.via {
            None => self.carry(exchange).await,
            Some(via) => cold_path(|| via.send(self, exchange)).await,
        }
    }
}

impl ProxyAndRedirects {
    async fn send(
        &self,
        transport: &ClientTransport,
        exchange: &Exchange<'_>,
    ) -> Result<Answer, Failure> {
        let hop = Hop { via: self, transport };
        match &self.redirects {
            None => hop.send(exchange).await,
            Some(redirects) => redirects.follow(&hop, exchange).await,
        }
    }
}

/// One server's part of a call.
struct Hop<'a> {
    via: &'a ProxyAndRedirects,
    transport: &'a ClientTransport,
}

impl Transport for Hop<'_> {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        match &self.via.proxied {
            Some(http) if http.serves(exchange) => http.send(exchange).await,
            _ => self.transport.carry(exchange).await,
        }
    }
}

impl Attachment for ClientTransport {
    fn maintain(&self) -> bool {
        let is_left = match &self.transport {
            Kind::Direct(direct) => direct.sweep(),
            Kind::Multiplexed(multiplexed) => multiplexed.sweep(),
        };
        // reqwest's connections are tasks of the shard's runtime, which was driven just now.
        self.warm_up();
        is_left
    }

    fn close_departed(&self) {
        if let Kind::Direct(direct) = &self.transport {
            direct.let_go();
        }
    }

    fn close(&self) {
        match &self.transport {
            Kind::Direct(direct) => direct.close(),
            Kind::Multiplexed(multiplexed) => multiplexed.close(),
        }
    }
}

/// Of a client whose URLs and redirects name any number of servers: a quarter of the descriptors that a process may
/// have by default.
const MAX_IDLE: usize = 256;
