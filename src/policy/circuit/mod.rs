//! Whether an endpoint gets traffic: the circuit breaker, what it counts, and which attempts probe.

mod answers;
pub mod breaker;
pub mod breaker_config;
pub mod last_calls;
pub(crate) mod open_wait;
pub mod permit;
pub mod probing;
mod trial;
pub mod window;
