//! Host functions with their user data.

use std::ffi::c_void;

use super::error::ahoy_error;
use super::status::ahoy_status;
use super::{entry, text};
use crate::error::{Error, ErrorKind};
use crate::runtime::host::callback;
use crate::runtime::io_thread;

/// Called once when the library no longer needs the user data of a callback. May be NULL.
///
/// Thread: any, several at once.
pub type ahoy_destroy_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

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

/// A host pointer that goes back to the host by `destroy`, exactly once.
#[derive(Debug)]
pub(crate) struct UserData {
    pointer: *mut c_void,
    destroy: ahoy_destroy_fn,
}

// SAFETY: the host promises that what it registers may be used from any thread that the function's
// documentation names; the library itself never looks behind the pointer.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

/// Calls a function of the host with its user data and further arguments, which are copied into the call; `None`
/// where no callback may run any more.
macro_rules! call_host {
    ($user_data:expr, $function:ident $(, $argument:ident)*) => {
        // SAFETY: the host's own function with its own data, and what the arguments point to outlives the call.
        $user_data.call(move |user_data| unsafe { $function(user_data $(, $argument)*) })
    };
}

pub(crate) use call_host;

/// Runs what calls the host on an I/O thread.
pub(crate) fn on_io_thread(work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = io_thread::least_busy().map_err(|error| {
        Error::new(ErrorKind::Overloaded, format!("no thread could be made: {error}"))
    })?;
    thread.handle().spawn(async move { work() });
    Ok(())
}

impl UserData {
    /// Takes charge of `pointer`: `destroy` runs when this drops, also when a registration fails.
    pub(crate) fn new(pointer: *mut c_void, destroy: ahoy_destroy_fn) -> Self {
        Self { pointer, destroy }
    }

    /// The pointer itself.
    pub(crate) const fn pointer(&self) -> *mut c_void {
        self.pointer
    }

    /// Calls the host with the pointer; `None` where no callback may run any more. `function` is
    /// the call alone: what it captures has no destructor, for the host may end the thread in it.
    pub(crate) fn call<F, R>(&self, function: F) -> Option<R>
    where
        F: FnOnce(*mut c_void) -> R + Copy,
        R: Copy,
    {
        let pointer = self.pointer;
        callback::call_host(move || function(pointer))
    }
}

/// The pointer of a call's user data; NULL where it has none.
pub(crate) fn pointer_of(user_data: Option<&crate::request::UserData>) -> *mut c_void {
    let user_data = user_data.and_then(|it| it.downcast_ref::<UserData>());
    user_data.map_or(std::ptr::null_mut(), UserData::pointer)
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            call_host!(self, destroy);
        }
    }
}
