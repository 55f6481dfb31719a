//! The head of an answer: a plain one is read the same way as by the closer look, and what hyper is told instead of
//! any other is plain.
#![no_main]

use ahoy::transport::fuzzing;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::answer_head(bytes));
