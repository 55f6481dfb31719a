//! Calls that go on while their caller does something else, the queues that they end on, and the end of a
//! client.

use std::ffi::c_void;
use std::ptr;

use ahoy::ffi::call::call::*;
use ahoy::ffi::call::queue::*;
use ahoy::ffi::call::response::*;
use ahoy::ffi::client::builder::ahoy_client_builder;
use ahoy::ffi::client::client::*;
use ahoy::ffi::client::hooks::*;
use ahoy::ffi::values::callback::ahoy_callbacks_stop;
use ahoy::ffi::values::error::*;
use ahoy::ffi::values::status::{AHOY_OK, ahoy_status};

use super::builder::{Builder, Client};
use super::handles::{Request, boxed, owner, shared};
use super::host::Fd;
use super::outcome::{Answer, Failure, Outcome, checked, made};

/// No limit on a wait.
pub const FOREVER: u64 = u64::MAX;

owner!(
    /// `ahoy_call`.
    Call, ahoy_call, ahoy_call_free
);

impl Call {
    /// `None` when the time is up.
    pub fn wait(&self, timeout_ms: u64) -> Result<Option<Answer>, Failure> {
        let mut response = ptr::dangling_mut::<ahoy_response>();
        // SAFETY: the handle is ours.
        let waited = checked(|err| unsafe {
            ahoy_call_wait(self.raw(), timeout_ms, &raw mut response, err)
        });
        if waited.is_err() {
            assert!(response.is_null(), "NULL on failure");
        }
        waited.map(|()| taken_answer(response))
    }

    pub fn poll(&self) -> Result<Option<Answer>, Failure> {
        self.wait(0)
    }

    /// Waits for the end, which must come within ten seconds.
    pub fn end(&self) -> Outcome {
        self.wait(10_000).map(|answer| answer.expect("the call ends within ten seconds"))
    }

    pub fn cancel(&self) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_call_cancel(self.raw(), err) })
    }

    /// Hands the outcome to `done`, which is dropped when the library needs it no longer.
    pub fn on_done<F: Fn(Outcome) + Send + Sync + 'static>(&self, done: F) -> Result<(), Failure> {
        unsafe extern "C-unwind" fn call<F: Fn(Outcome)>(
            user_data: *mut c_void,
            status: ahoy_status,
            response: *mut ahoy_response,
            error: *mut ahoy_error,
        ) {
            assert_eq!(status == AHOY_OK, !response.is_null(), "a response, and only with AHOY_OK");
            assert_eq!(status != AHOY_OK, !error.is_null(), "an error, and only without AHOY_OK");
            let outcome = match taken_answer(response) {
                Some(answer) => Ok(answer),
                None => Err(taken_failure(error)),
            };
            assert_eq!(outcome.as_ref().err().map_or(AHOY_OK, |failure| failure.status), status);
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function(outcome);
        }
        let (data, free) = boxed(done);
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe { ahoy_call_on_done(self.raw(), Some(call::<F>), data, free, err) })
    }
}

/// Copies and frees a response; `None` for NULL.
fn taken_answer(response: *mut ahoy_response) -> Option<Answer> {
    if response.is_null() {
        return None;
    }
    let answer = Answer::lent(response);
    // SAFETY: the response is ours.
    unsafe { ahoy_response_free(response) };
    Some(answer)
}

fn taken_failure(error: *mut ahoy_error) -> Failure {
    let failure = Failure::lent(error);
    // SAFETY: the error is ours.
    unsafe { ahoy_error_free(error) };
    failure
}

owner!(
    /// `ahoy_queue`.
    Queue, ahoy_queue, ahoy_queue_free
);

owner!(
    /// `ahoy_completion`.
    Completion, ahoy_completion, ahoy_completion_free
);

impl Queue {
    pub fn new() -> Self {
        Self::try_new().unwrap()
    }

    pub fn try_new() -> Result<Self, Failure> {
        // SAFETY: both places are locals.
        made(|out, err| unsafe { ahoy_queue_new(out, err) }).map(Self::owning)
    }

    pub fn fd(&self) -> Fd {
        // SAFETY: the handle is ours.
        Fd::try_from(unsafe { ahoy_queue_fd(self.raw()) }).unwrap()
    }

