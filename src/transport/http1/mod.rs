//! HTTP/1.1 over connections that the library owns.

mod acquire;
pub(crate) mod answer;
mod body_flow;
pub(crate) mod connection;
pub(crate) mod direct;
pub(crate) mod fault;
pub(crate) mod head;
pub(crate) mod idle;
mod keep_alive;
pub(crate) mod parked;
pub(crate) mod pool;
mod queue;
mod ready_list;
pub(crate) mod scan;
pub(crate) mod shard_pools;
mod tail;
mod watermark;
