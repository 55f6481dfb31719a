//! The probes of a balancer that picks by Prequal, and what endpoints answered to them.

pub(crate) mod probe_bell;
pub(crate) mod probe_pool;
pub(crate) mod probes;
