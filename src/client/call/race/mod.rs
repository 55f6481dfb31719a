//! Attempts of one call beside each other.

mod race;
mod runner;

pub(crate) use race::{Sent, race, until_slow};
