//! The main job: some hosts are dead, every call is answered, and what heals comes back by itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use ahoy::ffi::values::status::*;
use support::*;

fn times_tried(answers: &[Answer]) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for url in answers.iter().flat_map(Answer::tried) {
        *times.entry(url.to_owned()).or_default() += 1;
    }
    times
}

#[test]
fn three_hosts_two_dead_and_every_call_answers_200() {
    let (dead, good, also_dead) = (Dead::new(), Server::ok(), Dead::new());
    let client = client_over(&[dead.port(), good.port(), also_dead.port()]);
    let answers: Vec<_> = (0..3).map(|_| client.get("/").unwrap()).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().all(|answer| answer.endpoint_url == good.url()));
    let times = times_tried(&answers);
    assert_eq!(times[&good.url()], 3);
    assert_eq!(times[&dead.url()], 1, "left alone after the first: {times:?}");
    assert_eq!(times[&also_dead.url()], 1, "left alone after the first: {times:?}");
    assert_eq!(good.request_count(), 3);
}

#[test]
fn the_attempt_list_tells_what_happened() {
    let (dead, good) = (Dead::new(), Server::ok());
    let balancer = Balancer::custom(&Provider::loopback(&[dead.port(), good.port()]), |_| 0);
    let answer = Builder::new().balancer(&balancer).build().get("/").unwrap();
    assert_eq!(answer.attempt_count, 2);
    let [failed, worked] = &answer.attempts[..] else { panic!("{:?}", answer.attempts) };
    assert_eq!(
        (failed.url.as_str(), failed.status, failed.http_status),
        (&*dead.url(), AHOY_E_CONNECT, 0)
    );
    assert!(
        failed.detail.contains("refused") && failed.opened_circuit && !failed.ambiguous,
        "{failed:?}"
    );
    assert_eq!(
        (worked.url.as_str(), worked.status, worked.http_status),
        (&*good.url(), AHOY_OK, 200)
    );
    assert!(worked.detail.is_empty() && !worked.opened_circuit, "{worked:?}");
    assert!(worked.elapsed > ms(0));
}

#[test]
fn four_dead_hosts_do_not_eat_up_three_tries() {
    let (dead, good) = ([Dead::new(), Dead::new(), Dead::new(), Dead::new()], Server::ok());
    let mut ports: Vec<_> = dead.iter().map(Dead::port).collect();
    ports.push(good.port());
    // Always the first candidate, so that the good one comes last.
    let balancer = Balancer::custom(&Provider::loopback(&ports), |_| 0);
    let client = Builder::new().balancer(&balancer).tries(3).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 5));
    assert_eq!(good.request_count(), 1);
}

#[test]
fn hosts_whose_name_does_not_exist_are_passed_over() {
    let good = Server::ok();
    let provider = Provider::list();
    provider.add("badhost.invalid", 80).unwrap();
    provider.add("127.0.0.1", good.port()).unwrap();
    provider.add("badhost3.invalid", 80).unwrap();
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    let answers: Vec<_> = (0..3).map(|_| client.get("/").unwrap()).collect();
    assert!(answers.iter().all(|answer| answer.status == 200));
    let times = times_tried(&answers);
    assert_eq!((times["http://badhost.invalid:80"], times["http://badhost3.invalid:80"]), (1, 1));
    let failed =
        answers.iter().flat_map(|answer| &answer.attempts).find(|one| one.status != AHOY_OK);
    assert_eq!(failed.unwrap().status, AHOY_E_RESOLVE);
}

#[test]
fn when_all_are_dead_the_error_tells_all() {
    let dead = [Dead::new(), Dead::new(), Dead::new()];
    // Else it looks for a while whether one is back, the sooner the shorter a circuit is open.
    let breaker = Breaker::new().open_ms(10_000, 10_000).connect_open_max_ms(10_000);
    let balancer = round_robin(&dead.each_ref().map(Dead::port)).with(&breaker);
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(0).build();
    let failure = client.get("/orders?token=secret").unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECT);
    assert!(failure.is_retryable && !failure.is_ambiguous);
    assert_eq!((failure.attempt_count, failure.attempts.len()), (3, 3));
    let lines: Vec<_> = failure.message.lines().collect();
    assert_eq!(lines.len(), 4, "{}", failure.message);
    assert!(lines[0].starts_with("GET /orders failed after 3 attempts in "), "{}", lines[0]);
    assert!(lines[0].contains("AHOY_E_CONNECT"), "{}", lines[0]);
    assert!(lines[1].contains("circuit opened, next probe in "), "{}", lines[1]);
    assert!(!failure.message.contains("secret"), "queries are not shown");

    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_NO_ENDPOINTS, 0));
    assert!(failure.message.contains("next probe is due in "), "{}", failure.message);
    assert!(took < ms(100), "it fails at once: {took:?}");
}

