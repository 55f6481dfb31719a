//! Host functions with their user data.

use std::ffi::c_void;

use crate::error::{Error, ErrorKind};
use crate::runtime::{callback, io_thread};

/// Called once when the library no longer needs the user data of a callback. May be NULL. May run
/// on any thread.
pub type ahoy_destroy_fn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

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

/// Runs what calls the host on an I/O thread.
pub(crate) fn on_io_thread(work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = io_thread::first().map_err(|error| {
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

    /// Calls the host with the pointer.
    pub(crate) fn call<R>(&self, function: impl FnOnce(*mut c_void) -> R) -> R {
        callback::run(|| function(self.pointer))
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the host's own function with the host's own pointer, once.
            callback::run(|| unsafe { destroy(self.pointer) });
        }
    }
}
