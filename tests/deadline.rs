//! Limits: on the call, on an attempt, on connecting.

use std::thread;

use ahoy::ffi::values::status::*;
use support::*;

const FOREVER: u64 = u64::MAX;

/// 320 ms are promised; the rest is for a machine that is busy with other tests.
const IN_TIME: std::time::Duration = ms(400);

fn hanging() -> [Server; 3] {
    [(); 3].map(|()| Server::always(Reply::Hang))
}

#[test]
fn a_limit_of_300_ms_holds_whatever_the_tries() {
    for tries in [1, 3, 10, -1] {
        let servers = hanging();
        let balancer = round_robin(&servers.each_ref().map(Server::port));
        let client = Builder::new().balancer(&balancer).tries(tries).timeout_ms(300).build();
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        assert!(took <= IN_TIME, "{tries} tries: {took:?}");
        let sent: usize = servers.iter().map(Server::request_count).sum();
        assert_eq!(sent, failure.attempt_count, "{tries} tries");
        assert!(failure.is_ambiguous);
        match tries {
            1 | -1 => assert_eq!((failure.status, failure.attempt_count), (AHOY_E_DEADLINE, 1)),
            3 => assert_eq!((failure.status, failure.attempt_count), (AHOY_E_DEADLINE, 3)),
            _ => {
                assert!((3..=10).contains(&failure.attempt_count), "{}", failure.message);
                assert!([AHOY_E_DEADLINE, AHOY_E_TIMEOUT].contains(&failure.status));
            }
        }
        // It is not given up early either, unless the next wait would pass the limit.
        assert!(took >= if tries == 10 { ms(100) } else { ms(295) }, "{tries} tries: {took:?}");
    }
}

#[test]
fn it_holds_without_a_balancer_too() {
    let server = Server::always(Reply::Hang);
    for tries in [1, 3, 10, -1] {
        let client = Builder::new().base_url(&server.url()).tries(tries).timeout_ms(300).build();
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        assert!(took <= IN_TIME, "{tries} tries: {took:?}");
        assert!([AHOY_E_DEADLINE, AHOY_E_TIMEOUT].contains(&failure.status), "{}", failure.message);
    }
}

#[test]
fn it_holds_where_nothing_can_be_connected_to() {
    let (silent, _held) = silent_listener();
    for tries in [1, 3, 10, -1] {
        let balancer = round_robin(&[silent.port()]);
        let client = Builder::new().balancer(&balancer).tries(tries).timeout_ms(300).build();
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        assert!(took <= IN_TIME, "{tries} tries: {took:?}");
        assert!(!failure.is_ambiguous, "nothing was sent: {}", failure.message);
        let expected = [AHOY_E_DEADLINE, AHOY_E_CONNECT_TIMEOUT];
        assert!(expected.contains(&failure.status), "{}", failure.message);
    }
    let client = Builder::new().base_url(&silent.url()).timeout_ms(300).build();
    let (_, took) = timed(|| client.get("/").unwrap_err());
    assert!(took <= IN_TIME, "without a balancer: {took:?}");
}

#[test]
fn it_holds_while_an_answer_is_half_there() {
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nnot all".to_vec();
    let server = Server::always(Reply::Begin(begun));
    let over = [
        Builder::new().balancer(&round_robin(&[server.port()])),
        Builder::new().base_url(&server.url()),
    ];
    for builder in over {
        let client = builder.timeout_ms(300).build();
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        assert_eq!(failure.status, AHOY_E_DEADLINE, "{}", failure.message);
        assert!(took >= ms(295) && took <= IN_TIME, "{took:?}");
    }
}

