//! How fresh a service's list of endpoints is, and when a new one applies.

pub mod backoff;
pub mod config;
pub mod freshness;
