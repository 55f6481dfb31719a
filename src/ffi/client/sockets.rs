//! How the sockets of a client are made.

use std::ffi::c_char;

use super::builder::ahoy_client_builder;
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::{Configurable, ms};
use crate::ffi::values::status::ahoy_status;

/// Sets the address of this host that connections come from. Endpoints of the other address family
/// cannot be reached then; unix sockets are not affected. Default: off, the system chooses.
///
/// @param address an IP address; or "off"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_local_address(
    builder: *mut ahoy_client_builder,
    address: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, address: &str| {
        builder.set("local_address", "address", address)
    })
}

/// Sets the network interface that connections leave by (SO_BINDTODEVICE). Only on Linux: elsewhere
/// each connection fails. Default: off, the system chooses.
///
/// @param name of the interface, such as "eth0", 1 to 15 bytes; or "off"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_interface(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str| {
        builder.set("interface", "name", name)
    })
}

/// Switches on TCP keepalive: the system asks whether the peer is still there after this time
/// without traffic, and as often from then on. Default: off; a pool closes idle connections, and
/// attempts have limits.
///
/// @param after_ms 1000 to 32767000, of which whole seconds count
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_tcp_keepalive_ms(
    builder: *mut ahoy_client_builder,
    after_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("tcp_keepalive", "after_ms", ms(after_ms))
    })
}

/// Limits how long sent bytes may stay unacknowledged before the system gives a connection up
/// (TCP_USER_TIMEOUT). Only on Linux: elsewhere each connection fails. Default: off.
///
/// @param timeout_ms 1000 to 32767000
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_tcp_user_timeout_ms(
    builder: *mut ahoy_client_builder,
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("tcp_user_timeout", "timeout_ms", ms(timeout_ms))
    })
}

/// States addresses of names, for which no name service is asked then, as curl's --resolve does.
/// TLS and the Host header still have the name. Not with a proxy. Default: off.
///
/// @param entries "name:port:address" or "name:port:address,address", separated by spaces; or
///        "off"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_resolve(
    builder: *mut ahoy_client_builder,
    entries: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, entries: &str| {
        builder.set("resolve", "entries", entries)
    })
}
