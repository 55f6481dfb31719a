//! The address of a host, as a provider states it.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| ahoy::ffi::balancer::host::fuzz_address(text));
