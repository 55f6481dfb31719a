//! Bodies of answers: read whole or piece by piece, and decoded under a bound.

#[cfg(feature = "brotli")]
mod brotli;
mod buffer;
mod decoder;
mod encoding;
mod gzip;
mod step;
mod stream;
mod whole;
#[cfg(feature = "zstd")]
mod zstd;

#[cfg(any(fuzzing, test))]
pub(super) use decoder::Decoder;
pub(super) use encoding::ASKED;
#[cfg(any(fuzzing, test))]
pub(super) use encoding::Encoding;
pub(super) use stream::{Content, Flow, answer, carried_by};
pub use stream::{PollInto, StreamedBody};
#[cfg(feature = "http2")]
pub(super) use whole::has_body;
pub(super) use whole::{Reading, read, read_on};
