//! A whole answer of HTTP/1, head and body: however it is cut into pieces, the same is read of it.
#![no_main]

use ahoy::transport::fuzzing;

libfuzzer_sys::fuzz_target!(|input: (u8, &[u8])| fuzzing::answer(input.0, input.1));
