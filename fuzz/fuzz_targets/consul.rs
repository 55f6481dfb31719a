//! Answers of Consul: no instance with a critical check is taken, by another reader's count; they are the same where
//! another answer was read before.
#![no_main]

use ahoy::discovery::wire::consul;
use serde_json::Value;
use serde_json::value::RawValue;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = consul::health(bytes) else { return };
    assert!(
        read.hosts
            .iter()
            .all(|host| host.port != 0 && !host.address.is_empty() && host.priority <= 127)
    );
    let elements: Vec<&RawValue> = serde_json::from_slice(bytes).expect("a list, as was read");
    for left_out in 0..elements.len().min(4) {
        let others = elements.iter().enumerate().filter(|it| it.0 != left_out);
        let before: Vec<&str> = others.map(|it| it.1.get()).collect();
        let mut again = consul::Instances::default();
        again.read(format!("[{}]", before.join(",")).as_bytes()).expect("a list, as was read");
        assert!(again.read(bytes).unwrap().is_none_or(|again| again == read));
    }
    let Ok(Value::Array(elements)) = serde_json::from_slice(bytes) else {
        assert!(read.skipped.count > 0, "nested too deeply");
        return;
    };
    let serves = |element: &&Value| {
        let mut checks = element["Checks"].as_array().into_iter().flatten();
        checks.all(|check| check["Status"] == "passing" || check["Status"] == "warning")
    };
    let serving = elements.iter().filter(serves).count();
    assert!(read.hosts.len() <= serving, "{} of {serving}", read.hosts.len());
    assert!(read.hosts.len() + read.skipped.count <= elements.len());
    assert!(serving <= read.hosts.len() + read.skipped.count);
});
