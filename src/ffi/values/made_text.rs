//! `ahoy_text`: text that the library makes as a whole.

use std::ffi::{CString, c_char};
use std::ptr;

use super::handle::OutValue;
use super::handle::{Handle, Shared};
use super::{guard, text};

/// Text that the library made, such as a configuration.
///
/// Ownership: freed with ahoy_text_free. Thread: any.
pub struct ahoy_text {
    text: CString,
}

impl Handle for ahoy_text {
    type Held = Shared;
}

impl From<&str> for ahoy_text {
    fn from(text: &str) -> Self {
        Self { text: text::owned(text) }
    }
}

/// The text: UTF-8 that ends with NUL. Valid until its handle is freed.
///
/// @param length gets the number of bytes without the NUL; may be NULL
/// @return NULL for NULL, with a length of 0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_text_bytes(
    text: *const ahoy_text,
    length: *mut usize,
) -> *const c_char {
    guard::value!(ptr::null(), |text: Option<&ahoy_text>, length: Option<OutValue<usize>>| {
        if let Some(length) = length {
            length.set(text.map_or(0, |text| text.text.count_bytes()));
        }
        text.map_or(ptr::null(), |text| text.text.as_ptr())
    })
}

/// Frees a text; NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ahoy_text_free(text: *mut ahoy_text) {
    guard::value!((), |text: Option<Box<ahoy_text>>| drop(text));
}
