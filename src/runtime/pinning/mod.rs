//! Keeps the library in the process: its threads, and destructors of thread-locals, would go on in code that was
//! unmapped.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub(super) use platform::pin;
