//! Redirects: which are followed, what goes along, what is handed over.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use ahoy::ffi::client::protection::AHOY_TRACE_START;
use ahoy::ffi::values::status::*;
use support::*;

/// What may not go to another origin, and is set in three ways.
const SECRETS: [&str; 6] =
    ["authorization", "cookie", "x-api-key", "x-default", "x-of-hook", "traceparent"];

fn redirect(status: u16, location: impl Into<String>) -> Reply {
    Reply::status(status).header("Location", location)
}

/// A client of `server` that follows `redirects` and otherwise does as by default, three tries included.
fn following(server: &Server, redirects: u32) -> Client {
    Builder::new().base_url(&server.url()).redirects(redirects).build()
}

/// A server whose first answer to each path is `status` to `location` and all else 200.
fn leading(status: u16, location: impl Into<String>) -> Server {
    let location = location.into();
    Server::new(move |seen| match seen.path.as_str() {
        "/" => redirect(status, location.clone()),
        path => Reply::text(200, path),
    })
}

#[test]
fn what_cannot_be_followed_is_handed_over_and_never_sent_again() {
    for status in [301, 302, 303, 307, 308] {
        for location in [
            "ftp://127.0.0.1/x",
            "javascript:alert(1)",
            "data:text/plain,x",
            "mailto:a@example.com",
            "http://",
            "http://127.0.0.1:99999/",
            "http://user:word@127.0.0.1/",
            "http://[::1/",
        ] {
            let server = leading(status, location);
            let answer = following(&server, 5).post("/", "text/plain", b"order").unwrap();
            assert_eq!((answer.status, answer.attempt_count), (status as i32, 1), "{location}");
            assert_eq!(answer.header("location").as_deref(), Some(location));
            assert_eq!(server.request_count(), 1, "{status} {location}");
        }
    }
}

#[test]
fn without_one_location_there_is_nothing_to_follow() {
    let none = Server::always(Reply::status(302));
    let two = redirect(302, "/a").header("Location", "/b");
    for server in [none, Server::always(two)] {
        assert_eq!(following(&server, 5).get("/").unwrap().status, 302);
        assert_eq!(server.request_count(), 1);
    }
    for status in [300, 304, 305, 306, 399] {
        let raw = format!("HTTP/1.1 {status} X\r\nlocation: /a\r\ncontent-length: 0\r\n\r\n");
        let server = Server::always(Reply::Raw(raw.into_bytes()));
        assert_eq!(following(&server, 5).get("/").unwrap().status, status);
        assert_eq!(server.request_count(), 1);
    }
}

#[test]
fn a_loop_is_final() {
    let server = Server::always(redirect(302, "/"));
    let failure = following(&server, 3).get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
    assert!(failure.message.contains("more than 3 redirects"), "{}", failure.message);
    assert_eq!((failure.attempt_count, server.request_count()), (1, 4));
}

#[test]
fn as_many_as_allowed_are_followed() {
    let server = Server::new(|seen| match seen.path.len() {
        1..4 => redirect(302, format!("{}x", seen.path)),
        _ => Reply::text(200, "here"),
    });
    assert_eq!(following(&server, 3).get("/").unwrap().text(), "here");
    assert_eq!(following(&server, 2).get("/").unwrap_err().status, AHOY_E_PROTOCOL);
}

#[test]
fn method_and_body_change_as_in_browsers() {
    let body = b"order";
    for (status, method, then, with_body) in [
        (301, "POST", "GET", false),
        (302, "POST", "GET", false),
        (303, "POST", "GET", false),
        (307, "POST", "POST", true),
        (308, "POST", "POST", true),
        (301, "PUT", "PUT", true),
        (302, "DELETE", "DELETE", true),
        (303, "PUT", "GET", false),
        (307, "PATCH", "PATCH", true),
        (303, "HEAD", "HEAD", false),
        (301, "GET", "GET", false),
    ] {
        let server = leading(status, "/end");
        let request = Request::new(method, "/").header("Content-Type", "text/x");
        let has_body = !["GET", "HEAD"].contains(&method);
        let request = if has_body { request.body(body) } else { request };
        assert_eq!(following(&server, 1).send(&request).unwrap().status, 200);
        let last = &server.requests()[1];
        assert_eq!(last.method, then, "{status} {method}");
        assert_eq!(&last.body[..], if with_body { &body[..] } else { b"" }, "{status} {method}");
        let described = last.header("content-type").is_some();
        assert_eq!(described, method == then, "{status} {method}");
        assert_eq!(last.header("content-length").is_some(), with_body, "{status} {method}");
    }
}

