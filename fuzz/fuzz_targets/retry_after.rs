//! Retry-After and pushback: digits are a wait up to its cap, and no other number is one.
#![no_main]

use std::time::{Duration, SystemTime};

use ahoy::policy::retry::pushback::Pushback;
use ahoy::policy::retry_after;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let cap = Duration::from_secs(60);
    let first = bytes.iter().position(|byte| !b" \t".contains(byte)).unwrap_or(bytes.len());
    let last = bytes.iter().rposition(|byte| !b" \t".contains(byte)).map_or(first, |at| at + 1);
    let trimmed = &bytes[first..last];
    let digits = !trimmed.is_empty() && trimmed.iter().all(u8::is_ascii_digit);
    let asked = retry_after::parse(bytes, SystemTime::UNIX_EPOCH, cap);
    if let Some(asked) = asked {
        assert!(asked.wait == cap || asked.wait < cap && !asked.beyond_cap);
        assert!(digits || trimmed.is_ascii() && trimmed.contains(&b':'), "no date has no time");
    }
    assert!(!digits || asked.is_some());
    let pushback = Pushback::parse(bytes, cap);
    assert_eq!(digits, pushback != Pushback::Never);
    assert!(!matches!(pushback, Pushback::After(wait) if wait > cap));
});
