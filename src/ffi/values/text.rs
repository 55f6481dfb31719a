//! Text and bytes from the host.

use std::ffi::{CStr, CString, c_char};
use std::slice;
use std::time::Duration;

use crate::error::Error;

/// Text that must be there.
pub(crate) unsafe fn required<'a>(name: &str, text: *const c_char) -> Result<&'a str, Error> {
    // SAFETY: as this function's caller promises.
    let text = unsafe { optional(name, text) }?;
    text.ok_or_else(|| Error::invalid(name, "is NULL"))
}

/// Text that may be NULL.
pub(crate) unsafe fn optional<'a>(
    name: &str,
    text: *const c_char,
) -> Result<Option<&'a str>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so NUL-terminated and valid meanwhile, as the host promises.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map(Some).map_err(|_| Error::invalid(name, "is not valid UTF-8"))
}

/// Bytes, with the names of both parameters; `(NULL, 0)` is the empty slice.
pub(crate) unsafe fn bytes<'a>(
    (name, length_name): (&str, &str),
    bytes: *const u8,
    length: usize,
) -> Result<&'a [u8], Error> {
    if length == 0 {
        return Ok(&[]);
    }
    if bytes.is_null() {
        return Err(Error::invalid(name, "is NULL but its length is not 0"));
    }
    if isize::try_from(length).is_err() {
        return Err(Error::invalid(length_name, "is larger than any memory"));
    }
    // SAFETY: not NULL and of that length, as the host promises.
    Ok(unsafe { slice::from_raw_parts(bytes, length) })
}

/// Milliseconds, where `AHOY_FOREVER` is [`Duration::MAX`].
pub(crate) fn duration(milliseconds: u64) -> Duration {
    if milliseconds == u64::MAX { Duration::MAX } else { Duration::from_millis(milliseconds) }
}

/// Milliseconds of a limit that 0 would make impossible to keep.
pub(crate) fn positive_duration(name: &str, milliseconds: u64) -> Result<Duration, Error> {
    if milliseconds == 0 {
        return Err(Error::invalid(name, "is 0; the least is 1"));
    }
    Ok(duration(milliseconds))
}

/// Text for the host; a NUL inside, which none of ours has, would end it.
pub(crate) fn owned(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}
