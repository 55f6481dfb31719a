//! Why an endpoint is available or not, and what an error tells of all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ahoy::ffi::balancer::explain::*;
use ahoy::ffi::values::status::*;
use support::*;

const SOON: Duration = ms(10_000);

#[track_caller]
fn shows(endpoint: &Endpoint, reason: i32, text: &str) {
    let (found, sentence) = endpoint.reason();
    assert_eq!(found, reason, "{sentence}");
    assert!(sentence.contains(text), "{sentence}");
}

/// A client without retries and the balancer's endpoint.
fn one(server: &Server, breaker: &Breaker) -> (Client, Balancer, Endpoint) {
    let balancer = round_robin(&[server.port()]).with(breaker);
    let client = Builder::new().balancer(&balancer).retry(&Retry::new().tries(1)).build();
    balancer.update().unwrap();
    let endpoint = balancer.endpoint(server.port());
    (client, balancer, endpoint)
}

#[test]
fn hands_are_told_apart() {
    let server = Server::ok();
    let (client, _, endpoint) = one(&server, &Breaker::new());
    shows(&endpoint, AHOY_REASON_AVAILABLE, "available");
    client.get("/").unwrap();
    endpoint.open().unwrap();
    shows(&endpoint, AHOY_REASON_OPENED_BY_HAND, "opened by hand");
    endpoint.close().unwrap();
    endpoint.drain();
    shows(&endpoint, AHOY_REASON_DRAINED, "drained by hand");
    endpoint.resume();
    shows(&endpoint, AHOY_REASON_AVAILABLE, "available");
}

#[test]
fn an_open_circuit_tells_until_when_and_the_last_failure() {
    let server = Server::status(500);
    let breaker = Breaker::new().consecutive(2).min_closed(0).open_ms(60_000, 60_000);
    let (client, balancer, endpoint) = one(&server, &breaker);
    (0..2).for_each(|_| drop(client.get("/")));
    shows(&endpoint, AHOY_REASON_CIRCUIT_OPEN, "by its failures, next probe in ");
    shows(&endpoint, AHOY_REASON_CIRCUIT_OPEN, "ms; last failure ");
    shows(&endpoint, AHOY_REASON_CIRCUIT_OPEN, " ms ago: status 500");
    let told = client.get("/").unwrap_err();
    assert_eq!(told.status, AHOY_E_NO_ENDPOINTS);
    let line = told.message.lines().last().unwrap().trim();
    let start = format!("{}  circuit open by its failures, next probe in ", server.url());
    assert!(line.starts_with(&start), "{}", told.message);
    assert!(balancer.explain().starts_with(&start), "{}", balancer.explain());
    assert!(balancer.pick().unwrap_err().message.contains(&start));
}

#[test]
fn an_unreachable_endpoint_is_told_so() {
    let server = Server::ok();
    let (client, _, endpoint) = one(&server, &Breaker::new().connect_open_max_ms(60_000));
    server.stop();
    client.get("/").unwrap_err();
    shows(&endpoint, AHOY_REASON_CIRCUIT_OPEN, "since it could not be connected to");
}

#[test]
fn an_ejected_endpoint_tells_its_rule_and_time() {
    let good: Vec<_> = (0..4).map(|_| Server::ok()).collect();
    let bad = Server::status(500);
    let mut ports: Vec<_> = good.iter().map(Server::port).collect();
    ports.push(bad.port());
    let balancer = round_robin(&ports).with(&Breaker::new().no_consecutive().no_ratio());
    for (key, value) in [
        ("outlier_detection", "true"),
        ("outlier_ejection_interval", "300ms"),
        ("outlier_failure_share", "0.5"),
        ("outlier_failure_share_min_endpoints", "2"),
        ("outlier_failure_share_min_calls", "3"),
    ] {
        balancer.option(key, value).unwrap();
    }
    let client = single(&balancer);
    eventually("the bad one is ejected", SOON, || {
        client.get("/").unwrap();
        balancer.endpoint(bad.port()).reason().0 == AHOY_REASON_EJECTED
    });
    let text = "ejected by its share of failures, back in ";
    shows(&balancer.endpoint(bad.port()), AHOY_REASON_EJECTED, text);
}

#[test]
fn failing_checks_and_warming_up_are_told() {
    let well = Arc::new(AtomicBool::new(true));
    let asked = Arc::clone(&well);
    // Calls go well all the time, so that no circuit opens.
    let ill = move |seen: &Seen| match seen.path == "/up" && !asked.load(Ordering::Relaxed) {
        true => Reply::status(500),
        false => Reply::status(200),
    };
    let servers = [Server::ok(), Server::new(ill)];
    let ports = servers.each_ref().map(Server::port);
    // A check is due only where no call told anything for the interval: less than calls are apart here.
    let balancer = round_robin(&ports).check(Some("/up"), 1, 5_000).thresholds(1, 1, 20);
    balancer.option("slow_start_window", "60s").unwrap();
    let client = single(&balancer);
    client.get("/").unwrap();
    well.store(false, Ordering::Relaxed);
    let endpoint = balancer.endpoint(ports[1]);
    // Calls meanwhile: a service that nobody asks is checked once a minute.
    let shown = |reason| {
        drop(client.get("/"));
        endpoint.reason().0 == reason
    };
    eventually("a check fails", SOON, || shown(AHOY_REASON_CHECK_FAILING));
    shows(&endpoint, AHOY_REASON_CHECK_FAILING, "fails its health checks for ");
    well.store(true, Ordering::Relaxed);
    eventually("it passes", SOON, || shown(AHOY_REASON_WARMING));
    shows(&endpoint, AHOY_REASON_WARMING, "warming up for ");
}

