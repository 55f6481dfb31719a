//! Which endpoint is next.
//!
//! A balancer sees positions in the roster and a question: does this one admit? Circuits, endpoints
//! already tried and endpoints on their way out all hide behind that question, so an algorithm here
//! is a few lines. The set of algorithms is closed, hence an enum: what users bring themselves is
//! one of its members.
//!
//! The answers may change while an algorithm runs, as other threads report their outcomes. So a
//! pick is a proposal: the caller must still acquire a permit, and pick again if that fails.

mod custom;
mod draw;
mod least_request;
mod p2c;
mod prequal;
mod random;
mod round_robin;
#[cfg(test)]
mod stories;

use rand::Rng;

pub use custom::{Choose, Custom};
pub use least_request::LeastRequest;
pub use p2c::P2c;
pub use prequal::{Prequal, PrequalConfig};
pub use random::{Draw, Random};
pub use round_robin::RoundRobin;

/// An algorithm, with the little state it keeps. It outlives changes of the roster.
#[derive(Debug)]
pub enum Balancer {
    /// One after the other.
    RoundRobin(RoundRobin),
    /// Any, with equal chances or by the user's own draw.
    Random(Random),
    /// Whichever the user's function names.
    Custom(Custom),
}

impl Balancer {
    /// Picks one of the `len` endpoints that `admits` says yes to; none if there is none, or if a
    /// user's function names one that does not exist.
    pub fn pick(
        &self,
        len: usize,
        admits: impl Fn(usize) -> bool,
        rng: &mut impl Rng,
    ) -> Option<usize> {
        match self {
            Self::RoundRobin(balancer) => balancer.pick(len, admits),
            Self::Random(balancer) => balancer.pick(len, admits, rng),
            Self::Custom(balancer) => balancer.pick(len, admits),
        }
    }
}

/// The endpoints that admit, in the roster's order: what a user's function chooses from. Taken once,
/// so that the count which the function sees and the list which its answer indexes agree.
fn candidates(len: usize, admits: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..len).filter(|&index| admits(index)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::test_inputs::rng;

    fn each() -> [Balancer; 4] {
        [
            Balancer::RoundRobin(RoundRobin::new(7)),
            Balancer::Random(Random::uniform()),
            Balancer::Random(Random::with_function(Arc::new(|_| 0))),
            Balancer::Custom(Custom::new(Arc::new(|_| 0))),
        ]
    }

    #[test]
    fn nothing_to_pick_from_is_no_pick() {
        for balancer in each() {
            assert_eq!(balancer.pick(0, |_| true, &mut rng()), None, "{balancer:?}");
            assert_eq!(balancer.pick(5, |_| false, &mut rng()), None, "{balancer:?}");
        }
    }

    #[test]
    fn the_only_one_that_admits_is_picked() {
        for balancer in each() {
            for only in 0..40 {
                let picked = balancer.pick(40, |index| index == only, &mut rng());
                assert_eq!(picked, Some(only), "{balancer:?}");
            }
        }
    }
}
