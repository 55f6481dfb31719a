//! Faults on demand: what a service's tests make its client suffer.

use std::ffi::c_char;

use super::builder::ahoy_client_builder;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::Configurable;
use crate::ffi::values::status::ahoy_status;
use crate::ffi::values::{entry, text};
use crate::options::fault_delay_text;

/// Answers a share of the attempts with a status, for tests of what then happens. They are not
/// sent; circuits, retries and hooks take them for answers of their endpoints. Attempts and
/// statistics tell them (ahoy_attempt_faults). Default: off.
///
/// @param status 200 to 599
/// @param share from 0 to 1 of the attempts
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_fault_abort(
    builder: *mut ahoy_client_builder,
    status: i32,
    share: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("fault_abort", "status", format!("{status}@{share}"))
    })
}

/// Sends a share of the attempts later, for tests of what then happens. The time counts for their
/// limits. Default: off.
///
/// @param delay_ms from 0
/// @param share from 0 to 1 of the attempts
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_fault_delay(
    builder: *mut ahoy_client_builder,
    delay_ms: u64,
    share: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        let fault = fault_delay_text(text::duration(delay_ms), share);
        builder.set("fault_delay", "delay_ms", fault)
    })
}

/// Lets a share of the attempts fail as if their connection was reset after the request was sent,
/// for tests of what then happens. They are not sent. Default: off.
///
/// @param share from 0 to 1 of the attempts
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_fault_reset(
    builder: *mut ahoy_client_builder,
    share: f64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("fault_reset", "share", share)
    })
}

/// Spares requests that do not have this header, whatever its value, from faults on demand. It goes
/// to the service as any other does. Default: all may suffer them.
///
/// @param name a header name, such as X-Fault
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_fault_header(
    builder: *mut ahoy_client_builder,
    name: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder, name: &str| {
        builder.set("fault_header", "name", name)
    })
}

/// Sets what faults on demand are drawn from: the attempts of a client with the same number suffer
/// the same ones in the same order. Default: others each time.
///
/// @param seed any number
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_fault_seed(
    builder: *mut ahoy_client_builder,
    seed: u32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |builder: &mut ahoy_client_builder| {
        builder.set("fault_seed", "seed", seed)
    })
}