#[test]
fn weights_localities_and_departures_are_told() {
    let servers: Vec<_> = (0..3).map(|_| Server::ok()).collect();
    let host = |index: usize| Host::new("127.0.0.1", servers[index].port());
    let hosts = [host(0), host(1).weight(0), host(2).priority(1)];
    let balancer = Balancer::round_robin(&Provider::of(&hosts));
    balancer.update().unwrap();
    let endpoints = [0, 1, 2].map(|index| balancer.endpoint(servers[index].port()));
    shows(&endpoints[0], AHOY_REASON_AVAILABLE, "available");
    shows(&endpoints[1], AHOY_REASON_WEIGHT_ZERO, "weight 0");
    shows(&endpoints[2], AHOY_REASON_OTHER_LOCALITY, "another locality");
    balancer.leave(&host(0)).unwrap();
    shows(&endpoints[0], AHOY_REASON_DEPARTED, "no longer listed");
    shows(&endpoints[2], AHOY_REASON_AVAILABLE, "available");
}

#[test]
fn a_weight_of_0_is_no_open_circuit() {
    let fleet = Fleet::of(2);
    let none = Balancer::round_robin(&fleet.weighted(&[0, 0]));
    let failure = Builder::new().balancer(&none).build().get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS);
    assert!(
        failure.message.contains(": every endpoint is listed with a weight of 0\n"),
        "{failure:?}"
    );
    let picked = none.pick().err().unwrap().message;
    assert!(picked.starts_with("every endpoint is listed with a weight of 0\n"), "{picked}");
    let one = Balancer::round_robin(&fleet.weighted(&[0, 1]));
    one.update().unwrap();
    one.endpoint(fleet.0[1].port()).open().unwrap();
    let message = Builder::new().balancer(&one).build().get("/").unwrap_err().message;
    assert!(message.contains("the circuit of the one endpoint is open"), "{message}");
}

#[test]
fn a_full_endpoint_is_told_with_what_is_in_flight() {
    let server = Server::always(Reply::status(200).after(ms(500)));
    let balancer = round_robin(&[server.port()]).max_in_flight(1);
    let client = single(&balancer);
    let held = client.begin("/");
    eventually("it is under way", SOON, || server.in_flight() == 1);
    shows(&balancer.endpoint(server.port()), AHOY_REASON_FULL, "as many attempts in flight");
    assert!(balancer.explain().contains("; 1 in flight, cost 2.00\n"), "{}", balancer.explain());
    held.end().unwrap();
}

#[test]
fn a_cost_by_latency_is_told_in_milliseconds_once_there_is_one() {
    let server = Server::always(Reply::status(200).after(ms(100)));
    let balancer = Balancer::recommended(&Provider::loopback(&[server.port()]));
    let client = single(&balancer);
    let held = client.begin("/");
    eventually("it is under way", SOON, || server.in_flight() == 1);
    let told = balancer.explain();
    assert!(told.ends_with("; 1 in flight, cost unknown\n"), "{told}");
    held.end().unwrap();
    let told = balancer.explain();
    let cost =
        told.rsplit_once("; 0 in flight, cost ").and_then(|(_, it)| it.strip_suffix(" ms\n"));
    let cost: f64 = cost.unwrap_or_else(|| panic!("{told}")).parse().unwrap();
    assert!((100.0..5_000.0).contains(&cost), "{told}");
}

#[test]
fn no_circuit_is_blamed_that_is_closed() {
    let servers = [Server::ok(), Server::ok()];
    let provider = Provider::loopback(&servers.each_ref().map(Server::port));
    let balancer = Balancer::custom(&provider, |count| count);
    let client = single(&balancer);
    let told = || client.get("/").unwrap_err().message;
    let first = told();
    assert!(first.contains("AHOY_E_NO_ENDPOINTS: no endpoint was picked\n"), "{first}");
    balancer.endpoint(servers[0].port()).open().unwrap();
    let one = told();
    assert!(one.contains("of 2, 1 have an open circuit; none will be probed by itself"), "{one}");
    balancer.endpoint(servers[1].port()).open().unwrap();
    assert!(told().contains("all 2 circuits are open"), "{}", told());
}

#[test]
fn an_error_explains_ten_endpoints_at_most() {
    let servers: Vec<_> = (0..12).map(|_| Server::ok()).collect();
    let ports: Vec<_> = servers.iter().map(Server::port).collect();
    let balancer = round_robin(&ports);
    let client = single(&balancer);
    client.get("/").unwrap();
    ports.iter().for_each(|port| balancer.endpoint(*port).drain());
    let told = client.get("/").unwrap_err().message;
    assert_eq!(told.lines().filter(|line| line.contains("drained by hand")).count(), 10, "{told}");
    assert!(told.ends_with("\n  and 2 more"), "{told}");
    assert_eq!(balancer.explain().lines().count(), 12);
}
