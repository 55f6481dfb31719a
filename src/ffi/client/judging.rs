//! What the host says of answers, and what it is told of calls that have ended.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use super::builder::ahoy_client_builder;
use crate::error::Error;
use crate::ffi::call::response::ahoy_response;
use crate::ffi::client::retry::listed;
use crate::ffi::values::argument::Array;
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::entry;
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::setter::Configurable;
use crate::ffi::values::status::{AHOY_OK, ahoy_status, number};
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::policy::Judgement;
use crate::response::Response;

/// Verdict on an answer: as the settings say. Any number without a name is taken for it.
pub const AHOY_CLASSIFY_DEFAULT: i32 = 0;
/// Verdict on an answer: its endpoint works, and the answer is handed over.
pub const AHOY_CLASSIFY_SUCCESS: i32 = 1;
/// Verdict on an answer: its endpoint has failed, and another attempt may be made, as after a status
/// that is tried again.
pub const AHOY_CLASSIFY_RETRYABLE_FAILURE: i32 = 2;
/// Verdict on an answer: its endpoint has failed, and repeating cannot help. It is handed over.
pub const AHOY_CLASSIFY_FINAL_FAILURE: i32 = 3;
/// Verdict on an answer: it says nothing of its endpoint, and is handed over.
pub const AHOY_CLASSIFY_IGNORED: i32 = 4;

/// Returns the host's own verdict on an answer, an AHOY_CLASSIFY_ number: for answers whose failure
/// stands in a header or in the body. The response belongs to the library and is valid inside the
/// hook only. Its body is empty where the answer is streamed: then a failure has the rest read
/// whole before anything else is done.
///
/// Thread: the one that drives the call, several at once.
pub type ahoy_classify_fn = Option<
    unsafe extern "C-unwind" fn(user_data: *mut c_void, response: *const ahoy_response) -> i32,
>;

/// Sets the host's own verdict on answers, in place of an earlier one. Circuits, outlier detection
/// and retries go by it. Default: by status, see ahoy_client_builder_set_failure_statuses and
/// ahoy_retry_set_statuses.
///
/// @param fn returns the verdict on each answer
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_classify(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_classify_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_classify_fn>| {
        builder.hooks.on_classify = Some(Arc::new(move |response| {
            let shown = ahoy_response::from(response.clone());
            call_host!(fn_, &raw const shown).and_then(judgement)
        }));
        Ok(())
    })
}

const fn judgement(number: i32) -> Option<Judgement> {
    match number {
        AHOY_CLASSIFY_SUCCESS => Some(Judgement::Success),
        AHOY_CLASSIFY_RETRYABLE_FAILURE => Some(Judgement::RetryableFailure),
        AHOY_CLASSIFY_FINAL_FAILURE => Some(Judgement::FinalFailure),
        AHOY_CLASSIFY_IGNORED => Some(Judgement::Ignored),
        _ => None,
    }
}

/// Sets the statuses of answers by which an endpoint has failed, for its circuit and for outlier
/// detection. A 429 that is not among them asks for less. Default: every 5xx but 501. What is tried
/// again is another matter: see ahoy_retry_set_statuses.
///
/// @param statuses each 100 to 599; copied
/// @param count how many; 0 for none
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_set_failure_statuses(
    builder: *mut ahoy_client_builder,
    statuses: *const i32,
    count: usize,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let statuses = (statuses, ("count", count));
    entry::status!(err, |builder: &mut ahoy_client_builder, statuses: Array<'_, i32>| {
        builder.set("failure_statuses", "statuses", listed(&statuses)?)
    })
}

/// Runs once when a call has ended, with its response or its error, the other being NULL; both tell
/// the call's duration and attempts. A streamed call ends with the head of its answer. The handles
/// belong to the library and are valid inside the hook only.
///
/// Thread: the one that drives the call, several at once.
pub type ahoy_call_end_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        status: ahoy_status,
        response: *const ahoy_response,
        error: *const ahoy_error,
    ),
>;

/// Sets the hook after each call, in place of an earlier one. It runs before the call's result is
/// handed over, and not for a request that does not fit the client.
///
/// @param fn the hook
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_client_builder_on_call_end(
    builder: *mut ahoy_client_builder,
    fn_: ahoy_call_end_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |builder: &mut ahoy_client_builder, fn_: Callback<ahoy_call_end_fn>| {
        let told = move |outcome: &Result<Box<Response>, Error>| tell(&fn_, outcome);
        builder.hooks.on_call_end = Some(Arc::new(told));
        Ok(())
    })
}

fn tell(on_call_end: &Callback<ahoy_call_end_fn>, outcome: &Result<Box<Response>, Error>) {
    match outcome {
        Ok(response) => {
            let shown = ahoy_response::from(response.clone());
            call_host!(on_call_end, AHOY_OK, &raw const shown, ptr::null());
        }
        Err(error) => {
            let shown = ahoy_error::from(error.clone());
            call_host!(on_call_end, number(error.kind()), ptr::null(), &raw const shown);
        }
    }
}
