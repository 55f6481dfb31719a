//! What may be `forever` by docs/options.md may be so: no call and no task of the library's own ends in a panic.

#![cfg(feature = "http2")]

use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::{Value, json};
use support::*;

/// The panics of all threads while this lives.
struct Panics(Arc<Mutex<Vec<String>>>);

impl Panics {
    /// The library's own hook, which tells nothing of its panics, is made with its first call: this one comes after.
    fn noted() -> Self {
        drop(Builder::new());
        let all = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&all);
        panic::set_hook(Box::new(move |panic| {
            noted.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
        }));
        Self(all)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        let _ = panic::take_hook();
    }
}

/// The settings that may be `forever`: of which handle, and their key.
fn settings() -> Vec<(String, String)> {
    let text = include_str!("../include/ahoy.json");
    let Value::Object(api) = serde_json::from_str(text).unwrap() else { panic!("an object") };
    let all = api["settings"].as_array().unwrap().iter();
    let may = all.filter(|it| it["forever"] == true);
    let text = |it: &Value, field: &str| it[field].as_str().unwrap().to_owned();
    may.map(|it| (text(it, "scope"), text(it, "key"))).collect()
}

fn with_all_on(hosts: &[String]) -> Value {
    json!({
        "hosts": hosts, "timeout": "400ms", "attempt_timeout": "40ms", "max_in_flight": 2, "wait_queue_length": 4,
        "wait_queue_timeout": "20ms", "hedge_delay": "10ms", "warm_up": 1,
        "balancer": {
            "name": "p2c", "slow_start_window": "50ms", "outlier_ejection_interval": "10ms", "outlier_ejection_base": "20ms",
            "outlier_ejection_max": "forever",
            "health_check_interval": "10ms", "health_check_timeout": "20ms", "outage_recovery_hold": "50ms",
            "outage_recovery_min_working": 1,
        },
        "breaker": { "consecutive_failures": 2, "open_base": "20ms", "open_max": "40ms", "slow_calls_duration": "30ms" },
        "retry": { "tries": 3, "delay": "5ms" },
    })
}

#[test]
fn every_limit_may_be_forever() {
    let _alone = alone();
    let (good, bad, hung) = (Server::ok(), Server::status(503), Server::always(Reply::Hang));
    let busy = Server::always(Reply::status(503).header("retry-after", "1"));
    let hosts = [&good, &bad, &hung, &busy].map(|server| format!("127.0.0.1:{}", server.port()));
    let (settings, panics, mut found) = (settings(), Panics::noted(), Vec::new());
    for (handle, key) in settings {
        let mut text = with_all_on(&hosts);
        match handle.as_str() {
            "client" => text[&key] = "forever".into(),
            "balancer" if key.starts_with("prequal") => {
                text["balancer"] =
                    json!({ "name": "prequal", "probe_path": "/load", key.as_str(): "forever" });
            }
            "breaker" if key == "open_base" => {
                (text["breaker"]["open_base"], text["breaker"]["open_max"]) =
                    ("forever".into(), "forever".into());
            }
            handle @ ("balancer" | "breaker" | "retry") => text[handle][&key] = "forever".into(),
            _ => continue,
        }
        let client = match Client::from_config(&text.to_string()) {
            Ok(client) => client,
            Err(failure) => {
                found.push(format!("{handle}.{key}: {}", failure.message));
                continue;
            }
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    (0..6).for_each(|_| {
                        let request = Request::new("GET", "/").timeout_ms(200);
                        let _ = client.send(&request);
                    })
                });
            }
        });
        drop(client);
        found.extend(panics.take().into_iter().map(|it| format!("{handle}.{key}: {it}")));
    }
    drop(panics);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
