//! The endpoints that a call has tried.

use std::sync::Arc;
use std::time::Instant;

use crate::balancer::member::Member;

/// The endpoints that a call has tried.
#[derive(Debug, Default)]
pub struct Attempted(Vec<Arc<Member>>);

impl Attempted {
    /// None yet; to be lent where it does not matter.
    pub const NONE: &'static Self = &Self(Vec::new());

    pub(crate) fn contains(&self, member: &Arc<Member>) -> bool {
        self.0.iter().any(|attempted| Arc::ptr_eq(attempted, member))
    }

    /// Whether it is the first time.
    pub(crate) fn insert(&mut self, member: &Arc<Member>) -> bool {
        let first = !self.contains(member);
        if first {
            self.0.push(Arc::clone(member));
        }
        first
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// How many of them a condition holds for.
    pub(crate) fn count(&self, holds: impl Fn(&Member) -> bool) -> usize {
        self.0.iter().filter(|attempted| holds(attempted)).count()
    }

    /// Whether there are any, and each of them fails while the service does not. What the call repeats then brings the
    /// others no more than they would get if those had been ejected before.
    pub(crate) fn fail_alone(&self, now: Instant, well_ones_answer: &dyn Fn() -> bool) -> bool {
        !self.is_empty() && self.0.iter().all(|it| it.fails_alone(now, well_ones_answer))
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
