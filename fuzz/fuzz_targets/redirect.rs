//! The Location of a redirect: where it leads, and that no secret goes there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ahoy::client::location(bytes));
