//! What takes endpoints out of rotation beside their circuits, and how traffic comes back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::values::status::*;
use support::*;

/// Long enough for whatever must happen at all.
const SOON: Duration = Duration::from_secs(20);

/// A client with one attempt a call.
fn single(balancer: &Balancer) -> Client {
    Builder::new().balancer(balancer).tries(1).endpoint_updates(0).build()
}

/// Circuits that answers do not open.
fn patient() -> Breaker {
    Breaker::new().no_consecutive().no_ratio()
}

fn ports(servers: &[Server]) -> Vec<u16> {
    servers.iter().map(Server::port).collect()
}

/// A balancer that always takes the first endpoint that admits and was not tried.
fn first_of(servers: &[&Server]) -> Balancer {
    let ports: Vec<_> = servers.iter().map(|server| server.port()).collect();
    Balancer::custom(&Provider::loopback(&ports), |_| 0)
}

/// How many endpoints get no traffic.
fn out(balancer: &Balancer) -> usize {
    (0..balancer.count()).filter(|index| !balancer.at(*index).unwrap().available()).count()
}

/// How many requests for a path a server saw.
fn asked_for(server: &Server, path: &str) -> usize {
    server.requests().iter().filter(|seen| seen.path == path).count()
}

/// A server whose check answers by a switch, and which is fine otherwise.
fn checked_server(well: bool) -> (Server, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(well));
    let shown = Arc::clone(&switch);
    let server = Server::new(move |seen| match seen.path.as_str() {
        "/health" if !shown.load(Ordering::SeqCst) => Reply::status(503),
        _ => Reply::status(200),
    });
    (server, switch)
}

// Ejection.

#[test]
fn one_that_fails_among_five_is_out_after_a_sweep_and_comes_back() {
    let mut servers: Vec<_> = (0..4).map(|_| Server::ok()).collect();
    servers.push(Server::status(500));
    let balancer = round_robin(&ports(&servers)).with(&patient());
    let balancer = balancer.ejection(200, 1000, 0.5, 1).ejection_by_failures(0.85, 5, 5);
    let client = single(&balancer);
    let bad = &servers[4];
    let gets = |count: usize| (0..count).filter(|_| client.get("/").unwrap().status == 500).count();
    assert_eq!(gets(5), 1, "nothing is known before a sweep");
    eventually("it is ejected", SOON, || {
        gets(10);
        !balancer.endpoint(bad.port()).available()
    });
    let ejected = Instant::now();
    let before = bad.request_count();
    assert_eq!(out(&balancer), 1);
    assert!(balancer.endpoint(bad.port()).is_closed(), "its circuit has nothing to do with it");
    while ejected.elapsed() < ms(500) {
        assert_eq!(gets(5), 0);
    }
    assert_eq!(bad.request_count(), before);
    bad.become_(|_| Reply::status(200));
    let (_, took) = timed(|| {
        eventually("it comes back", SOON, || {
            gets(5);
            bad.request_count() > before
        });
    });
    assert!(took < ms(10_000), "the random part is in proportion: {took:?}");
    assert_eq!(out(&balancer), 0);
}

#[test]
fn an_ejected_one_serves_where_no_other_is_left() {
    for leave in [true, false] {
        let mut servers = vec![Server::status(500)];
        servers.extend((0..3).map(|_| Server::ok()));
        let balancer = round_robin(&ports(&servers)).with(&patient());
        let balancer = balancer.ejection(100, 60_000, 0.5, 1).ejection_by_failures(0.85, 3, 5);
        let client = single(&balancer);
        eventually("it is ejected", SOON, || {
            (0..20).for_each(|_| drop(client.get("/").unwrap()));
            out(&balancer) == 1
        });
        servers[0].become_(|_| Reply::status(200));
        for other in &servers[1..] {
            match leave {
                true => balancer.leave(&Host::new("127.0.0.1", other.port())).unwrap(),
                false => balancer.endpoint(other.port()).drain(),
            }
        }
        assert_eq!(client.get("/").unwrap().status, 200);
        let reason = balancer.endpoint(servers[0].port()).reason().1;
        assert!(reason.starts_with("available"), "{reason}");
    }
}

