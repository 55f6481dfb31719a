//! One call: its request, its ways to end, and what came of it.

pub mod attempt;
pub mod call;
pub mod error;
pub mod queue;
pub mod request;
pub mod response;
pub mod source;
pub mod stream;
