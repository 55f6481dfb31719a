//! What a host program hangs on a client: hooks, a log, headers that pass.

use std::sync::{Arc, Mutex};

use ahoy::ffi::client::hooks::*;
use ahoy::ffi::values::status::*;
use support::*;

/// What callbacks told.
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
fn a_request_hook_sees_each_attempt_before_it_is_sent() {
    let (dead, good) = (Dead::new(), Server::ok());
    let notes = Notes::new();
    let kept = notes.clone();
    let provider = Provider::loopback(&[dead.port(), good.port()]);
    let client = Builder::new()
        .balancer(&Balancer::custom(&provider, |_| 0))
        .on_request(move |request| {
            kept.add((request.method(), request.path(), request.endpoint_url()));
            AHOY_OK
        })
        .build();
    client.get("/a?b").unwrap();
    let expected = [dead.url(), good.url()].map(|url| ("GET".to_owned(), "/a?b".to_owned(), url));
    assert_eq!(notes.all(), expected);
}

#[test]
fn a_request_hook_may_change_path_and_headers_for_its_attempt() {
    let server = Server::new(|seen| Reply::status(if seen.number == 0 { 503 } else { 200 }));
    let count = Notes::new();
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .header("X-Keep", "1")
        .on_request(move |request| {
            count.add(());
            let number = count.all().len();
            request.set_path(&format!("{}/{number}", request.path())).unwrap();
            request.set_header("X-Signature", &format!("s{number}")).unwrap();
            AHOY_OK
        })
        .build();
    client.get("/p").unwrap();
    let seen = server.requests();
    assert_eq!((seen[0].path.as_str(), seen[0].all("x-signature")), ("/p/1", vec!["s1"]));
    assert_eq!((seen[1].path.as_str(), seen[1].all("x-signature")), ("/p/2", vec!["s2"]));
    assert!(seen.iter().all(|seen| seen.all("x-keep") == ["1"]));
}

#[test]
fn the_time_that_a_request_hook_takes_is_not_its_endpoints() {
    let server = Server::ok();
    let balancer = Balancer::p2c(&Provider::loopback(&[server.port()]));
    let client = Builder::new().balancer(&balancer).on_request(|_| {
        std::thread::sleep(ms(150));
        AHOY_OK
    });
    let client = client.build();
    for _ in 0..5 {
        let answer = client.get("/").unwrap();
        assert!(answer.elapsed >= ms(150), "the call's it is: {:?}", answer.elapsed);
        assert!(answer.attempts[0].elapsed < ms(100), "{:?}", answer.attempts);
    }
    assert!(largest_cost(&balancer) < 100.0, "{}", balancer.explain());
}

#[test]
fn a_request_hook_works_without_a_balancer_too() {
    let server = Server::ok();
    let client = Builder::new()
        .base_url(&format!("{}/base", server.url()))
        .on_request(|request| {
            let path = format!("{}?signed", request.path());
            request.set_path(&path).unwrap();
            AHOY_OK
        })
        .build();
    client.get("/x").unwrap();
    assert_eq!(server.request().path, "/base/x?signed");
}

#[test]
fn a_hook_cannot_send_an_attempt_to_another_host_or_split_it() {
    let server = Server::ok();
    let refusals = Notes::new();
    let kept = refusals.clone();
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_request(move |request| {
            for path in ["http://evil.example/", "/a\r\nX: 1", "/a b", ""] {
                kept.add(request.set_path(path).unwrap_err().status);
            }
            kept.add(request.set_header("X-A", "1\r\nX-B: 2").unwrap_err().status);
            AHOY_OK
        })
        .build();
    client.get("/same").unwrap();
    assert_eq!(refusals.all(), [AHOY_E_INVALID_ARGUMENT; 5]);
    let seen = server.request();
    assert_eq!((seen.path.as_str(), seen.header("x-b")), ("/same", None));
}

#[test]
fn a_request_hook_is_told_what_it_cannot_change_of_a_call() {
    let server = Server::ok();
    let refusals = Notes::new();
    let kept = refusals.clone();
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_request(move |request| {
            request.changes_of_call().into_iter().for_each(|change| kept.add(change));
            AHOY_OK
        })
        .build();
    client.send(&Request::new("POST", "/").body(b"x")).unwrap();
    assert_eq!(server.request().body, b"x");
    let refusals = refusals.all();
    for (setter, refusal) in &refusals {
        let failure = refusal.as_ref().expect_err(setter);
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{setter}");
        assert!(failure.message.starts_with("request: stands for an attempt"), "{setter}");
    }
    let mut tried: Vec<_> = refusals.into_iter().map(|(setter, _)| setter).collect();
    tried.sort_unstable();
    let of_calls = |setter: &&str| !["set_path", "set_header"].contains(setter);
    let mut all: Vec<_> = setters_of_requests().into_iter().filter(of_calls).collect();
    all.sort_unstable();
    assert_eq!(tried, all, "each setter that the header has was tried");
}

