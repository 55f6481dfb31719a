//! Base URLs, targets, header names and values.
#![no_main]

use ahoy::client::Route;
use ahoy::request;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = Route::base(text);
    if request::check_target("path", text).is_ok() {
        assert!(!text.contains(['\r', '\n', ' ', '\0']));
    }
    if let Ok((_, value)) = request::header("x", text.as_bytes()) {
        assert!(!value.as_bytes().contains(&b'\n'));
    }
    let _ = request::header_name(text);
    let _ = request::method(text);
});
