//! What a client tells its host: hooks, the log, events and statistics.

pub(crate) mod attribution;
pub mod event_record;
pub mod events;
pub mod hooks;
pub mod log;
pub(crate) mod meter;
pub mod statistics;
