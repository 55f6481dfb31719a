//! The certificates that the platform trusts. The environment is never read: the host may be writing it meanwhile.

#[cfg_attr(all(unix, not(target_vendor = "apple")), path = "unix.rs")]
#[cfg_attr(target_vendor = "apple", path = "apple.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub(super) use platform::load;
