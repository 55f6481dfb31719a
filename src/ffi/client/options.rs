//! The options that the setters by name know, for hosts that list them.

use std::ffi::{CString, c_char};
use std::ptr;

use crate::discovery::ProviderConfig;
use crate::ffi::values::{guard, text};
use crate::options::{BALANCER, BREAKER, CLIENT, PROVIDER, RETRY, Row, Table, taken_by};
use crate::runtime::racy_lazy::RacyLazy;

/// A table's texts as C has them.
struct Texts(RacyLazy<Vec<OptionTexts>>);

struct OptionTexts {
    key: CString,
    description: CString,
}

static CLIENT_TEXTS: Texts = Texts(RacyLazy::new(|| texts(&CLIENT, Row::description)));
static RETRY_TEXTS: Texts = Texts(RacyLazy::new(|| texts(&RETRY, Row::description)));
static BALANCER_TEXTS: Texts = Texts(RacyLazy::new(|| texts(&BALANCER, Row::description)));
static BREAKER_TEXTS: Texts = Texts(RacyLazy::new(|| texts(&BREAKER, Row::description)));
static PROVIDER_TEXTS: Texts = Texts(RacyLazy::new(|| texts(&PROVIDER, provider_description)));

impl Texts {
    /// A text of the option at `index`; NULL out of range.
    fn at(
        &'static self,
        index: usize,
        which: impl FnOnce(&'static OptionTexts) -> &'static CString,
    ) -> *const c_char {
        guard::value_of(ptr::null(), || {
            self.0.get(index).map_or(ptr::null(), |option| which(option).as_ptr())
        })
    }
}

fn texts<C: Clone + 'static>(
    table: &Table<C>,
    description: impl Fn(&Row<C>) -> String,
) -> Vec<OptionTexts> {
    let rows = table.rows().iter();
    let option = |(key, description): (&String, String)| OptionTexts {
        key: text::owned(key),
        description: text::owned(&description),
    };
    rows.map(|row| option((&row.key, description(row)))).collect()
}

/// How many options ahoy_client_builder_set knows. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_client_option_count() -> usize {
    guard::value_of(0, || CLIENT.rows().len())
}

/// The key of an option of ahoy_client_builder_set. Static text. Any thread.
///
/// @param index 0 to ahoy_client_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_client_option_key_at(index: usize) -> *const c_char {
    CLIENT_TEXTS.at(index, |option| &option.key)
}

/// The purpose of an option of ahoy_client_builder_set, its form, its default and its cost. Static
/// text. Any thread.
///
/// @param index 0 to ahoy_client_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_client_option_description_at(index: usize) -> *const c_char {
    CLIENT_TEXTS.at(index, |option| &option.description)
}

/// How many options ahoy_retry_set knows. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_retry_option_count() -> usize {
    guard::value_of(0, || RETRY.rows().len())
}

/// The key of an option of ahoy_retry_set. Static text. Any thread.
///
/// @param index 0 to ahoy_retry_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_retry_option_key_at(index: usize) -> *const c_char {
    RETRY_TEXTS.at(index, |option| &option.key)
}

/// The purpose of an option of ahoy_retry_set, its form, its default and its cost. Static
/// text. Any thread.
///
/// @param index 0 to ahoy_retry_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_retry_option_description_at(index: usize) -> *const c_char {
    RETRY_TEXTS.at(index, |option| &option.description)
}

/// How many options ahoy_balancer_set knows. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_balancer_option_count() -> usize {
    guard::value_of(0, || BALANCER.rows().len())
}

/// The key of an option of ahoy_balancer_set. Static text. Any thread.
///
/// @param index 0 to ahoy_balancer_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_balancer_option_key_at(index: usize) -> *const c_char {
    BALANCER_TEXTS.at(index, |option| &option.key)
}

/// The purpose of an option of ahoy_balancer_set, its form, its default and its cost. Static
/// text. Any thread.
///
/// @param index 0 to ahoy_balancer_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_balancer_option_description_at(index: usize) -> *const c_char {
    BALANCER_TEXTS.at(index, |option| &option.description)
}

/// How many options ahoy_breaker_set knows. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_breaker_option_count() -> usize {
    guard::value_of(0, || BREAKER.rows().len())
}

/// The key of an option of ahoy_breaker_set. Static text. Any thread.
///
/// @param index 0 to ahoy_breaker_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_breaker_option_key_at(index: usize) -> *const c_char {
    BREAKER_TEXTS.at(index, |option| &option.key)
}

/// The purpose of an option of ahoy_breaker_set, its form, its default and its cost. Static
/// text. Any thread.
///
/// @param index 0 to ahoy_breaker_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_breaker_option_description_at(index: usize) -> *const c_char {
    BREAKER_TEXTS.at(index, |option| &option.description)
}

/// How many options ahoy_provider_set knows, those of all sources together. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_provider_option_count() -> usize {
    guard::value_of(0, || PROVIDER.rows().len())
}

/// The key of an option of ahoy_provider_set. Static text. Any thread.
///
/// @param index 0 to ahoy_provider_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_provider_option_key_at(index: usize) -> *const c_char {
    PROVIDER_TEXTS.at(index, |option| &option.key)
}

/// The purpose of an option of ahoy_provider_set, its form, its default, its cost, and the sources
/// that take it. Static text. Any thread.
///
/// @param index 0 to ahoy_provider_option_count() - 1, in the order of keys
/// @return NULL out of range
#[unsafe(no_mangle)]
pub extern "C" fn ahoy_provider_option_description_at(index: usize) -> *const c_char {
    PROVIDER_TEXTS.at(index, |option| &option.description)
}

fn provider_description(row: &Row<ProviderConfig>) -> String {
    format!("{} Taken by {}.", row.description(), taken_by(&row.key))
}
