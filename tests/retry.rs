//! What is tried again, how often, and after which wait.

use std::time::{Duration, Instant, SystemTime};

use ahoy::ffi::client::retry::*;
use ahoy::ffi::values::status::*;
use support::*;

/// A client over one server, so that every retry waits its full time.
fn client(server: &Server, retry: Retry) -> Client {
    Builder::new().balancer(&round_robin(&[server.port()])).retry(&retry).build()
}

/// Fixed waits: no jitter.
fn fixed() -> Retry {
    Retry::new().jitter_ms(0, 0)
}

/// The times between the requests that a server saw.
fn gaps(server: &Server) -> Vec<Duration> {
    let times: Vec<Instant> = server.requests().iter().map(|seen| seen.at).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Each gap is the wait, or a little more.
fn assert_waits(server: &Server, waits: &[u64]) {
    let gaps = gaps(server);
    assert_eq!(gaps.len(), waits.len(), "{gaps:?}");
    for (gap, wait) in gaps.iter().zip(waits) {
        assert!(*gap >= ms(*wait) && *gap < ms(wait + 60), "{gaps:?} instead of {waits:?}");
    }
}

#[test]
fn tries_count_all_attempts_and_are_three_by_default() {
    for (tries, requests) in [(None, 3), (Some(1), 1), (Some(2), 2), (Some(5), 5)] {
        let server = Server::status(503);
        let retry = tries.map_or_else(Retry::new, |tries| Retry::new().tries(tries)).delay_ms(1);
        let answer = client(&server, retry).get("/").unwrap();
        assert_eq!((answer.status, answer.attempt_count), (503, requests));
        assert_eq!(server.request_count(), requests);
    }
}

#[test]
fn tries_of_minus_one_are_without_limit() {
    let server = Server::new(|seen| Reply::status(if seen.number < 50 { 503 } else { 200 }));
    let answer = client(&server, fixed().tries(-1).delay_ms(1).backoff(1.0)).get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 51));
}

#[test]
fn without_limit_the_deadline_ends_it_with_the_last_answer() {
    let server = Server::status(503);
    let retry = fixed().tries(-1).delay_ms(10).backoff(1.0);
    let builder = Builder::new().balancer(&round_robin(&[server.port()])).retry(&retry);
    let (answer, took) = timed(|| builder.timeout_ms(200).build().get("/").unwrap());
    assert_eq!(answer.status, 503);
    assert!((5..=20).contains(&answer.attempt_count), "{}", answer.attempt_count);
    assert!(took <= ms(260), "{took:?}");
}

#[test]
fn other_numbers_of_tries_are_refused() {
    for tries in [0, -2, i32::MIN] {
        let failure = Retry::new().try_tries(tries).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.contains("tries"), "{}", failure.message);
    }
}

#[test]
fn endless_tries_without_delay_and_deadline_are_refused_when_the_client_is_built() {
    let endless = || Retry::new().tries(-1);
    for retry in [
        endless().delay_ms(0),
        endless().max_delay_ms(0),
        endless().backoff(0.5),
        fixed().tries(-1).backoff(0.0),
    ] {
        let builder = Builder::new().balancer(&round_robin(&[1])).retry(&retry);
        let client = builder.build();
        let builder = builder.timeout_ms(u64::MAX);
        assert_eq!(builder.try_build().unwrap_err().status, AHOY_E_INVALID_ARGUMENT);
        let failure = client.send(&Request::new("GET", "/").timeout_ms(u64::MAX)).unwrap_err();
        assert_eq!((failure.status, failure.attempt_count), (AHOY_E_INVALID_ARGUMENT, 0));
    }
}

#[test]
fn the_wait_grows_by_the_backoff() {
    let server = Server::status(503);
    client(&server, fixed().tries(4).delay_ms(30).backoff(2.0)).get("/").unwrap();
    assert_waits(&server, &[30, 60, 120]);
}

#[test]
fn the_wait_is_at_most_the_max_delay() {
    let server = Server::status(503);
    let retry = fixed().tries(4).delay_ms(40).backoff(10.0).max_delay_ms(70);
    client(&server, retry).get("/").unwrap();
    assert_waits(&server, &[40, 70, 70]);
}

#[test]
fn a_backoff_of_one_keeps_the_wait() {
    let server = Server::status(503);
    client(&server, fixed().tries(3).delay_ms(50).backoff(1.0)).get("/").unwrap();
    assert_waits(&server, &[50, 50]);
}

