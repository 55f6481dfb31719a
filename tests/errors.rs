//! What an error tells: which attempts were made, whether to try again, and the answer where there was one.

#![allow(unsafe_code, reason = "some of it is done as only a C program does")]

use ahoy::ffi::values::error::*;
use ahoy::ffi::values::status::*;
use support::*;

#[test]
fn fail_on_status_keeps_the_answer_in_the_error() {
    let server = Server::always(Reply::text(404, "no such order").header("X-Trace", "t-1"));
    let balancer = round_robin(&[server.port()]);
    for builder in [Builder::new().balancer(&balancer), Builder::new().base_url(&server.url())] {
        let failure = builder.fail_on_status(true).build().get("/").unwrap_err();
        assert_eq!((failure.status, failure.attempt_count), (AHOY_E_HTTP_STATUS, 1));
        assert!(failure.message.contains("404"), "{}", failure.message);
        let answer = failure.response.expect("the answer");
        assert_eq!((answer.status, answer.text()), (404, "no such order".to_owned()));
        assert_eq!(answer.header("x-trace").as_deref(), Some("t-1"));
        assert_eq!(answer.attempt_count, 1);
    }
}

#[test]
fn fail_on_status_comes_after_the_tries() {
    let server = Server::status(503);
    let builder = Builder::new().balancer(&round_robin(&[server.port()])).fail_on_status(true);
    let failure = builder.build().get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_HTTP_STATUS, 3));
    let statuses: Vec<_> = failure.attempts.iter().map(|attempt| attempt.http_status).collect();
    assert_eq!(statuses, [503; 3]);
    assert_eq!(failure.response.unwrap().status, 503);
}

#[test]
fn fail_on_status_leaves_good_answers_alone() {
    for status in [200, 204, 301, 304] {
        let server = Server::always(Reply::bytes(status, Vec::new()));
        let builder = Builder::new().balancer(&round_robin(&[server.port()])).fail_on_status(true);
        assert_eq!(builder.build().get("/").unwrap().status, i32::from(status));
    }
}

#[test]
fn without_fail_on_status_every_answer_is_a_response() {
    for status in [400, 404, 418, 500, 599] {
        let server = Server::status(status);
        let answer = client_over(&[server.port()]).get("/").unwrap();
        assert_eq!(answer.status, i32::from(status));
    }
}

#[test]
fn the_message_has_a_line_for_each_attempt() {
    let (dead, lossy) = (Dead::new(), Server::always(Reply::Close));
    let provider = Provider::loopback(&[dead.port(), lossy.port()]);
    let client = Builder::new().balancer(&Balancer::custom(&provider, |_| 0)).tries(2).build();
    let failure = client.get("/orders").unwrap_err();
    let lines: Vec<_> = failure.message.lines().collect();
    assert_eq!(lines.len(), 1 + failure.attempt_count, "{}", failure.message);
    assert!(lines[0].starts_with("GET /orders failed after "), "{}", lines[0]);
    assert!(lines[0].contains("AHOY_E_CONNECTION_LOST"), "{}", lines[0]);
    let first = lines[1].trim_start();
    assert!(first.starts_with('1') && first.contains(&dead.url()), "{first}");
    assert!(first.contains("connect refused") && first.contains(" ms"), "{first}");
    let second = lines[2].trim_start();
    assert!(second.starts_with('2') && second.contains(&lossy.url()), "{second}");
    assert!(second.contains("may have been carried out"), "{second}");
}

#[test]
fn a_call_cut_by_its_deadline_says_so() {
    let server = Server::always(Reply::Hang);
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    let failure = builder.tries(1).timeout_ms(60).build().get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_DEADLINE);
    assert!(failure.message.contains("cut by the deadline"), "{}", failure.message);
    assert!(failure.message.contains("no answer"), "{}", failure.message);
}

#[test]
fn an_answer_whose_body_stops_is_told_apart_from_none() {
    let server = Scripted::new(|_, peer| {
        peer.head();
        peer.write("HTTP/1.1 500 Failed\r\ncontent-length: 10\r\n\r\nab");
        peer.sees_close();
    });
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    let client = builder.tries(2).timeout_ms(300).build();
    let whole = client.get("/").unwrap_err();
    // An answer that may be worth another attempt is held until it is whole.
    let Err(streamed) = client.open(&Request::new("GET", "/").streamed()) else { unreachable!() };
    for failure in [whole, streamed] {
        assert_eq!(failure.status, AHOY_E_DEADLINE);
        assert!(failure.message.contains("answer not whole"), "{}", failure.message);
    }
}

