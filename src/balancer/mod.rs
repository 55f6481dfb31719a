//! A balancer: a provider's endpoints with their circuits, and the rules by which it picks among them.
//!
//! It owns the live endpoints, so clients that share it share the circuits. [`picker`](self::choice) has the way
//! of one pick, [`roster`] the list that picks read, [`member`] one endpoint, [`lease`] the right to send to it once.

pub(crate) mod attempted;
pub(crate) mod background;
pub mod balancer;
pub(crate) mod hot_state;
pub(crate) mod lease;
pub(crate) mod locality_state;
pub mod member;
pub(crate) mod member_stats;
pub(crate) mod pick_state;
pub(crate) mod picker;
pub(crate) mod picker_table;
pub(crate) mod priority_load;
pub(crate) mod probes;
pub mod roster;
pub(crate) mod slots;
pub(crate) mod subset;

pub use balancer::Balancer;
pub use member::Member;
pub use roster::Roster;
