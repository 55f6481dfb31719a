//! Which endpoints a client's I/O thread has yet to open connections to, ahead of the calls.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use crate::balancer::balancer::Balancer;
use crate::balancer::roster::Roster;
use crate::endpoint::Endpoint;

/// What one transport was told to warm up.
pub(crate) struct Preconnect {
    /// How many connections to each endpoint.
    pub(crate) count: usize,
    /// Limit on making each.
    pub(crate) limit: Duration,
    /// The client's present one.
    balancer: Arc<ArcSwapOption<Balancer>>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Weak, so that it can go, and its address cannot be taken for another roster's.
    roster: Weak<Roster>,
    /// Weak, so that one which leaves can go; sorted by address.
    endpoints: Vec<Weak<Endpoint>>,
}

impl Preconnect {
    pub(crate) fn new(
        balancer: Arc<ArcSwapOption<Balancer>>,
        count: usize,
        limit: Duration,
    ) -> Self {
        Self { count, limit, balancer, seen: Mutex::default() }
    }

    /// The endpoints that joined since this was last asked, at first all; asks no provider.
    pub(crate) fn newcomers(&self) -> Vec<Arc<Endpoint>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(balancer) = self.balancer.load_full() else { return Vec::new() };
        let roster = balancer.roster();
        if std::ptr::eq(seen.roster.as_ptr(), Arc::as_ptr(&roster)) {
            return Vec::new();
        }
        seen.roster = Arc::downgrade(&roster);
        let known = std::mem::take(&mut seen.endpoints);
        let is_known = |endpoint: &Arc<Endpoint>| {
            known.binary_search_by_key(&Arc::as_ptr(endpoint), Weak::as_ptr).is_ok()
        };
        let now: Vec<_> = roster.members().map(|member| member.endpoint()).collect();
        seen.endpoints = now.iter().map(Arc::downgrade).collect();
        seen.endpoints.sort_unstable_by_key(Weak::as_ptr);
        now.into_iter().filter(|endpoint| !is_known(endpoint)).collect()
    }
}

impl std::fmt::Debug for Preconnect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preconnect").field("count", &self.count).finish_non_exhaustive()
    }
}
