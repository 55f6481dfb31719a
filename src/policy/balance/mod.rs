//! Which endpoint is next.
//!
//! A balancer sees positions in the roster and a question: does this one admit? Circuits, endpoints
//! already tried and endpoints on their way out all hide behind that question, so an algorithm here
//! is a few lines.
//!
//! The answers may change while an algorithm runs, as other threads report their outcomes. So a
//! pick is a proposal: the caller must still acquire a permit, and pick again if that fails.
//!
//! By weight:
//!
//! - [`Alias`] draws, in constant time.
//! - [`Stride`] goes round, without a lock.
//! - [`Smooth`] goes round in the smoothest order, for small sets.
//!
//! The same key to the same endpoint, by [`hash_bytes`]:
//!
//! - [`Ring`] moves only the keys of an endpoint that left.
//! - [`Maglev`] looks up fastest and spreads most evenly.
//! - [`rendezvous`] needs no table, for small sets.
//! - [`Bounded`] keeps a popular key from overloading its endpoint.

mod alias;
mod batch;
mod custom;
mod draw;
mod hash;
pub mod keyed;
mod least_request;
mod p2c;
mod prequal;
pub mod probe_answer;
mod random;
mod round_robin;
pub mod slow_start;
mod smooth;
#[cfg(test)]
mod stories;
mod stride;

pub use alias::Alias;
pub use custom::{Choose, Custom};
pub use hash::{hash_bytes, hash_bytes_seeded, splitmix64};
pub use keyed::bounded::{Bounded, BoundedLoad};
pub use keyed::maglev::{Maglev, MaglevError};
pub use keyed::rendezvous;
pub use keyed::ring::{Ring, RingConfig, RingError};
pub use least_request::LeastRequest;
pub use p2c::P2c;
pub use prequal::{Prequal, PrequalConfig};
pub use random::{Random, RandomFunction};
pub use round_robin::RoundRobin;
pub use smooth::Smooth;
pub use stride::Stride;

/// The endpoints that admit, in the roster's order: what a user's function chooses from. Taken once,
/// so that the count which the function sees and the list which its answer indexes agree.
fn candidates(len: usize, admits: impl Fn(usize) -> bool) -> Vec<usize> {
    (0..len).filter(|&index| admits(index)).collect()
}
