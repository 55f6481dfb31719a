//! xDS: messages are the same however they are cut, and read the same when they are written out; each endpoint that takes
//! calls is a host, by the weights that its assignment states.
#![no_main]

use ahoy::discovery::sources::xds::fuzzing::{status, stream};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match bytes {
        [b'E', text @ ..] => {
            let at = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
            status(&text[..at], text.get(at + 1..).unwrap_or_default());
        }
        [piece, bytes @ ..] => stream(usize::from(*piece).max(1), bytes),
        [] => {}
    }
});
