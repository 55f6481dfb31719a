//! The URL of a proxy and the hosts that are reached without it: no user and no password is shown.
#![no_main]

use ahoy::transport::fuzzing;

libfuzzer_sys::fuzz_target!(|text: &str| fuzzing::proxy(text));
