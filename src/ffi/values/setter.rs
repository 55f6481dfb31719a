//! From the parameters of a C setter to rows of a table of settings.

use std::ffi::c_char;

use super::text;
use crate::error::Error;
use crate::options::{OFF, Put, Table, Value};

/// A parameter of a setter: the key of the setting, the parameter's own name, and its value.
pub(crate) type Parameter = (&'static str, &'static str, Argument);

/// What C passed for a setting.
pub(crate) enum Argument {
    /// A number, a flag or a word.
    Value(Value),
    /// Text that must be there.
    Text(*const c_char),
    /// Text, and the word that NULL stands for.
    TextOr(*const c_char, &'static str),
}

impl<T: Into<Value>> From<T> for Argument {
    fn from(value: T) -> Self {
        Self::Value(value.into())
    }
}

/// A duration in milliseconds.
pub(crate) const fn ms(milliseconds: u64) -> Argument {
    Argument::Value(Value::milliseconds(milliseconds))
}

/// The word that switches a setting off.
pub(crate) const fn off() -> Argument {
    Argument::Value(Value::Word(OFF))
}

/// Sets rows of `table` from parameters.
pub(crate) unsafe fn put<C: Clone + 'static>(
    table: &Table<C>,
    config: &mut C,
    parameters: &[Parameter],
) -> Result<(), Error> {
    let mut puts = Vec::with_capacity(parameters.len());
    for (key, name, argument) in parameters {
        let value = match argument {
            Argument::Value(value) => value.clone(),
            // SAFETY: NULL or text, as this function's callers promise.
            Argument::Text(pointer) => unsafe { text::required(name, *pointer) }?.into(),
            // SAFETY: as above.
            Argument::TextOr(pointer, word) => match unsafe { text::optional(name, *pointer) }? {
                Some(text) => text.into(),
                None => Value::Word(word),
            },
        };
        puts.push(Put { key, name, value });
    }
    table.put(config, &puts)
}

/// Sets one row of `table` by key and value as text.
pub(crate) unsafe fn set<C: Clone + 'static>(
    table: &Table<C>,
    config: &mut C,
    key: *const c_char,
    value: *const c_char,
) -> Result<(), Error> {
    // SAFETY: NULL or text, as this function's callers promise.
    let (key, value) = unsafe { (text::required("key", key)?, text::required("value", value)?) };
    table.set(config, key, value)
}
