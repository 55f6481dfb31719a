//! Lists of endpoints, in lines and in JSON: another reader counts as many entries, and they are the same where another
//! document was read before.
#![no_main]

use ahoy::discovery::wire::{Groups, Lines, groups, lines};
use serde_json::Value;
use serde_json::value::RawValue;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(read) = lines(bytes) {
        let text = std::str::from_utf8(bytes).expect("what was read is text");
        let count =
            text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#'));
        assert_eq!(read.hosts.len() + read.skipped.count, count.count());
        let stands = |port: u16| text.contains(&port.to_string());
        assert!(read.hosts.iter().all(|host| host.scheme.is_some() || stands(host.port)));
        for cut in [1, 2, 3] {
            let mut again = Lines::default();
            let before = [&bytes[..bytes.len() / 4 * cut], b"\n", &bytes[bytes.len() / 2..]].concat();
            let _ = again.read(&before);
            assert!(again.read(bytes).unwrap().is_none_or(|again| again == read));
        }
    }
    let Ok(read) = groups(bytes) else { return };
    assert!(read.hosts.iter().all(|host| host.port != 0 && !host.address.is_empty()));
    assert_eq!(read.skipped.count > 0, read.skipped.why.is_some());
    let elements: Vec<&RawValue> = serde_json::from_slice(bytes).expect("a list, as was read");
    for left_out in 0..elements.len().min(4) {
        let others = elements.iter().enumerate().filter(|it| it.0 != left_out);
        let before: Vec<&str> = others.map(|it| it.1.get()).collect();
        let mut again = Groups::default();
        again.read(format!("[{}]", before.join(",")).as_bytes()).expect("a list, as was read");
        assert!(again.read(bytes).unwrap().is_none_or(|again| again == read));
    }
    let Ok(Value::Array(elements)) = serde_json::from_slice(bytes) else {
        // Nested too deeply for the other reader, and so skipped.
        assert!(read.skipped.count > 0);
        return;
    };
    let targets = elements.iter().map(|element| match element.get("targets") {
        Some(Value::Array(targets)) => (targets.len(), targets.len()),
        Some(_) => (1, 1),
        // An instance that says of itself that it takes no calls is neither.
        None if ["status", "enabled", "payload"].iter().any(|it| element.get(it).is_some()) => {
            (0, 1)
        }
        None => (1, 1),
    });
    let (least, most) = targets.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let found = read.hosts.len() + read.skipped.count;
    assert!((least..=most).contains(&found), "{found} of {least} to {most}");
});
