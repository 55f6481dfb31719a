//! A client whose configuration is replaced while it is used.
//!
//! One test at a time: calls of another would take the shard whose connection is counted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use ahoy::ffi::values::status::*;
use serde_json::{Value, json};

use support::*;

fn host(server: &Server) -> String {
    format!("127.0.0.1:{}", server.port())
}

/// The same without a limit on attempts: on a busy machine one may be late, and another on a new connection beside it.
fn patient(config: &Value) -> Value {
    let mut config = config.clone();
    config["attempt_timeout"] = json!("forever");
    config
}

fn made(config: &Value) -> Client {
    Client::from_config(&patient(config).to_string()).unwrap()
}

fn change(client: &Client, config: &Value) -> Result<(), Failure> {
    client.reconfigure(&patient(config))
}

fn told(client: &Client) -> Value {
    serde_json::from_str(&client.config_text()).unwrap()
}

#[test]
fn settings_change_and_connections_and_counts_stay() {
    let _alone = alone();
    let server = Server::ok();
    let client = made(&json!({ "hosts": [host(&server)], "timeout": "5s" }));
    assert_eq!(client.get("/").unwrap().status, 200);
    change(&client, &json!({ "hosts": [host(&server)], "timeout": "6s" })).unwrap();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(told(&client)["timeout"], json!("6s"));
    assert_eq!(server.connections(), 1, "the one connection is used again");
    let snapshot = client.snapshot();
    for name in ["ahoy_client_call_duration_seconds", "ahoy_endpoint_request_duration_seconds"] {
        assert_eq!(snapshot.sum(name, &[]), 2.0, "{name}");
    }
}

/// One bad host of two, whose circuit one failure opens for a minute.
fn with_open_circuit(good: &Server, bad: &Server) -> (Client, Value) {
    let config = json!({
        "hosts": [host(good), host(bad)],
        "balancer": "round_robin",
        "breaker": { "consecutive_failures": 1, "open_base": "1m", "open_max": "1m" },
        "retry": { "tries": 2, "delay": "0ms" },
        "headers": { "authorization": "hunter2" },
    });
    let client = made(&config);
    for _ in 0..3 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert_eq!(bad.request_count(), 1);
    (client, config)
}

#[test]
fn endpoints_keep_circuits_counts_and_connections_under_another_balancer() {
    let _alone = alone();
    let (good, bad, new) = (Server::ok(), Server::status(503), Server::ok());
    let (client, mut config) = with_open_circuit(&good, &bad);
    config["hosts"] = json!([host(&good), host(&bad), host(&new)]);
    config["balancer"] =
        json!({ "name": "p2c", "slow_start_window": "1s", "outlier_detection": true });
    config["breaker"]["open_base"] = json!("2s");
    change(&client, &config).unwrap();
    for _ in 0..30 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert_eq!(bad.request_count(), 1, "its circuit is still open");
    assert!(new.request_count() > 0);
    assert_eq!(good.connections(), 1);
    let snapshot = client.snapshot();
    let open = [("state", "open")];
    assert_eq!(snapshot.sum("ahoy_balancer_circuits", &open), 1.0);
    assert_eq!(snapshot.sum("ahoy_balancer_circuits_opened_total", &[]), 1.0);
    assert_eq!(snapshot.sum("ahoy_endpoint_attempts_total", &[]), 34.0, "those before as well");
    assert_eq!(snapshot.sum("http_client_request_duration_seconds", &[]), 34.0);
    // Back to the first, without one host.
    config["hosts"] = json!([host(&good), host(&bad)]);
    config["balancer"] = json!("random");
    change(&client, &config).unwrap();
    let asked = new.request_count();
    for _ in 0..10 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert_eq!((bad.request_count(), new.request_count(), good.connections()), (1, asked, 1));
}

#[test]
fn a_fault_leaves_all_as_it_is() {
    let _alone = alone();
    let server = Server::ok();
    let client = made(&json!({ "hosts": [host(&server)], "timeout": "5s" }));
    let before = client.config_text();
    let faults = json!({ "hosts": ["x"], "timeout": "6s", "retry": { "tries": 0 } });
    let failure = change(&client, &faults).unwrap_err();
    assert_eq!(failure.message.lines().count(), 2, "{}", failure.message);
    assert_eq!(client.config_text(), before);
    let nowhere = json!({ "tls": { "ca_files": ["tests/no-such.pem"] } });
    refused(change(&client, &nowhere), "tls.ca_files[0]");
    assert_eq!(client.config_text(), before);
    assert_eq!(client.get("/").unwrap().status, 200);
    client.close(0).unwrap();
    assert_eq!(change(&client, &json!({})).unwrap_err().status, AHOY_E_CLOSED);
}

