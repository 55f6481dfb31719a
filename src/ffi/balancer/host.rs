//! `ahoy_host`: one server with its properties.

use std::ffi::c_char;
use std::ptr;

use crate::endpoint::{Host, Scheme};
use crate::error::Error;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Owned};
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{entry, guard, handle};

/// One server of a service, with properties that address and port do not tell.
///
/// Ownership: freed with ahoy_host_free; adding it to a list copies it. Thread: one at a time.
pub struct ahoy_host {
    pub(crate) host: Host,
}

impl Handle for ahoy_host {
    type Held = Owned;
}

/// How a host is spoken to: plain HTTP.
pub const AHOY_SCHEME_HTTP: i32 = 1;
/// How a host is spoken to: HTTP over TLS.
pub const AHOY_SCHEME_HTTPS: i32 = 2;

/// A host's address, for fuzz/: what is taken can be dialled and named to a peer.
#[cfg(any(fuzzing, test))]
pub fn fuzz_address(text: &str) {
    let Ok(host) = Host::checked(text, 8080) else { return };
    let address = host.address.clone();
    if let Some(path) = crate::endpoint::unix_path(&address) {
        let is_odd = path.contains(|c: char| c.is_ascii_control());
        assert!(path.starts_with('/') && path.len() <= 103 && !is_odd, "{address:?}");
        assert_eq!(crate::endpoint::Endpoint::new(host).authority(), "localhost");
        return;
    }
    let odd = |c: char| c.is_control() && c.is_ascii() || "[]/@ ".contains(c);
    assert!(!address.is_empty() && !address.contains(odd), "{address:?}");
    let (bare, zone) = address.split_once('%').unwrap_or((&address, "x"));
    let is_v6 = bare.parse::<std::net::Ipv6Addr>().is_ok();
    assert!(is_v6 || !address.contains([':', '%']));
    assert!(!zone.is_empty(), "{address:?}");
    let endpoint = crate::endpoint::Endpoint::new(host);
    let named = if is_v6 { format!("[{bare}]:8080") } else { format!("{bare}:8080") };
    assert_eq!(endpoint.authority(), named);
    assert_eq!(endpoint.server_name(), bare);
    let other = Host { authority: Some(named), ..Host::new("x", 1) };
    assert_eq!(crate::endpoint::Endpoint::new(other).server_name(), bare);
}

/// A host, checked.
pub(crate) fn checked(address: &str, port: u16) -> Result<Host, Error> {
    if port == 0 {
        return Err(Error::invalid("port", "is 0"));
    }
    Host::checked(address, port).map_err(|problem| Error::invalid("address", problem))
}

/// A host at a name or IP address and a port.
///
/// Port 443 means https and any other http, unless ahoy_host_set_scheme says otherwise.
///
/// A name is one endpoint, however many addresses it has: connections go to the first that can be
/// reached, and a retry goes to another one. To make an endpoint of each address, use
/// ahoy_provider_from_url with "dns://name:port".
///
/// A unix socket is "unix:/path", wherever a host's address is asked for: balanced, checked and
/// retried like any other. Its port says http or https alone, its authority is "localhost" by
/// default, and its URL is its address.
///
/// @param address host name, whose case does not matter, or IP address (IPv6 with or without
///        brackets, an address of a link with its zone as in fe80::1%eth0), or "unix:" and a path of
///        up to 103 bytes; copied
/// @param port TCP port, 1 to 65535
/// @return the host, or NULL where an argument is not valid
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_host_new(address: *const c_char, port: u16) -> *mut ahoy_host {
    guard::value!(ptr::null_mut(), |address: &str| {
        Host::checked(address, port).map_or(ptr::null_mut(), |host| handle::new(ahoy_host { host }))
    })
}

/// Sets the host's share of the traffic relative to the other hosts of its priority and zone.
/// Default 1.
///
/// @param weight any number; 0 for no traffic, for a host that is to be drained, which then counts
///        neither as available nor as failed
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_host_set_weight(
    host: *mut ahoy_host,
    weight: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |host: &mut ahoy_host| {
        host.host.weight = weight;
        Ok(())
    })
}

/// Sets the zone that the host stands in, for balancers that know their own
/// (ahoy_balancer_set_zone). Default none.
///
/// @param zone any text; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_host_set_zone(
    host: *mut ahoy_host,
    zone: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |host: &mut ahoy_host, zone: &str| {
        host.host.zone = Some(zone.to_owned());
        Ok(())
    })
}

/// Sets the host's priority; 0 comes first. The next priority takes a part of the traffic when less
/// than 72 % of a priority's endpoints are available, and all of it when none is. A call that has
/// failed at two endpoints of a priority goes on at another priority. A priority that was lost as a
/// whole is probed while the next one serves. Default 0.
///
/// @param priority 0 to 127
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_host_set_priority(
    host: *mut ahoy_host,
    priority: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |host: &mut ahoy_host| host.host.set_priority(priority))
}

/// States the host's scheme, whatever its port.
///
/// @param scheme AHOY_SCHEME_HTTP or AHOY_SCHEME_HTTPS
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_host_set_scheme(
    host: *mut ahoy_host,
    scheme: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |host: &mut ahoy_host| {
        host.host.scheme = Some(match scheme {
            AHOY_SCHEME_HTTP => Scheme::Http,
            AHOY_SCHEME_HTTPS => Scheme::Https,
            _ => return Err(Error::invalid("scheme", "is no AHOY_SCHEME_ number")),
        });
        Ok(())
    })
}

/// Sets what the Host header carries, apart from the address that is dialled. Default: the address,
/// with the port where it is not the scheme's own.
///
/// @param authority such as "api.example.com" or "api.example.com:8443"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_host_set_authority(
    host: *mut ahoy_host,
    authority: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |host: &mut ahoy_host, authority: &str| {
        host.host.set_authority(authority)
    })
}

/// Sets the name that TLS asks for and verifies. Default: the authority's host.
///
/// @param server_name a DNS name or an IP address; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_host_set_server_name(
    host: *mut ahoy_host,
    server_name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |host: &mut ahoy_host, server_name: &str| {
        host.host.set_server_name(server_name)
    })
}

/// Frees a host; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_host_free(host: *mut ahoy_host) {
    guard::value!((), |host: Option<Box<ahoy_host>>| drop(host));
}