#[test]
fn a_host_that_hangs_leaves_time_for_the_next() {
    let (hanging, good) = (Server::always(Reply::Hang), Server::ok());
    let provider = Provider::loopback(&[hanging.port(), good.port()]);
    let balancer = Balancer::custom(&provider, |_| 0);
    let client = Builder::new().balancer(&balancer).timeout_ms(600).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    let attempt = |status| answer.attempts.iter().find(|attempt| attempt.http_status == status);
    let late = attempt(0).unwrap();
    assert_eq!(late.status, AHOY_E_CANCELLED, "it went on until the other answered");
    assert!(late.ambiguous);
}

#[test]
fn an_attempt_has_a_limit_of_its_own() {
    let server =
        Server::new(|seen| if seen.number == 0 { Reply::Hang } else { Reply::status(200) });
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).attempt_timeout_ms(80).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    assert!(took >= ms(75) && took < IN_TIME, "{took:?}");
    let elapsed = answer.attempts[0].elapsed;
    assert!(elapsed >= ms(75) && elapsed < ms(200), "{elapsed:?}");
}

#[test]
fn a_request_has_a_limit_of_its_own() {
    let server = Server::always(Reply::status(200).after(ms(150)));
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).tries(1).timeout_ms(60).build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_DEADLINE);
    let patient = Request::new("GET", "/").timeout_ms(5000);
    assert_eq!(client.send(&patient).unwrap().status, 200);
    let endless = Request::new("GET", "/").timeout_ms(FOREVER);
    assert_eq!(client.send(&endless).unwrap().status, 200);
    let hasty = Request::new("GET", "/").timeout_ms(30);
    let (failure, took) = timed(|| client.send(&hasty).unwrap_err());
    assert_eq!(failure.status, AHOY_E_DEADLINE);
    assert!(took < ms(140), "{took:?}");
}

#[test]
fn a_limit_of_0_ends_a_call_before_anything_is_sent() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let failure = client.send(&Request::new("GET", "/").timeout_ms(0)).unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_DEADLINE, 0));
    assert!(!failure.is_ambiguous);
    assert_eq!(server.connections(), 0);
}

#[test]
fn once_an_answer_came_the_deadline_hands_it_over() {
    let (busy, hanging) = (Server::status(503), Server::always(Reply::Hang));
    let provider = Provider::loopback(&[busy.port(), hanging.port()]);
    let balancer = Balancer::custom(&provider, |_| 0);
    let client = Builder::new().balancer(&balancer).timeout_ms(200).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!(answer.status, 503);
    assert!(answer.attempt_count >= 2 && took <= ms(300), "{took:?}");
}

#[test]
fn the_connect_limit_applies_where_nobody_answers() {
    let (silent, _held) = silent_listener();
    for builder in [
        Builder::new().balancer(&round_robin(&[silent.port()])),
        Builder::new().base_url(&silent.url()),
    ] {
        let client = builder.tries(1).connect_timeout_ms(80).build();
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        assert_eq!(failure.status, AHOY_E_CONNECT_TIMEOUT, "{}", failure.message);
        assert!(!failure.is_ambiguous);
        assert!(took >= ms(75) && took < IN_TIME, "{took:?}");
    }
}

#[test]
fn a_wait_does_not_outlast_the_deadline() {
    let server = Server::status(503);
    let retry = Retry::new().jitter_ms(0, 0).delay_ms(10_000).max_delay_ms(10_000);
    let builder = Builder::new().balancer(&round_robin(&[server.port()])).retry(&retry);
    let (answer, took) = timed(|| builder.timeout_ms(300).build().get("/").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (503, 1));
    assert!(took < ms(200), "there is nothing to wait for: {took:?}");
}

#[test]
fn sixteen_callers_meet_their_deadlines_together() {
    let servers = hanging();
    let balancer = round_robin(&servers.each_ref().map(Server::port));
    let client = Builder::new().balancer(&balancer).tries(1).timeout_ms(300).build();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let (failure, took) = timed(|| client.get("/").unwrap_err());
                assert_eq!(failure.status, AHOY_E_DEADLINE, "{}", failure.message);
                assert!(took <= IN_TIME, "{took:?}");
            });
        }
    });
}