#[test]
fn what_is_masked_and_what_is_not_said_stays() {
    let _alone = alone();
    let (good, bad) = (Server::ok(), Server::status(503));
    let (client, _) = with_open_circuit(&good, &bad);
    let mut config = told(&client);
    config["timeout"] = json!("7s");
    change(&client, &config).unwrap();
    change(&client, &json!({ "headers": { "authorization": "****" } })).unwrap();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(good.requests().last().unwrap().header("authorization"), Some("hunter2"));
    assert_eq!((bad.request_count(), good.connections()), (1, 1), "the balancer is the same");
    assert_eq!(told(&client)["breaker"]["open_base"], json!("1m"));
    refused(change(&client, &json!({ "headers": { "x-a": "****" } })), "headers.x-a");
}

#[test]
fn masks_in_a_list_of_another_length_are_refused() {
    let _alone = alone();
    let server = Server::ok();
    let authority = Authority::new();
    let client = Builder::new()
        .base_url(&server.url())
        .header("x-key", "key-of-a")
        .header("x-key", "key-of-b")
        .ca(&authority.pem)
        .ca(&authority.pem)
        .build();
    let before = client.config_text();
    for (config, path) in [
        (json!({ "headers": { "x-key": ["****"] } }), "headers.x-key"),
        (json!({ "headers": { "x-key": "****" } }), "headers.x-key"),
        (json!({ "headers": { "x-key": ["new", "****", "****"] } }), "headers.x-key"),
        (json!({ "tls": { "ca_files": ["****"] } }), "tls.ca_files"),
    ] {
        refused(change(&client, &config), path);
        assert_eq!(client.config_text(), before);
    }
    change(&client, &json!({ "headers": { "x-key": ["new", "****"] } })).unwrap();
    client.get("/").unwrap();
    assert_eq!(server.requests().last().unwrap().all("x-key"), ["new", "key-of-b"]);
}

#[test]
fn a_masked_url_that_is_another_is_refused() {
    let _alone = alone();
    let provider = "http+sd://127.0.0.1:1/x?token=hunter2";
    let client = made(&json!({ "provider": provider }));
    let masked = told(&client)["provider"].clone();
    change(&client, &json!({ "provider": masked })).unwrap();
    let other = json!({ "provider": "http+sd://127.0.0.1:2/x?token=****" });
    refused(change(&client, &other), "provider");
    let client = made(&json!({ "proxy": "http://u:hunter2@127.0.0.1:1" }));
    change(&client, &json!({ "proxy": told(&client)["proxy"] })).unwrap();
    refused(change(&client, &json!({ "proxy": "http://****@127.0.0.1:2" })), "proxy");
}

#[test]
fn a_balancer_that_others_have_as_well_is_in_use() {
    let _alone = alone();
    let (one, other) = (Server::ok(), Server::ok());
    let balancer = round_robin(&[one.port()]);
    let (first, second) = {
        let builder = Builder::new().balancer(&balancer);
        (builder.build(), builder.build())
    };
    assert_eq!(first.get("/").unwrap().status, 200);
    change(&first, &json!({ "timeout": "7s" })).unwrap();
    let next = json!({ "hosts": [host(&other)] });
    let failure = change(&first, &next).unwrap_err();
    assert_eq!(failure.status, AHOY_E_IN_USE, "{}", failure.message);
    assert_eq!(told(&first)["timeout"], json!("7s"), "nothing was changed");
    drop(balancer);
    assert_eq!(change(&first, &next).unwrap_err().status, AHOY_E_IN_USE, "the second has it");
    drop(second);
    change(&first, &next).unwrap();
    assert_eq!(first.get("/").unwrap().endpoint_url, other.url());
}

