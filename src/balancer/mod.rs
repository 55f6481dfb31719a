//! A balancer: a provider's endpoints with their circuits, and the rules by which it picks among them.
//!
//! It owns the live endpoints, so clients that share it share the circuits. [`balancer`] holds it together,
//! [`update`] changes what it knows, [`reconfigure`] its rules, [`roster`] is what picks read, [`member`] one endpoint,
//! [`lease`] the right to send to it once, [`pick`] the choice among them.

pub(crate) mod background;
pub mod balancer;
pub(crate) mod cluster_state;
pub(crate) mod hot_state;
pub mod lease;
pub(crate) mod list;
mod live;
pub(crate) mod locality_state;
pub mod member;
pub(crate) mod member_stats;
pub(crate) mod observe;
pub(crate) mod outage;
pub(crate) mod outliers;
pub mod pick;
pub(crate) mod prequal;
pub mod provider;
mod reconfigure;
pub(crate) mod register;
pub mod roster;
pub(crate) mod slots;
pub(crate) mod subset;
pub(crate) mod update;

pub use balancer::{Balancer, UsageToken};
pub use member::Member;
pub use observe::status::{Reason, Status};
pub use roster::Roster;
