//! Host pointers, and how the host is called with them.

use std::ffi::c_void;
use std::ptr;

use super::host_function::HostFunction;
use crate::runtime::host::callback;

/// Called once when the library no longer needs the user data of a callback. May be NULL.
///
/// Thread: any, several at once.
pub type ahoy_destroy_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

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

    /// The pointer itself.
    pub(crate) const fn pointer(&self) -> *mut c_void {
        self.pointer
    }

    /// Calls a function of the host with the pointer; `None` where no callback may run any more. The arguments have no
    /// destructor, for the host may end the thread in the call.
    ///
    /// # Safety
    ///
    /// The host registered `function` with this user data, and what the arguments point to outlives the call.
    pub(crate) unsafe fn call<F: HostFunction<A>, A: Copy>(
        &self,
        function: F,
        arguments: A,
    ) -> Option<F::Returned> {
        let pointer = self.pointer;
        // SAFETY: as the caller promises.
        callback::call_host(move || unsafe { function.run(pointer, arguments) })
    }
}

/// The pointer of a call's user data; NULL where it has none.
pub(crate) fn pointer_of(user_data: Option<&crate::user_data::UserData>) -> *mut c_void {
    let user_data = user_data.and_then(|it| it.downcast_ref::<UserData>());
    user_data.map_or(ptr::null_mut(), UserData::pointer)
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(destroy) = self.destroy {
            // SAFETY: the host registered both together.
            unsafe { self.call(destroy, ()) };
        }
    }
}
