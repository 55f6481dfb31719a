//! What a balancer shows of its endpoints: what was counted of them, and why one is not available.

pub(crate) mod circuit_news;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod shown;
pub(crate) mod statistics;
pub(crate) mod status;
