//! Calls of the C library.

#![allow(unsafe_code, reason = "calls of the C library")]

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use super::NoAddress;

/// The addresses of `name` in the order in which they are to be tried (RFC 6724). Blocks, for as long as the system's
/// name services take.
///
/// # Errors
/// There is none.
pub fn addresses(name: &str) -> Result<Vec<IpAddr>, NoAddress> {
    let name = CString::new(name).map_err(|_| NoAddress::Unknown)?;
    // SAFETY: all zeros is the structure that asks for nothing in particular.
    let mut hints: libc::addrinfo = unsafe { MaybeUninit::zeroed().assume_init() };
    hints.ai_family = libc::AF_UNSPEC;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = ptr::null_mut();
    // SAFETY: the name ends in NUL; hints and result outlive the call.
    let code =
        unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut list) };
    if code != 0 {
        return Err(reason(code));
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: the list is the C library's, is well linked, and lives until it is freed below.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: the entry's address is of the family that it names.
        found.extend(unsafe { address(entry) });
        next = entry.ai_next;
    }
    // SAFETY: the list came from getaddrinfo and is not used any more.
    unsafe { libc::freeaddrinfo(list) };
    Ok(found)
}

unsafe fn address(entry: &libc::addrinfo) -> Option<IpAddr> {
    match entry.ai_family {
        libc::AF_INET => {
            // SAFETY: as this function's caller promises.
            let v4 = unsafe { entry.ai_addr.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as this function's caller promises.
            let v6 = unsafe { entry.ai_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

fn reason(code: libc::c_int) -> NoAddress {
    // Of a name without an address; libc does not have the number.
    const EAI_NODATA: libc::c_int = if cfg!(target_vendor = "apple") { 7 } else { -5 };
    match code {
        libc::EAI_NONAME => NoAddress::Unknown,
        EAI_NODATA => NoAddress::None,
        libc::EAI_MEMORY => NoAddress::Exhausted,
        libc::EAI_SYSTEM if is_exhausted() => NoAddress::Exhausted,
        _ => NoAddress::Failed,
    }
}

fn is_exhausted() -> bool {
    let code = std::io::Error::last_os_error().raw_os_error();
    matches!(code, Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// The number of the interface called `name`, or that it already is.
#[must_use]
pub fn interface(name: &str) -> Option<u32> {
    if let Ok(number) = name.parse() {
        return Some(number);
    }
    let name = CString::new(name).ok()?;
    // SAFETY: the name ends in NUL.
    let number = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (number != 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_an_address_is_none_that_does_not_exist() {
        assert_eq!(reason(libc::EAI_NONAME), NoAddress::Unknown);
        assert_eq!(reason(libc::EAI_AGAIN), NoAddress::Failed);
        if cfg!(target_os = "linux") {
            assert_eq!(reason(-5), NoAddress::None);
        }
    }
}
