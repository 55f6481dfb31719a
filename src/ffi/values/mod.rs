//! What every part of the C ABI is made of: handles, text, status codes, callbacks, the guard.

pub mod callback;
pub(crate) mod guard;
pub(crate) mod handle;
pub mod retry;
pub(crate) mod setter;
pub(crate) mod settings;
pub mod status;
pub(crate) mod text;
pub mod version;
