//! A balancer: a provider's endpoints with their circuits, and the rules by which it picks among them.
//!
//! It owns the live endpoints, so clients that share it share the circuits. [`picker`](self::choice) has the way
//! of one pick, [`roster`] the list that picks read, [`member`] one endpoint, [`lease`] the right to send to it once.

pub mod balancer;
pub(crate) mod cells;
pub(crate) mod choice;
pub(crate) mod lease;
pub(crate) mod level;
pub mod member;
pub(crate) mod places;
pub(crate) mod probes;
pub mod roster;
pub(crate) mod rounds;
pub(crate) mod snapshot;
pub(crate) mod subset;
pub(crate) mod table;
pub(crate) mod track;
pub(crate) mod tried;
pub(crate) mod weighing;

pub use balancer::Balancer;
pub use member::Member;
pub use roster::Roster;