#[test]
fn a_request_that_is_being_sent_is_not_changed_by_its_own_callbacks() {
    let server = Server::new(|seen| Reply::status(if seen.number == 0 { 503 } else { 200 }));
    let request = Request::new("GET", "/as/it/was").header("X-A", "1");
    let (refusals, raw) = (Notes::new(), request.raw() as usize);
    let kept = refusals.clone();
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_response(move |_| {
            let request = std::ptr::with_exposed_provenance_mut(raw);
            changes_of_call(request).into_iter().for_each(|change| kept.add(change));
            changes_of_attempt(request).into_iter().for_each(|change| kept.add(change));
        })
        .build();
    client.send(&request).unwrap();
    assert_eq!(refusals.all().len(), 2 * (setters_of_requests().len() + 1));
    for (setter, refusal) in refusals.all() {
        let failure = refusal.expect_err(setter);
        assert_eq!(failure.status, AHOY_E_IN_USE, "{setter}");
        assert!(failure.message.starts_with("request: is being sent"), "{setter}");
    }
    for seen in server.requests() {
        assert_eq!((seen.path.as_str(), seen.all("x-a")), ("/as/it/was", vec!["1"]));
    }
    for (setter, change) in changes_of_attempt(request.raw()) {
        change.expect(setter);
    }
    client.send(&request).unwrap();
    assert_eq!(server.requests()[2].path, "/other", "afterwards it may be changed");
}

/// Without `ahoy_request_`.
fn setters_of_requests() -> Vec<&'static str> {
    let names = include_str!("../include/ahoy.h").split("ahoy_status ahoy_request_").skip(1);
    let names = names.filter_map(|rest| rest.split_once('(').map(|(name, _)| name));
    names.filter(|name| name.starts_with("set_") || *name == "forward_headers").collect()
}

#[test]
fn a_request_hook_may_refuse_the_call() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).on_request(|_| 7).build();
    let failure = client.get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_HOOK_REFUSED, 0));
    assert!(failure.message.contains('7'), "{}", failure.message);
    assert_eq!(server.connections(), 0);
    assert!(balancer.endpoint(server.port()).is_closed(), "that is not the endpoint's fault");
}

#[test]
fn a_response_hook_sees_each_answer() {
    let server = Server::new(|seen| Reply::status(if seen.number == 0 { 503 } else { 200 }));
    let notes = Notes::new();
    let kept = notes.clone();
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_response(move |answer| kept.add((answer.status, answer.text(), answer.attempt_count)))
        .build();
    client.get("/").unwrap();
    let expected = [(503, "status 503".to_owned(), 1), (200, "status 200".to_owned(), 2)];
    assert_eq!(notes.all(), expected);
}

#[test]
fn an_error_hook_sees_each_attempt_without_an_answer() {
    let (dead, lossy) = (Dead::new(), Server::always(Reply::Close));
    let (notes, answers) = (Notes::new(), Notes::new());
    let (kept, also_kept) = (notes.clone(), answers.clone());
    let provider = Provider::loopback(&[dead.port(), lossy.port()]);
    let client = Builder::new()
        .balancer(&Balancer::custom(&provider, |_| 0))
        .on_error(move |failure| {
            kept.add((failure.status, failure.attempt_count, failure.is_ambiguous))
        })
        .on_response(move |answer| also_kept.add(answer.status))
        .build();
    client.post("/", "text/plain", b"x").unwrap_err();
    assert_eq!(notes.all(), [(AHOY_E_CONNECT, 1, false), (AHOY_E_CONNECTION_LOST, 2, true)]);
    assert!(answers.all().is_empty());
}

#[test]
fn the_last_hook_set_is_the_one_that_runs() {
    let server = Server::ok();
    let notes = Notes::new();
    let (first, second) = (notes.clone(), notes.clone());
    Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_response(move |_| first.add(1))
        .on_response(move |_| second.add(2))
        .build()
        .get("/")
        .unwrap();
    assert_eq!(notes.all(), [2]);
}

#[test]
fn only_named_headers_and_cookies_of_an_inbound_request_pass() {
    let server = Server::ok();
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .forward_header("X-Request-Id")
        .forward_header("Accept-Language")
        .forward_cookie("session")
        .forward_cookie("theme")
        .build();
    let request = Request::new("GET", "/").header("Accept-Language", "en").inbound(&[
        ("x-request-id", "r-1"),
        ("Accept-Language", "de"),
        ("Authorization", "Bearer theirs"),
        ("Cookie", "a=1; session=s%3D1; Session=no; theme=dark"),
        ("Host", "inbound.example"),
        ("Content-Length", "99"),
    ]);
    client.send(&request).unwrap();
    let seen = server.request();
    assert_eq!(seen.header("x-request-id"), Some("r-1"));
    assert_eq!(seen.all("accept-language"), ["en"], "the request's own wins");
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.all("cookie"), ["session=s%3D1; theme=dark"]);
    assert_ne!(seen.header("host"), Some("inbound.example"));
    assert_eq!(seen.header("content-length"), None);
}

