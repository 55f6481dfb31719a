//! Answers to probes: another reader finds the same numbers.
#![no_main]

use std::time::Duration;

use ahoy::policy::ProbeAnswer;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some(answer) = ProbeAnswer::parse(bytes) else { return };
    let text = std::str::from_utf8(bytes).expect("what was read is text");
    let text = text.trim_matches([' ', '\t']);
    let parts = text.strip_prefix("TEXT ").unwrap_or(text).split(',');
    let parts: Vec<_> = parts.map(|part| part.split_once('=').expect("a pair")).collect();
    let of = |name: &str| {
        let is_named = |(it, _): &&(&str, &str)| it.trim_matches([' ', '\t']) == name;
        let mut found = parts.iter().filter(is_named);
        let number = found.next().map(|(_, number)| number.trim_matches([' ', '\t']));
        assert!(found.next().is_none(), "{name} stands there twice");
        let odd = |c: char| c != '.' && !c.is_ascii_digit();
        assert!(number.is_none_or(|number| !number.is_empty() && !number.contains(odd)));
        number
    };
    let whole = of("in_flight").map(|number| match number.bytes().all(|it| it.is_ascii_digit()) {
        true => number.parse().unwrap_or(u32::MAX),
        false => panic!("{number} is no whole number"),
    });
    assert!(whole == answer.in_flight);
    let millis = of("latency_ms").map(|number| number.parse::<f64>().expect("a number"));
    let near = |(millis, read): (f64, Duration)| {
        let read = read.as_secs_f64() * 1e3;
        (millis - read).abs() <= 1e-5 + millis * 1e-9 || read > 1e22
    };
    assert!(millis.zip(answer.latency).is_none_or(near));
    assert_eq!(millis.is_some(), answer.latency.is_some());
});
