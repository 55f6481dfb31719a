//! The address of a host, as a provider states it.
#![no_main]

use std::ffi::CString;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(text) = CString::new(text) {
        ahoy::ffi::balancer::host::fuzz_address(&text);
    }
});