#[test]
fn a_fixed_jitter_is_added_to_each_wait_and_grows_with_it() {
    let server = Server::status(503);
    let retry = Retry::new().tries(4).delay_ms(20).backoff(2.0).jitter_ms(10, 10);
    client(&server, retry).get("/").unwrap();
    // 20 + 10, then each time the wait before it, times 2, plus 10.
    assert_waits(&server, &[30, 70, 150]);
}

#[test]
fn a_range_of_jitter_is_kept() {
    let server = Server::status(503);
    client(&server, Retry::new().tries(8).delay_ms(0).backoff(0.0).jitter_ms(20, 40))
        .get("/")
        .unwrap();
    let gaps = gaps(&server);
    assert!(gaps.iter().all(|gap| (ms(20)..ms(100)).contains(gap)), "{gaps:?}");
    let (least, most) = (gaps.iter().min().unwrap(), gaps.iter().max().unwrap());
    assert!(*most - *least > ms(1), "they differ: {gaps:?}");
}

#[test]
fn full_jitter_draws_below_the_delay() {
    let server = Server::status(503);
    let retry = Retry::new().tries(11).delay_ms(40).backoff(1.0).full_jitter();
    let (_, took) = timed(|| client(&server, retry).get("/").unwrap());
    let gaps = gaps(&server);
    assert!(gaps.iter().all(|gap| *gap < ms(40 + 60)), "{gaps:?}");
    // Ten draws from 0 to 40 ms: 200 ms on average.
    assert!((ms(60)..ms(600)).contains(&took), "{took:?}");
}

#[test]
fn an_endpoint_that_was_not_tried_yet_comes_first() {
    let servers = [Server::status(503), Server::status(503), Server::status(503)];
    let retry = Retry::new().tries(6).delay_ms(1);
    let balancer = round_robin(&servers.each_ref().map(Server::port));
    let answer = Builder::new().balancer(&balancer).retry(&retry).build().get("/").unwrap();
    let mut first: Vec<_> = answer.tried()[..3].to_vec();
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), 3, "{:?}", answer.tried());
    assert_eq!(servers.iter().map(Server::request_count).sum::<usize>(), 6);
}

#[test]
fn by_default_429_and_every_5xx_but_501_are_tried_again() {
    for status in [429, 500, 502, 503, 504, 507, 599] {
        let server = Server::status(status);
        client(&server, Retry::new().delay_ms(1)).get("/").unwrap();
        assert_eq!(server.request_count(), 3, "{status}");
    }
    for status in [200, 204, 301, 400, 404, 408, 499, 501] {
        let server = Server::status(status);
        client(&server, Retry::new().delay_ms(1)).get("/").unwrap();
        assert_eq!(server.request_count(), 1, "{status}");
    }
}

#[test]
fn what_an_ejected_endpoint_had_in_flight_is_repeated_without_the_budget() {
    let good = [Server::ok(), Server::ok()];
    let failing = Server::always(Reply::status(503).after(ms(100)));
    let not_ok = |hosts: &[&Server], calls: usize| {
        let ports: Vec<u16> = hosts.iter().map(|host| host.port()).collect();
        let builder = Builder::new().retry_budget(0.0, 0, 10_000);
        // For the failures that open the circuit.
        builder.option("retry_budget_stock", "15").unwrap();
        let client = builder.balancer(&round_robin(&ports)).build();
        let request = Request::new("GET", "/");
        let calls: Vec<Call> = (0..calls).map(|_| client.start(&request).unwrap()).collect();
        let status = |call: Call| call.end().map_or(0, |answer| answer.status);
        calls.into_iter().map(status).filter(|status| *status != 200).count()
    };
    assert_eq!(not_ok(&[&good[0], &good[1], &failing], 150), 0);
    // Few are well then, but what is left fails nothing.
    let another = Server::always(Reply::status(503).after(ms(100)));
    assert_eq!(not_ok(&[&good[0], &another, &failing], 150), 0);
    // Where the service fails as a whole, retries would only make it worse.
    let others = [(); 2].map(|()| Server::always(Reply::status(503).after(ms(100))));
    assert_eq!(not_ok(&[&others[0], &others[1], &failing], 30), 30);
    let sent: usize = others.iter().map(Server::request_count).sum();
    assert!(sent <= 45, "{sent}");
}

#[test]
fn the_statuses_can_be_others() {
    let server = Server::new(|seen| Reply::status(if seen.path == "/404" { 404 } else { 503 }));
    let client = client(&server, Retry::new().delay_ms(1).statuses(&[404, 418]));
    assert_eq!(client.get("/404").unwrap().attempt_count, 3);
    assert_eq!(client.get("/503").unwrap().attempt_count, 1);
}

