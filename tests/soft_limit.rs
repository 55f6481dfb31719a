//! The limit of an attempt: past it the attempt goes on, and another runs beside it.

use std::io::{Read, Write};

use ahoy::ffi::client::builder::*;
use ahoy::ffi::values::status::*;
use support::*;

const SOON: std::time::Duration = ms(20_000);

/// Takes the first that admits.
fn first_of(servers: &[&Server]) -> Balancer {
    let ports: Vec<u16> = servers.iter().map(|server| server.port()).collect();
    Balancer::custom(&Provider::loopback(&ports), |_| 0)
}

/// Nobody listens there.
fn closed_port() -> u16 {
    let server = Server::ok();
    let port = server.port();
    server.stop();
    port
}

fn attempt_at<'a>(attempts: &'a [Attempt], server: &Server) -> &'a Attempt {
    attempts.iter().find(|attempt| attempt.url == server.url()).expect("an attempt there")
}

#[test]
fn an_answer_that_comes_after_the_limit_is_not_thrown_away() {
    let slow = Server::always(Reply::status(200).after(ms(400)));
    for method in ["GET", "POST"] {
        let client = Builder::new().balancer(&first_of(&[&slow])).attempt_timeout_ms(50).build();
        let answer = client.send(&Request::new(method, "/")).unwrap();
        assert_eq!(answer.status, 200, "{method}");
        assert!(answer.attempts.iter().any(|attempt| attempt.http_status == 200), "{method}");
        assert_eq!(answer.attempt_count == 1, method == "POST");
    }
}

#[test]
fn a_late_attempt_is_raced_and_the_loser_says_so() {
    let (hanging, good) = (Server::always(Reply::Hang), Server::ok());
    let client =
        Builder::new().balancer(&first_of(&[&hanging, &good])).attempt_timeout_ms(60).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    assert!(took >= ms(55) && took < ms(2000), "{took:?}");
    let lost = attempt_at(&answer.attempts, &hanging);
    assert_eq!((lost.status, lost.ambiguous), (AHOY_E_CANCELLED, true));
    assert_eq!(lost.detail, "cancelled, another attempt answered first");
    assert!(attempt_at(&answer.attempts, &good).is_hedge);
}

#[test]
fn a_retry_that_is_due_goes_out_although_the_late_attempt_fails_before() {
    let late = Server::always(Reply::status(503).after(ms(400)));
    let (failing, good) = (Server::status(503), Server::ok());
    let retry = Retry::new().tries(3).delay_ms(800).max_delay_ms(800).jitter_ms(0, 0);
    let balancer = first_of(&[&late, &failing, &good]);
    let client = Builder::new().balancer(&balancer).retry(&retry).attempt_timeout_ms(100).build();
    let answer = client.get("/").unwrap();
    // The copy has failed at once, and so decided on the retry; the late one fails while that waits.
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
    assert_eq!([&late, &failing, &good].map(Server::request_count), [1, 1, 1]);
}

#[test]
fn the_first_good_answer_wins_whichever_attempt_brings_it() {
    let (slow, slower) = (
        Server::always(Reply::status(200).after(ms(300))),
        Server::always(Reply::status(200).after(ms(3000))),
    );
    let balancer = first_of(&[&slow, &slower]);
    let client = Builder::new().balancer(&balancer).attempt_timeout_ms(50).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!((answer.endpoint_url.as_str(), answer.attempt_count), (&*slow.url(), 2));
    assert!(took < ms(2000), "{took:?}");
    assert!(
        balancer.endpoint(slower.port()).is_closed() && balancer.endpoint(slow.port()).is_closed()
    );
}

#[test]
fn one_that_fails_in_the_race_is_followed_at_once() {
    let (hanging, bad, good) = (Server::always(Reply::Hang), Server::status(503), Server::ok());
    let balancer = first_of(&[&hanging, &bad, &good]);
    let retry = Retry::new().delay_ms(1);
    let client = Builder::new().balancer(&balancer).retry(&retry).attempt_timeout_ms(50).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
    assert!(took < ms(2000), "the call does not wait for the first: {took:?}");
}

