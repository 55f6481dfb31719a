//! Which calls are let in, and what their attempts may cost the service.

pub(crate) mod admission;
mod condition;
pub(crate) mod conditions;
pub(crate) mod limit;
pub(crate) mod timing;
