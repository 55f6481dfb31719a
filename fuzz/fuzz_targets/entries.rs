//! One registered value: what is read is a host that can be dialled, and reads the same when it is written out.
#![no_main]

use ahoy::discovery::wire::{EntryConfig, EntryForm, EntryPlace, host};
use ahoy::endpoint::Host;
use serde_json::{Value, json};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (form, value) = match bytes {
        [b'J', value @ ..] => (EntryForm::Json, value),
        [b'T', value @ ..] => (EntryForm::Text, value),
        [b'C', value @ ..] => (EntryForm::Curator, value),
        [b'S', value @ ..] => (EntryForm::ServerSet, value),
        value => (EntryForm::Auto, value),
    };
    let config = EntryConfig { form, ..EntryConfig::default() };
    let admin = EntryConfig { endpoint: Some("admin".to_owned()), ..config.clone() };
    let key = EntryConfig { place: EntryPlace::Key, ..config.clone() };
    for config in [config, admin, key] {
        let place = config.place;
        let read =
            if place == EntryPlace::Key { config.host(value, b"") } else { host(value, &config) };
        match read {
            Ok(Some(host)) => {
                looked_at(&host);
                if place == EntryPlace::Value {
                    compared(&host, form, value);
                }
            }
            Ok(None) => {}
            // A text of the library, not of the value.
            Err(why) => assert!(!why.is_empty() && why.len() < 60),
        }
    }
});

fn looked_at(read: &Host) {
    let odd = |c: char| c.is_whitespace() || c.is_ascii_control() || "[]/@?#\\".contains(c);
    assert!(read.port != 0 && !read.address.is_empty() && !read.address.contains(odd), "{read:?}");
    assert!(read.priority <= 127, "{read:?}");
    let written = json!({
        "address": read.address, "port": read.port, "weight": read.weight, "zone": read.zone,
        "priority": read.priority, "scheme": read.scheme.map(|scheme| scheme.as_str()),
        "authority": read.authority, "server_name": read.server_name,
    });
    let again = host(written.to_string().as_bytes(), &EntryConfig::default());
    let empty = read.zone.as_ref().is_some_and(String::is_empty);
    assert!(empty || again == Ok(Some(read.clone())), "{again:?} is to be {read:?}");
}

/// An object of the library's own form is what another reader says.
fn compared(read: &Host, form: EntryForm, value: &[u8]) {
    let Ok(object @ Value::Object(_)) = serde_json::from_slice::<Value>(value) else { return };
    let foreign =
        ["serviceEndpoint", "serviceType", "sslPort"].iter().any(|it| object.get(it).is_some());
    if form != EntryForm::Json && (form != EntryForm::Auto || foreign) {
        return;
    }
    for (key, number) in
        [("weight", read.weight), ("priority", read.priority), ("port", read.port.into())]
    {
        assert!(object[key].as_u64().is_none_or(|it| it == u64::from(number)), "{key} of {read:?}");
    }
}
