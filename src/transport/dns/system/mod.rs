//! Where the system says which names and name servers there are.

#[cfg_attr(all(unix, not(target_vendor = "apple")), path = "unix.rs")]
#[cfg_attr(target_vendor = "apple", path = "apple.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;
#[cfg(all(unix, not(target_vendor = "apple")))]
mod resolv_conf;
#[cfg(any(windows, target_vendor = "apple"))]
mod store;

pub(super) use platform::{RESOLV_CONF, hosts, settings};