#[test]
fn a_host_that_dies_in_use_and_heals_fails_no_call() {
    let (shaky, steady) = (Server::ok(), Server::ok());
    let balancer = round_robin(&[shaky.port(), steady.port()])
        .with(&Breaker::new().open_ms(5, 20).connect_open_max_ms(20));
    let client = Builder::new().balancer(&balancer).build();
    let (done, comebacks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let is_done = || done.load(Ordering::SeqCst);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done() {
                goes_on(&steady, is_done);
                shaky.stop();
                goes_on(&steady, is_done);
                shaky.restart();
                comebacks.fetch_add(usize::from(goes_on(&shaky, is_done)), Ordering::SeqCst);
            }
        });
        let failed: Vec<_> = (0..2000).filter_map(|_| client.get("/").err()).collect();
        done.store(true, Ordering::SeqCst);
        assert!(failed.is_empty(), "{} of 2000 failed, first: {}", failed.len(), failed[0].message);
    });
    let comebacks = comebacks.load(Ordering::SeqCst);
    assert!(comebacks >= 2, "it came back {comebacks} times");
}

/// Waits for 100 more requests, and says whether they came before the end.
fn goes_on(server: &Server, is_done: impl Fn() -> bool) -> bool {
    let enough = server.request_count() + 100;
    eventually("more calls", ms(20_000), || server.request_count() >= enough || is_done());
    server.request_count() >= enough
}

#[test]
fn a_host_down_for_three_seconds_is_probed_singly_and_gets_traffic_soon_after_it_heals() {
    let (shaky, steady) = (Server::ok(), Server::ok());
    let client = client_over(&[shaky.port(), steady.port()]);
    client.get("/").unwrap();
    client.get("/").unwrap();
    shaky.stop();
    let probes = calls_until(&client, &shaky.url(), |begun: Instant| begun.elapsed() >= ms(3000));
    // Open for 0.5 s and then 1 s at a time, give or take a quarter: 2 to 6 probes and the first attempt.
    assert!((2..=7).contains(&probes), "{probes} attempts on a dead host in 3 s");
    let before = shaky.request_count();
    shaky.restart();
    let healed = Instant::now();
    calls_until(&client, &shaky.url(), |_| {
        shaky.request_count() > before || healed.elapsed() > ms(2500)
    });
    assert!(healed.elapsed() < ms(2000), "traffic only after {:?}", healed.elapsed());
}

/// Calls until `enough` says so; every call must be answered. Returns how often `url` was tried.
fn calls_until(client: &Client, url: &str, enough: impl Fn(Instant) -> bool) -> usize {
    let (begun, mut tried) = (Instant::now(), 0);
    while !enough(begun) {
        let answer = client.get("/").unwrap();
        assert_eq!(answer.status, 200);
        tried += answer.tried().into_iter().filter(|one| *one == url).count();
        thread::sleep(ms(1));
    }
    tried
}

#[test]
fn while_a_host_is_down_no_two_probes_overlap() {
    let steady = Server::ok();
    // It takes requests, and drops them 20 ms later.
    let down = Server::always(Reply::Reset.after(ms(20)));
    let balancer = round_robin(&[down.port(), steady.port()])
        .with(&Breaker::new().consecutive(1).open_ms(30, 60));
    let client = Builder::new().balancer(&balancer).build();
    client.get("/").unwrap();
    client.get("/").unwrap();
    let circuit = balancer.endpoint(down.port());
    eventually("the circuit opens", ms(2000), || circuit.is_open() && down.in_flight() == 0);
    down.take_most_in_flight();
    let before = down.request_count();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| calls_until(&client, &down.url(), |begun| begun.elapsed() > ms(1000)));
        }
    });
    let probes = down.request_count() - before;
    assert!(probes >= 5, "it was probed {probes} times");
    assert_eq!(down.take_most_in_flight(), 1, "one probe at a time");
}

#[test]
fn five_hundreds_everywhere_cost_exactly_the_tries_and_then_the_last_answer_is_handed_over() {
    let servers = [Server::status(500), Server::status(502), Server::status(503)];
    let client = client_over(&servers.each_ref().map(Server::port));
    let answer = client.get("/").unwrap();
    assert_eq!(answer.attempt_count, 3);
    assert_eq!(servers.each_ref().map(Server::request_count), [1, 1, 1]);
    assert_eq!(answer.status, answer.attempts[2].http_status, "the last answer");
    assert_eq!(answer.text(), format!("status {}", answer.status));
    let alone = Server::status(500);
    assert_eq!(client_over(&[alone.port()]).get("/").unwrap().status, 500);
    assert_eq!(alone.request_count(), 3);
}

#[test]
fn a_post_that_was_answered_is_not_repeated() {
    let servers = [Server::status(503), Server::status(503)];
    let client = client_over(&servers.each_ref().map(Server::port));
    let answer = client.post("/", "text/plain", b"once").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (503, 1));
    assert_eq!(servers.iter().map(Server::request_count).sum::<usize>(), 1);
}

#[test]
fn a_post_that_was_refused_goes_elsewhere_and_arrives_once() {
    let (dead, good) = (Dead::new(), Server::ok());
    let balancer = Balancer::custom(&Provider::loopback(&[dead.port(), good.port()]), |_| 0);
    let client = Builder::new().balancer(&balancer).build();
    let answer = client.post("/orders", "text/plain", b"two beers").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    let request = good.request();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/orders"));
    assert_eq!(request.body, b"two beers");
}
