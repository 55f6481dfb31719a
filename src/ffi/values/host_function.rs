//! How a function of the host is called, by the number of its arguments.

use std::ffi::c_void;

/// A function of the host: user data comes first, then the arguments of one call.
pub(crate) trait HostFunction<A>: Copy {
    type Returned: Copy;

    /// Runs the function.
    ///
    /// # Safety
    ///
    /// The user data is what the function was registered with, and what the arguments point to outlives the call.
    unsafe fn run(self, user_data: *mut c_void, arguments: A) -> Self::Returned;
}

macro_rules! host_function {
    ($($argument:ident: $kind:ident),*) => {
        impl<R: Copy, $($kind: Copy),*> HostFunction<($($kind,)*)>
            for unsafe extern "C-unwind" fn(*mut c_void, $($kind),*) -> R
        {
            type Returned = R;

            unsafe fn run(self, user_data: *mut c_void, ($($argument,)*): ($($kind,)*)) -> R {
                // SAFETY: as the caller promises.
                unsafe { self(user_data, $($argument),*) }
            }
        }
    };
}

host_function!();
host_function!(first: A);
host_function!(first: A, second: B);
host_function!(first: A, second: B, third: C);
host_function!(first: A, second: B, third: C, fourth: D);
