//! The circuits: when they open, what they let through, and how they close.

use std::io::{Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use ahoy::ffi::balancer::endpoint::*;
use ahoy::ffi::observe::event::*;
use ahoy::ffi::values::status::*;
use support::*;

/// A client with one attempt a call over `balancer`, so that each call is one outcome.
fn single(balancer: &Balancer) -> Client {
    Builder::new().balancer(balancer).tries(1).endpoint_updates(0).build()
}

/// A balancer that always takes the first endpoint that admits.
fn first_of(ports: &[u16], breaker: &Breaker) -> Balancer {
    Balancer::custom(&Provider::loopback(ports), |_| 0).with(breaker)
}

#[test]
fn the_fifth_failure_in_a_row_opens() {
    let (bad, good) = (Server::status(500), Server::ok());
    let balancer = first_of(&[bad.port(), good.port()], &Breaker::new());
    let client = single(&balancer);
    for count in 1..=5 {
        assert_eq!(client.get("/").unwrap().status, 500);
        assert_eq!(balancer.endpoint(bad.port()).is_open(), count == 5, "after {count}");
    }
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(bad.request_count(), 5);
}

#[test]
fn a_success_in_between_starts_the_count_again() {
    let server = Server::new(|seen| Reply::status(if seen.number == 2 { 200 } else { 500 }));
    let good = Server::ok();
    let breaker = Breaker::new().consecutive(3).no_ratio();
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    for _ in 0..5 {
        client.get("/").unwrap();
    }
    let circuit = balancer.endpoint(server.port());
    assert!(circuit.is_closed(), "500 500 200 500 500");
    client.get("/").unwrap();
    assert!(circuit.is_open());
}

#[test]
fn statuses_that_say_nothing_against_the_endpoint_do_not_open() {
    for status in [400, 404, 429, 501] {
        let (server, other) = (Server::status(status), Server::ok());
        let breaker = Breaker::new().consecutive(2).no_ratio();
        let balancer = first_of(&[server.port(), other.port()], &breaker);
        let client = single(&balancer);
        for _ in 0..5 {
            assert_eq!(client.get("/").unwrap().status, i32::from(status));
        }
        assert!(balancer.endpoint(server.port()).is_closed(), "{status}");
    }
}

#[test]
fn a_connection_that_is_refused_opens_at_once() {
    let (dead, good) = (Dead::new(), Server::ok());
    let balancer = first_of(&[dead.port(), good.port()], &Breaker::new());
    assert_eq!(single(&balancer).get("/").unwrap_err().status, AHOY_E_CONNECT);
    assert!(balancer.endpoint(dead.port()).is_open());
}

#[test]
fn a_connect_that_times_out_opens_at_once() {
    let ((silent, _held), good) = (silent_listener(), Server::ok());
    let balancer = first_of(&[silent.port(), good.port()], &Breaker::new());
    let client = Builder::new().balancer(&balancer).tries(1).connect_timeout_ms(50).build();
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_CONNECT_TIMEOUT);
    assert!(took >= ms(45) && took < ms(500), "{took:?}");
    assert!(!failure.is_ambiguous && failure.attempts[0].opened_circuit);
    assert!(balancer.endpoint(silent.port()).is_open());
}

#[test]
fn a_caller_with_little_time_opens_no_circuit_by_one_connect_that_times_out() {
    let ((silent, _held), good) = (silent_listener(), Server::ok());
    let balancer = first_of(&[silent.port(), good.port()], &Breaker::new());
    let client = Builder::new().balancer(&balancer).timeout_ms(600).build();
    for count in 1..=5 {
        let answer = client.get("/").unwrap();
        assert_eq!(answer.attempt_count, 2, "the first one had 200 ms to connect");
        assert_eq!(balancer.endpoint(silent.port()).is_open(), count == 5, "after {count}");
    }
}

