//! Answers to probes.
#![no_main]

use ahoy::policy::ProbeAnswer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(ProbeAnswer::parse(bytes)));
