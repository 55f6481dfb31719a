//! An API server's documents, one a line, a list before events: another reader finds the same hosts.
#![no_main]

use std::collections::BTreeMap;

use ahoy::discovery::sources::kubernetes::fuzzing::SliceReader;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (port, bytes) = match bytes {
        [b'N', bytes @ ..] => (Some("http"), bytes),
        [b'8', bytes @ ..] => (Some("8080"), bytes),
        bytes => (None, bytes),
    };
    let (mut reader, mut slices) = (SliceReader::new(port), BTreeMap::new());
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let mut is_whole = reader.list(first);
    let Ok(list) = serde_json::from_slice::<Value>(first) else { return };
    for item in list["items"].as_array().into_iter().flatten() {
        slices.insert(name(item), item.clone());
    }
    compared(&reader, &slices, port, is_whole);
    for line in lines {
        is_whole &= match reader.event(line) {
            Some(true) => changed(&mut slices, line),
            Some(false) => line.windows(8).any(|it| it == b"BOOKMARK"),
            None => true,
        };
        compared(&reader, &slices, port, is_whole);
    }
});

fn name(slice: &Value) -> String {
    slice["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

/// Takes an event over; whether it can be read here.
fn changed(slices: &mut BTreeMap<String, Value>, event: &[u8]) -> bool {
    let Ok(event) = serde_json::from_slice::<Value>(event) else { return false };
    let object = &event["object"];
    match event["type"].as_str() {
        Some("DELETED") => drop(slices.remove(&name(object))),
        Some("ADDED" | "MODIFIED") => drop(slices.insert(name(object), object.clone())),
        _ => return false,
    }
    true
}

fn compared(
    reader: &SliceReader,
    slices: &BTreeMap<String, Value>,
    wanted: Option<&str>,
    is_whole: bool,
) {
    let hosts = reader.hosts();
    let odd = |c: char| c.is_whitespace() || c.is_ascii_control() || "[]/@?#\\".contains(c);
    assert!(hosts.iter().all(|host| host.port > 0 && !host.address.contains(odd)), "{hosts:?}");
    let mut found: Vec<_> = hosts.into_iter().map(|host| (host.address, host.port)).collect();
    found.sort();
    let count = found.len();
    found.dedup();
    assert_eq!(found.len(), count, "each once");
    if is_whole {
        let mut expected = expected(slices, wanted);
        expected.sort();
        let bare = |address: &str| address.trim_matches(['[', ']']).to_ascii_lowercase();
        let bare_of = |all: Vec<(String, u16)>| {
            all.into_iter().map(|(address, port)| (bare(&address), port)).collect::<Vec<_>>()
        };
        let (mut found, mut expected) = (bare_of(found), bare_of(expected));
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}

/// The endpoints that take calls, read the slow way.
fn expected(slices: &BTreeMap<String, Value>, wanted: Option<&str>) -> Vec<(String, u16)> {
    // Family, address, port, and 2 for ready, 1 for one that serves while it ends.
    let mut all: Vec<(u8, String, u16, u8)> = Vec::new();
    for slice in slices.values() {
        let family = match slice["addressType"].as_str() {
            Some("IPv4") => 2,
            Some("IPv6") => 1,
            _ => 0,
        };
        let ports = slice["ports"].as_array().cloned().unwrap_or_default();
        let Some(port) = port(&ports, wanted) else { continue };
        for endpoint in slice["endpoints"].as_array().into_iter().flatten() {
            let says = |what: &str| endpoint["conditions"][what].as_bool();
            let is_ready = says("ready").unwrap_or(true);
            let serves = says("serving").unwrap_or(is_ready);
            let rank = match is_ready {
                true => 2,
                false => u8::from(serves && says("terminating") == Some(true)),
            };
            let address = endpoint["addresses"][0].as_str().unwrap_or_default();
            all.push((family, address.to_owned(), port, rank));
        }
    }
    all.retain(|it| it.3 > 0);
    let family = all.iter().map(|it| it.0).max();
    all.retain(|it| Some(it.0) == family);
    let mut best: BTreeMap<(String, u16), u8> = BTreeMap::new();
    for (_, address, port, rank) in all {
        let known = best.entry((address, port)).or_default();
        *known = rank.max(*known);
    }
    let most = best.values().copied().max();
    best.into_iter().filter(|(_, rank)| Some(*rank) == most).map(|(place, _)| place).collect()
}

fn port(ports: &[Value], wanted: Option<&str>) -> Option<u16> {
    let is_tcp = |port: &&Value| port["protocol"].as_str().is_none_or(|it| it == "TCP");
    let tcp: Vec<_> = ports.iter().filter(is_tcp).collect();
    // A number counts where none is stated.
    if wanted == Some("8080") && tcp.iter().all(|it| it["port"].is_null()) {
        return Some(8080);
    }
    let named = |name: &str| tcp.iter().find(|it| it["name"].as_str().unwrap_or("") == name);
    let found = match wanted {
        Some("8080") => tcp.iter().find(|it| it["name"] == "8080" || it["port"] == 8080),
        Some(name) => named(name),
        None if tcp.len() == 1 => tcp.first(),
        None => named("http").or_else(|| named("https")),
    };
    found?["port"].as_u64().filter(|port| *port > 0).map(|port| port as u16)
}
