//! HTTP/2 over connections that the library owns.

pub(crate) mod fleet;
pub(crate) mod multiplexed;
pub(crate) mod session;
