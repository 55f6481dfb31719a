//! Reports of load: what is read is a number that can be reckoned with.
#![no_main]

use ahoy::policy::Report;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(report) = Report::parse(bytes) else { return };
    let numbers = [report.cpu, report.util, report.qps, report.eps];
    assert!(numbers.iter().flatten().all(|number| number.is_finite() && *number >= 0.0));
    assert!(numbers.iter().any(Option::is_some));
    let of_any = report.cpu.is_some() || report.util.is_some_and(|util| util > 0.0);
    assert_eq!(report.utilization().is_some(), of_any);
});