#[test]
fn a_body_from_a_source_is_sent_again_only_where_it_can_be() {
    let pieces = || {
        let left = Mutex::new(1);
        move || match std::mem::replace(&mut *left.lock().unwrap(), 0) {
            0 => Said::End,
            _ => Said::Data(b"order".to_vec()),
        }
    };
    let server = leading(307, "/end");
    let request = Request::new("POST", "/").source(Some(5), pieces());
    assert_eq!(following(&server, 1).send(&request).unwrap().status, 307, "handed over");
    assert_eq!(server.request_count(), 1);

    let server = leading(307, "/end");
    let left = Arc::new(Mutex::new(1));
    let again = Arc::clone(&left);
    let say = move || match std::mem::replace(&mut *left.lock().unwrap(), 0) {
        0 => Said::End,
        _ => Said::Data(b"order".to_vec()),
    };
    let rewind = move || {
        *again.lock().unwrap() = 1;
        true
    };
    let request = Request::new("POST", "/").rewindable(Some(5), say, rewind);
    assert_eq!(following(&server, 1).send(&request).unwrap().text(), "/end");
    assert_eq!(&server.requests()[1].body[..], b"order");

    let server = leading(303, "/end");
    let request = Request::new("POST", "/").source(Some(5), pieces());
    assert_eq!(following(&server, 1).send(&request).unwrap().text(), "/end", "no body is needed");
}

/// A request with a header of each kind, through a client that has defaults and a hook.
fn send_with_secrets(server: &Server) -> Answer {
    let builder = Builder::new().base_url(&server.url()).redirects(3);
    let builder = builder.header("X-Default", "secret").trace(AHOY_TRACE_START);
    let client = builder
        .on_request(|request| {
            request.set_header("X-Of-Hook", "secret").unwrap();
            AHOY_OK
        })
        .build();
    let request = Request::new("GET", "/").header("Authorization", "secret");
    let request = request.header("Cookie", "secret").header("X-Api-Key", "secret");
    let request = request.header("Accept", "text/x").header("Accept-Language", "de");
    client.send(&request.header("User-Agent", "me/1").header("Range", "bytes=0-1")).unwrap()
}

#[test]
fn another_origin_gets_only_what_is_harmless() {
    let other = Server::ok();
    // Another port, and another name: both are another origin.
    for host in ["127.0.0.1", "localhost"] {
        let server = leading(302, format!("http://{host}:{}/x", other.port()));
        assert_eq!(send_with_secrets(&server).status, 200);
        let first = &server.requests()[0];
        assert!(SECRETS.iter().all(|name| first.header(name).is_some()), "{first:?}");
        let away = other.requests().pop().unwrap();
        for name in SECRETS {
            assert_eq!(away.header(name), None, "{name} at {host}");
        }
        for (name, value) in
            [("accept", "text/x"), ("accept-language", "de"), ("user-agent", "me/1")]
        {
            assert_eq!(away.header(name), Some(value));
        }
        assert_eq!(away.header("range"), Some("bytes=0-1"));
        assert_eq!(away.header("host"), Some(&*format!("{host}:{}", other.port())));
    }
}

