//! What only the C library knows of names: `getaddrinfo`, and the numbers of interfaces.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

pub use platform::{addresses, interface};

/// Why the C library gave no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAddress {
    /// The name does not exist.
    Unknown,
    /// The name exists, and has no address.
    None,
    /// The name service did not answer, or failed.
    Failed,
    /// This process is out of descriptors or memory.
    Exhausted,
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[test]
    fn the_c_library_knows_localhost_and_not_what_is_reserved() {
        assert!(addresses("localhost").unwrap().iter().all(IpAddr::is_loopback));
        assert_eq!(addresses("127.0.0.9").unwrap(), [IpAddr::from([127, 0, 0, 9])]);
        assert!(addresses("a\0b").is_err() && addresses("x..invalid").is_err());
    }

    #[test]
    fn interfaces_have_names_and_numbers() {
        let loopback = ["lo", "lo0", "loopback_0"].into_iter().find_map(interface).unwrap();
        assert!(loopback > 0);
        assert_eq!(interface("7"), Some(7));
        assert_eq!(interface("no-such-interface"), None);
    }
}
