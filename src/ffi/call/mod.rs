//! Calls: what is asked for, what comes back, and how one waits for it.

// In the order of the header, which follows this one: hence the empty lines, which keep it.
pub mod request;

pub mod repetition;

pub mod attempt_request;

mod header_text;

pub mod source;

pub mod response;

pub mod stream;

pub mod attempt;

pub mod call;

pub mod queue;