/// Answers each request on its first connection, and takes no other.
fn serving_one() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let accepting = listener.try_clone().unwrap();
    thread::spawn(move || {
        let (mut socket, _) = accepting.accept().unwrap();
        let mut request = [0; 4096];
        while socket.read(&mut request).is_ok_and(|read| read > 0) {
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    listener
}

#[test]
fn a_connect_that_times_out_leaves_in_what_answers_others_meanwhile() {
    let listener = serving_one();
    let address = listener.local_addr().unwrap();
    let balancer = first_of(&[address.port()], &Breaker::new());
    let client = Builder::new().balancer(&balancer).tries(1).connect_timeout_ms(200).build();
    assert_eq!(client.get("/").unwrap().status, 200);
    let connect = || TcpStream::connect_timeout(&address, ms(100)).ok();
    let _held: Vec<_> = iter::from_fn(connect).collect();
    // The one connection is in use from here on, so that the other call needs a new one.
    let stopped = AtomicBool::new(false);
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            while !stopped.load(Ordering::Relaxed) {
                assert_eq!(client.get("/").unwrap().status, 200);
            }
        });
        let outcome = client.begin("/").end();
        let is_closed = balancer.endpoint(address.port()).is_closed();
        stopped.store(true, Ordering::Relaxed);
        others.join().unwrap();
        assert_eq!(outcome.unwrap_err().status, AHOY_E_CONNECT_TIMEOUT);
        assert!(is_closed);
    });
}

#[test]
fn answers_never_open_the_last_circuit() {
    let servers = [Server::status(500), Server::status(500)];
    let ports = servers.each_ref().map(Server::port);
    let balancer = round_robin(&ports);
    let client = single(&balancer);
    for _ in 0..40 {
        assert_eq!(client.get("/").unwrap().status, 500);
    }
    let closed = ports.iter().filter(|port| balancer.endpoint(**port).is_closed()).count();
    assert_eq!(closed, 1, "one of two stays closed");
    assert_eq!(servers.iter().map(Server::request_count).sum::<usize>(), 40);
}

#[test]
fn with_min_closed_0_answers_open_all() {
    let server = Server::status(500);
    let breaker = Breaker::new().consecutive(2).min_closed(0).open_ms(60_000, 60_000);
    let balancer = first_of(&[server.port()], &breaker);
    let client = single(&balancer);
    client.get("/").unwrap();
    client.get("/").unwrap();
    let failure = client.get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_NO_ENDPOINTS, 0));
    assert_eq!(server.request_count(), 2);
}

#[test]
fn half_of_ten_calls_failing_opens() {
    let (server, good) = (
        Server::new(|seen| Reply::status(if seen.number % 2 == 0 { 200 } else { 500 })),
        Server::ok(),
    );
    let balancer = first_of(&[server.port(), good.port()], &Breaker::new());
    let client = single(&balancer);
    for count in 1..=10 {
        client.get("/").unwrap();
        assert_eq!(balancer.endpoint(server.port()).is_open(), count == 10, "after {count}");
    }
}

#[test]
fn a_429_counts_for_the_ratio() {
    let (server, good) = (Server::status(429), Server::ok());
    let breaker = Breaker::new().ratio(0.5, 10_000, 6);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    for count in 1..=6 {
        client.get("/").unwrap();
        assert_eq!(balancer.endpoint(server.port()).is_open(), count == 6, "after {count}");
    }
}

#[test]
fn the_ratio_counts_its_window_only() {
    let (server, good) =
        (Server::new(|seen| Reply::status(if seen.number < 9 { 500 } else { 200 })), Server::ok());
    let breaker = Breaker::new().no_consecutive().ratio(0.5, 100, 10);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    for _ in 0..9 {
        client.get("/").unwrap();
    }
    let failed = Instant::now();
    eventually("the window passes", ms(1000), || failed.elapsed() > ms(150));
    for _ in 0..10 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert!(balancer.endpoint(server.port()).is_closed(), "9 failures are forgotten");
}

#[test]
fn half_of_the_last_four_calls_failing_opens() {
    let (server, good) =
        (Server::new(|seen| Reply::status(if seen.number < 6 { 200 } else { 500 })), Server::ok());
    let breaker = Breaker::new().no_consecutive().ratio_count(0.5, 4, 100);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    for count in 1..=8 {
        client.get("/").unwrap();
        // Of all eight calls a quarter failed.
        assert_eq!(balancer.endpoint(server.port()).is_open(), count == 8, "after {count}");
    }
}