#[test]
fn what_passes_comes_in_place_of_a_default_and_cookies_in_one_line() {
    let server = Server::ok();
    let builder = || {
        let builder = Builder::new().balancer(&round_robin(&[server.port()]));
        builder.header("X-Tenant", "default").header("Cookie", "own=1")
    };
    let request = Request::new("GET", "/").inbound(&[
        ("User-Agent", "theirs/1"),
        ("X-Tenant", "a"),
        ("X-Tenant", "b"),
        ("Cookie", "name=Jos\u{e9}; session=1"),
        ("Cookie", "theme=dark"),
    ]);
    let told = builder().forward_header("User-Agent").forward_header("X-Tenant");
    told.forward_cookie("session").forward_cookie("theme").build().send(&request).unwrap();
    builder().forward_header("Cookie").build().send(&request).unwrap();
    let seen = server.requests();
    assert_eq!(seen[0].all("user-agent"), ["theirs/1"]);
    assert_eq!(seen[0].all("x-tenant"), ["a", "b"]);
    assert_eq!(seen[0].all("cookie"), ["own=1; session=1; theme=dark"]);
    assert_eq!(seen[1].all("x-tenant"), ["default"]);
    assert_eq!(seen[1].all("cookie"), ["own=1; name=Jos\u{e9}; session=1; theme=dark"]);
}

#[test]
fn told_nothing_a_client_passes_nothing_on() {
    let server = Server::ok();
    let request = Request::new("GET", "/").inbound(&[("Cookie", "a=1"), ("X-A", "1")]);
    client_over(&[server.port()]).send(&request).unwrap();
    let seen = server.request();
    assert_eq!((seen.header("cookie"), seen.header("x-a")), (None, None));
}

#[test]
fn all_cookies_pass_where_the_header_does() {
    let server = Server::ok();
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    let request = Request::new("GET", "/").inbound(&[("cookie", "a=1; b=2")]);
    builder.forward_header("Cookie").build().send(&request).unwrap();
    assert_eq!(server.request().all("cookie"), ["a=1; b=2"]);
}

#[test]
fn the_host_of_an_inbound_request_is_never_passed_on() {
    let failure = Builder::new().try_forward_header("Host").unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
}

#[test]
fn the_log_tells_attempts_and_circuits() {
    let (dead, good) = (Dead::new(), Server::ok());
    let notes = Notes::new();
    let kept = notes.clone();
    let provider = Provider::loopback(&[dead.port(), good.port()]);
    let client = Builder::new()
        .balancer(&Balancer::custom(&provider, |_| 0))
        .header("Authorization", "Bearer hush")
        .on_log(AHOY_LOG_DEBUG, move |level, target, message| kept.add((level, target, message)))
        .build();
    client.post("/pay?card=1234", "text/plain", b"body-text").unwrap();
    let notes = notes.all();
    let told =
        |level: i32, part: &str| notes.iter().any(|note| note.0 == level && note.2.contains(part));
    assert!(told(AHOY_LOG_INFO, &format!("{} opened", dead.url())), "{notes:?}");
    assert!(told(AHOY_LOG_DEBUG, "connect refused"), "{notes:?}");
    assert!(told(AHOY_LOG_DEBUG, "status 200"), "{notes:?}");
    assert!(notes.iter().all(|note| !note.1.is_empty()));
    for secret in ["hush", "1234", "body-text"] {
        assert!(notes.iter().all(|note| !note.2.contains(secret)), "{secret} in {notes:?}");
    }
}

#[test]
fn the_log_keeps_to_its_level() {
    let (dead, good) = (Dead::new(), Server::ok());
    let notes = Notes::new();
    let kept = notes.clone();
    let client = Builder::new()
        .balancer(&round_robin(&[dead.port(), good.port()]))
        .on_log(AHOY_LOG_INFO, move |level, target, message| kept.add((level, target, message)))
        .build();
    client.get("/").unwrap();
    client.get("/").unwrap();
    let notes = notes.all();
    let told: Vec<_> = notes.iter().map(|(level, target, _)| (*level, target.as_str())).collect();
    // The list and the circuit that opened, and no attempts.
    assert_eq!(told, [(AHOY_LOG_INFO, "discovery"), (AHOY_LOG_INFO, "circuit")], "{notes:?}");
}

#[test]
fn the_log_warns_when_a_provider_fails_during_a_call() {
    let (dead, asked, notes) = (Dead::new(), Notes::new(), Notes::new());
    let (port, kept) = (dead.port(), notes.clone());
    let provider = Provider::custom(move |out| {
        asked.add(());
        out.add("127.0.0.1", port).unwrap();
        if asked.all().len() == 1 { AHOY_OK } else { 77 }
    });
    let client = Builder::new()
        .balancer(&Balancer::round_robin(&provider))
        .on_log(AHOY_LOG_WARN, move |level, target, message| kept.add((level, target, message)))
        .build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_CONNECT);
    let notes = notes.all();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert_eq!(notes[0].0, AHOY_LOG_WARN);
    assert!(notes[0].2.contains("77"), "{notes:?}");
}
