//! What a request says of its repetition: rules of its own, and a key by which the server knows it again.

use std::ffi::{CStr, c_char};

use super::request::ahoy_request;
use crate::error::Error;
use crate::ffi::client::retry::{ahoy_retry, number_of};
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::put;
use crate::ffi::values::status::ahoy_status;
use crate::options::RETRY;
use crate::policy::{OwnRetry, RetryConfig, Tries};
use crate::request::{IdempotencyKey, Request, header_name, header_value, own_header};

/// Sets how many attempts this call may make, the first included, whichever retry rules hold.
/// Default: as the rules of the request or its client say.
///
/// An attempt that sent nothing, as where connecting is refused, is free while another endpoint
/// stands by: it costs no try. With 1 none is free, and such a failure ends the call.
///
/// @param tries at least 1; -1 for no limit but the deadline
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_tries(
    request: *mut ahoy_request,
    tries: i32,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request| {
        let mut read = RetryConfig::default();
        put(&RETRY, &mut read, [("tries", "tries", number_of(tries)?)])?;
        own(request.of_call()?).tries = Some(Tries(read.tries));
        Ok(())
    })
}

/// Sets the retry rules of this call, in place of the client's. The budget is the client's.
///
/// @param retry frozen from here on; still the caller's to free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_retry(
    request: *mut ahoy_request,
    retry: *const ahoy_retry,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request, retry: &ahoy_retry| {
        let own = own(request.of_call()?);
        own.rules = Some(retry.freeze());
        Ok(())
    })
}

fn own(request: &mut Request) -> &mut OwnRetry {
    request.extensions.get_or_insert_default()
}

/// Sends a header whose value is the same on every attempt of a call, so that a server that knows
/// it does the work once. The request may then be repeated, whatever its method, unless
/// ahoy_request_set_idempotent says otherwise. Default: none.
///
/// @param header its name; NULL for "Idempotency-Key"
/// @param value its value, copied, not empty; NULL for a random UUID, another for each call
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_request_set_idempotency_key(
    request: *mut ahoy_request,
    header: *const c_char,
    value: *const c_char,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |request: &mut ahoy_request, header: Option<&str>, value: Option<&CStr>| {
        request.of_call()?.idempotency_key = Some(key(header, value)?);
        Ok(())
    })
}

fn key(name: Option<&str>, value: Option<&CStr>) -> Result<IdempotencyKey, Error> {
    let name = header_name(name.unwrap_or(IDEMPOTENCY_KEY));
    let name = name.map_err(|error| error.renamed("name", "header"))?;
    let header = own_header(name).map_err(|problem| Error::invalid("header", problem))?;
    let Some(value) = value else { return Ok(IdempotencyKey { header, value: None }) };
    let value = header_value(value.to_bytes())
        .map_err(|_| Error::invalid("value", "holds a control character"))?;
    match value.is_empty() {
        // All calls would have the same one.
        true => Err(Error::invalid("value", "is empty")),
        false => Ok(IdempotencyKey { header, value: Some(value) }),
    }
}

/// The name of the IETF's draft, which Stripe, Adyen and others read.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
