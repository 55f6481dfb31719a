//! A library that is freed is unmapped at once, whatever its threads do.

#![allow(unsafe_code, reason = "calls of the system")]

use std::ptr;

use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
};

/// Lets no `FreeLibrary` count, from the first use on. It is not done while the library is loaded: a host that only looks
/// at it may put it away again.
pub(in crate::runtime) fn pin() {
    let flags = GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS;
    let mut module = ptr::null_mut();
    // SAFETY: an address in this module, and a place for its handle.
    unsafe { GetModuleHandleExW(flags, (pin as *const ()).cast(), &raw mut module) };
}
