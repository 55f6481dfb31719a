//! Streamed bodies of answers.

mod source;
pub mod stream;
pub mod streaming;
