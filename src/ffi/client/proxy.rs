//! Calls through a proxy, for clients without a balancer.

use std::ffi::c_char;

use super::builder::ahoy_client_builder;
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::Configurable;
use crate::ffi::values::status::ahoy_status;

/// Sends all calls through a proxy; only for a client without a balancer. Default: no proxy.
///
/// A target that cannot go through it byte for byte is AHOY_E_INVALID_ARGUMENT. Every failure but
/// that of connecting counts as sent. The url is never logged or quoted.
///
/// @param proxy "http://host:port", which carries https by CONNECT, "https://..." or
///        "socks5h://..."; a user and a password as in "http://user:password@host:port",
///        percent-encoded; or "off"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_proxy(
    builder: *mut ahoy_client_builder,
    proxy: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, proxy: &str| {
        builder.set("proxy", "proxy", proxy)
    })
}

/// Sets which hosts are reached without the proxy. Default: none.
///
/// @param no_proxy names, addresses and networks, separated by commas or blanks: "example.com" (and
///        all below it), "10.0.0.0/8", "::1", or "*" for all; copied. One with a port, or that is
///        none of these, is refused, since its host would be reached through the proxy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_no_proxy(
    builder: *mut ahoy_client_builder,
    no_proxy: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, no_proxy: &str| {
        builder.set("no_proxy", "no_proxy", no_proxy)
    })
}

/// Takes proxies from the environment where none is set: http_proxy, https_proxy, HTTPS_PROXY,
/// all_proxy, ALL_PROXY, and no_proxy, NO_PROXY. It is read once, by ahoy_client_builder_build on
/// the calling thread, which must not race with setenv. Default false: the environment is never
/// read.
///
/// @param from_environment whether the environment is read
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_proxy_from_environment(
    builder: *mut ahoy_client_builder,
    from_environment: bool,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let parameter = ("proxy_from_environment", "from_environment", from_environment.into());
    entry::status!(err, |builder: &mut ahoy_client_builder| builder.set_all([parameter]))
}
