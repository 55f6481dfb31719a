//! What a host says of one call, and what one call tells of itself.

mod support;

use ahoy::ffi::call::attempt::*;
use ahoy::ffi::values::status::*;
use support::*;

/// A server that is never well.
fn unwell() -> Server {
    Server::always(Reply::status(503))
}

/// A client over one server, whose circuit stays closed.
fn client_of(server: &Server) -> Client {
    Builder::new().base_url(&server.url()).build()
}

#[test]
fn a_call_has_tries_of_its_own() {
    let server = unwell();
    let client = client_of(&server);
    let attempts = |request: &Request| client.send(request).unwrap().attempt_count;
    assert_eq!(attempts(&Request::new("GET", "/").tries(1)), 1);
    assert_eq!(attempts(&Request::new("GET", "/").tries(4)), 4);
    assert_eq!(attempts(&Request::new("GET", "/")), 3, "the client's");
    let failure = Request::new("GET", "/").try_tries(0).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.contains("tries"), "{}", failure.message);
}

#[test]
fn a_call_has_retry_rules_of_its_own() {
    let server = Server::always(Reply::status(404));
    let client = client_of(&server);
    let rules = Retry::new().tries(2).statuses(&[404]);
    let own = Request::new("GET", "/").retry(&rules);
    assert_eq!(client.send(&own).unwrap().attempt_count, 2);
    assert_eq!(client.start(&own).unwrap().end().unwrap().attempt_count, 2);
    assert_eq!(client.send(&own.tries(3)).unwrap().attempt_count, 3, "the tries come first");
    assert_eq!(client.get("/").unwrap().attempt_count, 1);
    assert_eq!(rules.try_tries(5).unwrap_err().status, AHOY_E_IN_USE);
}

#[test]
fn tries_without_end_need_an_end() {
    let server = unwell();
    let client = client_of(&server);
    let endless = || Request::new("GET", "/").tries(-1).timeout_ms(FOREVER);
    let failure = client.send(&endless().retry(&Retry::new().delay_ms(0))).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    let answer = client.send(&endless().timeout_ms(200)).unwrap();
    assert!(answer.attempt_count > 3, "{}", answer.attempt_count);
}

#[test]
fn an_idempotency_key_makes_a_post_repeatable_and_stays_the_same() {
    let server = unwell();
    let client = client_of(&server);
    let request = Request::new("POST", "/").body(b"x").idempotency_key(None, None);
    for _ in 0..2 {
        assert_eq!(client.send(&request).unwrap().attempt_count, 3);
    }
    let seen = server.requests();
    let keys: Vec<_> = seen.iter().map(|seen| seen.all("idempotency-key")).collect();
    assert!(keys.iter().all(|key| key.len() == 1 && key[0].len() == 36), "{keys:?}");
    assert!(keys[..3].iter().all(|key| key == &keys[0]), "{keys:?}");
    assert!(keys[3..].iter().all(|key| key == &keys[3]), "{keys:?}");
    assert_ne!(keys[0], keys[3], "another call is other work");
}

#[test]
fn an_idempotency_key_may_have_another_name_and_value() {
    let server = unwell();
    let client = Builder::new().base_url(&server.url()).header("X-Key", "default").build();
    let request = Request::new("POST", "/").idempotency_key(Some("X-Key"), Some("order-7"));
    assert_eq!(client.send(&request).unwrap().attempt_count, 3);
    assert_eq!(client.send(&request.idempotent(false)).unwrap().attempt_count, 1, "as was said");
    assert!(server.requests().iter().all(|seen| seen.all("x-key") == ["order-7"]));
    let refused = |header, value| {
        let request = Request::new("POST", "/");
        request.try_idempotency_key(header, value).unwrap_err().status
    };
    assert_eq!(refused(Some("Content-Length"), None), AHOY_E_INVALID_ARGUMENT);
    assert_eq!(refused(Some("Host"), None), AHOY_E_INVALID_ARGUMENT);
    assert_eq!(refused(None, Some("a\r\nX: 1")), AHOY_E_INVALID_ARGUMENT);
}

/// The phase of an attempt.
fn spent(attempt: &Attempt, phase: i32) -> std::time::Duration {
    attempt.phases[usize::try_from(phase).unwrap()]
}

/// Holds what an attempt tells of itself together.
fn assert_whole(attempt: &Attempt) {
    let all: std::time::Duration = attempt.phases.iter().sum();
    let least = attempt.elapsed.saturating_sub(std::time::Duration::from_micros(6));
    assert!((least..=attempt.elapsed).contains(&all), "{attempt:?}");
}

