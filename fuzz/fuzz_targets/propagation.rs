//! Traces and deadlines: what is read is written so that it is read the same.
#![no_main]

use ahoy::policy::{TraceParent, deadline};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(trace) = TraceParent::parse(bytes) {
        assert_eq!(TraceParent::parse(&trace.to_bytes()), Some(trace));
    }
    if let Some(left) = deadline::parse_ms(bytes) {
        let written = deadline::to_ms(left).to_string();
        assert_eq!(deadline::parse_ms(written.as_bytes()), Some(left));
    }
    if let Some(left) = deadline::parse_grpc(bytes) {
        let read = deadline::parse_grpc(deadline::to_grpc(left).as_bytes());
        assert!(read.is_some_and(|read| read <= left));
    }
});
