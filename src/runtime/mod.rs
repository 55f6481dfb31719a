//! How the library lives in its host's process: shards driven by the caller, I/O threads for the rest, the
//! clock, randomness, signals and forks.
//!
//! A blocking call leases a [`shard`] and drives it on its own thread; no other thread is woken for it.
//! Work that must go on while no caller drives it (asynchronous calls, name resolution, the janitor) lives on
//! the [`io_thread`]s, the first of which starts with the first use.
//!
//! Every call into the host goes through [`callback::call_host`]: past a gate that can be shut, and behind a fence that
//! keeps a thread which the host ends inside. [`lost`] has what such a thread gives back.

pub mod attachment;
pub mod callback;
pub mod caller;
mod carried;
pub mod clock;
pub mod entropy;
pub mod exclusive;
mod fence;
mod gate;
pub mod getaddrinfo;
pub mod interrupt;
pub mod io_thread;
pub mod lost;
pub mod panics;
pub mod process;
pub mod readiness;
pub mod shard;
pub mod signal;
pub mod stop;
pub mod sync;
pub mod thread_cancel;
pub mod waiter;
pub mod workers;
