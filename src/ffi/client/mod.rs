//! The client, how it is built, and its hooks.

pub mod builder;
pub mod client;
pub mod hooks;
pub mod names;
pub mod options;
pub mod protection;
