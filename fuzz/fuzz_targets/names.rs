//! Names that name servers are asked for, and resolv.conf.
#![no_main]

use ahoy::transport::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::names(bytes));