#[test]
fn good_answers_that_come_late_open_where_that_is_asked_for() {
    let late = |ms_late| Server::always(Reply::status(200).after(ms(ms_late)));
    let (server, good) = (late(60), Server::ok());
    for (duration_ms, opens) in [(40, true), (60_000, false)] {
        let breaker = Breaker::new().no_consecutive().ratio(1.0, 10_000, 3);
        let breaker = breaker.slow_calls(duration_ms, 0.5);
        let balancer = first_of(&[server.port(), good.port()], &breaker);
        let client = single(&balancer);
        for count in 1..=3 {
            assert_eq!(client.get("/").unwrap().status, 200);
            let circuit = balancer.endpoint(server.port());
            assert_eq!(circuit.is_open(), opens && count == 3, "after {count}, {duration_ms} ms");
        }
    }
}

#[test]
fn slow_calls_are_counted_without_a_failure_ratio_as_well() {
    let (server, good) = (Server::always(Reply::status(200).after(ms(40))), Server::ok());
    let breaker = Breaker::new().ratio_count(0.5, 2, 2).no_ratio().slow_calls(20, 1.0);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    client.get("/").unwrap();
    assert!(balancer.endpoint(server.port()).is_closed());
    client.get("/").unwrap();
    assert!(balancer.endpoint(server.port()).is_open());
}

#[test]
fn what_the_new_rules_cannot_take_is_refused_by_name() {
    let breaker = Breaker::new();
    let refused = |result: Result<(), Failure>, name: &str| {
        let failure = result.unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.contains(name), "{}", failure.message);
    };
    for ratio in [0.0, -0.1, 1.1, f64::NAN] {
        refused(breaker.try_slow_calls(1, ratio), "ratio");
        refused(breaker.try_ratio_count(ratio, 1, 1), "ratio");
    }
    refused(breaker.try_slow_calls(0, 0.5), "duration_ms");
    refused(breaker.try_ratio_count(0.5, 0, 1), "last_calls");
    refused(breaker.try_ratio_count(0.5, 65_536, 1), "last_calls");
    refused(breaker.try_ratio_count(0.5, 1, 0), "min_calls");
    refused(breaker.try_reset_after_ms(0), "reset_after_ms");
    breaker.try_ratio_count(1.0, 65_535, u32::MAX).unwrap();
}

#[test]
fn a_half_open_circuit_lets_one_of_sixteen_threads_through() {
    let (server, good) = (Server::status(500), Server::ok());
    let breaker = Breaker::new().consecutive(1).open_ms(50, 50);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    client.get("/").unwrap();
    let circuit = balancer.endpoint(server.port());
    assert!(circuit.is_open());
    server.become_(|_| Reply::status(200).after(ms(100)));
    eventually("a probe is due", ms(1000), || circuit.available());
    let before = server.request_count();
    let barrier = Barrier::new(16);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(client.get("/").unwrap().status, 200);
            });
        }
        eventually("the probe runs", ms(1000), || server.in_flight() == 1);
        assert_eq!(circuit.state(), AHOY_CIRCUIT_HALF_OPEN);
        assert!(!circuit.available());
    });
    assert_eq!(server.request_count() - before, 1, "one probe");
    assert_eq!(good.request_count(), 15, "the others went elsewhere");
    assert!(circuit.is_closed(), "the probe succeeded");
}

#[test]
fn a_call_that_failed_at_one_probe_is_not_sent_to_another() {
    let (bad, good) = ([Server::status(503), Server::status(503)], Server::ok());
    let breaker = Breaker::new().consecutive(1).open_ms(1, 1);
    let balancer = round_robin(&[bad[0].port(), bad[1].port(), good.port()]).with(&breaker);
    let client = Builder::new().balancer(&balancer).tries(2).without_retry_budget().build();
    eventually("both are out", ms(20_000), || {
        client.get("/").unwrap();
        bad.iter().all(|bad| !balancer.endpoint(bad.port()).is_closed())
    });
    eventually("they were probed often", ms(20_000), || {
        assert_eq!(client.get("/").unwrap().status, 200);
        bad.iter().map(Server::request_count).sum::<usize>() > 30
    });
}

#[test]
fn a_probe_that_fails_opens_again_for_longer() {
    let (server, good) = (Server::status(500), Server::ok());
    let breaker = Breaker::new().consecutive(1).open_ms(100, 10_000);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    let mut waits = Vec::new();
    for _ in 0..3 {
        assert_eq!(client.get("/").unwrap().status, 500);
        let (opened, circuit) = (Instant::now(), balancer.endpoint(server.port()));
        assert!(circuit.is_open());
        // Of ten calls to each of the two, one may be a probe.
        (0..20).for_each(|_| drop(client.get("/").unwrap()));
        eventually("a probe is due", ms(2000), || circuit.available());
        waits.push(opened.elapsed());
    }
    // 100, 200 and 400 ms, give or take a quarter.
    assert!((ms(70)..ms(150)).contains(&waits[0]), "{waits:?}");
    assert!((ms(145)..ms(280)).contains(&waits[1]), "{waits:?}");
    assert!((ms(295)..ms(540)).contains(&waits[2]), "{waits:?}");
}

