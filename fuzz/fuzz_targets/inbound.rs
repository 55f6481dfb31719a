//! Headers of an inbound request: deadline, trace, cookies, and those that are passed on.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ahoy::client::call::fuzzing::inbound(bytes));
