//! Streamed bodies of answers.

mod places;
mod source;
pub mod stream;
pub mod streaming;
