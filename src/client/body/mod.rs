//! Streamed bodies of answers.

pub mod channel;
mod places;
mod source;
pub mod stream;
pub mod streaming;