/// The time to the next probe, as the error of a call says that nothing admits.
fn probe_due_in(client: &Client) -> u64 {
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS);
    let wait = failure.message.split("due in ").nth(1).and_then(|rest| rest.split(' ').next());
    wait.and_then(|wait| wait.parse().ok()).expect(&failure.message)
}

#[test]
fn after_the_stable_time_the_wait_starts_anew() {
    for (reset_after_ms, doubles) in [(1, false), (60_000, true)] {
        let server = Server::status(500);
        let breaker = Breaker::new().consecutive(1).min_closed(0).open_ms(800, 60_000);
        let balancer = first_of(&[server.port()], &breaker.reset_after_ms(reset_after_ms));
        let client = single(&balancer);
        client.get("/").unwrap();
        assert!(probe_due_in(&client) <= 1000, "800 ms, give or take a quarter");
        server.become_(|_| Reply::status(200));
        eventually("a probe is due", ms(3000), || client.get("/").is_ok());
        let closed = Instant::now();
        eventually("the stable time passes", ms(1000), || closed.elapsed() > ms(2));
        server.become_(|_| Reply::status(500));
        client.get("/").unwrap();
        assert_eq!(probe_due_in(&client) > 1000, doubles, "stable for {reset_after_ms} ms");
    }
}

#[test]
fn an_endpoint_that_asks_to_be_left_alone_is() {
    let server = Server::always(Reply::status(503).header("Retry-After", "7"));
    let breaker = Breaker::new().consecutive(1).min_closed(0).open_ms(10, 60_000);
    let balancer = first_of(&[server.port()], &breaker);
    let client = single(&balancer);
    assert_eq!(client.get("/").unwrap().status, 503);
    let wait = probe_due_in(&client);
    assert!((5_000..=8_750).contains(&wait), "7 s, and up to a quarter more: {wait} ms");
}

#[test]
fn two_probes_must_both_succeed_where_two_are_asked_for() {
    let (server, good) = (Server::status(500), Server::ok());
    let breaker = Breaker::new().consecutive(1).open_ms(30, 30).probes(2);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    client.get("/").unwrap();
    server.become_(|_| Reply::status(200));
    let circuit = balancer.endpoint(server.port());
    eventually("a probe is due", ms(1000), || circuit.available());
    client.get("/").unwrap();
    assert_eq!(circuit.state(), AHOY_CIRCUIT_HALF_OPEN);
    client.get("/").unwrap();
    assert!(circuit.is_closed());
    assert_eq!(server.request_count(), 3);
}

#[test]
fn a_probe_that_hangs_is_cut_at_the_trial_interval_where_limits_are_hard() {
    let (server, good) = (Server::status(500), Server::ok());
    let breaker = Breaker::new().consecutive(1).open_ms(30, 30).probe_timeout_ms(100);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = Builder::new().balancer(&balancer).tries(1).attempt_timeout_hard().build();
    client.get("/").unwrap();
    server.become_(|_| Reply::Hang);
    let circuit = balancer.endpoint(server.port());
    eventually("a probe is due", ms(1000), || circuit.available());
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_TIMEOUT);
    assert!(took >= ms(95) && took < ms(400), "{took:?}");
    assert!(circuit.is_open());
}

#[test]
fn opened_by_hand_it_is_not_probed_until_closed_by_hand() {
    let (server, good) = (Server::ok(), Server::ok());
    let breaker = Breaker::new().open_ms(10, 10);
    let balancer = first_of(&[server.port(), good.port()], &breaker);
    let client = single(&balancer);
    client.get("/").unwrap();
    let circuit = balancer.endpoint(server.port());
    circuit.open().unwrap();
    let opened = Instant::now();
    while opened.elapsed() < ms(200) {
        assert_eq!(client.get("/").unwrap().endpoint_url, good.url());
    }
    assert_eq!(server.request_count(), 1);
    circuit.close().unwrap();
    assert_eq!(client.get("/").unwrap().endpoint_url, server.url());
}

