//! A client's whole configuration as one text. The texts of tests/configurations.json are those that tests/schema.py
//! shows to a validator.

#![cfg(all(feature = "http2", feature = "proxy"))]

#[path = "configuration/reconfigure.rs"]
mod reconfigure;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

use ahoy::ffi::values::status::*;
use serde_json::{Value, json};
use support::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a case is about, its text, and the paths of its faults.
fn cases() -> Vec<(String, String, BTreeSet<String>, i32)> {
    let data = fs::read_to_string(root().join("tests/configurations.json")).unwrap();
    let Value::Array(cases) = serde_json::from_str(&data).unwrap() else { panic!("a list") };
    let case = |case: Value| {
        let text = case["text"].as_str().map(str::to_owned);
        let faults = case["faults"].as_array().into_iter().flatten();
        let status = match case["status"].as_str() {
            Some("AHOY_E_UNKNOWN_OPTION") => AHOY_E_UNKNOWN_OPTION,
            _ => AHOY_E_INVALID_ARGUMENT,
        };
        (
            case["what"].as_str().unwrap().to_owned(),
            text.unwrap_or_else(|| case["config"].to_string()),
            faults.map(|fault| fault.as_str().unwrap().to_owned()).collect(),
            status,
        )
    };
    cases.into_iter().map(case).collect()
}

/// The paths that an error names, one in each line.
fn named(failure: &Failure) -> BTreeSet<String> {
    let path = |line: &str| line.split_once(": ").expect(line).0.to_owned();
    failure.message.lines().map(path).collect()
}

#[test]
fn every_text_is_taken_or_all_its_faults_are_named() {
    let _alone = alone();
    let cases = cases();
    assert!(cases.len() > 30);
    for (what, text, faults, status) in cases {
        match Client::from_config(&text) {
            Ok(_) => assert!(faults.is_empty(), "{what}: was taken"),
            Err(failure) => {
                assert_eq!(named(&failure), faults, "{what}:\n{}", failure.message);
                assert_eq!(failure.status, status, "{what}");
            }
        }
    }
}

#[test]
fn an_unknown_key_is_told_with_the_nearest() {
    let _alone = alone();
    let text = r#"{"timeuot": "1s", "retry": {"trys": 2}, "hosts": [{"adress": "a", "port": 1, "prio": 1}],
        "retry_tries": 2, "panic_threshold": 0.5, "max_in_flight": 1.5}"#;
    let message = Client::from_config(text).unwrap_err().message;
    for line in [
        "timeuot: no such key; the nearest is timeout",
        "retry.trys: no such key; the nearest is tries",
        "hosts[0].adress: no such key; the nearest is address",
        "hosts[0].prio: no such key; the nearest is priority",
        "hosts[0].address: is missing",
        "retry_tries: no such key; the nearest is retry",
        "panic_threshold: no such key; balancers have it",
        "max_in_flight: is 1.5; it takes a whole number from 1, or off",
    ] {
        assert!(message.lines().any(|it| it == line), "{line} in\n{message}");
    }
}

#[test]
fn a_number_out_of_range_is_told_with_the_range() {
    let _alone = alone();
    let text = r#"{"hosts": [{"address": "a", "port": 1, "weight": -1, "priority": 128}]}"#;
    let message = Client::from_config(text).unwrap_err().message;
    for (key, is) in [("weight", "-1"), ("priority", "128")] {
        let line = format!("hosts[0].{key}: is {is}; it takes a whole number from 0 to ");
        assert!(message.contains(&line), "{message}");
    }
}

