//! The options that ahoy_client_builder_set knows, for hosts that list them.

use std::ffi::c_char;
use std::ptr;
use std::sync::OnceLock;

use super::{guard, text};
use crate::options::OPTIONS;

struct Row {
    key: std::ffi::CString,
    description: std::ffi::CString,
}

fn row(index: usize) -> Option<&'static Row> {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| {
        let row = |option: &crate::options::ClientOption| Row {
            key: text::owned(option.key),
            description: text::owned(option.description),
        };
        OPTIONS.iter().map(row).collect()
    });
    rows.get(index)
}

/// How many options ahoy_client_builder_set knows. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_option_count() -> usize {
    OPTIONS.len()
}

/// The key of an option, from 0; NULL out of range. Static text. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_option_key_at(index: usize) -> *const c_char {
    guard::value(ptr::null(), || row(index).map_or(ptr::null(), |row| row.key.as_ptr()))
}

/// What an option does, its form and its default; NULL out of range. Static text. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_option_description_at(index: usize) -> *const c_char {
    guard::value(ptr::null(), || row(index).map_or(ptr::null(), |row| row.description.as_ptr()))
}
