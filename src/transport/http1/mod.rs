//! HTTP/1.1 over connections that the library owns.

pub(crate) mod answer;
pub(crate) mod connection;
pub(crate) mod direct;
pub(crate) mod fault;
pub(crate) mod head;
pub(crate) mod idle;
mod keep_alive;
mod news;
pub(crate) mod parked;
pub(crate) mod pool;
mod queue;
pub(crate) mod scan;
pub(crate) mod siblings;
mod tail;
mod underway;
mod watermark;