#[test]
fn what_is_worth_another_call_is_told() {
    let dead = Dead::new();
    let refused = client_over(&[dead.port()]);
    assert!(refused.post("/", "text/plain", b"x").unwrap_err().is_retryable, "nothing was sent");
    let lossy = Server::always(Reply::Close);
    let lost = client_over(&[lossy.port()]);
    let get = lost.get("/").unwrap_err();
    assert!(get.is_retryable && get.is_ambiguous, "{get:?}");
    for (status, get_is, post_is) in [
        (404, false, false),
        (429, true, true),
        (500, true, false),
        (501, false, false),
        (503, true, false),
    ] {
        let server = Server::always(Reply::text(status, "no"));
        let client = Builder::new().base_url(&server.url()).tries(1).fail_on_status(true).build();
        let get = client.get("/").unwrap_err();
        let post = client.post("/", "text/plain", b"x").unwrap_err();
        assert_eq!((get.is_retryable, post.is_retryable), (get_is, post_is), "{status}");
    }
    let invalid = refused.get("no path").unwrap_err();
    assert!(!invalid.is_retryable && !invalid.is_ambiguous && invalid.attempt_count == 0);
}

#[test]
fn at_most_64_attempts_are_kept_and_all_are_counted() {
    let server = Server::status(503);
    let retry = Retry::new().tries(100).delay_ms(0);
    let builder = Builder::new().balancer(&round_robin(&[server.port()])).retry(&retry);
    let builder = builder.without_retry_budget();
    let answer = builder.build().get("/").unwrap();
    assert_eq!((answer.attempt_count, answer.attempts.len()), (100, 64));
    let failure = builder.fail_on_status(true).build().get("/").unwrap_err();
    assert_eq!((failure.attempt_count, failure.attempts.len()), (100, 64));
}

#[test]
fn a_null_err_is_fine_and_the_status_tells_enough() {
    use std::ptr;
    let dead = Dead::new();
    let client = client_over(&[dead.port()]);
    let mut response = ptr::dangling_mut();
    // SAFETY: the client lives; no error is wanted.
    let status = unsafe {
        let path = c"/".as_ptr();
        ahoy::ffi::client::client::ahoy_client_get(
            client.raw(),
            path,
            &raw mut response,
            ptr::null_mut(),
        )
    };
    assert_eq!(status, AHOY_E_CONNECT);
    assert!(response.is_null());
    // SAFETY: NULL is an error's absence.
    unsafe {
        assert_eq!(ahoy_error_attempt_count(ptr::null()), 0);
        assert!(ahoy_error_response(ptr::null()).is_null());
        ahoy_error_free(ptr::null_mut());
    }
}

#[test]
fn a_name_that_does_not_exist_is_a_resolve_error() {
    let provider = Provider::list();
    provider.add("nowhere.invalid", 80).unwrap();
    let balancer = Balancer::round_robin(&provider);
    let url = "http://nowhere.invalid";
    for builder in [Builder::new().balancer(&balancer), Builder::new().base_url(url)] {
        let failure = builder.tries(1).build().get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_RESOLVE, "{}", failure.message);
        assert!(!failure.is_ambiguous);
    }
}