#[test]
fn statuses_that_are_none_are_refused() {
    for status in [i32::MIN, -1, 0, 99, 600] {
        let failure = Retry::new().try_statuses(&[503, status]).unwrap_err();
        let said = "statuses: holds a number outside 100 to 599";
        assert_eq!((failure.status, failure.message.as_str()), (AHOY_E_INVALID_ARGUMENT, said));
    }
    let failure = Retry::new().option("statuses", "404,599-500").unwrap_err();
    assert_eq!(failure.message, "value: statuses: 599-500 ends below its beginning");
}

#[test]
fn the_mask_turns_single_kinds_off() {
    let status = Server::status(503);
    assert_eq!(
        client(&status, Retry::new().on(AHOY_RETRY_ON_ALL & !AHOY_RETRY_ON_STATUS))
            .get("/")
            .unwrap()
            .attempt_count,
        1
    );
    let lost = Server::always(Reply::Close);
    let without_lost = Retry::new().on(AHOY_RETRY_ON_ALL & !AHOY_RETRY_ON_LOST_SENT);
    assert_eq!(client(&lost, without_lost).get("/").unwrap_err().attempt_count, 1);
    let hanging = Server::always(Reply::Hang);
    let without_timeout = Retry::new().on(AHOY_RETRY_ON_ALL & !AHOY_RETRY_ON_TIMEOUT);
    let builder = Builder::new().balancer(&round_robin(&[hanging.port()]));
    let builder = builder.retry(&without_timeout).attempt_timeout_ms(30);
    let failure = builder.attempt_timeout_hard().build().get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_TIMEOUT, 1));
    let builder = Builder::new().balancer(&round_robin(&[hanging.port()]));
    let builder = builder.retry(&without_timeout).attempt_timeout_ms(30).timeout_ms(200);
    let failure = builder.build().get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_DEADLINE, 1), "nor is it raced");
}

#[test]
fn without_connect_in_the_mask_a_dead_host_ends_the_call() {
    let (dead, good) = (Dead::new(), Server::ok());
    let provider = Provider::loopback(&[dead.port(), good.port()]);
    let retry = Retry::new().on(AHOY_RETRY_ON_ALL & !AHOY_RETRY_ON_CONNECT);
    let builder = Builder::new().balancer(&Balancer::custom(&provider, |_| 0));
    let failure = builder.retry(&retry).build().get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CONNECT, 1));
}

#[test]
fn a_lost_post_is_ambiguous_and_not_repeated() {
    for reply in [Reply::Close, Reply::Reset] {
        let servers = [Server::always(reply.clone()), Server::always(reply)];
        let client = client_over(&servers.each_ref().map(Server::port));
        let failure = client.post("/pay", "text/plain", b"10").unwrap_err();
        assert_eq!(failure.status, AHOY_E_CONNECTION_LOST, "{}", failure.message);
        assert!(failure.is_ambiguous && !failure.is_retryable, "{failure:?}");
        assert_eq!(failure.attempt_count, 1);
        assert!(failure.attempts[0].ambiguous);
        assert!(failure.message.contains("may have been carried out"), "{}", failure.message);
        assert_eq!(servers.iter().map(Server::request_count).sum::<usize>(), 1);
    }
}

#[test]
fn a_lost_get_is_repeated() {
    for reply in [Reply::Close, Reply::Reset] {
        let lossy = Server::always(reply);
        let good = Server::ok();
        let provider = Provider::loopback(&[lossy.port(), good.port()]);
        let client = Builder::new().balancer(&Balancer::custom(&provider, |_| 0)).build();
        let answer = client.get("/").unwrap();
        assert_eq!((answer.status, answer.attempt_count), (200, 2));
        assert_eq!(answer.attempts[0].status, AHOY_E_CONNECTION_LOST);
    }
}

#[test]
fn which_methods_are_repeated() {
    for (method, requests) in [
        ("GET", 3),
        ("HEAD", 3),
        ("OPTIONS", 3),
        ("PUT", 3),
        ("DELETE", 3),
        ("TRACE", 3),
        ("POST", 1),
        ("PATCH", 1),
        ("PURGE", 1),
    ] {
        let server = Server::status(503);
        client(&server, Retry::new().delay_ms(1)).send(&Request::new(method, "/")).unwrap();
        assert_eq!(server.request_count(), requests, "{method}");
    }
}