#[test]
fn one_far_below_the_mean_is_out_though_it_mostly_works() {
    let mut servers: Vec<_> = (0..5).map(|_| Server::ok()).collect();
    servers.push(Server::new(|seen| Reply::status(if seen.number % 2 == 0 { 500 } else { 200 })));
    let balancer = round_robin(&ports(&servers)).with(&patient());
    let balancer = balancer.ejection(200, 60_000, 0.5, 1).ejection_by_success(5, 10, 1.9);
    let client = single(&balancer);
    eventually("it is ejected", SOON, || {
        (0..30).for_each(|_| drop(client.get("/").unwrap()));
        out(&balancer) == 1
    });
    assert!(!balancer.endpoint(servers[5].port()).available());
}

#[test]
fn where_all_are_bad_the_cap_holds() {
    for (max_share, min_healthy, most) in [(0.5, 1, 2), (1.0, 3, 1), (1.0, 1, 3), (0.1, 0, 0)] {
        let servers: Vec<_> = (0..4).map(|_| Server::status(500)).collect();
        let balancer = round_robin(&ports(&servers)).with(&patient());
        let balancer = balancer.ejection(100, 60_000, max_share, min_healthy);
        let balancer = balancer.ejection_by_failures(0.85, 1, 5);
        let client = single(&balancer);
        let mut seen = 0;
        let mut call_on = |until: &dyn Fn(usize) -> bool| {
            eventually("sweeps", SOON, || {
                (0..40).for_each(|_| assert_eq!(client.get("/").unwrap().status, 500));
                seen = seen.max(out(&balancer));
                assert!(seen <= most, "{seen} out of 4, at most {most}");
                until(seen)
            });
        };
        call_on(&|seen| seen == most);
        let begun = Instant::now();
        call_on(&|_| begun.elapsed() >= ms(500));
    }
}

#[test]
fn without_ejection_nobody_is_out() {
    let servers: Vec<_> = (0..5).map(|index| Server::status(200 + 300 * (index / 4))).collect();
    let balancer = round_robin(&ports(&servers)).with(&patient());
    let client = single(&balancer);
    (0..100).for_each(|_| drop(client.get("/").unwrap()));
    assert_eq!(out(&balancer), 0);
    assert_eq!(servers[4].request_count(), 20);
}

// Checks.

#[test]
fn who_fails_its_check_gets_no_traffic_though_it_would_answer() {
    let (first, well) = checked_server(false);
    let second = Server::ok();
    let balancer = first_of(&[&first, &second]).check(Some("/health"), 50, 5000);
    let client = single(&balancer);
    eventually("it is out", SOON, || {
        client.get("/").unwrap();
        // Where call follows upon call, no check is due.
        thread::sleep(ms(100));
        !balancer.endpoint(first.port()).available()
    });
    let before = asked_for(&first, "/");
    for _ in 0..50 {
        assert_eq!(client.get("/").unwrap().endpoint_url, second.url());
    }
    assert_eq!(asked_for(&first, "/"), before);
    let failed = asked_for(&first, "/health");
    well.store(true, Ordering::SeqCst);
    eventually("it is back", SOON, || client.get("/").unwrap().endpoint_url == first.url());
    assert!(asked_for(&first, "/health") >= failed + 2, "two that pass bring it back");
    let check = first.requests().into_iter().find(|seen| seen.path == "/health").unwrap();
    assert_eq!(check.method, "GET");
    assert!(check.header("host").is_some());
}

#[test]
fn what_fails_its_checks_stays_out_where_it_is_listed_with_another_priority() {
    let ((first, _), second) = (checked_server(false), Server::ok());
    let host = |server: &Server| Host::new("127.0.0.1", server.port());
    let provider = Provider::of(&[host(&first), host(&second)]);
    let balancer = Balancer::round_robin(&provider).check(Some("/health"), 300, 5000);
    let client = Builder::new().balancer(&balancer).tries(1).build();
    let is_out = || !balancer.endpoint(first.port()).available();
    client.get("/").unwrap();
    eventually("it is out", SOON, is_out);
    provider.replace(&[host(&first).priority(1), host(&second).priority(1)]).unwrap();
    balancer.update().unwrap();
    assert!(is_out(), "it would take three failed checks to find that out again");
}

