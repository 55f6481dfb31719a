//! What a host says of one call, and what one call tells of itself.

mod support;

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