#[test]
fn the_same_origin_gets_all_and_on_the_way_back_nothing_returns() {
    let server = leading(302, "/end");
    send_with_secrets(&server);
    let last = &server.requests()[1];
    assert!(SECRETS.iter().all(|name| last.header(name).is_some()), "{last:?}");

    let home = Server::new(|seen| match seen.path.as_str() {
        "/end" => Reply::status(200),
        _ => Reply::status(500),
    });
    let back = format!("{}/end", home.url());
    let away = Server::always(redirect(302, back));
    let url = format!("{}/", away.url());
    home.become_(move |seen| match seen.path.as_str() {
        "/" => redirect(302, url.clone()),
        _ => Reply::status(200),
    });
    send_with_secrets(&home);
    let last = home.requests().pop().unwrap();
    assert_eq!(last.path, "/end");
    assert!(SECRETS.iter().all(|name| last.header(name).is_none()), "{last:?}");
}

#[test]
fn a_host_of_ones_own_does_not_follow_to_another_host() {
    let other = Server::ok();
    let server = Server::new({
        let away = format!("{}/away", other.url());
        move |seen| match seen.path.as_str() {
            "/" => redirect(302, "/again"),
            "/again" => redirect(302, away.clone()),
            _ => Reply::status(500),
        }
    });
    let request = Request::new("GET", "/").header("Host", "own.example");
    assert_eq!(following(&server, 3).send(&request).unwrap().status, 200);
    let hosts: Vec<_> =
        server.requests().iter().map(|seen| seen.header("host").unwrap().to_owned()).collect();
    assert_eq!(hosts, ["own.example", "own.example"]);
    assert_eq!(other.request().all("host"), [format!("127.0.0.1:{}", other.port())]);
}

#[test]
fn a_location_is_seen_from_where_it_was_answered() {
    let server = Server::new(|seen| match seen.path.as_str() {
        "/base/a/b" => redirect(302, "../c?q=1#part"),
        "/base/c?q=1" => redirect(302, "?q=2"),
        path => Reply::text(200, path),
    });
    let client = Builder::new().base_url(&format!("{}/base", server.url())).redirects(5).build();
    assert_eq!(client.get("/a/b").unwrap().text(), "/base/c?q=2");
}

#[test]
fn all_hops_share_the_calls_limit() {
    let server = Server::always(redirect(302, "/").after(ms(100)));
    let client = Builder::new().base_url(&server.url()).redirects(50).timeout_ms(450).build();
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert!([AHOY_E_DEADLINE, AHOY_E_TIMEOUT].contains(&failure.status), "{}", failure.message);
    assert!(took >= ms(140) && took < ms(600), "{took:?}");
}

#[test]
fn each_hop_is_told_what_the_ones_before_have_left() {
    for (name, per_ms) in [("x-left", 1), ("grpc-timeout", 1_000)] {
        let server = Server::new(|seen| match seen.path.as_str() {
            "/" => redirect(302, "/next").after(ms(100)),
            "/next" => redirect(302, "/end").after(ms(100)),
            _ => Reply::status(200),
        });
        let builder = Builder::new().base_url(&server.url()).redirects(2).timeout_ms(5_000);
        builder.option("deadline_header", name).unwrap();
        builder.build().get("/").unwrap();
        let told = |seen: &Seen| {
            let value = seen.header(name).unwrap().trim_end_matches('u').to_owned();
            value.parse::<u64>().unwrap() / per_ms
        };
        let told: Vec<_> = server.requests().iter().map(told).collect();
        assert!(told[0] <= 5_000 && told[0] > 4_000, "{told:?}");
        assert!(told[1] <= told[0] - 100 && told[2] <= told[1] - 100, "{told:?}");
    }
}

#[test]
fn what_fails_after_a_redirect_may_have_been_carried_out() {
    let dead = Dead::new();
    let server = leading(307, format!("{}/", dead.url()));
    let failure = following(&server, 1).post("/", "text/plain", b"order").unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECT, "{}", failure.message);
    assert!(failure.is_ambiguous && server.request_count() == 1, "{}", failure.message);
    // The attempt's URL is the one that was asked for.
    let refused = format!("redirected to {}: connect refused", dead.url());
    assert_eq!(
        (&*failure.attempts[0].url, &*failure.attempts[0].detail),
        (&*server.url(), &*refused)
    );
}

