//! Answers of Consul: no instance with a critical check is taken, by another reader's count.
#![no_main]

use ahoy::discovery::wire::consul;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(read) = consul::health(bytes) else { return };
    assert!(
        read.hosts
            .iter()
            .all(|host| host.port != 0 && !host.address.is_empty() && host.priority <= 127)
    );
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
