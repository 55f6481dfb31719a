//! Cookies that are passed on, and those that name an endpoint: another reader finds the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ahoy::client::call::fuzzing::cookies(bytes));
