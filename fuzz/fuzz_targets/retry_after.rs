//! Retry-After and pushback: no wait is above its cap.
#![no_main]

use std::time::{Duration, SystemTime};

use ahoy::policy::retry::pushback::Pushback;
use ahoy::policy::retry_after;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let cap = Duration::from_secs(60);
    if let Some(asked) = retry_after::parse(bytes, SystemTime::UNIX_EPOCH, cap) {
        assert!(asked.wait <= cap || asked.beyond_cap);
    }
    if let Pushback::After(wait) = Pushback::parse(bytes, cap) {
        assert!(wait <= cap);
    }
});
