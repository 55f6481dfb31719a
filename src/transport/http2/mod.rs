//! HTTP/2 over connections that the library owns.

mod answer;
mod frames;
mod keep_alive;
pub(crate) mod multiplexed;
pub(crate) mod pool;
pub(crate) mod session;
mod upload;
