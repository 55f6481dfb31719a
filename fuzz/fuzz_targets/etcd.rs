//! Answers of etcd's gateway: the lines of a stream are the same however they are cut, and another reader finds the same
//! keys.
#![no_main]

use ahoy::discovery::wire::Frames;
use ahoy::discovery::wire::etcd::{self, Denial, WatchResponse};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let [size, document @ ..] = bytes else { return };
    let size = usize::from(*size).max(1);
    let cut = lines(document, size);
    assert!(cut == lines(document, document.len().max(1)) || cut.len() > 10);
    for line in &cut {
        answer(line);
    }
    if let Ok(listing) = etcd::range_response(document) {
        let Some(read) = other(document) else { return };
        let kvs = read["kvs"].as_array().map_or(0, Vec::len);
        assert_eq!(listing.pairs.len() + listing.skipped.count, kvs);
        assert_eq!(
            read["header"]["revision"].as_str().and_then(|it| it.parse().ok()),
            Some(listing.revision)
        );
    }
    assert!(!etcd::token(document).is_ok_and(|token| token.is_empty()));
    if let Denial::Credentials(why) | Denial::Other(why) = etcd::denial(document) {
        assert!(!why.is_empty());
    }
    let end = etcd::prefix_end(document);
    assert!(end == [0] || end.as_slice() > document && !end.starts_with(document));
    assert!(etcd::behind(document.to_vec()).as_slice() > document);
});

fn lines(stream: &[u8], size: usize) -> Vec<Vec<u8>> {
    let (mut frames, mut lines) = (Frames::new(4096), Vec::new());
    for piece in stream.chunks(size) {
        if frames.push(piece).is_err() {
            break;
        }
        lines.extend(frames.by_ref().map(|line| line.to_vec()));
    }
    lines
}

/// Another reader's view; none where a text that the library passes over is no UTF-8.
fn other(document: &[u8]) -> Option<Value> {
    match serde_json::from_slice(document) {
        Ok(read) => Some(read),
        Err(_) if str::from_utf8(document).is_err() => None,
        Err(error) => panic!("another reader reads it: {error}"),
    }
}

fn answer(line: &[u8]) {
    assert!(!line.is_empty() && !line.contains(&b'\n'));
    let Ok(answer) = etcd::watch_response(line) else { return };
    let Some(read) = other(line) else { return };
    let result = &read["result"];
    match answer {
        WatchResponse::Changes(changes) => {
            let events = result["events"].as_array().expect("events");
            assert_eq!(changes.keys.len() + changes.skipped.count, events.len());
            let deleted = events.iter().filter(|event| event["type"] == "DELETE").count();
            assert!(changes.keys.iter().filter(|(_, value)| value.is_none()).count() <= deleted);
            assert!(result["canceled"] != true);
        }
        WatchResponse::Compacted => assert!(result["compact_revision"] != "0"),
        WatchResponse::Canceled(_) => {
            assert!(result["canceled"] == true || !read["error"].is_null())
        }
        WatchResponse::Created(revision) | WatchResponse::Progress(revision) => {
            assert_eq!(
                result["header"]["revision"].as_str().and_then(|it| it.parse().ok()),
                Some(revision)
            );
        }
    }
}