#[test]
fn so_many_as_are_said_must_pass() {
    let (first, well) = checked_server(false);
    let second = Server::ok();
    let balancer = first_of(&[&first, &second]).check(Some("/health"), 50, 5000);
    let balancer = balancer.thresholds(1, 5, 20);
    let client = single(&balancer);
    let is_out = || {
        client.get("/").unwrap();
        thread::sleep(ms(70));
        !balancer.endpoint(first.port()).available()
    };
    eventually("it is out", SOON, is_out);
    well.store(true, Ordering::SeqCst);
    let failed = asked_for(&first, "/health");
    eventually("it is back", SOON, || !is_out());
    assert!(asked_for(&first, "/health") >= failed + 4);
}

#[test]
fn checks_end_with_the_balancer() {
    let (server, _well) = checked_server(true);
    let balancer = round_robin(&[server.port()]).check(Some("/health"), 20, 5000);
    let client = single(&balancer);
    let count = || asked_for(&server, "/health");
    eventually("it is checked", SOON, || {
        client.get("/").unwrap();
        thread::sleep(ms(40));
        count() >= 3
    });
    drop((client, balancer));
    let mut last = (count(), Instant::now());
    eventually("no check comes any more", SOON, || {
        if count() != last.0 {
            last = (count(), Instant::now());
        }
        last.1.elapsed() >= ms(500)
    });
    eventually("their connections close", SOON, || sockets_to(&server) == 0);
}

#[test]
fn a_mere_connect_is_a_check_too() {
    let (first, second) = (Server::ok(), Server::ok());
    first.stop();
    // It is never called, so only checks can tell.
    let balancer =
        Balancer::custom(&Provider::loopback(&[first.port(), second.port()]), |count| count - 1);
    let balancer = balancer.check(None, 30, 5000).thresholds(3, 2, 30);
    let client = single(&balancer);
    let called = || client.get("/").unwrap().endpoint_url == second.url();
    eventually("it is out", SOON, || {
        assert!(called());
        !balancer.endpoint(first.port()).available()
    });
    assert!(balancer.endpoint(first.port()).is_closed(), "it was never called");
    first.restart();
    eventually("it is back", SOON, || {
        assert!(called());
        balancer.endpoint(first.port()).available()
    });
    assert_eq!(first.request_count(), 0);
    eventually("two passed", SOON, || first.connections() >= 2);
}

#[test]
fn a_mere_connect_brings_no_outlier_back() {
    let mut servers: Vec<_> = (0..4).map(|_| Server::ok()).collect();
    servers.push(Server::status(500));
    let balancer = round_robin(&ports(&servers)).with(&patient());
    let balancer = balancer.ejection(100, 600_000, 0.5, 1).ejection_by_failures(0.85, 5, 5);
    let balancer = balancer.check(None, 20, 5000).thresholds(3, 2, 20);
    let (client, bad) = (single(&balancer), &servers[4]);
    eventually("it is ejected", SOON, || {
        (0..10).for_each(|_| drop(client.get("/").unwrap()));
        !balancer.endpoint(bad.port()).available()
    });
    let (asked, checked) = (bad.request_count(), bad.connections());
    eventually("five connects pass", SOON, || {
        assert_eq!(client.get("/").unwrap().status, 200);
        bad.connections() >= checked + 5
    });
    assert!(!balancer.endpoint(bad.port()).available(), "that a port is open mends no answers");
    assert_eq!(bad.request_count(), asked);
}

#[test]
fn where_calls_tell_enough_nothing_is_checked() {
    let servers = [checked_server(true).0, checked_server(true).0, checked_server(true).0];
    let all = ports(&servers);
    // The third gets no calls.
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let choose = move |count: usize| turn.fetch_add(1, Ordering::SeqCst) % 2.min(count);
    let balancer = Balancer::custom(&Provider::loopback(&all), choose);
    let balancer = balancer.check(Some("/health"), 400, 5000);
    let client = single(&balancer);
    let begun = Instant::now();
    while begun.elapsed() < ms(4000) {
        client.get("/").unwrap();
    }
    let counts = servers.each_ref().map(|server| asked_for(server, "/health"));
    assert!(counts[2] >= 5, "the third is checked: {counts:?}");
    assert!(counts[0] <= 3 && counts[1] <= 3, "calls tell more of the others: {counts:?}");
}

