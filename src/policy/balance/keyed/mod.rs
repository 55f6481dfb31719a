//! The same key to the same endpoint.

pub(crate) mod bounded;
pub(crate) mod maglev;
pub mod rendezvous;
pub(crate) mod ring;
mod wheel;
