//! Threads cannot be cancelled: `TerminateThread` asks nobody, and no library survives it.

use std::ffi::c_int;

pub(super) const DISABLE: c_int = 1;

/// It always is.
pub(super) fn change(_: c_int) -> c_int {
    DISABLE
}