#[test]
fn a_check_that_passes_lets_an_open_circuit_try_again_early() {
    let first = Server::new(|seen| Reply::status(if seen.path == "/" { 500 } else { 200 }));
    let second = Server::ok();
    let breaker = Breaker::new().consecutive(1).open_ms(600_000, 600_000);
    let balancer = first_of(&[&first, &second]).with(&breaker).check(Some("/health"), 50, 5000);
    let client = single(&balancer);
    let is_open = || balancer.endpoint(first.port()).is_open();
    assert_eq!(client.get("/").unwrap().status, 500);
    eventually("it is tried again, in vain", SOON, || client.get("/").unwrap().status == 500);
    eventually("it is open", SOON, || {
        client.get("/").unwrap();
        is_open()
    });
    first.become_(|_| Reply::status(200));
    eventually("it is closed", SOON, || {
        client.get("/").unwrap();
        balancer.endpoint(first.port()).is_closed()
    });
}

#[test]
fn a_mere_connect_leaves_a_circuit_that_answers_opened_to_its_time() {
    let (first, second) = (Server::new(asks_for_a_minute), Server::ok());
    let breaker = Breaker::new().consecutive(1);
    let balancer = first_of(&[&first, &second]).with(&breaker).check(None, 20, 5000);
    let balancer = balancer.thresholds(3, 2, 20);
    let client = single(&balancer);
    assert_eq!(client.get("/").unwrap().status, 503);
    let checked = first.connections();
    eventually("five connects pass", SOON, || {
        assert_eq!(client.get("/").unwrap().status, 200);
        first.connections() >= checked + 5
    });
    assert!(balancer.endpoint(first.port()).is_open());
    assert_eq!(first.request_count(), 1, "it asked to be left alone");
}

fn asks_for_a_minute(_: &Seen) -> Reply {
    Reply::status(503).header("retry-after", "60")
}

#[test]
fn a_connect_that_passes_lets_a_circuit_try_again_that_failed_connects_opened() {
    let (first, second) = (Server::ok(), Server::ok());
    let breaker = Breaker::new().open_ms(600_000, 600_000).connect_open_max_ms(600_000);
    let balancer = first_of(&[&first, &second]).with(&breaker).check(None, 20, 5000);
    let balancer = balancer.thresholds(3, 2, 20);
    let client = Builder::new().balancer(&balancer).build();
    first.stop();
    assert_eq!(client.get("/").unwrap().endpoint_url, second.url());
    assert!(balancer.endpoint(first.port()).is_open());
    first.restart();
    eventually("it is back", SOON, || client.get("/").unwrap().endpoint_url == first.url());
    assert!(balancer.endpoint(first.port()).is_closed());
}

#[test]
fn a_circuit_opened_by_hand_stays_open_whatever_checks_show() {
    let (first, second) = (checked_server(true).0, Server::ok());
    let balancer = first_of(&[&first, &second]).check(Some("/health"), 20, 5000);
    let client = single(&balancer);
    client.get("/").unwrap();
    let endpoint = balancer.endpoint(first.port());
    endpoint.open().unwrap();
    let before = asked_for(&first, "/health");
    eventually("checks pass", SOON, || {
        assert_eq!(client.get("/").unwrap().endpoint_url, second.url());
        asked_for(&first, "/health") >= before + 3
    });
    assert!(endpoint.is_open());
}

#[test]
fn checks_that_make_no_sense_are_refused() {
    let balancer = round_robin(&[1]);
    let refused = |result: Result<(), Failure>, name: &str| {
        let failure = result.unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.contains(name), "{}", failure.message);
    };
    refused(balancer.try_thresholds(1, 1, 1), "no health check");
    refused(balancer.try_check(Some("health"), 1, 1), "path");
    refused(balancer.try_check(Some("http://a/"), 1, 1), "path");
    refused(balancer.try_check(Some("/"), 0, 1), "interval_ms");
    refused(balancer.try_check(Some("/"), 1, 0), "timeout_ms");
    balancer.try_check(Some("/"), 1, 1).unwrap();
    refused(balancer.try_thresholds(0, 1, 1), "unhealthy");
    refused(balancer.try_thresholds(256, 1, 1), "unhealthy");
    refused(balancer.try_thresholds(1, 0, 1), "healthy");
    refused(balancer.try_thresholds(1, 1, 0), "out_interval_ms");
}

