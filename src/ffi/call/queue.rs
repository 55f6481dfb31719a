//! `ahoy_queue`: where submitted calls end, for hosts with an event loop.

use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use super::response::ahoy_response;
use crate::client::{Outcome, Queue, QueueEvent, QueueEventKind};
use crate::error::{Error, ErrorKind};
use crate::ffi::values::error::ahoy_error;
use crate::ffi::values::handle::OutArray;
use crate::ffi::values::handle::{Handle, Native, Out, OutValue, Owned, Shared};
use crate::ffi::values::status::{
    AHOY_E_CANCELLED, AHOY_E_INVALID_ARGUMENT, AHOY_OK, ahoy_status, number,
};
use crate::ffi::values::{argument, entry, guard, handle, text};
use crate::runtime::host::{callback, caller_jobs};

/// A queue of ended calls, in the order in which they ended, with a descriptor that is readable
/// while it holds any.
///
/// Calls in flight plus completions not yet read are bounded by 65,536.
///
/// Ownership: freed with ahoy_queue_free. Thread: any, also several at once. In a forked child it
/// stays AHOY_E_FORKED for ever.
pub struct ahoy_queue {
    native: Native,
    pub(crate) queue: Arc<Queue>,
}

impl Handle for ahoy_queue {
    type Held = Shared;
}

impl ahoy_queue {
    /// The queue, unless it is a parent's.
    pub(crate) fn native(&self) -> Result<&Arc<Queue>, Error> {
        self.native.check("queue").map(|()| &self.queue)
    }

    /// The queue, for a wait of `timeout_ms`.
    pub(crate) fn to_wait(&self, timeout_ms: u64) -> Result<&Arc<Queue>, Error> {
        let queue = self.native()?;
        if timeout_ms > 0 && callback::is_inside() {
            let message = "queue: a wait inside a callback would deadlock";
            return Err(Error::new(ErrorKind::WouldDeadlock, message));
        }
        Ok(queue)
    }
}

/// The end of a call, with the tag that it was submitted with; or the notice that a body can be
/// read, with the tag given to ahoy_response_notify.
///
/// Ownership: freed with ahoy_completion_free, with all that was not taken from it. Thread: one at
/// a time.
pub struct ahoy_completion {
    tag: u64,
    status: ahoy_status,
    outcome: Mutex<Option<Outcome>>,
}

impl Handle for ahoy_completion {
    type Held = Owned;
}

impl ahoy_completion {
    fn take(&self, wanted: fn(&Outcome) -> bool) -> Option<Outcome> {
        let mut slot = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take_if(|outcome| wanted(outcome))
    }
}

impl From<QueueEvent> for ahoy_completion {
    fn from(ended: QueueEvent) -> Self {
        let (status, outcome) = match ended.event {
            QueueEventKind::Call(Ok(delivery)) => (AHOY_OK, Some(Ok(delivery))),
            QueueEventKind::Call(Err(error)) => (number(error.kind()), Some(Err(error))),
            QueueEventKind::Readable => (AHOY_OK, None),
            QueueEventKind::Freed => (AHOY_E_CANCELLED, None),
        };
        Self { tag: ended.tag, status, outcome: Mutex::new(outcome) }
    }
}

/// A queue for ahoy_client_submit.
///
/// @param queue gets the queue; NULL on failure
/// @return AHOY_E_OVERLOADED where the process is out of descriptors
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_new(
    queue: *mut *mut ahoy_queue,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |queue: Out<ahoy_queue>| {
        let made = Queue::new()
            .map_err(|error| Error::new(ErrorKind::Overloaded, format!("queue: {error}")))?;
        queue.fill(ahoy_queue { native: Native::here(), queue: Arc::new(made) });
        Ok(())
    })
}

/// The descriptor to poll for reading: readable while a completion waits to be read; on Windows a
/// SOCKET. It belongs to the queue: never read from it and never close it. When it is readable,
/// take completions until there are none.
///
/// @return -1 for NULL, and in a forked child
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_fd(queue: *const ahoy_queue) -> isize {
    let queue = argument::lent!(queue);
    queue.and_then(|queue| queue.native().ok()).map_or(-1, |queue| queue.descriptor() as isize)
}

