//! Signals belong to the host: library threads take none, and a write to a closed socket raises none.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub(super) use platform::block_all_here;
pub use platform::{SigpipeGuard, with_all_blocked};