// Recovery.

/// Stops the servers until no endpoint admits, and starts them again.
fn outage(servers: &[Server], client: &Client) {
    servers.iter().for_each(Server::stop);
    eventually("all are out", SOON, || {
        client.get("/").is_err_and(|failure| failure.status == AHOY_E_NO_ENDPOINTS)
    });
    servers.iter().for_each(Server::restart);
}

fn quick_probes() -> Breaker {
    patient().connect_open_max_ms(30)
}

#[test]
fn after_an_outage_only_a_part_goes_that_who_is_back_can_bear() {
    let servers = [Server::ok()];
    let balancer = round_robin(&ports(&servers)).with(&quick_probes()).recovery(4, 600_000);
    let client = single(&balancer);
    (0..20).for_each(|_| drop(client.get("/").unwrap()));
    outage(&servers, &client);
    eventually("the first one is back", SOON, || client.get("/").is_ok());
    let mut held_back = 0;
    for _ in 0..400 {
        if let Err(failure) = client.get("/") {
            assert_eq!((failure.status, failure.attempt_count), (AHOY_E_OVERLOADED, 0));
            assert!(failure.message.contains("recovers from an outage"), "{}", failure.message);
            held_back += 1;
        }
    }
    assert!((240..=360).contains(&held_back), "about three quarters: {held_back} of 400");
}

#[test]
fn a_call_that_would_be_held_back_probes_who_is_due() {
    let servers = [(); 5].map(|()| Server::ok());
    let balancer = round_robin(&ports(&servers)).with(&quick_probes()).recovery(5, 600_000);
    let client = single(&balancer);
    (0..10).for_each(|_| drop(client.get("/").unwrap()));
    outage(&servers, &client);
    // Few calls, and a probe is due at each of them.
    let seldom = || {
        thread::sleep(ms(60));
        client.get("/")
    };
    let before = servers.each_ref().map(Server::request_count);
    eventually("the first one is back", SOON, || seldom().is_ok());
    let are_back = || (0..5).all(|it| servers[it].request_count() > before[it]);
    let mut refused = 0;
    eventually("so are the others", SOON, || {
        refused += usize::from(seldom().is_err());
        are_back()
    });
    // By the pace of probes where others serve, one in fifty calls is for each of them.
    assert!(refused <= 1, "{refused} calls of a lone caller were refused");
    (0..50).for_each(|_| drop(client.get("/").unwrap()));
}

#[test]
fn what_was_there_for_a_while_gets_everything() {
    let servers = [Server::ok(), Server::ok()];
    let balancer = round_robin(&ports(&servers)).with(&quick_probes()).recovery(50, 300);
    let client = single(&balancer);
    client.get("/").unwrap();
    outage(&servers, &client);
    let mut in_a_row = 0;
    eventually("all goes through", SOON, || {
        in_a_row = if client.get("/").is_ok() { in_a_row + 1 } else { 0 };
        in_a_row == 100
    });
}

#[test]
fn who_is_held_back_after_an_answer_has_that_answer() {
    let servers = [Server::ok()];
    let balancer = round_robin(&ports(&servers)).with(&quick_probes()).recovery(2, 600_000);
    let retry = Retry::new().delay_ms(1);
    let client = Builder::new().balancer(&balancer).retry(&retry).without_retry_budget().build();
    client.get("/").unwrap();
    outage(&servers, &client);
    eventually("the first one is back", SOON, || client.get("/").is_ok());
    servers[0].become_(|_| Reply::status(503));
    let mut counts = [0; 4];
    for _ in 0..100 {
        match client.get("/") {
            Ok(answer) => {
                assert_eq!(answer.status, 503);
                counts[answer.attempt_count] += 1;
            }
            Err(failure) => {
                assert_eq!((failure.status, failure.attempt_count), (AHOY_E_OVERLOADED, 0));
                counts[0] += 1;
            }
        }
    }
    assert!(counts.iter().all(|count| *count > 0), "by attempts: {counts:?}");
}

