//! What a balancer shows of its endpoints: what was counted of them, why one is not available, and its observers.

pub(crate) mod circuit_event_filter;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod observers;
pub(crate) mod series_limit;
pub(crate) mod statistics;
pub(crate) mod status;
