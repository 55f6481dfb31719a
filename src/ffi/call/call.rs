//! `ahoy_call`: a call that goes on while its caller does something else.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use super::response::ahoy_response;
use crate::client::{Client, Completion, Outcome};
use crate::ffi::values::callback::{Callback, call_host};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::{Handle, Native, Out, Shared};
use crate::ffi::values::status::{AHOY_OK, ahoy_status, number};
use crate::ffi::values::user_data::{UserData, ahoy_destroy_fn};
use crate::ffi::values::{entry, guard, handle, text};

/// A call under way or ended. Its result is handed out once.
///
/// Ownership: freed with ahoy_call_free; it holds its client. Thread: any. In a forked child it
/// stays AHOY_E_FORKED for ever.
pub struct ahoy_call {
    native: Native,
    client: Arc<Client>,
    completion: Arc<Completion>,
}

impl Handle for ahoy_call {
    type Held = Shared;
}

impl ahoy_call {
    pub(crate) fn new(client: Arc<Client>, completion: Arc<Completion>) -> Self {
        Self { native: Native::here(), client, completion }
    }
}

/// Waits for a call to end and returns its result. When the time is up first, returns AHOY_OK with
/// a NULL response, and the call goes on; so it does after AHOY_E_INTERRUPTED, and may be waited
/// for again. Blocks up to timeout_ms.
///
/// @param timeout_ms 0 polls; AHOY_FOREVER for no limit
/// @param response gets the answer, to be freed with ahoy_response_free; NULL on failure and when
///        the time is up
/// @return AHOY_E_IN_USE if the result was taken before or goes to a callback; AHOY_E_INTERRUPTED
///        if a signal ended the wait of an interruptible client; else how the call ended
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_call_wait(
    call: *const ahoy_call,
    timeout_ms: u64,
    response: *mut *mut ahoy_response,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |response: Out<ahoy_response>, call: &ahoy_call| {
        call.native.check("call")?;
        let waited = call.client.wait(&call.completion, text::duration(timeout_ms))?;
        if let Some(outcome) = waited {
            response.fill(ahoy_response::from(outcome?));
        }
        Ok(())
    })
}

/// Gets the outcome of a call and owns both handles: the response if status is AHOY_OK, else the
/// error; the other is NULL. It must not block.
///
/// Thread: an I/O thread, several at once.
pub type ahoy_done_fn = Option<
    unsafe extern "C-unwind" fn(
        user_data: *mut c_void,
        status: ahoy_status,
        response: *mut ahoy_response,
        error: *mut ahoy_error,
    ),
>;

/// Passes the result to a function when the call ends, exactly once; on a call that has ended it
/// runs on an I/O thread at once. A call with such a function goes on when its handle is freed.
///
/// @param fn gets the outcome
/// @param user_data passed to fn
/// @param destroy called once when user_data is no longer needed, also if this function fails; may
///        be NULL
/// @return AHOY_E_IN_USE if the result was taken before or goes to another callback; AHOY_E_CLOSED
///         once ahoy_client_close has returned: ahoy_call_wait has the result
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_call_on_done(
    call: *const ahoy_call,
    fn_: ahoy_done_fn,
    user_data: *mut c_void,
    destroy: ahoy_destroy_fn,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let fn_ = (fn_, UserData::new(user_data, destroy));
    entry::status!(err, |call: &ahoy_call, fn_: Callback<ahoy_done_fn>| {
        call.native.check("call")?;
        call.client.check_may_call_back()?;
        let taker = move |outcome: Outcome| tell(&fn_, outcome);
        let ended = call.completion.promise(Box::new(taker))?;
        ended.map_or(Ok(()), |(taker, outcome)| call.client.tell(move || taker(outcome)))
    })
}

fn tell(on_done: &Callback<ahoy_done_fn>, outcome: Outcome) {
    let (status, response, error) = handles(outcome);
    if call_host!(on_done, status, response, error).is_none() {
        // SAFETY: made above, and handed to no other owner.
        unsafe { (handle::free(response), handle::free(error)) };
    }
}

fn handles(outcome: Outcome) -> (ahoy_status, *mut ahoy_response, *mut ahoy_error) {
    match outcome {
        Ok(response) => (AHOY_OK, handle::new(response.into()), ptr::null_mut()),
        Err(error) => (number(error.kind()), ptr::null_mut(), handle::new(error.into())),
    }
}

/// Cancels a call: it ends with AHOY_E_CANCELLED, exactly once, or with its own result if that came
/// first. The exchange is dropped, so the server sees the connection close. Does not wait.
///
/// @return AHOY_OK also for a call that has ended
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_call_cancel(
    call: *const ahoy_call,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |call: &ahoy_call| {
        call.native.check("call")?;
        call.completion.cancel();
        Ok(())
    })
}

/// Frees a call; NULL is fine. A call under way is cancelled, unless its result goes to a callback.
/// Does not wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_call_free(call: *mut ahoy_call) {
    guard::value!((), |call: Option<Box<ahoy_call>>| {
        let Some(call) = call else { return };
        if call.native.check("call").is_err() {
            return handle::leave(call);
        }
        if call.completion.is_open() {
            call.completion.cancel();
        }
    });
}
