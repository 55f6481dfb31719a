//! The settings: one row each, of which everything else is made.
//!
//! A row ([`Setting`]) states a setting's key, form, range, purpose, cost and field once. From the rows come the
//! setters by text and by C parameter, the lists of options that C sees, `docs/options.md`, and the test that
//! holds keys and setters together. The default of a setting is that of its field. To add one:
//!
//! 1. its field, with the default, in the configuration;
//! 2. its row here, in the table of its handle;
//! 3. its setter in `ffi/`, which names the row's key.

mod balancer;
mod breaker;
mod client;
mod docs;
mod duration;
mod form;
mod handles;
mod nearest;
mod number;
mod provider;
mod retry;
mod setting;
mod statuses;
mod table;
mod value;

pub use balancer::BALANCER;
pub use breaker::BREAKER;
pub use client::CLIENT;
pub(crate) use client::{adaptive_limit_text, fault_delay_text};
pub use docs::{NO_KEYS, NO_SETTERS, markdown};
pub use form::{Form, is_header};
pub use handles::{handles_with, handles_with_own};
pub(crate) use nearest::nearest;
pub use provider::{PROVIDER, provider_of, set_callback, set_provider, taken_by};
pub use retry::RETRY;
pub(crate) use retry::jitter_text;
pub use setting::{Setter, Setting};
pub use table::{Assignment, Fault, Row, Table};
pub use value::{OFF, Problem, SetResult, Value};

#[cfg(test)]
mod tests;
