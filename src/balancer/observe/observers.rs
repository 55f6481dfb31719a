//! The observers of a balancer: the one place that its changes of state go through.
//!
//! Clients that share a balancer all learn of its endpoints. The list is replaced as a whole and read without a
//! lock, so a forked child can read what its parent left behind.

use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;

use crate::event::{EndpointChange, Event, Observer};

/// The observers. Each one goes with its client.
#[derive(Default)]
pub(crate) struct Observers {
    list: ArcSwap<Vec<Weak<dyn Observer>>>,
}

impl std::fmt::Debug for Observers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observers").field("count", &self.list.load().len()).finish()
    }
}

impl Observers {
    /// Adds an observer, which is told of each event from now on.
    pub(crate) fn add(&self, observer: &Weak<dyn Observer>) {
        self.list.rcu(|list| {
            let living = list.iter().filter(|it| it.strong_count() > 0).cloned();
            living.chain([Weak::clone(observer)]).collect::<Vec<_>>()
        });
    }

    /// Whether nobody is told.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.load().iter().all(|observer| observer.strong_count() == 0)
    }

    /// Tells everybody; to be called without any lock.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        let list = Arc::clone(&self.list.load());
        for observer in list.iter().filter_map(Weak::upgrade) {
            observer.observe(event);
        }
    }

    /// Tells what became of the endpoint at `url`.
    pub(crate) fn endpoint(&self, url: &str, change: EndpointChange) {
        self.emit(&Event::Endpoint { url, change });
    }
}
