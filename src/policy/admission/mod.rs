//! Whether a call may be sent at all, and which calls are turned away first.

pub mod gradient;
pub mod limit;
pub mod recovery;
pub mod shedding;
pub mod throttle;
