//! zstd in pieces of any length: the same bytes come out, whatever the pieces.
#![no_main]

use ahoy::transport::fuzzing;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| fuzzing::zstd(input.0, input.1));
