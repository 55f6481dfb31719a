//! Which endpoints fare worse than their neighbours, and for how long they are out.

pub mod ejection;
pub mod outlier;
pub mod stats;