#[test]
fn a_request_may_say_otherwise_both_ways() {
    let server = Server::status(503);
    let client = client(&server, Retry::new().delay_ms(1));
    let sure = client.send(&Request::new("POST", "/").body(b"x").idempotent(true)).unwrap();
    let unsure = client.send(&Request::new("GET", "/").idempotent(false)).unwrap();
    assert_eq!((sure.attempt_count, unsure.attempt_count), (3, 1));
    assert!(server.requests()[..3].iter().all(|seen| seen.body == b"x"));
}

#[test]
fn a_large_body_is_repeated_whole() {
    let body: Vec<u8> = (0..1_000_000_u32).map(|index| (index % 253) as u8).collect();
    let server = Server::new(|seen| match seen.number {
        0 => Reply::status(503),
        1 => Reply::Reset,
        _ => Reply::status(200),
    });
    let answer = client(&server, Retry::new()).put("/", "application/x", &body).unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
    assert!(server.requests().iter().all(|seen| seen.body == body));
}

#[test]
fn any_method_is_repeated_when_told() {
    let server = Server::status(503);
    let answer = client(&server, Retry::new().delay_ms(1).any_method())
        .post("/", "text/plain", b"x")
        .unwrap();
    assert_eq!((answer.attempt_count, server.request_count()), (3, 3));
}

#[test]
fn a_client_without_a_balancer_retries_too() {
    let server = Server::new(|seen| Reply::status(if seen.number < 2 { 503 } else { 200 }));
    let client = Builder::new().base_url(&server.url()).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
    let dead = Dead::new();
    let failure = Builder::new().base_url(&dead.url()).build().get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CONNECT, 3));
}

/// A server that asks for a wait once and is well then.
fn asking(status: u16, retry_after: impl Fn() -> String + Send + Sync + 'static) -> Server {
    Server::new(move |seen| match seen.number {
        0 => Reply::status(status).header("Retry-After", retry_after()),
        _ => Reply::status(200),
    })
}

#[test]
fn retry_after_in_seconds_is_waited_for() {
    for status in [429, 503] {
        let server = asking(status, || "1".to_owned());
        let answer = client(&server, Retry::new()).get("/").unwrap();
        assert_eq!(answer.status, 200);
        let gap = gaps(&server)[0];
        assert!((ms(1000)..ms(1600)).contains(&gap), "{gap:?}");
    }
}

#[test]
fn retry_after_as_a_date_is_waited_for() {
    // Whole seconds: 2 s ahead are more than 1 s ahead.
    let date = || httpdate::fmt_http_date(SystemTime::now() + ms(2000));
    let server = asking(503, date);
    assert_eq!(client(&server, Retry::new()).get("/").unwrap().status, 200);
    let gap = gaps(&server)[0];
    assert!((ms(990)..ms(3100)).contains(&gap), "{gap:?}");
}

#[test]
fn a_date_that_has_passed_and_nonsense_do_not_hold_up() {
    for value in ["Sun, 06 Nov 1994 08:49:37 GMT", "-1", "soon", "", "0"] {
        let server = asking(503, move || value.to_owned());
        assert_eq!(client(&server, Retry::new()).get("/").unwrap().status, 200);
        assert!(gaps(&server)[0] < ms(200), "{value:?}");
    }
}

#[test]
fn retry_after_of_other_statuses_does_not_hold_up() {
    let server = asking(500, || "5".to_owned());
    assert_eq!(client(&server, Retry::new()).get("/").unwrap().status, 200);
    assert!(gaps(&server)[0] < ms(200));
}

#[test]
fn retry_after_does_not_hold_up_an_untried_endpoint() {
    let busy = Server::always(Reply::status(503).header("Retry-After", "60"));
    let good = Server::ok();
    let provider = Provider::loopback(&[busy.port(), good.port()]);
    let client = Builder::new().balancer(&Balancer::custom(&provider, |_| 0)).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    assert!(took < ms(300), "{took:?}");
}

#[test]
fn retry_after_beyond_the_cap_ends_the_call_with_that_answer() {
    let server = Server::always(Reply::status(503).header("Retry-After", "2"));
    let client = client(&server, Retry::new().retry_after_max_ms(1000));
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (503, 1));
    assert_eq!(answer.header("retry-after").as_deref(), Some("2"));
    assert!(took < ms(300), "{took:?}");
}

#[test]
fn retry_after_beyond_the_deadline_ends_the_call_with_that_answer() {
    let server = Server::always(Reply::status(429).header("Retry-After", "3"));
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    let client = builder.timeout_ms(2000).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (429, 1));
    assert!(took < ms(300), "{took:?}");
}
