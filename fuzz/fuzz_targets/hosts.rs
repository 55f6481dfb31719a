//! The hosts file.
#![no_main]

use ahoy::transport::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::hosts(bytes));
