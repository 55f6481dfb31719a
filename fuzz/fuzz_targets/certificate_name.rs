//! The common name of a server's certificate.
#![no_main]

use ahoy::transport::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::certificate_name(bytes));
