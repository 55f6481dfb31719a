//! One call: its attempts, races and retries, and what is told of it. [`attempt`] has the way of one request.

pub(crate) mod attempt;
pub(crate) mod call;
pub(crate) mod control;
pub(crate) mod flight;
pub(crate) mod hedge;
pub(crate) mod passed_on;
pub(crate) mod settled;
pub(crate) mod story;