#[test]
fn an_unknown_option_is_told_with_what_was_meant() {
    let balancer = round_robin(&[9]);
    for (key, said) in [
        ("timeuot", "key: timeuot: no such option; the nearest is timeout"),
        ("hedge", "key: hedge: no such option; the nearest is hedge_delay"),
        ("tries", "key: tries: no such option; the nearest is retry_tries; retries have it"),
        ("panic_threshold", "key: panic_threshold: no such option; balancers have it"),
        ("breaker_open_base", "key: breaker_open_base: no such option; balancers have it"),
        ("tls_min_version", "key: tls_min_version: no such option"),
        ("prox", "key: prox: no such option; the nearest is proxy"),
    ] {
        let failure = Builder::new().option(key, "1").unwrap_err();
        assert_eq!((failure.status, &*failure.message), (AHOY_E_UNKNOWN_OPTION, said));
    }
    let failure = balancer.option("open_base", "1s").unwrap_err();
    let said = "key: open_base: no such option; the nearest is breaker_open_base; breakers have it";
    assert_eq!((failure.status, &*failure.message), (AHOY_E_UNKNOWN_OPTION, said));
    let provider = Provider::from_url("dns://web.test:80").unwrap();
    let failure = provider.set("poll", "5s").unwrap_err();
    let said = "key: poll: the provider has no such option; it has coalesce, ";
    assert!(failure.message.starts_with(said), "{}", failure.message);
}

#[test]
fn a_value_that_is_none_is_told_the_range() {
    for (key, value, said) in [
        ("max_in_flight", "1.5", "1.5 is not a whole number from 1, or off"),
        ("redirects", "-1", "-1 is not a whole number from 0 to 50"),
        ("hedge_max_extra", "5%", "5% is not a number from 0 to 1"),
        ("max_body", "-1", "-1 is no size; write one such as 512, 64KiB or 1MiB"),
        ("max_body", "1.5KiB", "1.5KiB is no size; write one such as 512, 64KiB or 1MiB"),
        ("max_body", "8MB", "8MB has a unit other than B, KiB, MiB and GiB"),
    ] {
        let failure = Builder::new().option(key, value).unwrap_err();
        assert_eq!(failure.message, format!("value: {key}: {said}"));
    }
    let failure = Builder::new().option("retry_on", "conect").unwrap_err();
    let said = "value: retry_on: conect is not connect, connect_timeout, timeout,";
    assert!(failure.message.starts_with(said), "{}", failure.message);
}

#[test]
fn what_is_quoted_of_a_long_value_is_its_ends() {
    let long = "x".repeat(100_000);
    for key in ["max_in_flight", "gzip", "timeout", "max_body", "retry_on", "commit", "resolve"] {
        let message = Builder::new().option(key, &long).unwrap_err().message;
        assert!(message.len() < 1_100, "{key}: {}", message.len());
        assert!(message.starts_with(&format!("value: {key}: x")), "{message}");
    }
    let message = Builder::new().option(&long, "1").unwrap_err().message;
    assert!(message.len() < 1_100 && message.ends_with("no such option"), "{message}");
    let config = format!("{{\"{long}\": 1, \"timeout\": \"{long}\"}}");
    let message = Client::from_config(&config).unwrap_err().message;
    assert!(message.len() < 2_200 && message.lines().count() == 2, "{}", message.len());
}

#[test]
fn a_path_that_is_none_is_told_what_the_client_takes() {
    let client = Builder::new().base_url("http://127.0.0.1:9/v1").build();
    for path in ["orders", "?id=1", "127.0.0.1:9/v1/orders"] {
        let failure = client.get(path).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert_eq!(failure.message, "path: must start with / on a client with a base url");
    }
}

#[test]
fn an_address_that_is_none_is_told_what_to_write() {
    let list = Provider::list();
    for (address, said) in [
        ("http://a", "is a url; write the host's name alone, and the port beside it"),
        ("a:8080", "holds a port; write the host's name alone, and the port beside it"),
        ("[::1]:8080", "holds a port; write the host's name alone, and the port beside it"),
        ("a b", "is neither a host name nor an ip address"),
        ("a:b", "is neither a host name nor an ip address"),
        ("a..b", "is neither a host name nor an ip address"),
        (".", "is neither a host name nor an ip address"),
        ("1::2::3", "is neither a host name nor an ip address"),
    ] {
        let failure = list.add(address, 80).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert_eq!(failure.message, format!("address: {said}"));
    }
}

#[test]
fn every_status_has_its_name() {
    // SAFETY: static text.
    let name = |status| unsafe { std::ffi::CStr::from_ptr(ahoy_status_name(status)) };
    assert_eq!(name(AHOY_OK), c"AHOY_OK");
    assert_eq!(name(AHOY_E_DEADLINE), c"AHOY_E_DEADLINE");
    assert_eq!(name(-1), c"AHOY_E_UNKNOWN");
}
