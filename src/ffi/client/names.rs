//! How a client resolves names.

use super::builder::ahoy_client_builder;
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::{Configurable, ms};
use crate::ffi::values::status::ahoy_status;

/// Names are looked up in the system's hosts file and asked of the servers in resolv.conf.
pub const AHOY_RESOLVER_DNS: i32 = 0;
/// Names are asked of the C library (getaddrinfo).
pub const AHOY_RESOLVER_SYSTEM: i32 = 1;

/// Chooses where the addresses of names come from. Default AHOY_RESOLVER_DNS.
///
/// AHOY_RESOLVER_DNS reads the hosts file and resolv.conf, again when they change. It asks the name
/// servers in their order, for IPv6 and IPv4 at once, and keeps answers by their time to live,
/// negative ones for at most 5 seconds. It needs no thread. Choose it unless a name is known to the
/// system only.
///
/// AHOY_RESOLVER_SYSTEM knows all that the system is set up for: nsswitch.conf, mDNS (.local),
/// LDAP, the split DNS of a VPN. It costs up to 8 library threads while names are resolved, and a
/// silent name service can hold each for 30 s. Answers are kept for 5 s, since the C library tells
/// no time to live, and the C library reads environment variables such as RES_OPTIONS.
///
/// A name service that fails or is silent opens no circuit, and neither does a name that exists and
/// has no address at present. A name that does not exist does.
///
/// @param resolver one of the AHOY_RESOLVER_ numbers
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_resolver(
    builder: *mut ahoy_client_builder,
    resolver: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("resolver", "resolver", resolver)
    })
}

/// Sets for how long the last known addresses of a name go on serving beyond their time to live,
/// while the name service is silent or fails (RFC 8767). Kept connections go on in any case.
/// Default 86,400,000 ms, one day.
///
/// @param max_stale_ms 0 for never; AHOY_FOREVER for ever
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_max_stale_ms(
    builder: *mut ahoy_client_builder,
    max_stale_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("max_stale", "max_stale_ms", ms(max_stale_ms))
    })
}
