//! The servers that absolute URLs and redirects name, each of them one endpoint.
//!
//! Connections belong to an endpoint by its identity. So a server that is named again is the same endpoint for as
//! long as a call or a kept connection holds it, and is forgotten afterwards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::endpoint::{Endpoint, Host, Scheme};

/// The origins that are known at present.
#[derive(Debug, Default)]
pub(crate) struct Origins(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    endpoints: HashMap<Origin, Weak<Endpoint>>,
    /// How many there may be before those that nobody holds are looked for.
    sweep_at: usize,
}

/// Scheme, host and port: what a URL says of its server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub(crate) scheme: Scheme,
    /// In lower case, an IPv6 address without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    /// The origin that an endpoint of a URL has.
    pub(crate) fn of(endpoint: &Endpoint) -> Self {
        let host = endpoint.address().to_owned();
        Self { scheme: endpoint.scheme(), host, port: endpoint.port() }
    }

    /// An endpoint of its own.
    pub(crate) fn endpoint(&self) -> Arc<Endpoint> {
        let mut host = Host::new(self.host.as_str(), self.port);
        host.scheme = Some(self.scheme);
        Arc::new(Endpoint::new(host))
    }
}

impl Origins {
    /// The endpoint of `origin`.
    pub(crate) fn endpoint(&self, origin: Origin) -> Arc<Endpoint> {
        // A panic elsewhere cannot leave the table half changed.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = known.endpoints.get(&origin).and_then(Weak::upgrade) {
            return endpoint;
        }
        if known.endpoints.len() >= known.sweep_at {
            known.endpoints.retain(|_, endpoint| endpoint.strong_count() > 0);
            known.sweep_at = (known.endpoints.len() * 2).max(FEW);
        }
        let endpoint = origin.endpoint();
        known.endpoints.insert(origin, Arc::downgrade(&endpoint));
        endpoint
    }
}

/// Below that a look for forgotten ones is not worth it.
const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(port: u16) -> Origin {
        Origin { scheme: Scheme::Http, host: "a".to_owned(), port }
    }

    #[test]
    fn a_server_that_is_held_is_the_same_endpoint() {
        let origins = Origins::default();
        let first = origins.endpoint(origin(1));
        assert!(Arc::ptr_eq(&first, &origins.endpoint(origin(1))));
        let tls = Origin { scheme: Scheme::Https, ..origin(1) };
        assert!(!Arc::ptr_eq(&first, &origins.endpoint(tls)));
        assert_eq!(Origin::of(&first), origin(1));
    }

    #[test]
    fn those_that_nobody_holds_are_forgotten() {
        let origins = Origins::default();
        let held = origins.endpoint(origin(1));
        for port in 2..10_000 {
            origins.endpoint(origin(port));
        }
        assert!(origins.0.lock().unwrap().endpoints.len() <= FEW * 2);
        assert!(Arc::ptr_eq(&held, &origins.endpoint(origin(1))));
    }
}