#[test]
fn endpoints_that_are_merely_busy_are_no_outage() {
    let server =
        Server::new(|seen| if seen.path == "/hang" { Reply::Hang } else { Reply::status(200) });
    let balancer = round_robin(&[server.port()]).recovery(1000, 600_000).max_in_flight(1);
    let client = single(&balancer);
    let busy = client.begin("/hang");
    eventually("it is busy", SOON, || server.in_flight() == 1);
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_NO_ENDPOINTS);
    busy.cancel().unwrap();
    busy.end().unwrap_err();
    for _ in 0..20 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
}

// By hand.

#[test]
fn a_drained_endpoint_gets_nothing_new_and_ends_what_it_has() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let held = Arc::clone(&gate);
    let first = Server::new(move |seen| {
        if seen.path == "/hold" {
            let closed = held.0.lock().unwrap();
            drop(held.1.wait_timeout_while(closed, SOON, |open| !*open).unwrap());
        }
        Reply::status(200)
    });
    let second = Server::ok();
    let balancer = first_of(&[&first, &second]);
    let client = single(&balancer);
    let call = client.begin("/hold");
    eventually("it is under way", SOON, || first.in_flight() == 1);
    let endpoint = balancer.endpoint(first.port());
    endpoint.drain();
    endpoint.drain();
    assert!(endpoint.is_open() && !endpoint.available());
    for _ in 0..10 {
        assert_eq!(client.get("/").unwrap().endpoint_url, second.url());
    }
    assert_eq!(first.request_count(), 1);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    assert_eq!(call.end().unwrap().endpoint_url, first.url());
    endpoint.resume();
    assert!(endpoint.is_closed() && endpoint.available());
    assert_eq!(client.get("/").unwrap().endpoint_url, first.url());
}

#[test]
fn with_all_drained_no_endpoint_is_left_and_none_is_probed() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let client = single(&balancer);
    client.get("/").unwrap();
    let endpoint = balancer.endpoint(server.port());
    endpoint.drain();
    let failure = client.get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_NO_ENDPOINTS, 0));
    assert!(failure.message.contains("none will be probed"), "{}", failure.message);
    endpoint.close().unwrap();
    assert_eq!(client.get("/").unwrap().status, 200, "closing by hand ends a drain as well");
}

#[test]
fn a_drain_comes_back_to_the_circuit_as_it_was() {
    let (first, second) = (Server::status(500), Server::ok());
    let breaker = Breaker::new().consecutive(1).open_ms(600_000, 600_000);
    let balancer = first_of(&[&first, &second]).with(&breaker);
    let client = single(&balancer);
    assert_eq!(client.get("/").unwrap().status, 500);
    let endpoint = balancer.endpoint(first.port());
    endpoint.drain();
    endpoint.resume();
    assert!(endpoint.is_open() && !endpoint.available());
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn a_disabled_circuit_judges_nothing_until_it_is_closed_by_hand() {
    let (first, second) = (Server::status(500), Server::ok());
    let breaker = Breaker::new().consecutive(2).open_ms(600_000, 600_000);
    let balancer = first_of(&[&first, &second]).with(&breaker);
    let client = single(&balancer);
    (0..2).for_each(|_| assert_eq!(client.get("/").unwrap().status, 500));
    let endpoint = balancer.endpoint(first.port());
    assert!(endpoint.is_open());
    endpoint.disable_circuit().unwrap();
    assert_eq!(endpoint.disable_circuit().unwrap_err().status, AHOY_E_IN_USE);
    for _ in 0..20 {
        assert_eq!(client.get("/").unwrap().status, 500);
    }
    first.stop();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_CONNECT);
    first.restart();
    assert!(endpoint.is_closed() && endpoint.available());
    endpoint.close().unwrap();
    (0..2).for_each(|_| assert_eq!(client.get("/").unwrap().status, 500));
    assert!(endpoint.is_open(), "the rules hold again");
    endpoint.disable_circuit().unwrap();
    endpoint.open().unwrap();
    assert_eq!(client.get("/").unwrap().status, 200);
}
