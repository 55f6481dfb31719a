//! Base URLs, targets, header names and values.
#![no_main]

use ahoy::client::Route;
use ahoy::request;
use http::Uri;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(Route::Base { endpoint, path }) = Route::base(text) {
        assert!(path.is_empty() || path.starts_with('/'));
        assert!(endpoint.port() != 0 && !endpoint.address().contains(['@', '/', '[', ']']));
    }
    if request::check_target("path", text).is_ok() {
        assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
        if text.starts_with('/') {
            // It goes on the wire byte for byte.
            assert_eq!(text.parse::<Uri>().expect("a target can be sent").to_string(), text);
        }
        assert_eq!(request::climbs(text), climbs(text));
    }
    if let Ok((_, value)) = request::header("x", text.as_bytes()) {
        assert!(!value.as_bytes().contains(&b'\n'));
    }
    if let Ok((_, value)) = request::header("host", text.as_bytes()) {
        let value = value.as_bytes();
        assert!(!value.is_empty() && !value.iter().any(|byte| b"@/ ".contains(byte)));
        assert!(!value.contains(&b'[') || value.starts_with(b"["));
    }
    assert!(request::header_name(text).is_err() || !text.contains([':', ' ']));
    assert!(request::method(text).is_err() || !text.contains([':', ' ']));
});

/// What `request::climbs` says, by decoding until nothing is left to decode.
fn climbs(target: &str) -> bool {
    let mut path = target.split('?').next().unwrap_or_default().as_bytes().to_vec();
    loop {
        let decoded = decoded(&path);
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let mut segments = path.split(|byte| b"/\\".contains(byte));
    segments.any(|segment| segment.split(|&byte| byte == b';').next() == Some(b".."))
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let (mut at, mut decoded) = (0, Vec::new());
    while let Some(&byte) = path.get(at) {
        let digits = path.get(at + 1..at + 3).filter(|it| it.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.filter(|_| byte == b'%').and_then(|it| std::str::from_utf8(it).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}