#[test]
fn a_call_under_way_does_not_undo_what_was_opened_by_hand() {
    let (server, good) = (Server::always(Reply::status(200).after(ms(100))), Server::ok());
    let balancer = first_of(&[server.port(), good.port()], &Breaker::new());
    let client = single(&balancer);
    thread::scope(|scope| {
        scope.spawn(|| client.get("/").unwrap());
        eventually("it is under way", ms(2000), || server.in_flight() == 1);
        balancer.endpoint(server.port()).open().unwrap();
    });
    assert!(balancer.endpoint(server.port()).is_open());
}

#[test]
fn what_refuses_the_rest_and_answers_what_it_took_is_closed_again_by_those_answers() {
    let refusal = Reply::status(503);
    let cases = [
        (refusal.clone(), true),
        (refusal.clone().header("Retry-After", "60"), true),
        // As long as work takes: a failure like any other.
        (refusal.after(ms(100)), false),
    ];
    for (refusal, closes) in cases {
        let said = format!("{refusal:?}");
        let full = Server::new(move |seen| match seen.path.as_str() {
            "/taken" => Reply::status(200).after(ms(300)),
            _ => refusal.clone(),
        });
        let good = Server::ok();
        let breaker = Breaker::new().open_ms(60_000, 60_000);
        let balancer = first_of(&[full.port(), good.port()], &breaker);
        let client = single(&balancer);
        let more = || (0..5).map(|_| client.start(&Request::new("GET", "/more")).unwrap());
        let taken = client.start(&Request::new("GET", "/taken")).unwrap();
        eventually("it is taken", ms(5000), || full.in_flight() == 1);
        let refused: Vec<Call> = more().collect();
        refused.into_iter().for_each(|call| assert_eq!(call.end().unwrap().status, 503));
        let circuit = balancer.endpoint(full.port());
        assert!(circuit.is_open(), "{said}");
        assert_eq!(taken.end().unwrap().status, 200);
        assert_eq!(circuit.is_closed(), closes, "{said}");
    }
}

/// What each of four servers that refuse what is beyond their places has answered, and how often a second it was told that
/// one's circuit opened.
fn answered_by_each(places: usize, refusal: &Reply) -> ([usize; 4], f64) {
    let total = 100 * places.max(4);
    let answered: [_; 4] = std::array::from_fn(|_| Arc::new(AtomicUsize::new(0)));
    let servers = answered.each_ref().map(|answered| {
        let (taken, answered) = (AtomicUsize::new(0), Arc::clone(answered));
        let refusal = refusal.clone();
        Server::new(move |_| {
            let is_full = taken.fetch_add(1, Ordering::SeqCst) >= places;
            if !is_full {
                thread::sleep(ms(20));
                answered.fetch_add(1, Ordering::Relaxed);
            }
            taken.fetch_sub(1, Ordering::SeqCst);
            if is_full { refusal.clone() } else { Reply::status(200) }
        })
    });
    let ports = servers.each_ref().map(Server::port);
    let told = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&told);
    let builder = Builder::new().balancer(&Balancer::p2c(&Provider::loopback(&ports)));
    let client = builder
        .on_event(move |event| {
            opened
                .fetch_add(usize::from(event.kind == AHOY_EVENT_CIRCUIT_OPENED), Ordering::Relaxed);
        })
        .build();
    let so_far = || answered.iter().map(|it| it.load(Ordering::Relaxed)).sum::<usize>();
    let begun = Instant::now();
    let until = begun + ms(20_000);
    thread::scope(|scope| {
        for _ in 0..places * servers.len() * 5 / 4 {
            scope.spawn(|| {
                while so_far() < total && Instant::now() < until {
                    if !client.get("/").is_ok_and(|answer| answer.status == 200) {
                        // What a caller does before it asks for the same again.
                        thread::sleep(ms(10));
                    }
                }
            });
        }
    });
    let rate = told.load(Ordering::Relaxed) as f64 / (begun.elapsed().as_secs_f64() + 1.0);
    (answered.map(|it| it.load(Ordering::Relaxed)), rate)
}

