//! One call: its attempts, races and retries, and what is told of it. [`attempt`] has the way of one request.

pub(crate) mod attempt;
pub(crate) mod call;
pub(crate) mod cancellation;
pub(crate) mod done;
mod endpoints;
pub(crate) mod faults;
mod idempotency;
pub(crate) mod limits;
pub(crate) mod propagation;
pub(crate) mod race;
pub(crate) mod record;
pub(crate) mod send;
pub(crate) mod settle;
pub(crate) mod state;
pub(crate) mod unsent;
pub(crate) mod watch;

/// Parsers of inbound headers, for fuzz/.
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
