//! What differs between the systems' sockets.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::io;

pub use platform::{
    Descriptor, GATHER_FLAGS, Open, bind_interface, connect_unix, descriptor, is_silent,
    is_under_way, prepare, set_user_timeout,
};

/// What is said where only Linux has a setting.
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "there it has"))]
fn needs_linux(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, format!("{what} needs Linux"))
}
