//! Whether an endpoint gets traffic: the circuit breaker, what it counts, and which attempts probe.

pub mod breaker;
pub mod breaker_config;
mod half_open;
pub mod last_calls;
pub(crate) mod open_backoff;
pub mod outage_pace;
mod outcome_counters;
pub mod permit;
pub mod probe_eligibility;
pub mod probe_pace;
pub mod window;
