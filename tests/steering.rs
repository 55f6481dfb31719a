//! What a host says of one call, and what one call tells of itself.

use std::sync::{Arc, Mutex};

use ahoy::ffi::call::attempt::*;
use ahoy::ffi::client::judging::*;
use ahoy::ffi::client::trace::*;
use ahoy::ffi::observe::event::*;
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
        let failure = request.try_idempotency_key(header, value).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        failure.message
    };
    for (header, value, said) in [
        (Some("Content-Length"), None, "header: content-length is set by the library"),
        (Some("a b"), Some("x"), "header: is not a header name"),
        (Some("Host"), None, "header: is host,"),
        (Some("Expect"), Some("x"), "header: is expect,"),
        (None, Some("a\r\nX: 1"), "value: holds a control character"),
        (None, Some(""), "value: is empty"),
        (Some("X-Key"), Some(" \t"), "value: is empty"),
    ] {
        let message = refused(header, value);
        assert!(message.starts_with(said), "{message}");
    }
}

#[test]
fn a_number_of_tries_that_is_none_is_told_which_are() {
    let said = |tries| Request::new("GET", "/").try_tries(tries).unwrap_err().message;
    let retry = |tries| Retry::new().try_tries(tries).unwrap_err().message;
    for (tries, message) in [
        (-2, "tries: is -2; the least is 1, or -1 for no limit"),
        (0, "tries: is 0; the least is 1"),
    ] {
        assert_eq!((said(tries), retry(tries)), (message.to_owned(), message.to_owned()));
    }
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
    for length in [6, 1_000_000] {
        let server = Scripted::new(move |_, peer| {
            peer.head();
            peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nabc"));
            std::thread::sleep(ms(100));
            peer.write(vec![b'd'; length - 3]);
        });
        let client = Builder::new().base_url(&url(server.port())).build();
        for answer in [client.get("/").unwrap(), client.begin("/").end().unwrap()] {
            let attempt = &answer.attempts[0];
            assert_whole(attempt);
            assert!(spent(attempt, AHOY_PHASE_BODY) >= ms(50), "{length}: {attempt:?}");
        }
    }
}