#[test]
fn what_may_not_be_repeated_waits_and_is_not_raced() {
    let (slow, other) = (Server::always(Reply::status(200).after(ms(300))), Server::ok());
    let client =
        Builder::new().balancer(&first_of(&[&slow, &other])).attempt_timeout_ms(30).build();
    let answer = client.send(&Request::new("POST", "/")).unwrap();
    assert_eq!((answer.attempt_count, other.request_count()), (1, 0));
}

#[test]
fn one_call_of_many_finds_out_whether_an_endpoint_still_hangs() {
    let (hanging, good) = (Server::always(Reply::Hang), Server::ok());
    let balancer = first_of(&[&hanging, &good]);
    // Five failures open a circuit, two do not.
    let builder = Builder::new().balancer(&balancer).timeout_ms(300).attempt_timeout_ms(50);
    let client = builder.build();
    let post = Request::new("POST", "/");
    assert_eq!(client.send(&post).unwrap_err().status, AHOY_E_DEADLINE);
    // Eight times what that cost, nobody goes there; then one does.
    let mut calls = Vec::new();
    eventually("one finds out", SOON, || {
        calls.push(client.start(&post).unwrap());
        calls.len() > 5 && hanging.request_count() > 1
    });
    calls.extend((0..20).map(|_| client.start(&post).unwrap()));
    let failed = calls.into_iter().filter_map(|call| call.end().err()).count();
    assert_eq!((hanging.request_count(), failed), (2, 1));
}

#[test]
fn a_failure_before_does_not_leave_a_call_where_it_hangs() {
    let (bad, hanging, good) = (Server::status(503), Server::always(Reply::Hang), Server::ok());
    let retry = Retry::new().delay_ms(1);
    // Nothing but the stock bears the two extra attempts.
    let builder = Builder::new().retry_budget(0.0, 0, 10_000).retry(&retry).attempt_timeout_ms(50);
    builder.option("retry_budget_stock", "2").unwrap();
    let client = builder.balancer(&first_of(&[&bad, &hanging, &good])).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
}

#[test]
fn copies_of_what_hangs_cost_the_budget_nothing_while_others_answer() {
    let hanging = [(); 3].map(|()| Server::always(Reply::Hang));
    let good = [Server::ok(), Server::ok()];
    let answered = |balancer: &Balancer| {
        let builder = Builder::new().retry_budget(0.0, 0, 10_000).attempt_timeout_ms(50);
        builder.option("retry_budget_stock", "0").unwrap();
        let client = builder.timeout_ms(10_000).balancer(balancer).build();
        let request = Request::new("GET", "/");
        let calls: Vec<Call> = (0..20).map(|_| client.start(&request).unwrap()).collect();
        calls.into_iter().filter(|call| matches!(call.wait(15_000), Ok(Some(_)))).count()
    };
    let hosts = [&hanging[0], &good[0], &good[1]];
    assert_eq!(answered(&first_of(&hosts)), 20);
    let hosts = [&hanging[1], &hanging[2], &good[0], &good[1]];
    assert_eq!(answered(&first_of(&hosts)), 20);
    // Where nobody answers in time, more calls would make that worse.
    let slow = [(); 2].map(|()| Server::always(Reply::status(200).after(ms(1000))));
    assert_eq!(answered(&round_robin(&[slow[0].port(), slow[1].port()])), 20);
    let sent = slow[0].request_count() + slow[1].request_count();
    assert!(sent <= 24, "{sent} for 20 calls");
}

#[test]
fn copies_of_long_requests_draw_on_the_budget_where_others_are_answered() {
    let answer = |seen: &Seen| match &*seen.path {
        "/long" => Reply::status(200).after(ms(800)),
        _ => Reply::status(200),
    };
    let servers = [(); 3].map(|()| Server::new(answer));
    let builder = Builder::new().retry_budget(0.0, 0, 10_000).attempt_timeout_ms(50);
    builder.option("retry_budget_stock", "0").unwrap();
    let client = builder.balancer(&round_robin(&servers.each_ref().map(Server::port))).build();
    let attempts = [(); 3].map(|()| {
        let long = client.begin("/long");
        loop {
            match long.wait(5).unwrap() {
                Some(answer) => break answer.attempt_count,
                None => drop(client.get("/").unwrap()),
            }
        }
    });
    // Whether it is busy was not noted before the first.
    assert_eq!(attempts[1..], [1, 1]);
}