/// Cancels every unfinished call with a tag: each ends with AHOY_E_CANCELLED, exactly once, or with
/// its own result if that came first. Does not wait.
///
/// @param tag as given to ahoy_client_submit
/// @return AHOY_OK also if no call has that tag
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_cancel(
    queue: *const ahoy_queue,
    tag: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |queue: &ahoy_queue| {
        queue.native()?.cancel(tag);
        Ok(())
    })
}

/// Takes the next completion, waiting for it if there is none. When the time is up first, returns
/// AHOY_OK with NULL; so it does when an event waits to be read, see ahoy_queue_next_event. Blocks
/// up to timeout_ms.
///
/// @param timeout_ms 0 polls; AHOY_FOREVER for no limit
/// @param completion gets the completion, to be freed with ahoy_completion_free
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_next(
    queue: *const ahoy_queue,
    timeout_ms: u64,
    completion: *mut *mut ahoy_completion,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, |completion: Out<ahoy_completion>, queue: &ahoy_queue| {
        if let Some(ended) = next(queue, 1, timeout_ms)?.pop() {
            completion.fill(ended.into());
        }
        Ok(())
    })
}

/// Takes several completions at once, which is cheaper than one by one: waits for the first and
/// takes what else is there. When the time is up first, or an event waits to be read, returns
/// AHOY_OK and none. Blocks up to timeout_ms.
///
/// @param timeout_ms 0 polls; AHOY_FOREVER for no limit
/// @param completions room for capacity handles; the first count of them are set, each to be freed
///        with ahoy_completion_free
/// @param capacity at least 1
/// @param count gets how many were taken
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_next_batch(
    queue: *const ahoy_queue,
    timeout_ms: u64,
    completions: *mut *mut ahoy_completion,
    capacity: usize,
    count: *mut usize,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    let completions = (completions, ("capacity", capacity));
    entry::status!(err, |count: OutValue<usize>,
                         queue: &ahoy_queue,
                         completions: OutArray<ahoy_completion>| {
        let batch = next(queue, completions.room(), timeout_ms)?;
        count.set(batch.len());
        completions.fill(batch);
        Ok(())
    })
}

fn next(queue: &ahoy_queue, most: usize, timeout_ms: u64) -> Result<Vec<QueueEvent>, Error> {
    let queue = queue.to_wait(timeout_ms)?;
    let take = |slice| Some(queue.next(most, slice)).filter(|batch| !batch.is_empty());
    Ok(caller_jobs::run_while_waiting(text::duration(timeout_ms), take).unwrap_or_default())
}

/// Frees a queue; NULL is fine. Its unfinished calls are cancelled, and completions not yet read
/// are discarded. Does not wait. The descriptor is closed with the queue: do not close it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_queue_free(queue: *mut ahoy_queue) {
    guard::value!((), |queue: Option<Box<ahoy_queue>>| {
        let Some(queue) = queue else { return };
        match queue.native() {
            Ok(native) => native.discard(),
            Err(_) => handle::leave(queue),
        }
    });
}

/// The tag that the call was submitted with, or that was given to ahoy_response_notify; 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_completion_tag(completion: *const ahoy_completion) -> u64 {
    argument::lent!(completion).map_or(0, |completion| completion.tag)
}

/// How the call ended: AHOY_OK if there is a response, or a body to read. AHOY_E_INVALID_ARGUMENT
/// for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_completion_status(completion: *const ahoy_completion) -> ahoy_status {
    argument::lent!(completion).map_or(AHOY_E_INVALID_ARGUMENT, |completion| completion.status)
}

/// Takes the response, to be freed with ahoy_response_free; NULL where the call failed or it was
/// taken before.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_completion_take_response(
    completion: *const ahoy_completion,
) -> *mut ahoy_response {
    let completion = argument::lent!(completion);
    let response = completion.and_then(|it| it.take(Result::is_ok)).and_then(Result::ok);
    response.map_or(ptr::null_mut(), |response| handle::new(response.into()))
}

/// Takes the error, to be freed with ahoy_error_free; NULL where the call succeeded or it was taken
/// before.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ahoy_completion_take_error(
    completion: *const ahoy_completion,
) -> *mut ahoy_error {
    let completion = argument::lent!(completion);
    let error = completion.and_then(|it| it.take(Result::is_err)).and_then(Result::err);
    error.map_or(ptr::null_mut(), |error| handle::new(error.into()))
}

/// Frees a completion with all that was not taken from it; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_completion_free(completion: *mut ahoy_completion) {
    guard::value!((), |completion: Option<Box<ahoy_completion>>| drop(completion));
}
