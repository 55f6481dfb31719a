//! The options that ahoy_client_builder_set and ahoy_balancer_set know, for hosts that list them.

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::OnceLock;

use crate::ffi::values::{guard, text};
use crate::options::{BALANCER, CLIENT, ConfigOption};

/// A table's texts as C has them.
struct Rows(OnceLock<Vec<Row>>);

struct Row {
    key: CString,
    description: CString,
}

static CLIENT_ROWS: Rows = Rows(OnceLock::new());
static BALANCER_ROWS: Rows = Rows(OnceLock::new());

impl Rows {
    /// A text of the row at `index`; NULL out of range.
    fn at<C>(
        &'static self,
        table: &[ConfigOption<C>],
        index: usize,
        which: impl FnOnce(&'static Row) -> &'static CString,
    ) -> *const c_char {
        let row = |option: &ConfigOption<C>| Row {
            key: text::owned(option.key),
            description: text::owned(option.description),
        };
        guard::value(ptr::null(), || {
            let rows = self.0.get_or_init(|| table.iter().map(row).collect());
            rows.get(index).map_or(ptr::null(), |row| which(row).as_ptr())
        })
    }
}

/// How many options ahoy_client_builder_set knows. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_client_option_count() -> usize {
    CLIENT.len()
}

/// The key of an option, from 0; NULL out of range. Static text. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_client_option_key_at(index: usize) -> *const c_char {
    CLIENT_ROWS.at(CLIENT, index, |row| &row.key)
}

/// What an option does, its form and its default; NULL out of range. Static text. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_client_option_description_at(index: usize) -> *const c_char {
    CLIENT_ROWS.at(CLIENT, index, |row| &row.description)
}

/// How many options ahoy_balancer_set knows. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_balancer_option_count() -> usize {
    BALANCER.len()
}

/// The key of a balancer's option, from 0; NULL out of range. Static text. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_balancer_option_key_at(index: usize) -> *const c_char {
    BALANCER_ROWS.at(BALANCER, index, |row| &row.key)
}

/// What a balancer's option does, its form and its default; NULL out of range. Static text. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_balancer_option_description_at(index: usize) -> *const c_char {
    BALANCER_ROWS.at(BALANCER, index, |row| &row.description)
}
