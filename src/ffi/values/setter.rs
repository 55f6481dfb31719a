//! From the parameters of a C setter to rows of a table of settings.

use crate::error::{Error, ErrorKind};
use crate::options::{Assignment, OFF, Table, Value, handles_with};

/// A parameter of a setter: the key of the setting, the parameter's own name, and its value.
pub(crate) type Parameter = (&'static str, &'static str, Value);

/// A duration in milliseconds.
pub(crate) const fn ms(milliseconds: u64) -> Value {
    Value::milliseconds(milliseconds)
}

/// The word that switches a setting off.
pub(crate) const fn off() -> Value {
    Value::Word(OFF)
}

/// A reference to a handle whose settings stand in a table.
pub(crate) trait Configurable: Sized {
    type Config: Clone + 'static;

    fn table() -> &'static Table<Self::Config>;

    /// Changes the settings, unless the handle is in use.
    fn change(
        self,
        change: impl FnOnce(&mut Self::Config) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// Sets a row: its key, the parameter's name and its value.
    fn set(
        self,
        key: &'static str,
        name: &'static str,
        value: impl Into<Value>,
    ) -> Result<(), Error> {
        self.set_all([(key, name, value.into())])
    }

    /// Sets rows together.
    fn set_all<const N: usize>(self, parameters: [Parameter; N]) -> Result<(), Error> {
        self.change(|config| put(Self::table(), config, parameters))
    }

    /// Sets a row by key and value as text.
    fn set_text(self, key: &str, value: &str) -> Result<(), Error> {
        let set = |config: &mut _| Self::table().set(config, key, value);
        self.change(|config| set(config).map_err(|error| with_handles(error, key)))
    }
}

/// Of an unknown option, the error with the handles that have it.
fn with_handles(error: Error, key: &str) -> Error {
    match handles_with(key) {
        Some(handles) if error.kind() == ErrorKind::UnknownOption => {
            Error::new(error.kind(), format!("{}; {handles} have it", error.message()))
        }
        _ => error,
    }
}

/// Sets rows of `table` from parameters.
pub(crate) fn put<C: Clone + 'static, const N: usize>(
    table: &Table<C>,
    config: &mut C,
    parameters: [Parameter; N],
) -> Result<(), Error> {
    table.assign(config, &parameters.map(|(key, name, value)| Assignment { key, name, value }))
}
