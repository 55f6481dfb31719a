//! HTTP/2 over connections that the library owns.

pub(crate) mod multiplexed;
pub(crate) mod pool;
pub(crate) mod session;