#[test]
fn a_hard_limit_cuts_for_the_client_or_for_one_request() {
    let hanging = Server::always(Reply::Hang);
    let builder = || Builder::new().balancer(&first_of(&[&hanging])).tries(1);
    let client = builder().attempt_timeout_ms(1000).attempt_timeout_hard().build();
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_TIMEOUT);
    assert!(failure.message.contains("attempt limit 1,000 ms"), "{}", failure.message);
    let soft = builder().timeout_ms(10_000).build();
    let request = Request::new("GET", "/").attempt_timeout_ms(40).attempt_timeout_hard(true);
    let (failure, took) = timed(|| soft.send(&request).unwrap_err());
    assert_eq!(failure.status, AHOY_E_TIMEOUT);
    assert!(took < ms(5000), "{took:?}");
    let request = Request::new("GET", "/").attempt_timeout_hard(false).timeout_ms(100);
    assert_eq!(client.send(&request).unwrap_err().status, AHOY_E_DEADLINE);
}

#[test]
fn the_option_by_name_does_the_same() {
    let hanging = Server::always(Reply::Hang);
    let builder = Builder::new().balancer(&first_of(&[&hanging])).tries(1);
    builder.option("attempt_timeout", "40ms").unwrap();
    builder.option("attempt_timeout_hard", "true").unwrap();
    assert_eq!(builder.build().get("/").unwrap_err().status, AHOY_E_TIMEOUT);
}

#[test]
fn an_error_tells_which_limit_was_passed_and_that_it_is_ambiguous() {
    let hanging = Server::always(Reply::Hang);
    let client = Builder::new()
        .balancer(&first_of(&[&hanging]))
        .tries(1)
        .attempt_timeout_ms(50)
        .timeout_ms(200)
        .build();
    let failure = client.get("/").unwrap_err();
    assert_eq!((failure.status, failure.is_ambiguous), (AHOY_E_DEADLINE, true));
    assert!(failure.message.contains("passed its limit of 50 ms"), "{}", failure.message);
}

#[test]
fn a_later_connect_failure_does_not_hide_that_the_request_may_have_been_done() {
    let (lost, dead) = (Server::always(Reply::Close), Server::ok());
    let port = dead.port();
    dead.stop();
    let balancer = Balancer::custom(&Provider::loopback(&[lost.port(), port]), |_| 0);
    let retry = Retry::new().delay_ms(1).tries(2);
    let failure = Builder::new().balancer(&balancer).retry(&retry).build().get("/").unwrap_err();
    assert!(failure.is_ambiguous);
    assert_eq!(failure.status, AHOY_E_CONNECTION_LOST, "{}", failure.message);
}

#[test]
fn a_dead_connection_to_the_only_endpoint_is_replaced() {
    // The first request on each connection is answered, and the second never on the first connection.
    let server = Server::new(|seen| match (seen.connection, seen.path.as_str()) {
        (0, "/second") => Reply::Hang,
        _ => Reply::status(200),
    });
    let client = client_over(&[server.port()]);
    client.get("/first").unwrap();
    let (answer, took) = timed(|| client.get("/second").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    assert!(took < ms(2000), "within the limit and a second: {took:?}");
    assert_eq!(server.connections(), 2);
}

#[test]
fn neighbours_that_refuse_connections_take_no_try_from_a_call_whose_connection_is_dead() {
    let hangs_once = |seen: &Seen| match seen.connection {
        0 => Reply::Hang,
        _ => Reply::status(200),
    };
    for dead in 1..=3 {
        let server = Server::new(hangs_once);
        let mut ports: Vec<u16> = (0..dead).map(|_| closed_port()).collect();
        ports.push(server.port());
        // A probe of theirs is due whenever the call looks elsewhere.
        let breaker = Breaker::new().connect_open_max_ms(20).open_ms(20, 20);
        let balancer = Balancer::custom(&Provider::loopback(&ports), |_| 0).with(&breaker);
        let client =
            Builder::new().balancer(&balancer).attempt_timeout_ms(100).timeout_ms(10_000).build();
        let (answer, took) = timed(|| client.get("/").unwrap());
        assert_eq!((answer.status, server.connections()), (200, 2), "{dead} are dead");
        assert!(took < ms(2000), "{dead} are dead: {took:?}");
    }
}

#[test]
fn a_body_that_moves_is_not_late() {
    let (port, sender) = trickling();
    let other = Server::ok();
    let balancer = Balancer::custom(&Provider::loopback(&[port, other.port()]), |_| 0);
    let client = Builder::new().balancer(&balancer).attempt_timeout_ms(300).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.body.len(), answer.attempt_count), (10 * 16_384, 1));
    sender.join().unwrap();
}

