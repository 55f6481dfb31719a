//! Reports of load: what is read is a number that can be reckoned with.
#![no_main]

use ahoy::policy::Report;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(report) = Report::parse(bytes) {
        assert!(report.utilization().is_none_or(|share| share.is_finite() && share >= 0.0));
    }
});
