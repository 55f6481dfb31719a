//! Streamed bodies of answers.

pub mod stream;
pub mod streaming;
