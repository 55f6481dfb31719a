//! The endpoints that a call has tried.

use std::sync::Arc;

use super::member::Member;

/// The endpoints that a call has tried.
#[derive(Debug, Default)]
pub(super) struct Tried(Vec<Arc<Member>>);

impl Tried {
    /// None yet; to be lent where it does not matter.
    pub(super) const NONE: &'static Self = &Self(Vec::new());

    pub(super) fn contains(&self, member: &Arc<Member>) -> bool {
        self.0.iter().any(|tried| Arc::ptr_eq(tried, member))
    }

    /// Whether it is the first time.
    pub(super) fn insert(&mut self, member: &Arc<Member>) -> bool {
        let first = !self.contains(member);
        if first {
            self.0.push(Arc::clone(member));
        }
        first
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
