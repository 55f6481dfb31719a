//! Calls that go through a proxy, which the feature `proxy` brings.

mod config;
mod exceptions;
mod url;

#[cfg(feature = "proxy")]
mod http;
#[cfg(feature = "proxy")]
mod proxies;
#[cfg(feature = "proxy")]
mod sockets;

#[cfg(not(feature = "proxy"))]
mod absent;

pub use config::ProxyConfig;

#[cfg(feature = "proxy")]
pub(crate) use {
    http::{Http, HttpConfig},
    proxies::Proxies,
};

#[cfg(not(feature = "proxy"))]
pub(crate) use absent::{Http, HttpConfig, Proxies};
