//! `wait_for_ready`: calls that find no endpoint wait for one, while the outage is young.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use ahoy::ffi::values::status::*;
use support::*;

const SOON: std::time::Duration = ms(10_000);

/// A server that is down, a balancer over it alone, and a client whose calls wait for `wait_ms`.
fn down(wait_ms: u64) -> (Server, Balancer, Client) {
    let server = Server::ok();
    server.stop();
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(wait_ms).build();
    (server, balancer, client)
}

/// Sees to it that `call`, the first one, has met the outage.
fn meets_the_outage(call: &Call, balancer: &Balancer, port: u16) {
    eventually("the circuit opens", SOON, || {
        balancer.count() > 0 && balancer.endpoint(port).is_open()
    });
    assert!(call.poll().unwrap().is_none(), "it waits");
}

#[test]
fn the_only_endpoint_restarts_and_no_call_fails() {
    let (server, balancer, client) = down(30_000);
    let first = client.begin("/");
    meets_the_outage(&first, &balancer, server.port());
    let started: Vec<Call> = (0..50)
        .map(|index| {
            let method = if index % 2 == 0 { "GET" } else { "POST" };
            client.start(&Request::new(method, "/").body(b"a")).unwrap()
        })
        .collect();
    thread::scope(|scope| {
        let blocking: Vec<_> = (0..4).map(|_| scope.spawn(|| client.get("/"))).collect();
        server.restart();
        for call in started.iter().chain([&first]) {
            let answer = call.end().unwrap();
            assert_eq!(answer.status, 200);
        }
        for call in blocking {
            assert_eq!(call.join().unwrap().unwrap().status, 200);
        }
    });
    assert_eq!(server.request_count(), 55, "nothing is sent twice");
}

#[test]
fn in_an_outage_that_lasts_calls_fail_at_once() {
    let (_server, _balancer, client) = down(300);
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_CONNECT, "{}", failure.message);
    assert!(took >= ms(300), "the first one waits: {took:?}");
    let began = Instant::now();
    for _ in 0..20 {
        client.get("/").unwrap_err();
    }
    // If each waited, they would take six seconds.
    assert!(began.elapsed() < ms(3_000), "{:?}", began.elapsed());
}

#[test]
fn an_outage_after_another_is_waited_for_as_well() {
    let (server, balancer, client) = down(30_000);
    for _ in 0..2 {
        let call = client.begin("/");
        meets_the_outage(&call, &balancer, server.port());
        server.restart();
        assert_eq!(call.end().unwrap().status, 200);
        server.stop();
    }
}

#[test]
fn without_it_a_call_fails_at_once() {
    let dead = Dead::new();
    let breaker = Breaker::new().open_ms(10_000, 10_000).connect_open_max_ms(10_000);
    let balancer = round_robin(&[dead.port()]).with(&breaker);
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(0).build();
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECT);
    let failure = client.get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_NO_ENDPOINTS, 0));
}

#[test]
fn unless_told_otherwise_a_call_outlasts_a_quick_restart() {
    let (server, balancer, _) = down(0);
    let client = Builder::new().balancer(&balancer).build();
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_CONNECT, "{}", failure.message);
    assert!(took >= ms(250), "{took:?}");
    server.restart();
    eventually("it is used again", SOON, || client.get("/").is_ok());
}

#[test]
fn the_only_endpoint_is_probed_before_its_circuit_says_so() {
    let server = Server::ok();
    server.stop();
    let balancer = round_robin(&[server.port()]);
    balancer
        .set_breaker(&Breaker::new().open_ms(60_000, 60_000).connect_open_max_ms(60_000))
        .unwrap();
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(0).build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_CONNECT);
    let failure = client.get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_NO_ENDPOINTS, 0));
    server.restart();
    // A twentieth of the minute that it would be out where others served.
    let (_, took) = timed(|| eventually("it is used again", SOON, || client.get("/").is_ok()));
    assert!(took > ms(1_500), "{took:?}");
}

#[test]
fn what_a_hand_opened_is_not_probed_before_a_hand_closes_it() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    balancer.pick().unwrap().open().unwrap();
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(300).build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_NO_ENDPOINTS);
    assert_eq!(server.request_count(), 0);
}

#[test]
fn the_deadline_ends_the_wait() {
    let (_server, _balancer, client) = down(AHOY_FOREVER);
    let request = Request::new("GET", "/").timeout_ms(200);
    for _ in 0..2 {
        let (failure, took) = timed(|| client.send(&request).unwrap_err());
        assert!(took >= ms(200) && took < ms(2_000), "{took:?}");
        assert_eq!(failure.status, AHOY_E_DEADLINE);
        assert!(failure.message.contains("the circuit of the one"), "{}", failure.message);
    }
}

#[test]
fn a_cancel_ends_the_wait() {
    let (server, balancer, client) = down(AHOY_FOREVER);
    let call = client.begin("/");
    meets_the_outage(&call, &balancer, server.port());
    call.cancel().unwrap();
    let (failure, took) = timed(|| call.end().unwrap_err());
    assert_eq!(failure.status, AHOY_E_CANCELLED);
    assert!(took < ms(2_000), "{took:?}");
}

#[test]
fn what_a_hand_opened_is_waited_for_until_a_hand_closes_it() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let endpoint = balancer.pick().unwrap();
    endpoint.open().unwrap();
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(30_000).build();
    let call = client.begin("/");
    assert!(call.wait(150).unwrap().is_none());
    endpoint.close().unwrap();
    assert_eq!(call.end().unwrap().status, 200);
    endpoint.drain();
    let call = client.begin("/");
    assert!(call.wait(150).unwrap().is_none());
    endpoint.resume();
    assert_eq!(call.end().unwrap().status, 200);
}

#[test]
fn an_empty_list_is_waited_for() {
    let server = Server::ok();
    let balancer = Balancer::round_robin(&Provider::list());
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(30_000).build();
    let call = client.begin("/");
    assert!(call.wait(150).unwrap().is_none());
    balancer.join(&Host::new("127.0.0.1", server.port())).unwrap();
    assert_eq!(call.end().unwrap().status, 200);
}

#[test]
fn endpoints_that_are_full_are_not_waited_for() {
    let server = Server::always(Reply::Hang);
    let balancer = round_robin(&[server.port()]).max_in_flight(1);
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(30_000).build();
    let _held = client.begin("/");
    eventually("it is full", SOON, || server.in_flight() == 1);
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS, "{}", failure.message);
}

/// An endpoint that comes back between a pick and the look at why none was picked was told as "no endpoint was picked".
#[test]
fn an_endpoint_that_comes_back_during_a_pick_is_picked() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let client =
        Builder::new().balancer(&balancer).endpoint_updates(0).wait_for_ready_ms(0).build();
    client.get("/").unwrap();
    let endpoint = balancer.endpoint(server.port());
    let (turn, rounds) = (AtomicUsize::new(0), 5_000);
    let failures: Vec<Failure> = thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=rounds {
                while turn.load(Ordering::Acquire) < round {
                    std::hint::spin_loop();
                }
                endpoint.resume();
            }
        });
        let call = |round| {
            endpoint.drain();
            turn.store(round, Ordering::Release);
            let failure = client.get("/").err();
            while !endpoint.available() {
                std::hint::spin_loop();
            }
            failure
        };
        (1..=rounds).filter_map(call).collect()
    });
    for failure in failures {
        assert!(failure.message.contains("the one endpoint"), "{}", failure.message);
    }
}