#[test]
fn a_number_where_a_duration_belongs_is_told_with_what_to_write() {
    let _alone = alone();
    let message =
        Client::from_config(r#"{"timeout": 5, "idle_timeout": "5"}"#).unwrap_err().message;
    assert!(
        message.contains("timeout: is a number; a duration is a text with a unit"),
        "{message}"
    );
    assert!(message.contains("idle_timeout: 5 has no unit; write 5s or 5ms"), "{message}");
}

#[test]
fn a_secret_is_in_no_error() {
    let _alone = alone();
    let text = r#"{
        "provider": "gopher://user:hunter2@a:2379/x", "proxy": "gopher://user:hunter2@a",
        "headers": {"authorization": "hunter2\n", "hunter3\n": "hunter2"}, "timeout": "x"
    }"#;
    let message = Client::from_config(text).unwrap_err().message;
    assert!(message.contains("provider: ") && message.contains("proxy: "), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn what_is_taken_is_told_and_read_as_the_same_again() {
    let _alone = alone();
    let taken = cases().into_iter().filter(|(_, _, faults, _)| faults.is_empty());
    for (what, text, ..) in taken {
        let told = Client::from_config(&text).unwrap().config_text();
        let mut told_json: Value = serde_json::from_str(&told).unwrap();
        // Their values are masked.
        let headers = told_json["headers"].as_object_mut().unwrap();
        headers.values_mut().for_each(|value| *value = json!("x"));
        let again = Client::from_config(&told_json.to_string()).expect(&what).config_text();
        let mut again_json: Value = serde_json::from_str(&again).unwrap();
        let values = again_json["headers"].as_object_mut().unwrap().values_mut();
        values.for_each(|value| *value = json!("x"));
        assert_eq!(again_json, told_json, "{what}");
    }
}

#[test]
fn whatever_time_a_function_takes_is_read_again() {
    let _alone = alone();
    // Hosts from other languages say "no limit" by their own largest numbers.
    for most in [1 << 53, i64::MAX as u64, u64::MAX - 1, u64::MAX] {
        let client = Builder::new().timeout_ms(most).idle_timeout_ms(most).build();
        let told = client.config_text();
        assert_eq!(Client::from_config(&told).unwrap().config_text(), told, "{most}");
    }
}

#[test]
fn a_socket_is_a_host_by_its_path_alone() {
    let _alone = alone();
    let client = Client::from_config(r#"{"hosts": ["unix:/run/a b.sock"]}"#).unwrap();
    let message = client.get("/").unwrap_err().message;
    assert!(message.contains("unix:/run/a b.sock "), "{message}");
    let text = r#"{"hosts": ["unix:a"]}"#;
    let message = Client::from_config(text).unwrap_err().message;
    assert!(message.starts_with("hosts[0]: is no path of a unix socket"), "{message}");
}

#[test]
fn sockets_are_read_again_whatever_their_paths_hold() {
    let _alone = alone();
    let paths =
        ["/run/a.sock", "/run/Application Support/a", "/a#b", "/a?weight=2", "/a:80", "/a,b;c"];
    let hosts = paths.map(|path| Host::new(&format!("unix:{path}"), 80));
    let balancer = Balancer::round_robin(&Provider::of(&hosts));
    let told = Builder::new().balancer(&balancer).build().config_text();
    let again = Client::from_config(&told).unwrap();
    assert_eq!(again.config_text(), told);
    again.get("/").unwrap_err();
    let message = again.get("/").unwrap_err().message;
    for path in paths {
        assert!(message.contains(&format!("unix:{path} ")), "{path} in {message}");
    }
}

#[test]
fn what_a_fault_quotes_ends_neither_its_line_nor_the_others() {
    let _alone = alone();
    let text = r#"{"a\u0000b": 1, "c\nd: e": 1, "timeout": "5\n\u0000s", "idle_timeout": "5"}"#;
    let message = Client::from_config(text).unwrap_err().message;
    assert_eq!(message.lines().count(), 4, "{message}");
    assert!(message.contains("idle_timeout: 5 has no unit"), "{message}");
}

#[test]
fn the_text_of_a_client_shows_what_is_in_effect_and_no_secret() {
    let _alone = alone();
    let builder = Builder::new().balancer(&round_robin(&[1])).header("Authorization", "hunter2");
    builder.option("timeout", "1m30s").unwrap();
    builder.option("retry_tries", "5").unwrap();
    let text = builder.build().config_text();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&told["timeout"], &told["retry"]["tries"]), (&json!("90s"), &json!(5)));
    assert_eq!(told["idle_timeout"], json!("1m"), "those that nobody set as well");
    assert_eq!(told["hosts"], json!(["127.0.0.1:1"]));
    assert_eq!(told["balancer"]["name"], json!("round_robin"));
    assert_eq!(told["breaker"]["open_base"], json!("500ms"));
    assert_eq!(told["headers"]["authorization"], json!("****"));
    assert!(!text.contains("hunter2"), "{text}");
    let failure = Client::from_config(&text).map(drop).unwrap_err();
    assert_eq!(failure.message.lines().count(), 1, "{}", failure.message);
    assert!(failure.message.starts_with("headers.authorization: is ****"), "{}", failure.message);
}

#[test]
fn what_is_switched_off_stays_off_wherever_it_stands() {
    let _alone = alone();
    let switches = [
        (None, "retry_budget", r#""off""#, r#""retry_budget_floor": 5"#),
        (None, "adaptive_throttle", r#""off""#, r#""adaptive_throttle_window": "5s""#),
        (Some("balancer"), "outlier_detection", "false", r#""outlier_ejection_base": "5s""#),
        (Some("balancer"), "slow_start_window", r#""off""#, r#""slow_start_min_ratio": 0.5"#),
        (Some("breaker"), "slow_calls_duration", r#""off""#, r#""slow_calls_ratio": 0.5"#),
    ];
    for (section, key, off, other) in switches {
        let off_first = format!(r#""{key}": {off}, {other}"#);
        let off_last = format!(r#"{other}, "{key}": {off}"#);
        for settings in [off_first, off_last] {
            let settings = match section {
                Some(section) => format!(r#""{section}": {{ {settings} }}"#),
                None => settings,
            };
            let text = format!(r#"{{ "hosts": ["127.0.0.1:1"], {settings} }}"#);
            let told = Client::from_config(&text).unwrap().config_text();
            let told: Value = serde_json::from_str(&told).unwrap();
            let told = section.map_or(&told, |section| &told[section]);
            let off: Value = serde_json::from_str(off).unwrap();
            assert_eq!(told[key], off, "{text}");
        }
    }
}

#[test]
fn what_a_text_cannot_hold_is_masked() {
    let _alone = alone();
    let provider = Provider::custom(|_| AHOY_OK);
    let balancer = Balancer::custom(&provider, |_| 0);
    let authority = Authority::new();
    let builder = Builder::new().balancer(&balancer).ca(&authority.pem);
    let told: Value = serde_json::from_str(&builder.build().config_text()).unwrap();
    assert_eq!((&told["provider"], &told["balancer"]["name"]), (&json!("****"), &json!("****")));
    assert_eq!(told["tls"], json!({ "ca_files": ["****"] }));
}

#[test]
fn a_providers_url_is_told_as_it_was_written_but_for_its_secrets() {
    let _alone = alone();
    for (url, told) in [
        ("zk://127.0.0.1:1,[::1]:2/x?tls", "zk://127.0.0.1:1,[::1]:2/x?tls"),
        ("etcd://u:hunter2@127.0.0.1:1,127.0.0.1:2/x", "etcd://****@127.0.0.1:1,127.0.0.1:2/x"),
        ("consul://127.0.0.1/x?token_file=/a%20b+c", "consul://127.0.0.1/x?token_file=/a%20b+c"),
        (
            "http+sd://127.0.0.1:1/x?%70assword=hunter2&username=hunter2&ca_file=/a%20b+c&tls",
            "http+sd://127.0.0.1:1/x?%70assword=****&username=****&ca_file=/a%20b+c&tls",
        ),
        ("http+sd://127.0.0.1:1/x%3Fsig=hunter2", "http+sd://127.0.0.1:1/x%3F****"),
    ] {
        let client = Client::from_config(&json!({ "provider": url }).to_string()).unwrap();
        let text = client.config_text();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["provider"], json!(told));
        // What shows all makes another client of the same configuration.
        let again = Client::from_config(&text).map(|again| again.config_text());
        match told == url {
            true => assert_eq!(again.unwrap(), text),
            false => assert!(again.unwrap_err().message.starts_with("provider: is ****")),
        }
        client.reconfigure(&value).unwrap();
    }
}

#[test]
fn a_builders_client_tells_the_url_of_its_provider_with_what_was_set_beside_it() {
    let _alone = alone();
    let url = "etcd://u:hunter2@127.0.0.1:1/x?silence=5s";
    let provider = Provider::from_url(url).unwrap();
    for (key, value) in [("silence", "7s"), ("password", "hunter2"), ("ca_file", "/a&b c")] {
        provider.set(key, value).unwrap();
    }
    let balancer = Balancer::round_robin(&provider);
    let client = Builder::new().balancer(&balancer).build();
    let text = client.config_text();
    let told: Value = serde_json::from_str(&text).unwrap();
    let shown = "etcd://****@127.0.0.1:1/x?silence=7s&password=****&ca_file=/a%26b%20c";
    assert_eq!(told["provider"], json!(shown));
    assert!(!text.contains("hunter2"));
    drop(balancer);
    client.reconfigure(&told).unwrap();
    // Where nothing is masked, the text makes a client of the same configuration.
    let provider = Provider::from_url("file:///etc/services-list").unwrap();
    provider.set("empty_hold", "7s").unwrap();
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    let text = client.config_text();
    assert!(text.contains("\"file:///etc/services-list?empty_hold=7s\""), "{text}");
    assert_eq!(Client::from_config(&text).unwrap().config_text(), text);
}

/// A folder of its own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("ahoy-{name}-{}", process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn certificates_and_keys_come_from_files() {
    let _alone = alone();
    let (authority, clients, folder) = (Authority::new(), Authority::new(), Folder::new("files"));
    let server =
        Server::tls(authority.strict_server("localhost", &clients), |_| Reply::status(200));
    let (certificate, key) = clients.issue("caller");
    let tls = json!({
        "ca_files": [folder.file("ca.pem", &authority.pem)],
        "certificate_file": folder.file("own.pem", &certificate),
        "key_file": folder.file("own.key", &key),
    });
    let host = json!({ "address": "localhost", "port": server.port(), "scheme": "https" });
    let text = json!({ "hosts": [host], "platform_roots": false, "tls": tls }).to_string();
    let client = Client::from_config(&text).unwrap();
    assert_eq!(client.get("/").unwrap().status, 200);
    let told: Value = serde_json::from_str(&client.config_text()).unwrap();
    assert_eq!((&told["tls"], &told["hosts"]), (&tls, &json!([host])));

    let broken = json!({ "tls": {
        "ca_files": [folder.file("bad.pem", "no pem"), folder.file("good.pem", &authority.pem)],
        "certificate_file": folder.file("own.pem", &certificate),
        "key_file": folder.file("other.key", &authority.issue("other").1),
    }});
    let failure = Client::from_config(&broken.to_string()).map(drop).unwrap_err();
    let wanted = ["tls.ca_files[0]", "tls.key_file"].map(str::to_owned);
    assert_eq!(named(&failure), BTreeSet::from(wanted), "{}", failure.message);
}

#[test]
fn a_builder_takes_a_text_and_keeps_its_hooks() {
    let _alone = alone();
    let server = Server::ok();
    let text = json!({ "hosts": [format!("127.0.0.1:{}", server.port())], "timeout": "7s" });
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let builder = Builder::new().on_request(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        AHOY_OK
    });
    builder.option("timeout", "1s").unwrap();
    refused(builder.try_config(r#"{"timeout": "x"}"#), "timeout");
    builder.try_config(&text.to_string()).unwrap();
    let client = builder.build();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert!(client.config_text().contains("\"timeout\": \"7s\""));
}

#[test]
fn the_page_shows_what_works() {
    let _alone = alone();
    let page = fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let blocks: Vec<_> = page.split("```json\n").skip(1).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let text = block.split("```").next().unwrap();
        Client::from_config(text).unwrap();
    }
    // Each key beside the settings is told.
    for key in ["hosts", "provider", "base_url", "headers", "forward_headers", "tls", "probe_path"]
    {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn a_setting_that_another_one_bounds_comes_before_or_after_it() {
    let _alone = alone();
    let (interval, out) =
        (r#""health_check_interval": "2s""#, r#""health_thresholds_out_interval": "10s""#);
    for both in [[interval, out], [out, interval]] {
        let balancer = format!(r#"{{"name": "p2c", {}}}"#, both.join(", "));
        let client = format!(r#"{{"hosts": ["127.0.0.1:1"], "balancer": {balancer}}}"#);
        let told = Client::from_config(&client).unwrap().config_text();
        assert!(told.contains(out), "{told}");
    }
}
