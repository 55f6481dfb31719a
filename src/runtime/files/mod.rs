//! What differs between the systems' files.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

#[cfg(windows)]
pub use platform::system_folder;
pub use platform::{Mark, Place, mark, open_for_owner, path_of_url, place};
