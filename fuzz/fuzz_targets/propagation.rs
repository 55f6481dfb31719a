//! Traces and deadlines: what is read is written so that it is read the same.
#![no_main]

use ahoy::policy::{TraceParent, deadline};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(trace) = TraceParent::parse(bytes) {
        let written = trace.to_bytes();
        assert_eq!(TraceParent::parse(&written), Some(trace));
        // Trace and span go on as they came: in lower case, and neither is zero.
        let came = &bytes.trim_ascii()[2..52];
        assert_eq!(came, &written[2..52]);
        assert!(
            came[1..33].iter().any(|&it| it != b'0') && came[34..].iter().any(|&it| it != b'0')
        );
        assert!(matches!(&written[52..], [b'-', b'0', b'0'..=b'3']));
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
