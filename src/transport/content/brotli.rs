//! A stream of brotli (RFC 7932).

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::step::{Damaged, Step};

pub(super) struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
}

impl Brotli {
    /// Without large windows, which are no part of the encoding that HTTP knows: 16 MiB are the most.
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self { state: BrotliState::new_strict(alloc(), alloc(), alloc()) }
    }

    pub(super) fn step(&mut self, encoded: &[u8], room: &mut [u8]) -> Result<Step, Damaged> {
        let (mut left, mut free) = (encoded.len(), room.len());
        let (mut taken, mut given, mut total) = (0, 0, 0);
        let state = &mut self.state;
        let done = BrotliDecompressStream(
            &mut left, &mut taken, encoded, &mut free, &mut given, room, &mut total, state,
        );
        match done {
            BrotliResult::ResultFailure => Err(Damaged),
            BrotliResult::ResultSuccess => Ok(Step { taken, given, ended: true }),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {
                Ok(Step { taken, given, ended: false })
            }
        }
    }
}