/// Answers one request with ten pieces of 16 KiB, 60 ms apart.
fn trickling() -> (u16, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sender = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let read = peer.read(&mut [0; 4096]).unwrap();
        assert!(read > 0);
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 163840\r\n\r\n").unwrap();
        for _ in 0..10 {
            std::thread::sleep(ms(60));
            peer.write_all(&[b'x'; 16_384]).unwrap();
        }
    });
    (port, sender)
}

#[test]
fn groups_are_refused_by_name_and_have_limits_of_their_own() {
    for name in ["", &"x".repeat(65)] {
        let failure = Request::new("GET", "/").try_group(name).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.contains("group"), "{}", failure.message);
    }
    let server = Server::new(|seen| match seen.path.as_str() {
        "/report" => Reply::status(200).after(ms(700)),
        _ => Reply::status(200),
    });
    let client = client_over(&[server.port()]);
    let report = || Request::new("GET", "/report").group("reports");
    for _ in 0..3 {
        client.send(&report()).unwrap();
        client.get("/").unwrap();
    }
    let before = server.request_count();
    for _ in 0..3 {
        assert_eq!(client.send(&report()).unwrap().attempt_count, 1);
    }
    assert_eq!(server.request_count(), before + 3, "each is sent once");
}

#[test]
fn a_streamed_call_may_wait_for_the_first_byte() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n".to_vec();
    for (commit, body) in [(AHOY_COMMIT_HEAD, None), (AHOY_COMMIT_FIRST_BYTE, Some("status 200"))] {
        let (silent, good) = (Server::always(Reply::Begin(head.clone())), Server::ok());
        let builder = Builder::new().balancer(&first_of(&[&silent, &good]));
        let client = builder.attempt_timeout_ms(100).commit(commit).timeout_ms(5000).build();
        let streamed = client.stream("/");
        let found = streamed.head().endpoint_url;
        match body {
            None => assert_eq!(found, silent.url()),
            Some(body) => {
                assert_eq!(found, good.url());
                assert_eq!(streamed.rest().unwrap(), body);
            }
        }
    }
    let failure = Builder::new().option("commit", "byte").unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
}

#[test]
fn cancelling_a_race_cancels_all_of_it() {
    let (one, two) = (Server::always(Reply::Hang), Server::always(Reply::Hang));
    let client = Builder::new().balancer(&first_of(&[&one, &two])).attempt_timeout_ms(40).build();
    let call = client.begin("/");
    eventually("both are asked", SOON, || one.request_count() + two.request_count() == 2);
    call.cancel().unwrap();
    let failure = call.end().unwrap_err();
    assert_eq!(
        (failure.status, failure.attempt_count),
        (AHOY_E_CANCELLED, 2),
        "{}",
        failure.message
    );
}

#[test]
fn no_attempt_starts_beside_another_where_the_limit_in_flight_is_reached() {
    let (slow, other) = (Server::always(Reply::status(200).after(ms(400))), Server::ok());
    let builder = Builder::new().balancer(&first_of(&[&slow, &other])).attempt_timeout_ms(40);
    let answer = builder.max_in_flight(1).build().get("/").unwrap();
    assert_eq!((answer.attempt_count, other.request_count()), (1, 0));
}

#[test]
fn a_hang_does_not_keep_the_room_of_other_calls_until_its_deadline() {
    let (hung, other) = (Server::always(Reply::Hang), Server::ok());
    let builder = Builder::new().balancer(&first_of(&[&hung, &other])).attempt_timeout_ms(40);
    let client = builder.max_in_flight(1).timeout_ms(20_000).build();
    let call = client.begin("/");
    eventually("it hangs", SOON, || hung.request_count() == 1);
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_OVERLOADED);
    let answer = call.end().unwrap();
    assert_eq!((answer.attempt_count, other.request_count()), (2, 1));
    assert_eq!(client.get("/").unwrap().status, 200);
}
