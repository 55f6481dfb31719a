//! Durations from the host, and text for it.

use std::ffi::CString;
use std::time::Duration;

use crate::error::Error;

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

/// Microseconds for the host.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Text for the host. A NUL, as what is quoted of a text in JSON may hold, would end it: another character stands there.
pub(crate) fn owned(text: &str) -> CString {
    let without_nul = || CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default();
    CString::new(text).unwrap_or_else(|_| without_nul())
}