#[test]
fn a_streamed_body_that_broke_off_is_a_phase() {
    let server = Scripted::new(|_, peer| {
        peer.head();
        peer.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
        std::thread::sleep(ms(100));
    });
    let client = Builder::new().base_url(&url(server.port())).build();
    let response = client.stream("/");
    let head = response.head().attempts.remove(0);
    assert_whole(&head);
    assert_eq!(spent(&head, AHOY_PHASE_BODY), ms(0), "it tells the time up to the head");
    let failure = response.rest().unwrap_err();
    let attempt = &failure.attempts[0];
    assert_whole(attempt);
    assert!(spent(attempt, AHOY_PHASE_BODY) >= ms(50), "{attempt:?}");
    assert_eq!(spent(attempt, AHOY_PHASE_FIRST_BYTE), spent(&head, AHOY_PHASE_FIRST_BYTE));
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
    assert_eq!(spent(first, AHOY_PHASE_FIRST_BYTE), ms(0), "no connection stood");
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

/// What callbacks told, in order.
#[derive(Clone)]
struct Notes<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> Notes<T> {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn add(&self, note: T) {
        self.0.lock().unwrap().push(note);
    }

    fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn a_request_hook_reads_all_of_its_attempt() {
    let server = Server::new(|seen| Reply::status(if seen.number == 0 { 503 } else { 200 }));
    let notes = Notes::new();
    let kept = notes.clone();
    let client = Builder::new()
        .base_url(&server.url())
        .header("X-Default", "d")
        .on_request(move |request| {
            assert_eq!(request.header("x-Default").as_deref(), Some("d"));
            assert_eq!(request.header("X-Own").as_deref(), Some("1"));
            assert_eq!(request.header("X-Signature"), None, "of this attempt only");
            let own: Vec<_> =
                request.headers().into_iter().filter(|(name, _)| name == "x-own").collect();
            assert_eq!(own, [("x-own".into(), "1".into()), ("x-own".into(), "2".into())]);
            let text = String::from_utf8(request.body()).unwrap();
            let number = request.attempt_number();
            kept.add((number, text, request.authority(), request.method()));
            if number == 2 {
                request.set_header("Host", "api.example:81").unwrap();
                assert_eq!(request.authority(), "api.example:81");
            }
            request.set_header("X-Signature", &format!("s{number}")).unwrap();
            assert_eq!(request.header("x-signature"), Some(format!("s{number}")));
            AHOY_OK
        })
        .build();
    let request = Request::new("PUT", "/p").header("X-Own", "1").header("X-Own", "2");
    assert_eq!(client.send(&request.body(b"order")).unwrap().status, 200);
    let host = format!("127.0.0.1:{}", server.port());
    let expected = [1, 2].map(|number| (number, "order".into(), host.clone(), "PUT".to_owned()));
    assert_eq!(notes.all(), expected);
    let signed: Vec<_> =
        server.requests().iter().map(|seen| seen.all("x-signature").join(",")).collect();
    assert_eq!(signed, ["s1", "s2"]);
    let hosts: Vec<_> = server.requests().iter().map(|seen| seen.all("host").join(",")).collect();
    assert_eq!(hosts, [host.as_str(), "api.example:81"]);
}

#[test]
fn user_data_goes_with_all_that_is_told_of_its_call() {
    let (dead, good) = (Dead::new(), Server::ok());
    let notes = Notes::new();
    let [before, failed, answered, ended, heard] = [(); 5].map(|()| notes.clone());
    let provider = Provider::loopback(&[dead.port(), good.port()]);
    let client = Builder::new()
        .balancer(&Balancer::custom(&provider, |_| 0))
        .on_request(move |request| {
            before.add(("request", request.user_data()));
            AHOY_OK
        })
        .on_error(move |failure| failed.add(("error", failure.user_data)))
        .on_response(move |answer| answered.add(("response", answer.user_data)))
        .on_call_end(move |outcome| ended.add(("end", outcome.unwrap().user_data)))
        .on_event(move |told| {
            if told.kind == AHOY_EVENT_CIRCUIT_OPENED {
                heard.add(("event", told.user_data));
            }
        })
        .build();
    let request = Request::new("GET", "/").user_data(7);
    assert_eq!(client.send(&request).unwrap().user_data, 7);
    let expected = ["request", "event", "error", "request", "response", "end"].map(|of| (of, 7));
    assert_eq!(notes.all(), expected);
    assert_eq!(client.start(&request).unwrap().end().unwrap().user_data, 7);
    assert_eq!(client.get("/").unwrap().user_data, 0, "another call has none");
}

#[test]
fn a_call_whose_provider_fails_ends_like_any_other() {
    let notes = Notes::new();
    let ended = notes.clone();
    let provider = Provider::custom(|_| AHOY_E_CONNECT);
    let client = Builder::new()
        .balancer(&Balancer::round_robin(&provider))
        .on_call_end(move |outcome| ended.add(outcome.unwrap_err().user_data))
        .build();
    let request = Request::new("GET", "/path").user_data(7);
    let blocking = client.send(&request).unwrap_err();
    let started = client.start(&request).and_then(|call| call.end()).unwrap_err();
    for failure in [blocking, started] {
        assert_eq!((failure.status, failure.user_data), (AHOY_E_DISCOVERY, 7), "{failure:?}");
        assert!(failure.message.starts_with("GET /path failed after 0 attempts"), "{failure:?}");
        assert!(failure.message.contains("provider: "), "{failure:?}");
    }
    assert_eq!(notes.all(), [7, 7]);
}

#[test]
fn user_data_is_given_back_when_nothing_has_it_any_more() {
    let server = Server::always(Reply::Hang);
    let client = client_of(&server);
    let held = Arc::new(());
    let request = Request::new("GET", "/").owned_user_data(Arc::clone(&held));
    let call = client.start(&request).unwrap();
    drop(request);
    assert_eq!(Arc::strong_count(&held), 2, "the call has it");
    call.cancel().unwrap();
    let failure = call.end().unwrap_err();
    assert_eq!(failure.status, AHOY_E_CANCELLED);
    drop(call);
    eventually("it is given back", ms(5000), || Arc::strong_count(&held) == 1);
}

#[test]
fn the_end_of_each_call_is_told_once() {
    let server = Server::new(|seen| Reply::status(if seen.path == "/lost" { 404 } else { 503 }));
    let dead = Dead::new();
    let notes = Notes::new();
    let building = |url: &str| {
        let notes = notes.clone();
        Builder::new().base_url(url).on_call_end(move |outcome| {
            notes.add(match outcome {
                Ok(answer) => (answer.status, answer.attempt_count, answer.elapsed),
                Err(failure) => (-failure.status, failure.attempt_count, failure.elapsed),
            });
        })
    };
    let client = building(&server.url()).build();
    client.get("/lost").unwrap();
    let answer = client.get("/").unwrap();
    client.start(&Request::new("GET", "/lost")).unwrap().end().unwrap();
    assert_eq!(client.stream("/lost").rest().unwrap(), "status 404");
    building(&dead.url()).build().get("/").unwrap_err();
    let told: Vec<_> = notes.all().iter().map(|note| (note.0, note.1)).collect();
    assert_eq!(told, [(404, 1), (503, 3), (404, 1), (404, 1), (-AHOY_E_CONNECT, 3)]);
    assert_eq!(notes.all()[1].2, answer.elapsed);
}

/// An answer of 200 that says in its body how it went.
fn saying(body: &'static str) -> impl Fn(&Seen) -> Reply + Send + Sync {
    move |_| Reply::text(200, body)
}

/// The verdict that a body says.
fn by_body(answer: &Answer) -> i32 {
    match &*answer.text() {
        "again" => AHOY_CLASSIFY_RETRYABLE_FAILURE,
        "never" => AHOY_CLASSIFY_FINAL_FAILURE,
        "whatever" => AHOY_CLASSIFY_IGNORED,
        "fine" => AHOY_CLASSIFY_SUCCESS,
        _ => AHOY_CLASSIFY_DEFAULT,
    }
}

/// A balancer that picks the first endpoint while its circuit is closed, which three failures open.
fn first_of(servers: [&Server; 2]) -> Balancer {
    let provider = Provider::loopback(&servers.map(Server::port));
    Balancer::custom(&provider, |_| 0).with(&Breaker::new().consecutive(3))
}

#[test]
fn the_hosts_verdict_is_that_of_retries_and_circuits() {
    for (body, attempts, fails) in
        [("again", 2, true), ("never", 1, true), ("whatever", 1, false), ("fine", 1, false)]
    {
        let (server, other) = (Server::new(saying(body)), Server::ok());
        let balancer = first_of([&server, &other]);
        let client = Builder::new().balancer(&balancer).on_classify(|it| by_body(&it)).build();
        for _ in 0..3 {
            let answer = client.get("/").unwrap();
            assert_eq!((answer.status, answer.attempt_count), (200, attempts), "{body}");
        }
        assert_eq!(balancer.endpoint(server.port()).is_closed(), !fails, "{body}");
    }
}

#[test]
fn a_verdict_comes_before_the_status_and_default_leaves_it_to_that() {
    let server = Server::new(|seen| Reply::text(503, seen.path.trim_start_matches('/')));
    let client = Builder::new().base_url(&server.url()).on_classify(|it| by_body(&it)).build();
    assert_eq!(client.get("/fine").unwrap().attempt_count, 1);
    assert_eq!(client.get("/other").unwrap().attempt_count, 3);
    assert_eq!(client.post("/again", "text/plain", b"x").unwrap().attempt_count, 1, "a POST");
}

#[test]
fn the_head_of_a_streamed_answer_is_judged_before_it_is_handed_over() {
    let server = Server::new(|seen| {
        let status = if seen.number == 0 { "14" } else { "0" };
        Reply::text(200, &format!("body {}", seen.number)).header("grpc-status", status)
    });
    let client = Builder::new()
        .base_url(&server.url())
        .on_classify(|answer| match answer.header("grpc-status").as_deref() {
            Some("0") => AHOY_CLASSIFY_SUCCESS,
            _ => AHOY_CLASSIFY_RETRYABLE_FAILURE,
        })
        .build();
    let streamed = client.stream("/");
    assert_eq!(streamed.head().attempt_count, 2);
    assert_eq!(streamed.rest().unwrap(), "body 1");
    let server = Server::new(|_| Reply::text(200, "all of it").header("grpc-status", "14"));
    let client =
        Builder::new().base_url(&server.url()).on_classify(|_| AHOY_CLASSIFY_FINAL_FAILURE).build();
    let streamed = client.stream("/");
    assert_eq!((streamed.head().attempt_count, streamed.rest().unwrap()), (1, "all of it".into()));
}

#[test]
fn statuses_say_when_an_endpoint_has_failed() {
    let server = Server::new(|seen| Reply::status(seen.path[1..].parse().unwrap()));
    let other = Server::ok();
    let closed_after = |status: u16, statuses: &[i32]| {
        let balancer = first_of([&server, &other]);
        let client = Builder::new().balancer(&balancer).failure_statuses(statuses).tries(1).build();
        for _ in 0..3 {
            assert_eq!(client.get(&format!("/{status}")).unwrap().status, i32::from(status));
        }
        balancer.endpoint(server.port()).is_closed()
    };
    assert!(!closed_after(404, &[404]));
    assert!(closed_after(500, &[404]));
    assert!(closed_after(500, &[]));
    let builder = Builder::new();
    builder.option("failure_statuses", "404,500-599").unwrap();
    assert!(builder.option("failure_statuses", "99").unwrap_err().message.contains("failure_st"));
}

/// A builder for one server, with options by name.
fn with_options(server: &Server, options: &[(&str, &str)]) -> Builder {
    let builder = Builder::new().base_url(&server.url());
    options.iter().for_each(|(key, value)| builder.option(key, value).unwrap());
    builder
}

#[test]
fn an_abort_on_demand_is_an_answer_that_no_server_gave() {
    let server = Server::ok();
    let notes = Notes::new();
    let kept = notes.clone();
    let client = with_options(&server, &[("fault_abort", "503@1")])
        .on_response(move |answer| kept.add(answer.status))
        .build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (503, 3));
    assert!(answer.text().contains("fault_abort"), "{}", answer.text());
    assert!(answer.attempts.iter().all(|attempt| attempt.faults == AHOY_FAULT_ABORT));
    assert_eq!(answer.attempts.iter().map(|it| it.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((notes.all(), server.request_count()), (vec![503; 3], 0));
    let injected = client.snapshot().sum("ahoy_client_faults_injected_total", &[("kind", "abort")]);
    let plain = client.snapshot().sum("ahoy_client_faults_injected", &[("kind", "abort")]);
    assert_eq!(injected.max(plain), 3.0);
}

#[test]
fn a_reset_on_demand_may_have_been_carried_out() {
    let server = Server::ok();
    let client = with_options(&server, &[("fault_reset", "1")]).build();
    let failure = client.get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CONNECTION_LOST, 3));
    assert!(failure.is_ambiguous && failure.message.contains("fault_reset"), "{failure:?}");
    assert!(failure.attempts.iter().all(|attempt| attempt.faults == AHOY_FAULT_RESET));
    assert_eq!(client.post("/", "text/plain", b"x").unwrap_err().attempt_count, 1);
    assert_eq!(server.request_count(), 0);
}

#[test]
fn a_delay_on_demand_is_of_the_attempts_time() {
    let server = Server::ok();
    let client = with_options(&server, &[("fault_delay", "60ms@1")]).build();
    let answer = client.get("/").unwrap();
    let attempt = &answer.attempts[0];
    assert_eq!((answer.status, attempt.faults), (200, AHOY_FAULT_DELAY));
    assert!(attempt.elapsed >= ms(60), "{attempt:?}");
    let failure = client.send(&Request::new("GET", "/").timeout_ms(20)).unwrap_err();
    assert_eq!((failure.status, failure.is_ambiguous), (AHOY_E_DEADLINE, false));
    assert_eq!(server.request_count(), 1);
}

#[test]
fn faults_may_be_meant_for_requests_with_a_header_only() {
    let server = Server::ok();
    let options = [("fault_abort", "500@1"), ("fault_header", "X-Fault")];
    let client = with_options(&server, &options).build();
    assert_eq!(client.get("/").unwrap().status, 200);
    let meant = Request::new("GET", "/").header("X-Fault", "1").tries(1);
    assert_eq!(client.send(&meant).unwrap().status, 500);
}

#[test]
fn a_seed_draws_the_same_faults_again() {
    let server = Server::ok();
    let drawn = |seed: &str| {
        let options = [("fault_abort", "500@0.3"), ("fault_seed", seed)];
        let client = with_options(&server, &options).build();
        let suffers = || client.send(&Request::new("GET", "/").tries(1)).unwrap().status == 500;
        (0..60).map(|_| suffers()).collect::<Vec<_>>()
    };
    let first = drawn("7");
    let share = first.iter().filter(|suffers| **suffers).count();
    assert!((6..=32).contains(&share), "{share}");
    assert_eq!(first, drawn("7"));
    assert_ne!(first, drawn("8"));
}

#[test]
fn the_secrets_of_each_session_are_handed_out_as_lines() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("localhost"), |_| Reply::status(200));
    let base = format!("https://localhost:{}", server.port());
    let notes = Notes::new();
    let kept = notes.clone();
    let builder = Builder::new().base_url(&base).platform_roots(false).ca(&authority.pem);
    let client = builder.key_log(move |line| kept.add(line)).build();
    client.get("/").unwrap();
    client.get("/").unwrap();
    let lines = notes.all();
    let mut labels = Vec::new();
    for line in &lines {
        let [label, random, secret] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        labels.push(label);
        assert_eq!(random.len(), 64, "{line}");
        assert!(secret.len() >= 64, "{line}");
        assert!((random.to_owned() + secret).bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    labels.sort_unstable();
    // One session of TLS 1.3, for the connection was kept.
    let expected = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_TRAFFIC_SECRET_0",
    ];
    assert_eq!(labels, expected);
}

