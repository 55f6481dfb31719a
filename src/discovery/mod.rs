//! Where endpoints come from.
//!
//! A provider is asked on the calling thread at a balancer's first use and on update, and on the thread that
//! drives the call when no endpoint is left. It answers with the whole list; what changed is the roster's
//! matter.

mod list;
pub mod wire;

pub use list::HostList;

use crate::endpoint::Host;

/// A source of endpoint sets.
pub trait Provider: Send + Sync {
    /// The hosts that serve now, in a stable order.
    ///
    /// # Errors
    /// Says in a few words why no list could be had; the last good one stays in use.
    fn discover(&self) -> Result<Vec<Host>, String>;

    /// What a configuration's text says of it.
    fn origin(&self) -> Origin<'_> {
        Origin::Function
    }
}

/// Where a provider's endpoints come from, as far as a text can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// They are these.
    Hosts(&'a [Host]),
    /// They are found at this URL, which may hold credentials.
    Url(&'a str),
    /// A function of the host tells them.
    Function,
}
