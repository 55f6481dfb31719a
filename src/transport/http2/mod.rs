//! HTTP/2 over connections that the library owns, which the feature `http2` brings.

#[cfg(feature = "http2")]
mod answer;
#[cfg(feature = "http2")]
pub(crate) mod config;
#[cfg(feature = "http2")]
mod connect;
#[cfg(feature = "http2")]
mod exchange;
#[cfg(feature = "http2")]
mod frames;
#[cfg(feature = "http2")]
mod keep_alive;
#[cfg(feature = "http2")]
pub(crate) mod multiplexed;
#[cfg(feature = "http2")]
pub(crate) mod pool;
#[cfg(feature = "http2")]
pub(crate) mod session;
#[cfg(feature = "http2")]
mod stream_wait;
#[cfg(feature = "http2")]
mod upload;

#[cfg(not(feature = "http2"))]
#[path = "absent.rs"]
pub(crate) mod multiplexed;