#[test]
fn a_trace_tells_what_went_over_each_connection_in_order_and_masked() {
    let server = Server::new(|_| {
        Reply::text(200, "pong").header("Set-Cookie", "id=hush").header("X-Plain", "seen")
    });
    let notes = Notes::new();
    let kept = notes.clone();
    let client = Builder::new()
        .base_url(&server.url())
        .header("Authorization", "Bearer hush")
        .wire_trace(move |connection, kind, bytes| {
            kept.add((connection, kind, String::from_utf8(bytes).unwrap()));
        })
        .build();
    for _ in 0..2 {
        let request =
            Request::new("POST", "/p?token=hush&api%5Fkey=hush&x=1").header("Cookie", "a=hush");
        client.send(&request.body(b"ping")).unwrap();
    }
    let notes = notes.all();
    assert!(notes.iter().all(|note| note.0 == notes[0].0), "one connection: {notes:?}");
    let mut kinds: Vec<_> = notes.iter().map(|note| note.1).collect();
    kinds.dedup();
    let exchange = [
        AHOY_WIRE_HEAD_SENT,
        AHOY_WIRE_BODY_SENT,
        AHOY_WIRE_HEAD_RECEIVED,
        AHOY_WIRE_BODY_RECEIVED,
    ];
    assert_eq!(kinds, [&[AHOY_WIRE_OPENED][..], &exchange, &exchange].concat());
    let of = |kind: i32| notes.iter().filter(move |note| note.1 == kind).map(|note| &*note.2);
    assert!(
        of(AHOY_WIRE_OPENED).all(|it| it.ends_with(&format!(" to 127.0.0.1:{}", server.port())))
    );
    let sent = of(AHOY_WIRE_HEAD_SENT).next().unwrap();
    assert!(sent.starts_with("POST /p?token=***&api%5Fkey=***&x=1 HTTP/1.1\r\n"), "{sent}");
    assert!(sent.ends_with("\r\n\r\n") && sent.contains("authorization: ***\r\n"), "{sent}");
    let received = of(AHOY_WIRE_HEAD_RECEIVED).next().unwrap();
    assert!(received.starts_with("HTTP/1.1 200 ") && received.contains("seen"), "{received}");
    assert_eq!(of(AHOY_WIRE_BODY_SENT).collect::<String>(), "pingping");
    assert_eq!(of(AHOY_WIRE_BODY_RECEIVED).collect::<String>(), "pongpong");
    assert!(notes.iter().all(|note| !note.2.contains("hush")), "{notes:?}");
    assert!(server.requests().iter().all(|seen| seen.header("cookie") == Some("a=hush")));
}