    pub fn cancel(&self, tag: u64) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_queue_cancel(self.raw(), tag, err) })
    }

    /// `None` when the time is up.
    pub fn next(&self, timeout_ms: u64) -> Result<Option<Completion>, Failure> {
        let mut completion = ptr::dangling_mut::<ahoy_completion>();
        // SAFETY: the handle is ours.
        let taken = checked(|err| unsafe {
            ahoy_queue_next(self.raw(), timeout_ms, &raw mut completion, err)
        });
        if taken.is_err() {
            assert!(completion.is_null(), "NULL on failure");
        }
        taken.map(|()| (!completion.is_null()).then(|| Completion::owning(completion)))
    }

    /// Up to `capacity` completions; none when the time is up.
    pub fn batch(&self, timeout_ms: u64, capacity: usize) -> Result<Vec<Completion>, Failure> {
        let mut room = vec![ptr::null_mut(); capacity];
        let mut count = usize::MAX;
        // SAFETY: the handle is ours and there is room for as many as said.
        let taken = checked(|err| unsafe {
            let room = room.as_mut_ptr();
            ahoy_queue_next_batch(self.raw(), timeout_ms, room, capacity, &raw mut count, err)
        });
        assert!(count <= capacity && (taken.is_ok() || count == 0), "{count} of {capacity}");
        taken.map(|()| room.into_iter().take(count).map(Completion::owning).collect())
    }
}

impl Completion {
    pub fn tag(&self) -> u64 {
        // SAFETY: the handle is ours.
        unsafe { ahoy_completion_tag(self.raw()) }
    }

    pub fn status(&self) -> ahoy_status {
        // SAFETY: the handle is ours.
        unsafe { ahoy_completion_status(self.raw()) }
    }

    /// The result, which can be taken once.
    pub fn take(&self) -> Option<Outcome> {
        // SAFETY: the handle is ours.
        let error = unsafe { ahoy_completion_take_error(self.raw()) };
        if !error.is_null() {
            return Some(Err(taken_failure(error)));
        }
        // SAFETY: as above.
        taken_answer(unsafe { ahoy_completion_take_response(self.raw()) }).map(Ok)
    }
}

impl Client {
    pub fn start(&self, request: &Request) -> Result<Call, Failure> {
        // SAFETY: both handles live.
        made(|out, err| unsafe { ahoy_client_start(self.raw(), request.raw(), out, err) })
            .map(Call::owning)
    }

    /// Starts a GET.
    pub fn begin(&self, path: &str) -> Call {
        self.start(&Request::new("GET", path)).unwrap()
    }

    pub fn submit(&self, request: &Request, queue: &Queue, tag: u64) -> Result<(), Failure> {
        // SAFETY: all handles live.
        checked(|err| unsafe {
            ahoy_client_submit(self.raw(), request.raw(), queue.raw(), tag, err)
        })
    }

    pub fn close(&self, timeout_ms: u64) -> Result<(), Failure> {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_close(self.raw(), timeout_ms, err) })
    }
}

impl Builder {
    pub fn interruptible(self) -> Self {
        // SAFETY: the handle is ours.
        checked(|err| unsafe { ahoy_client_builder_set_interruptible(self.raw(), true, err) })
            .unwrap();
        self
    }

    pub fn should_stop<F: Fn() -> bool + Send + Sync + 'static>(self, ask: F) -> Self {
        unsafe extern "C-unwind" fn call<F: Fn() -> bool>(user_data: *mut c_void) -> bool {
            // SAFETY: the boxed closure, shared.
            let function = unsafe { shared::<F>(user_data) };
            function()
        }
        let (data, free) = boxed(ask);
        let builder: *mut ahoy_client_builder = self.raw();
        // SAFETY: the handle is ours; function and data belong together.
        checked(|err| unsafe {
            ahoy_client_builder_set_should_stop(builder, Some(call::<F>), data, free, err)
        })
        .unwrap();
        self
    }
}

/// Ends all callbacks of this process.
pub fn stop_callbacks(timeout_ms: u64) -> Result<(), Failure> {
    // SAFETY: the error's place is the helper's.
    checked(|err| unsafe { ahoy_callbacks_stop(timeout_ms, err) })
}
