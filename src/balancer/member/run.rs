//! A run of slots with its endpoints' hot state, and what became of them in the balancer that took over.

use std::sync::{Arc, OnceLock};

use super::Member;
use crate::balancer::hot_state::{CountsInFlight, HotState};

/// A run of slots, the same for every version of the roster.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) hot: HotState,
    /// By slot, the same endpoints in the balancer that took over from this one's; made when one does.
    successors: OnceLock<Box<[OnceLock<Arc<Member>>]>>,
}

impl CountsInFlight for Run {
    fn in_flight(&self, slot: usize) -> u32 {
        self.hot.own_in_flight(slot)
    }
}

impl Run {
    pub(crate) const fn new(hot: HotState) -> Self {
        Self { hot, successors: OnceLock::new() }
    }

    pub(super) fn successor(&self, slot: usize) -> Option<&Arc<Member>> {
        self.successors.get()?.get(self.hot.index(slot))?.get()
    }

    /// The list of the balancer that is taken over from stays as it is, so that a slot has one at most.
    pub(super) fn succeed(&self, slot: usize, member: Arc<Member>) {
        let made = || self.hot.slots().map(|_| OnceLock::new()).collect();
        if let Some(successor) = self.successors.get_or_init(made).get(self.hot.index(slot)) {
            let _ = successor.set(member);
        }
    }
}
