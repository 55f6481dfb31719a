//! Certificates and keys that are files, and are renewed while a client lives.

use std::ffi::c_char;

use super::builder::ahoy_client_builder;
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::Configurable;
use crate::ffi::values::status::ahoy_status;

/// Trusts further certificates for https, beside the platform's and those of
/// ahoy_client_builder_add_ca_pem, as long as they stand in a file. Default: off.
///
/// The file is read when the client is built, and again when it was replaced or written to: it is
/// looked at when a connection is made, at most once a second. A file that cannot be read or used
/// changes nothing, and connections that stand go on. To change authorities, let the file hold the
/// old and the new one until every server has its new certificate. The log is told (target "tls"):
/// renewals at AHOY_LOG_INFO; at AHOY_LOG_WARN a file that cannot be used, and a certificate with
/// less than a tenth of its time left. Calls through a proxy keep what their first connection
/// found.
///
/// @param path of one or more certificates in PEM, up to 4 MiB; or "off"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_ca_file(
    builder: *mut ahoy_client_builder,
    path: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, path: &str| {
        builder.set("ca_file", "path", path)
    })
}

/// Sets the file of the certificate that the client presents to servers that ask for one (mutual
/// TLS), in place of that of ahoy_client_builder_set_client_certificate_pem. Needs
/// ahoy_client_builder_set_key_file. Default: off.
///
/// Both files are read again when they change, as ahoy_client_builder_set_ca_file says. Where the
/// certificate was replaced and its key not yet, the pair before stays in use.
///
/// @param path of the chain in PEM, own certificate first; or "off"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_certificate_file(
    builder: *mut ahoy_client_builder,
    path: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, path: &str| {
        builder.set("certificate_file", "path", path)
    })
}

/// Sets the file of the private key for ahoy_client_builder_set_certificate_file. Default: off.
///
/// @param path of the key in PEM; or "off"; copied
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_key_file(
    builder: *mut ahoy_client_builder,
    path: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, path: &str| {
        builder.set("key_file", "path", path)
    })
}
