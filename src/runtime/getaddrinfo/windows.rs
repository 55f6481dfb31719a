//! Winsock's, which the standard library calls.

#![allow(unsafe_code, reason = "the numbers of interfaces")]

use std::ffi::CString;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};

use windows_sys::Win32::NetworkManagement::IpHelper::if_nametoindex;
use windows_sys::Win32::Networking::WinSock::{WSAHOST_NOT_FOUND, WSANO_DATA};

use super::NoAddress;
use crate::runtime::os_error;

/// The addresses of `name` in the order in which they are to be tried (RFC 6724). Blocks, for as long as the system's
/// name services take.
///
/// # Errors
/// There is none.
pub fn addresses(name: &str) -> Result<Vec<IpAddr>, NoAddress> {
    match (name, 0).to_socket_addrs() {
        Ok(found) => Ok(found.map(|address| address.ip()).collect()),
        Err(error) => Err(reason(&error)),
    }
}

fn reason(error: &io::Error) -> NoAddress {
    match error.raw_os_error() {
        _ if error.kind() == io::ErrorKind::InvalidInput => NoAddress::Unknown,
        Some(WSAHOST_NOT_FOUND) => NoAddress::Unknown,
        Some(WSANO_DATA) => NoAddress::None,
        Some(_) if os_error::shortage(error).is_some() => NoAddress::Exhausted,
        _ => NoAddress::Failed,
    }
}

/// The number of the interface called `name`, or that it already is.
#[must_use]
pub fn interface(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends in NUL.
    let number = unsafe { if_nametoindex(name.as_ptr().cast()) };
    (number != 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_address_is_none_that_does_not_exist() {
        let of = |number| reason(&io::Error::from_raw_os_error(number));
        assert_eq!(of(WSAHOST_NOT_FOUND), NoAddress::Unknown);
        assert_eq!(of(WSANO_DATA), NoAddress::None);
        // WSATRY_AGAIN and WSAEMFILE.
        assert_eq!((of(11_002), of(10_024)), (NoAddress::Failed, NoAddress::Exhausted));
    }
}