#[test]
fn an_attempt_tells_its_phases_and_its_connection() {
    let server = Server::always(Reply::status(200).after(ms(30)));
    let client = client_of(&server);
    let [first, second] = [0, 1].map(|_| client.get("/").unwrap().attempts[0].clone());
    for attempt in [&first, &second] {
        assert_whole(attempt);
        assert!(spent(attempt, AHOY_PHASE_FIRST_BYTE) >= ms(29), "{attempt:?}");
        assert_eq!(spent(attempt, AHOY_PHASE_TLS), ms(0));
        assert_eq!(spent(attempt, AHOY_PHASE_WAIT), ms(0));
        assert_eq!(attempt.protocol, "HTTP/1.1");
        assert_eq!(attempt.remote_address, format!("127.0.0.1:{}", server.port()));
    }
    assert_eq!((first.is_reused, second.is_reused), (false, true));
    assert!(spent(&first, AHOY_PHASE_CONNECT) > ms(0), "{first:?}");
    assert_eq!(spent(&second, AHOY_PHASE_CONNECT), ms(0));
    assert!(first.local_address.starts_with("127.0.0.1:"), "{first:?}");
    assert_eq!(first.local_address, second.local_address);
}

#[test]
fn the_body_is_a_phase_where_it_comes_later_than_its_head() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc";
    let server = Scripted::new(move |_, peer| {
        peer.head();
        peer.write(head);
        std::thread::sleep(ms(100));
        peer.write("def");
    });
    let client = Builder::new().base_url(&url(server.port())).build();
    for answer in [client.get("/").unwrap(), client.begin("/").end().unwrap()] {
        let attempt = &answer.attempts[0];
        assert_whole(attempt);
        assert!(spent(attempt, AHOY_PHASE_BODY) >= ms(50), "{attempt:?}");
    }
}

#[test]
fn the_handshake_is_a_phase() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("localhost"), |_| Reply::status(200));
    let base = format!("https://localhost:{}", server.port());
    let client = Builder::new().base_url(&base).platform_roots(false).ca(&authority.pem).build();
    let attempt = client.get("/").unwrap().attempts.remove(0);
    assert_whole(&attempt);
    for phase in [AHOY_PHASE_RESOLVE, AHOY_PHASE_CONNECT, AHOY_PHASE_TLS] {
        assert!(spent(&attempt, phase) > ms(0), "{phase} of {attempt:?}");
    }
}

#[test]
fn the_wait_for_a_connection_is_a_phase() {
    let server = Server::always(Reply::status(200).after(ms(40)));
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    builder.option("max_connections_per_endpoint", "1").unwrap();
    let client = builder.build();
    // More than there are threads, each of which has a connection of its own.
    let calls: Vec<_> = (0..8).map(|_| client.begin("/")).collect();
    let waits = calls.iter().map(|call| spent(&call.end().unwrap().attempts[0], AHOY_PHASE_WAIT));
    let waits: Vec<_> = waits.collect();
    assert!(waits.contains(&ms(0)) && waits.iter().any(|wait| *wait >= ms(30)), "{waits:?}");
}

#[test]
fn an_attempt_that_fails_tells_how_far_it_came() {
    let server = Server::always(Reply::Hang);
    let client = client_of(&server);
    let failure = client.send(&Request::new("GET", "/").timeout_ms(60)).unwrap_err();
    assert!(failure.elapsed >= ms(59), "{:?}", failure.elapsed);
    let first = &failure.attempts[0];
    assert_whole(first);
    assert!(spent(first, AHOY_PHASE_FIRST_BYTE) >= ms(50), "{first:?}");
    assert_eq!(first.remote_address, format!("127.0.0.1:{}", server.port()));

    let dead = Dead::new();
    let failure = Builder::new().base_url(&dead.url()).build().get("/").unwrap_err();
    let first = &failure.attempts[0];
    assert_whole(first);
    assert!(spent(first, AHOY_PHASE_CONNECT) > ms(0), "{first:?}");
    assert_eq!((&*first.protocol, &*first.local_address, first.is_reused), ("", "", false));
}

#[test]
fn a_call_tells_its_duration_and_the_waits_in_it() {
    let server = Server::new(|seen| Reply::status(if seen.number == 0 { 503 } else { 200 }));
    let rules = Retry::new().delay_ms(0).jitter_ms(30, 30);
    let answer = client_of(&server).send(&Request::new("GET", "/").retry(&rules)).unwrap();
    let [first, second] = &answer.attempts[..] else { panic!("{answer:?}") };
    assert!(first.wait < ms(29) && second.wait >= ms(29), "{answer:?}");
    let parts = first.wait + first.elapsed + second.wait + second.elapsed;
    assert!(answer.elapsed + ms(1) >= parts, "{answer:?}");
    assert!(answer.elapsed <= parts + ms(200), "{answer:?}");
}

#[test]
fn a_response_tells_the_url_that_brought_it() {
    let server = Server::new(|seen| match &*seen.path {
        "/base/old" => Reply::status(302).header("Location", "/new?x=1"),
        _ => Reply::status(200),
    });
    let base = format!("{}/base", server.url());
    let client = Builder::new().base_url(&base).redirects(1).build();
    let told = |path: &str| client.get(path).unwrap().url;
    assert_eq!(told("/a?b=1"), format!("{base}/a?b=1"));
    assert_eq!(told("/old"), format!("{}/new?x=1", server.url()));
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_request(|request| {
            request.set_path("/signed?s=1").unwrap();
            AHOY_OK
        })
        .build();
    assert_eq!(client.get("/plain").unwrap().url, format!("{}/signed?s=1", server.url()));
    assert_eq!(
        client_over(&[server.port()]).get("/p?q").unwrap().url,
        format!("{}/p?q", server.url())
    );
}