#[test]
fn all_of_a_service_goes_on_serving_that_refuses_what_is_too_much() {
    let refusal = Reply::status(503);
    for refusal in [refusal.clone().header("Retry-After", "1"), refusal] {
        for places in [8, 1] {
            let (answered, told_a_second) = answered_by_each(places, &refusal);
            // With three circuits open, one server would have answered nearly all.
            let (least, most) = (answered.iter().min().unwrap(), answered.iter().max().unwrap());
            let is_shared = least * 3 >= *most && least * 10 >= answered.iter().sum();
            assert!(is_shared, "{places} places, {refusal:?}: {answered:?}");
            // Each of the four at most, and more where a circuit stayed open until its probe; without a bound 7 and 10.
            println!("{places} places: {told_a_second:.1} a second");
            assert!(told_a_second <= 5.0, "{told_a_second}");
        }
    }
}

#[test]
fn all_opened_by_hand_the_error_says_that_none_will_be_probed() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    balancer.pick().unwrap().open().unwrap();
    let failure = single(&balancer).get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS);
    assert!(failure.message.contains("none will be probed"), "{}", failure.message);
    assert_eq!(server.connections(), 0);
}

#[test]
fn an_attempt_that_a_host_is_too_slow_for_counts_as_a_failure() {
    let (slow, good) = (Server::always(Reply::Hang), Server::ok());
    let breaker = Breaker::new().consecutive(2);
    let balancer = first_of(&[slow.port(), good.port()], &breaker);
    let builder = Builder::new().balancer(&balancer).tries(1).attempt_timeout_ms(30);
    let client = builder.attempt_timeout_hard().build();
    for _ in 0..2 {
        assert_eq!(client.get("/").unwrap_err().status, AHOY_E_TIMEOUT);
    }
    assert!(balancer.endpoint(slow.port()).is_open());
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn a_deadline_that_passes_between_attempts_hurts_no_circuit() {
    let server = Server::ok();
    let balancer = first_of(&[server.port()], &Breaker::new().consecutive(1).min_closed(0));
    let client = single(&balancer);
    let failure = client.send(&Request::new("GET", "/").timeout_ms(0)).unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_DEADLINE, 0));
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn where_all_answers_fail_the_last_closed_circuit_does_not_draw_all_calls() {
    let fails = Arc::new(AtomicBool::new(true));
    let make = |_| {
        let fails = Arc::clone(&fails);
        Server::new(move |_| Reply::status(if fails.load(Ordering::SeqCst) { 503 } else { 200 }))
    };
    let servers: Vec<Server> = (0..5).map(make).collect();
    let ports: Vec<u16> = servers.iter().map(Server::port).collect();
    let balancer = Balancer::p2c(&Provider::loopback(&ports));
    let client = Builder::new().balancer(&balancer).tries(1).build();
    let counts = || servers.iter().map(Server::request_count).collect::<Vec<_>>();
    for _ in 0..200 {
        assert_eq!(client.get("/").unwrap().status, 503);
    }
    let before = counts();
    for _ in 0..500 {
        client.get("/").unwrap();
    }
    let most = counts().iter().zip(&before).map(|(after, before)| after - before).max().unwrap();
    assert!(most < 250, "{before:?} {:?}: {}", counts(), balancer.explain());
    // Once they are well, the calls close the circuits.
    fails.store(false, Ordering::SeqCst);
    eventually("all are back", ms(10_000), || {
        assert_eq!(client.get("/").unwrap().status, 200);
        ports.iter().all(|port| balancer.endpoint(*port).is_closed())
    });
}

#[test]
fn what_cannot_be_repeated_leaves_a_probe_to_others() {
    let (broken, well) = (Server::status(500), Server::ok());
    let breaker = Breaker::new().consecutive(1).open_ms(20, 20);
    let balancer = round_robin(&[broken.port(), well.port()]).with(&breaker);
    let client = Builder::new().balancer(&balancer).build();
    eventually("its circuit opens", ms(10_000), || {
        client.get("/").unwrap();
        balancer.endpoint(broken.port()).is_open()
    });
    let before = broken.request_count();
    eventually("it is probed", ms(10_000), || {
        for _ in 0..5 {
            client.post("/", "text/plain", b"x").unwrap();
        }
        client.get("/").unwrap();
        broken.request_count() >= before + 20
    });
    let probes: Vec<_> = broken.requests().into_iter().skip(before).collect();
    let posts = probes.iter().filter(|probe| probe.method == "POST").count();
    assert!(posts * 4 <= probes.len(), "{posts} of {}", probes.len());
}
