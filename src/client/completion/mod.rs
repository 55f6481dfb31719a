//! How a call's end reaches its caller: by a wait, a callback or a queue.

pub mod completion;
pub mod queue;
