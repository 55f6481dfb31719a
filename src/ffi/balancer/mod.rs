//! Balancers, and what they are made of: providers, hosts, endpoints, breakers, checks.

pub mod balancer;
pub mod balancing;
pub mod breaker;
pub mod endpoint;
pub mod health;
pub mod host;
pub mod prequal;
pub mod provider;
