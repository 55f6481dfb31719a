//! What every part of the C ABI is made of: handles, text, status codes, errors, callbacks, the guard.

// In the order of the header, which follows this one: hence the empty lines, which keep it.
pub mod version;

pub mod status;

pub mod user_data;

pub mod callback;

pub mod error;

pub mod made_text;

pub(crate) mod argument;
pub(crate) mod entry;
pub(crate) mod guard;
pub(crate) mod handle;
pub(crate) mod host_function;
pub(crate) mod setter;
pub(crate) mod settings;
pub(crate) mod text;
