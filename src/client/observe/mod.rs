//! What a client tells its host: hooks and the log.

pub mod hooks;
pub mod log;
