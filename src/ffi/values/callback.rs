//! Host functions with their user data, and the end of all of them.

use super::argument::{self, Argument};
use super::error::ahoy_error;
use super::status::ahoy_status;
use super::user_data::UserData;
use super::{entry, text};
use crate::error::{Error, ErrorKind};
use crate::runtime::host::callback;
use crate::runtime::io_thread;

/// The type of a function in C, which may be NULL.
pub(crate) trait Nullable {
    type Function: Copy;

    fn given(self) -> Option<Self::Function>;
}

impl<F: Copy> Nullable for Option<F> {
    type Function = F;

    fn given(self) -> Self {
        self
    }
}

/// A function that the host registered, with its user data.
pub(crate) struct Callback<F: Nullable> {
    function: F::Function,
    user_data: UserData,
}

impl<F: Nullable> Callback<F> {
    pub(crate) const fn function(&self) -> F::Function {
        self.function
    }

    /// The user data, which another function of the same registration shares.
    pub(crate) const fn user_data(&self) -> &UserData {
        &self.user_data
    }
}

impl<F: Nullable> Argument for Callback<F> {
    type Raw = (F, UserData);

    unsafe fn take(name: &str, (function, user_data): Self::Raw) -> Result<Self, Error> {
        let function = function.given().ok_or_else(|| argument::is_null(name))?;
        Ok(Self { function, user_data })
    }
}

/// Calls a [`Callback`] with further arguments, which are copied into the call; `None` where no callback may run any
/// more.
macro_rules! call_host {
    ($callback:expr $(, $argument:expr)*) => {{
        let (callback, arguments) = (&$callback, ($($argument,)*));
        // SAFETY: the host registered both together, and what the arguments point to outlives the call.
        unsafe { callback.user_data().call(callback.function(), arguments) }
    }};
}

pub(crate) use call_host;

/// Ends all callbacks of this process, for a host that is about to end. Call it from what runs
/// before the host's runtime is taken down, such as Python's atexit or Ruby's at_exit, and release
/// the runtime's lock meanwhile if it has one.
///
/// After AHOY_OK no function that was registered with this library runs or will run, destroy
/// functions included. From the beginning of this call none begins any more: results that were to
/// go to a callback are freed, and calls that need a hook or a provider fail with AHOY_E_CLOSED,
/// those that need a body function with AHOY_E_BODY_SOURCE. Messages for a log are dropped. All
/// else goes on, and there is no way back. A forked child has callbacks of its own.
///
/// Blocks until the callbacks under way have returned. A callback whose thread was ended inside it
/// counts as returned.
///
/// @param timeout_ms the longest wait; 0 only looks, AHOY_FOREVER has no limit
/// @return AHOY_E_DEADLINE if a callback still runs: the function may be called again;
///         AHOY_E_WOULD_DEADLOCK inside a callback, and nothing was done
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_callbacks_stop(
    timeout_ms: u64,
    err: *mut *mut ahoy_error,
) -> ahoy_status {
    entry::status!(err, || {
        if callback::is_in_callback() {
            let message = "callbacks cannot be stopped inside one: it would wait for itself";
            return Err(Error::new(ErrorKind::WouldDeadlock, message));
        }
        if callback::stop(text::duration(timeout_ms)) {
            return Ok(());
        }
        let message = format!("a callback that began before still runs after {timeout_ms} ms");
        Err(Error::new(ErrorKind::Deadline, message))
    })
}

/// Runs what calls the host on an I/O thread.
pub(crate) fn on_io_thread(work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = io_thread::least_busy().map_err(|error| {
        Error::new(ErrorKind::Overloaded, format!("no thread could be made: {error}"))
    })?;
    thread.handle().spawn(async move { work() });
    Ok(())
}
