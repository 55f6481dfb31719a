//! Why endpoints are available or not.

use super::balancer::ahoy_balancer;
use super::endpoint::ahoy_endpoint;
use crate::client::Reason;
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Out, OutValue};
use crate::ffi::values::made_text::ahoy_text;
use crate::ffi::values::status::ahoy_status;

/// The endpoint gets its share of the calls.
pub const AHOY_REASON_AVAILABLE: i32 = 0;
/// Its circuit is open; a probe is let through when it is due.
pub const AHOY_REASON_CIRCUIT_OPEN: i32 = 1;
/// Its circuit lets probes through, and nothing else.
pub const AHOY_REASON_CIRCUIT_HALF_OPEN: i32 = 2;
/// Its circuit was opened by ahoy_endpoint_open_circuit.
pub const AHOY_REASON_OPENED_BY_HAND: i32 = 3;
/// It was drained by ahoy_endpoint_drain.
pub const AHOY_REASON_DRAINED: i32 = 4;
/// Outlier detection took it out for a while.
pub const AHOY_REASON_EJECTED: i32 = 5;
/// It fails its health checks.
pub const AHOY_REASON_CHECK_FAILING: i32 = 6;
/// It is listed with a weight of 0.
pub const AHOY_REASON_WEIGHT_ZERO: i32 = 7;
/// It warms up (slow start): it gets a part of its share.
pub const AHOY_REASON_WARMING: i32 = 8;
/// It is well, and endpoints of a lower priority number get all calls.
pub const AHOY_REASON_OTHER_LOCALITY: i32 = 9;
/// It has as many attempts in flight as it may.
pub const AHOY_REASON_FULL: i32 = 10;
/// It is no longer listed.
pub const AHOY_REASON_DEPARTED: i32 = 11;

/// Why an endpoint is available now or not: the first reason that holds.
///
/// @param reason gets an AHOY_REASON_ number
/// @param text gets the same as one sentence with times and the last failure, to be freed with
///        ahoy_text_free; NULL on failure
/// @return AHOY_E_FORKED in a forked child
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_endpoint_reason(
    endpoint: *const ahoy_endpoint,
    reason: *mut i32,
    text: *mut *mut ahoy_text,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |reason: OutValue<i32>, text: Out<ahoy_text>, endpoint: &ahoy_endpoint| {
        endpoint.native.check("endpoint")?;
        let status = endpoint.status();
        reason.set(number(status.reason));
        text.fill(ahoy_text::from(status.text.as_str()));
        Ok(())
    })
}

/// The state of all endpoints as text: one line for each, with its URL, why it is available or not,
/// its last failure, and where the balancer goes by load, its attempts in flight and their cost.
/// The text is for people, and changes between versions.
///
/// @param text gets the text, to be freed with ahoy_text_free; empty where no endpoint is known yet
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_balancer_explain(
    balancer: *const ahoy_balancer,
    text: *mut *mut ahoy_text,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |text: Out<ahoy_text>, balancer: &ahoy_balancer| {
        let explained = balancer.used().map(|balancer| balancer.explain(usize::MAX));
        text.fill(ahoy_text::from(explained.unwrap_or_default().as_str()));
        Ok(())
    })
}

const fn number(reason: Reason) -> i32 {
    match reason {
        Reason::Available => AHOY_REASON_AVAILABLE,
        Reason::CircuitOpen => AHOY_REASON_CIRCUIT_OPEN,
        Reason::CircuitHalfOpen => AHOY_REASON_CIRCUIT_HALF_OPEN,
        Reason::OpenedByHand => AHOY_REASON_OPENED_BY_HAND,
        Reason::Drained => AHOY_REASON_DRAINED,
        Reason::Ejected => AHOY_REASON_EJECTED,
        Reason::CheckFailing => AHOY_REASON_CHECK_FAILING,
        Reason::WeightZero => AHOY_REASON_WEIGHT_ZERO,
        Reason::Warming => AHOY_REASON_WARMING,
        Reason::OtherLocality => AHOY_REASON_OTHER_LOCALITY,
        Reason::Full => AHOY_REASON_FULL,
        Reason::Departed => AHOY_REASON_DEPARTED,
    }
}
