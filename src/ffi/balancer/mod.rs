//! Balancers, and what they are made of: hosts, providers, endpoints, breakers, checks.

// In the order of the header, which follows this one: hence the empty lines, which keep it.
pub mod host;
pub mod listing;

pub mod provider;

pub mod balancer;

pub mod balancing;

pub mod prequal;

pub mod health;

pub mod endpoint;

pub mod explain;

pub mod breaker;