#[test]
fn a_balancer_of_a_function_keeps_its_provider() {
    let _alone = alone();
    let server = Server::ok();
    let (port, asked) = (server.port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let client = {
        let provider = Provider::custom(move |hosts| {
            count.fetch_add(1, Ordering::SeqCst);
            if failing.load(Ordering::SeqCst) {
                return AHOY_E_DISCOVERY;
            }
            hosts.add("127.0.0.1", port).unwrap();
            AHOY_OK
        });
        let builder = Builder::new().balancer(&Balancer::round_robin(&provider));
        builder.attempt_timeout_ms(FOREVER).build()
    };
    assert_eq!(client.get("/").unwrap().status, 200);
    let mut config = told(&client);
    config["balancer"] = json!("p2c");
    change(&client, &config).unwrap();
    assert_eq!((client.get("/").unwrap().status, asked.load(Ordering::SeqCst)), (200, 2));
    assert_eq!(told(&client)["balancer"]["name"], json!("p2c"));
    fails.store(true, Ordering::SeqCst);
    config["balancer"] = json!("random");
    assert_eq!(change(&client, &config).unwrap_err().status, AHOY_E_DISCOVERY);
    assert_eq!(told(&client)["balancer"]["name"], json!("p2c"));
    assert_eq!((client.get("/").unwrap().status, server.connections()), (200, 1));
}

#[test]
fn a_client_can_be_turned_to_another_kind_of_target() {
    let _alone = alone();
    let (one, other) = (Server::ok(), Server::ok());
    let client = made(&json!({ "base_url": one.url() }));
    assert_eq!(client.get("/").unwrap().status, 200);
    change(&client, &json!({ "base_url": one.url(), "timeout": "7s" })).unwrap();
    assert_eq!((client.get("/").unwrap().status, one.connections()), (200, 1));
    change(&client, &json!({ "hosts": [host(&other)], "balancer": "random" })).unwrap();
    assert_eq!(client.get("/").unwrap().endpoint_url, other.url());
    change(&client, &json!({ "base_url": one.url() })).unwrap();
    assert_eq!(client.get("/").unwrap().endpoint_url, one.url());
    assert_eq!(client.snapshot().sum("ahoy_client_call_duration_seconds", &[]), 4.0);
}

/// A subset is drawn anew several times a second, of what is listed: here nothing is yet.
#[test]
fn a_subset_that_takes_over_before_a_source_has_told_a_list_keeps_its_endpoints() {
    let _alone = alone();
    let (servers, silent) = ([Server::ok(), Server::ok()], Server::always(Reply::Hang));
    let balancer = json!({ "name": "round_robin", "subset": 2 });
    let hosts: Vec<String> = servers.iter().map(host).collect();
    let client = made(&json!({ "hosts": hosts, "balancer": balancer }));
    assert_eq!(client.get("/").unwrap().status, 200);
    let source = format!("http+sd://{}/", host(&silent));
    change(&client, &json!({ "provider": source, "balancer": balancer })).unwrap();
    let until = Instant::now() + ms(1_000);
    while Instant::now() < until {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
}

#[test]
fn all_that_was_listed_serves_where_a_source_that_takes_over_has_told_no_list() {
    let _alone = alone();
    let silent = Server::always(Reply::Hang);
    let source = format!("http+sd://{}/", host(&silent));
    for after in [json!("round_robin"), json!({ "name": "round_robin", "subset": 3 })] {
        let servers = [(); 3].map(|()| Server::ok());
        let used = || servers.iter().filter(|server| server.request_count() > 0).count();
        let hosts: Vec<String> = servers.iter().map(host).collect();
        let before = json!({ "name": "round_robin", "subset": 1 });
        let client = made(&json!({ "hosts": hosts, "balancer": before }));
        (0..9).for_each(|_| assert_eq!(client.get("/").unwrap().status, 200));
        assert_eq!(used(), 1);
        change(&client, &json!({ "provider": source, "balancer": after })).unwrap();
        (0..9).for_each(|_| assert_eq!(client.get("/").unwrap().status, 200));
        assert_eq!(used(), 3, "{after}");
    }
}

#[test]
fn a_call_under_way_goes_by_what_it_began_with() {
    let _alone = alone();
    let (begun, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (seen, held) = (Arc::clone(&begun), Arc::clone(&go_on));
    let server = Server::new(move |_| {
        seen.wait();
        held.wait();
        Reply::status(200)
    });
    let client = made(&json!({ "hosts": [host(&server)], "attempt_timeout": "forever" }));
    let call = client.begin("/");
    begun.wait();
    let next = json!({ "hosts": [host(&server), "127.0.0.1:1"], "timeout": "0ms", "http2": true });
    change(&client, &next).unwrap();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_DEADLINE, "a new call goes by the new");
    go_on.wait();
    assert_eq!(call.end().unwrap().status, 200);
    let attempts = client.snapshot().sum("ahoy_endpoint_attempts_total", &[("result", "good")]);
    assert_eq!(attempts, 1.0, "and counts with the rest");
}

#[test]
fn inside_a_callback_nothing_can_be_replaced() {
    let _alone = alone();
    let server = Server::ok();
    let result = Arc::new(AtomicUsize::new(0));
    let (inner, status) = (Arc::new(made(&json!({}))), Arc::clone(&result));
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_request(move |_| {
            let failure = change(&inner, &json!({})).unwrap_err();
            status.store(failure.status as usize, Ordering::SeqCst);
            AHOY_OK
        })
        .build();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(result.load(Ordering::SeqCst), AHOY_E_WOULD_DEADLOCK as usize);
}

/// What a client is told to be the `turn`th time: all kinds of balancers and of rules over changing hosts.
fn nth(turn: usize, servers: &[Server; 3]) -> Value {
    let names = ["p2c", "round_robin", "ring_hash", "least_request", "random", "maglev"];
    let some = if turn % 4 == 3 { &servers[..2] } else { &servers[..] };
    let mut config = json!({
        "hosts": some.iter().map(host).collect::<Vec<_>>(),
        "timeout": format!("{}s", 10 + turn),
        "balancer": { "name": names[turn / 2 % names.len()], "metrics_endpoints": 2 + turn % 5 },
        "breaker": { "open_base": format!("{}ms", 100 + turn / 3) },
        "retry": { "tries": 2 + turn % 3 },
    });
    if turn % 5 == 4 {
        config["idle_timeout"] = json!("50s");
    }
    if turn % 7 == 6 {
        config["balancer"]["outlier_detection"] = json!(true);
        config["max_in_flight"] = json!(64);
    }
    config
}

#[test]
fn no_call_fails_while_the_configuration_is_replaced_again_and_again() {
    let _alone = alone();
    const CALLERS: usize = 8;
    const TURNS: usize = 200;
    let servers = [Server::ok(), Server::ok(), Server::ok()];
    let client = made(&nth(0, &servers));
    let (stop, made) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (client, stop, made) = (&client, &stop, &made);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // Blocking calls and started ones.
                    let outcome = match caller % 2 {
                        0 => client.get("/"),
                        _ => client.begin("/").end(),
                    };
                    assert_eq!(outcome.unwrap().status, 200);
                    made.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for turn in 1..=TURNS {
            change(&client, &nth(turn, &servers)).unwrap();
            // Some calls in each configuration.
            let before = made.load(Ordering::Relaxed);
            eventually("a call ends", ms(10_000), || made.load(Ordering::Relaxed) > before);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (snapshot, made) = (client.snapshot(), made.load(Ordering::Relaxed) as f64);
    assert!(made > TURNS as f64);
    assert_eq!(
        snapshot.sum("ahoy_client_call_duration_seconds", &[("http_response_status_code", "200")]),
        made
    );
    assert_eq!(snapshot.sum("http_client_request_duration_seconds", &[]), made);
    assert_eq!(snapshot.sum("ahoy_client_active_calls", &[]), 0.0);
    let seen: usize = servers.iter().map(Server::request_count).sum();
    assert_eq!(seen as f64, made, "none was repeated");
}

#[test]
fn what_is_in_flight_counts_by_each_balancer_that_takes_over() {
    let _alone = alone();
    let server = Server::new(|_| Reply::Begin(CHUNKED.as_bytes().to_vec()));
    let config = |threshold: f64| {
        json!({
            "hosts": [host(&server)],
            "balancer": { "name": "least_request", "max_in_flight": 2, "panic_threshold": threshold },
            "retry": { "tries": 1 }, "endpoint_updates": 0,
        })
    };
    let client = made(&config(0.1));
    let active = || client.snapshot().sum("ahoy_endpoint_active_attempts", &[]);
    let mut streams = vec![client.stream("/")];
    change(&client, &config(0.2)).unwrap();
    assert_eq!(active(), 1.0);
    streams.push(client.stream("/"));
    for threshold in [0.3, 0.4] {
        change(&client, &config(threshold)).unwrap();
        assert_eq!(active(), 2.0);
        let failure = client.open(&Request::new("GET", "/").streamed()).unwrap_err();
        assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS, "{}", failure.message);
    }
    streams.remove(0);
    streams.push(client.stream("/"));
    assert_eq!(active(), 2.0);
    streams.clear();
    assert_eq!(active(), 0.0);
}
