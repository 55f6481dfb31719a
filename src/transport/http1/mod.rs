//! HTTP/1.1 over connections that the library owns.

pub(crate) mod direct;
pub(crate) mod parked;
pub(crate) mod pool;
