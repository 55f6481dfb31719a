//! How the library lives in its host's process: shards driven by the caller, one background thread, the
//! clock, randomness and signals.
//!
//! A blocking call leases a [`shard`] and drives it on its own thread; no other thread is woken for it.
//! Whatever must go on while no caller drives (name resolution, the janitor) lives on the [`background`]
//! thread, which starts with its first use.

pub mod background;
pub mod callback;
pub mod clock;
pub mod entropy;
pub mod panics;
pub mod process;
pub mod shard;
pub mod signal;
