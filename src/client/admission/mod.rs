//! Which calls are let in, and what their attempts may cost the service.

pub(crate) mod admission;
pub(crate) mod limit;
pub(crate) mod timing;
