//! Where endpoints come from.
//!
//! A [`source`] tells the whole list of a service and tells it again when it changes: by a stream of changes, by asking
//! now and then ([`polled`]), or by other providers. A [`watch`] drives a source for all balancers of one provider and
//! says which list applies. A list that the host replaces itself is a watch without a source. A [`Provider`] is
//! the other way: a function of the host that is asked.

pub mod chain;
pub mod config;
pub mod custom;
mod drive;
pub mod identity;
pub mod listing;
pub mod polled;
pub mod publisher;
pub mod scheme;
pub mod snapshot_file;
pub mod source;
pub mod source_context;
pub mod sources;
pub mod target;
pub mod url;
pub mod watch;
pub mod wire;

pub use config::{Callbacks, ProviderConfig, RegistryConfig, Secret};
pub use custom::{CustomProvider, Provider};
pub use identity::SourceIdentity;
pub use listing::{Listing, difference};
pub use publisher::Subscriber;
pub use source::Source;
pub use watch::{Subscription, Watch};

use std::sync::Arc;

use crate::endpoint::Host;

/// How a balancer comes by its list.
#[derive(Clone, Debug)]
pub enum Supply {
    /// It asks a function of the host.
    Custom(CustomProvider),
    /// It subscribes to a watch.
    Watched(Arc<Watch>),
}

/// Where a balancer's list comes from, as far as a text can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is these hosts.
    Hosts(Vec<Arc<Host>>),
    /// It is found at this URL, which may hold credentials.
    Url(Arc<str>),
    /// The host of the library tells it, by a function.
    Host,
}

impl Supply {
    /// A list that stays as it is.
    #[must_use]
    pub fn listed(hosts: Vec<Host>) -> Self {
        Self::Watched(Arc::new(Watch::pushed(hosts.into_iter().map(Arc::new).collect())))
    }

    /// Where the list comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match self {
            Self::Custom(_) => Origin::Host,
            Self::Watched(watch) => watch.origin(),
        }
    }
}

impl From<Arc<dyn Provider>> for Supply {
    fn from(provider: Arc<dyn Provider>) -> Self {
        let (callbacks, freshness) = Default::default();
        Self::Custom(CustomProvider { provider, callbacks, freshness })
    }
}
