//! Host functions with their user data.

use std::ffi::c_void;

use crate::runtime::callback;

/// Told once when the library has no more use for a callback's user data. May be NULL. May run on any
/// thread.
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
