//! Which part of a service's endpoints a client uses: by priority, by zone, by subset.

pub mod priority;
pub mod subset;
pub mod zone;
