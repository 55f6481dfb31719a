//! A kubeconfig file: another reader finds the server and the token; what would need a program, or trust in everybody, is
//! refused; and a document reads the same when it is written out.
#![no_main]

use ahoy::discovery::sources::kubernetes::fuzzing::{kubeconfig, tree};
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Some(document) = tree(text) else {
        assert!(kubeconfig(text).is_err());
        return;
    };
    if is_plain(&document) {
        let written = document.to_string();
        assert_eq!(tree(&written).as_ref(), Some(&document), "{written}");
    }
    match kubeconfig(text) {
        Ok((server, token, _)) => {
            let (cluster, user) = chosen(&document).expect("what the library found");
            assert_eq!(cluster["server"], *server);
            let set = |map: &Value, key: &str| map[key].as_str().is_some_and(|it| !it.is_empty());
            for key in ["insecure-skip-tls-verify", "proxy-url", "exec", "auth-provider"] {
                for map in [cluster, user] {
                    let is_off = matches!(map[key].as_str(), Some("false" | ""));
                    assert!(map.get(key).is_none_or(Value::is_null) || is_off, "{key}");
                }
            }
            let token = token.map(|token| String::from_utf8(token).expect("a text"));
            match token {
                Some(path) if set(user, "tokenFile") => {
                    assert!(path.ends_with(user["tokenFile"].as_str().unwrap().trim_start_matches('/')));
                }
                Some(token) => assert_eq!(user["token"], *token),
                None => assert!(!set(user, "token") && !set(user, "tokenFile")),
            }
        }
        Err(why) => assert!(!why.is_empty()),
    }
});

/// Cluster and user of the current context.
fn chosen(document: &Value) -> Option<(&Value, &Value)> {
    let named = |list: &str, name: &str, kind: &str| {
        let entries = document[list].as_array()?;
        Some(&entries.iter().find(|it| it["name"] == name)?[kind])
    };
    let context = named("contexts", document["current-context"].as_str()?, "context")?;
    let cluster = named("clusters", context["cluster"].as_str()?, "cluster")?;
    Some((cluster, named("users", context["user"].as_str()?, "user")?))
}

/// Short texts of printable characters alone: YAML cuts long keys, and knows other breaks of lines.
fn is_plain(value: &Value) -> bool {
    let plain = |text: &str| text.len() < 200 && text.bytes().all(|it| (b' '..=b'~').contains(&it));
    match value {
        Value::Array(all) => all.iter().all(is_plain),
        Value::Object(all) => all.iter().all(|(key, value)| plain(key) && is_plain(value)),
        Value::String(text) => plain(text),
        _ => true,
    }
}
