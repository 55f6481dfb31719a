//! Which libahoy this is.

use std::ffi::c_char;

/// The library's version, such as "0.1.0".
///
/// Returns static text. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The library's version as one number: major * 10000 + minor * 100 + patch, as in
/// `AHOY_VERSION_NUM`.
///
/// Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_version_number() -> u32 {
    part(env!("CARGO_PKG_VERSION_MAJOR")) * 10_000
        + part(env!("CARGO_PKG_VERSION_MINOR")) * 100
        + part(env!("CARGO_PKG_VERSION_PATCH"))
}

fn part(text: &str) -> u32 {
    text.parse().unwrap_or(0)
}
