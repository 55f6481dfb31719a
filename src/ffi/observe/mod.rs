//! What a client shows of its work: statistics and events.

// In the order of the header, which follows this one: hence the empty lines, which keep it.
pub mod sample;

pub mod snapshot;

pub mod event;

pub mod events;
