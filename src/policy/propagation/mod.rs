//! What goes along with an attempt: the time left, and the trace.

pub mod deadline;
pub mod trace;
