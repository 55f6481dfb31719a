//! The user's own algorithm.

use std::fmt;
use std::sync::Arc;

use super::candidates;

/// A user's algorithm: given the number of candidates, it answers with the position of one. The
/// order of the candidates is the roster's and stays the same from call to call.
pub type Choose = Arc<dyn Fn(usize) -> usize + Send + Sync>;

/// Picks whichever endpoint the function names.
///
/// The function sees a count and no endpoints: what does not admit is already left out, and a
/// position keeps the C side free of handles whose life it would have to manage.
#[derive(Clone)]
pub struct Custom {
    choose: Choose,
}

impl Custom {
    /// Lets a function choose. It is not called without candidates; a position out of range means
    /// none of them.
    #[must_use]
    pub fn new(choose: Choose) -> Self {
        Self { choose }
    }

    /// The endpoint that the function names.
    pub fn pick(&self, len: usize, admits: impl Fn(usize) -> bool) -> Option<usize> {
        let candidates = candidates(len, admits);
        if candidates.is_empty() {
            return None;
        }
        candidates.get((self.choose)(candidates.len())).copied()
    }
}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Custom").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_counts_only_those_that_admit() {
        let last = Custom::new(Arc::new(|count| count - 1));
        assert_eq!(last.pick(5, |_| true), Some(4));
        assert_eq!(last.pick(5, |index| index < 4 && index != 1), Some(3));
        let second = Custom::new(Arc::new(|_| 1));
        assert_eq!(second.pick(5, |index| index != 1), Some(2));
    }

    #[test]
    fn a_position_out_of_range_picks_none() {
        assert_eq!(Custom::new(Arc::new(|count| count)).pick(3, |_| true), None);
        assert_eq!(Custom::new(Arc::new(|_| usize::MAX)).pick(3, |_| true), None);
    }

    #[test]
    fn the_function_is_not_called_for_nothing() {
        let balancer = Custom::new(Arc::new(|_| panic!("no candidates")));
        assert_eq!(balancer.pick(3, |_| false), None);
        assert_eq!(balancer.pick(0, |_| true), None);
    }
}
