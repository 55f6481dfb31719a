//! What picks look at.

mod beside;
mod hot_state;
mod runs;

pub(crate) use beside::{CountsInFlight, InFlightBefore};
pub(crate) use hot_state::HotState;
pub(crate) use runs::run_of;
