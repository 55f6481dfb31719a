//! Stands in for proxies where they are not built in: settings refuse them, so none of these types has a value.

use std::sync::Arc;
use std::time::Duration;

use super::url::ProxyUrl;
use crate::outcome::Failure;
use crate::transport::dns::{NameConfig, Resolver};
use crate::transport::socket_options::SocketOptions;
use crate::transport::tls::Tls;
use crate::transport::{Answer, Exchange, Transport};

/// The proxies of a client.
#[derive(Debug)]
pub(crate) enum Proxies {}

impl Proxies {
    pub(super) fn new(_: Option<ProxyUrl>, _: Option<ProxyUrl>, _: &str) -> Option<Self> {
        None
    }
}

/// What the connections of an [`Http`] have in common.
pub(crate) struct HttpConfig {
    pub(crate) tls: Arc<Tls>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) names: NameConfig,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) connect_timeout: Duration,
    pub(crate) sockets: SocketOptions,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_idle_per_host: usize,
}

/// The transport of calls through a proxy.
#[derive(Debug)]
pub(crate) enum Http {}

impl Http {
    pub(crate) fn new(config: HttpConfig) -> Self {
        match *config.proxies {}
    }

    pub(crate) fn serves(&self, _: &Exchange<'_>) -> bool {
        match *self {}
    }
}

impl Transport for Http {
    async fn send(&self, _: &Exchange<'_>) -> Result<Answer, Failure> {
        match *self {}
    }
}
