//! How the library lives in its host's process: shards driven by the caller, I/O threads for the rest, the
//! clock, randomness, signals and forks.
//!
//! A blocking call leases a [`shard`] and drives it on its own thread; no other thread is woken for it.
//! Work that must go on while no caller drives it (asynchronous calls, name resolution, the janitor) lives on
//! the [`io_thread`]s, the first of which starts with the first use.
//!
//! What differs between the systems lies in folders of their own, each with a file for each of them; `tests/layering.rs`
//! lists these.
//!
//! [`host`] has the other direction: the library calls its host.

pub mod attachment;
pub mod callback_mutex;
pub mod clock;
pub mod cold_path;
pub mod descriptors;
pub mod directory_watch;
pub mod entropy;
pub mod files;
pub mod getaddrinfo;
pub mod host;
pub mod interrupt;
pub mod io_thread;
pub mod os_error;
mod pinning;
pub mod process;
pub mod racy_lazy;
pub mod readiness;
pub mod shard;
pub mod signal;
pub mod socket;
pub mod stop;
pub mod sync;
pub mod waiter;
pub mod workers;