#[test]
fn a_redirect_is_followed_also_where_the_answer_is_streamed() {
    let server = leading(302, "/end");
    let streamed = following(&server, 1).stream("/");
    assert_eq!(streamed.rest().unwrap(), "/end");
    let server = leading(302, "ftp://a/");
    assert_eq!(following(&server, 1).stream("/").rest().unwrap(), "status 302");
}

#[test]
fn connections_are_kept_over_redirects_and_for_absolute_urls() {
    let other = Server::ok();
    let server = leading(302, format!("{}/x", other.url()));
    let client = Builder::new().redirects(1).build();
    for _ in 0..5 {
        assert_eq!(client.get(&format!("{}/", server.url())).unwrap().status, 200);
    }
    assert_eq!((server.connections(), other.connections()), (1, 1));
}

#[test]
fn https_is_left_for_http_without_what_may_be_a_secret() {
    let authority = Authority::new();
    let other = Server::ok();
    let location = format!("{}/plain", other.url());
    let server =
        Server::tls(authority.server("127.0.0.1"), move |_| redirect(302, location.clone()));
    let base = format!("https://127.0.0.1:{}", server.port());
    let client =
        Builder::new().base_url(&base).platform_roots(false).ca(&authority.pem).redirects(1);
    let request = Request::new("GET", "/").header("Authorization", "secret");
    assert_eq!(client.build().send(&request).unwrap().status, 200);
    assert_eq!(server.request().header("authorization"), Some("secret"));
    assert_eq!(other.request().header("authorization"), None);
}

#[test]
fn the_body_of_a_redirect_is_read_only_where_it_is_handed_over() {
    let large = "x".repeat(100_000);
    let server = Server::new(move |seen| match seen.path.as_str() {
        "/large" => Reply::text(302, &large).header("Location", "/end"),
        "/refused" => Reply::text(302, &large).header("Location", "ftp://a/"),
        "/small" => Reply::text(302, "moved").header("Location", "/end"),
        "/endless" => Reply::Begin(
            b"HTTP/1.1 302 X\r\nlocation: /end\r\ntransfer-encoding: chunked\r\n\r\n5\r\nmoved\r\n"
                .to_vec(),
        ),
        path => Reply::text(200, path),
    });
    let client = |max_body| {
        Builder::new().base_url(&server.url()).redirects(1).max_body_bytes(max_body).build()
    };
    for path in ["/large", "/small", "/endless"] {
        let (answer, took) = timed(|| client(1000).get(path).unwrap());
        assert_eq!(answer.text(), "/end", "{path}");
        assert!(took < ms(1000), "{path}: {took:?}");
    }
    assert_eq!(client(100_000).get("/refused").unwrap().body.len(), 100_000);
    let failure = client(99_999).get("/refused").unwrap_err();
    assert_eq!(failure.status, AHOY_E_BODY_TOO_LARGE, "{}", failure.message);
    let before = server.connections();
    client(1000).get("/small").unwrap();
    assert_eq!(server.connections() - before, 1, "one connection for both");
}

#[test]
fn connections_to_ever_new_servers_are_bounded() {
    // All of 127.0.0.0/8 is this machine: as many servers as one wants.
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            thread::spawn(move || {
                let mut socket = &socket;
                count.fetch_add(1, Ordering::SeqCst);
                while matches!(socket.read(&mut [0; 1024]), Ok(length) if length > 0) {
                    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
                }
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let client = Builder::new().build();
    for number in 0..400 {
        let host = format!("127.1.{}.{}", number / 200, number % 200 + 1);
        assert_eq!(client.get(&format!("http://{host}:{port}/")).unwrap().status, 200);
    }
    let open = || open.load(Ordering::SeqCst);
    eventually("the oldest are closed", ms(2000), || open() <= 256);
    assert!(open() >= 200, "the others are kept: {}", open());
}
