//! What travels: verbs, headers, bodies, gzip, bounds, broken answers, redirects, URLs.

use std::io::{Read, Write};
use std::net::TcpListener;
#[cfg(unix)]
use std::os::unix::net::UnixListener;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use ahoy::ffi::values::status::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use support::*;

fn zipped(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn each_verb_sends_its_method_path_and_body() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    client.get("/a?x=1").unwrap();
    client.options("/b").unwrap();
    client.head("/c").unwrap();
    client.delete("/d").unwrap();
    client.post("/e", "text/plain", b"one").unwrap();
    client.put("/f", "application/json", b"{}").unwrap();
    client.patch("/g", "text/x", b"\0\xff").unwrap();
    let seen = server.requests();
    let lines: Vec<_> = seen.iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    let expected =
        ["GET /a?x=1", "OPTIONS /b", "HEAD /c", "DELETE /d", "POST /e", "PUT /f", "PATCH /g"];
    assert_eq!(lines, expected);
    let bodies: Vec<_> = seen.iter().map(|seen| &seen.body[..]).collect();
    assert_eq!(bodies, [&b""[..], b"", b"", b"", b"one", b"{}", b"\0\xff"]);
    assert_eq!(seen[4].header("content-type"), Some("text/plain"));
    assert_eq!(seen[5].header("content-type"), Some("application/json"));
    assert_eq!(seen[0].header("content-type"), None);
}

#[test]
fn an_empty_post_says_so() {
    let server = Server::ok();
    client_over(&[server.port()]).post("/", "text/plain", b"").unwrap();
    assert_eq!(server.request().header("content-length"), Some("0"));
}

#[test]
fn any_method_goes_through_a_request() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let request =
        Request::new("PURGE", "/cache").header("X-A", "1").header("X-A", "2").body(b"all");
    client.send(&request).unwrap();
    client.send(&request).unwrap();
    let seen = server.requests();
    assert_eq!(seen.len(), 2, "a request may be sent again");
    assert_eq!((seen[1].method.as_str(), seen[1].path.as_str()), ("PURGE", "/cache"));
    assert_eq!((seen[1].all("x-a"), &seen[1].body[..]), (vec!["1", "2"], &b"all"[..]));
}

#[test]
fn the_response_has_status_headers_and_body() {
    let server = Server::always(
        Reply::bytes(207, b"a\0b".to_vec()).header("X-Two", "first").header("X-Two", "second"),
    );
    let answer = client_over(&[server.port()]).get("/").unwrap();
    assert_eq!((answer.status, &answer.body[..]), (207, &b"a\0b"[..]));
    assert_eq!(answer.header("x-TWO").as_deref(), Some("first"));
    let values: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "x-two").collect();
    assert_eq!(values.len(), 2, "{:?}", answer.headers);
    assert_eq!(answer.endpoint_url, server.url());
}

#[test]
fn header_values_are_bytes() {
    let raw = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-name: caf\xe9\r\n\r\n".to_vec();
    let server = Server::always(Reply::Raw(raw));
    let client = client_over(&[server.port()]);
    let request = Request::new("GET", "/");
    request.try_header("X-Name", b"caf\xc3\xa9").unwrap();
    let answer = client.send(&request).unwrap();
    assert!(answer.headers.contains(&("x-name".to_owned(), b"caf\xe9".to_vec())));
    assert_eq!(server.request().header("x-name"), Some("caf\u{e9}"));
}

#[test]
fn default_headers_go_with_every_request_and_are_replaced_by_name() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).header("X-Team", "blue").build();
    client.get("/").unwrap();
    client.send(&Request::new("GET", "/").header("x-team", "red")).unwrap();
    Builder::new().balancer(&balancer).header("User-Agent", "mine/2").build().get("/").unwrap();
    let seen = server.requests();
    let agent = concat!("ahoy/", env!("CARGO_PKG_VERSION"));
    assert_eq!((seen[0].all("x-team"), seen[0].all("user-agent")), (vec!["blue"], vec![agent]));
    assert_eq!(seen[1].all("x-team"), ["red"]);
    assert_eq!(seen[2].all("user-agent"), ["mine/2"]);
}

#[test]
fn headers_do_not_leak_between_clients_or_calls() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let one = Builder::new().balancer(&balancer).header("Authorization", "Bearer one").build();
    let two = Builder::new().balancer(&balancer).build();
    one.get("/").unwrap();
    two.get("/").unwrap();
    two.send(&Request::new("GET", "/").header("X-Once", "1")).unwrap();
    two.get("/").unwrap();
    let seen = server.requests();
    assert_eq!(seen[0].header("authorization"), Some("Bearer one"));
    assert!(seen[1..].iter().all(|seen| seen.header("authorization").is_none()));
    assert_eq!((seen[2].header("x-once"), seen[3].header("x-once")), (Some("1"), None));
}

#[test]
fn a_builder_makes_several_clients_that_do_not_change_with_it() {
    let server = Server::ok();
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    let plain = builder.build();
    let builder = builder.header("X-Late", "1");
    plain.get("/").unwrap();
    builder.build().get("/").unwrap();
    let seen = server.requests();
    assert_eq!((seen[0].header("x-late"), seen[1].header("x-late")), (None, Some("1")));
}

#[test]
fn gzip_is_asked_for_and_decoded() {
    let plain = b"again and ".repeat(1000);
    let reply = Reply::bytes(200, zipped(&plain)).header("Content-Encoding", "gzip");
    let server = Server::always(reply);
    let answer = client_over(&[server.port()]).get("/").unwrap();
    assert_eq!(answer.body, plain);
    assert_eq!(answer.header("content-encoding"), None, "it is no longer encoded");
    assert!(server.request().header("accept-encoding").unwrap().contains("gzip"));
}

#[test]
fn without_gzip_nothing_is_asked_for_and_nothing_decoded() {
    let sent = zipped(b"as it is");
    let reply = Reply::bytes(200, sent.clone()).header("Content-Encoding", "gzip");
    let server = Server::always(reply);
    let client = Builder::new().balancer(&round_robin(&[server.port()])).gzip(false).build();
    assert_eq!(client.get("/").unwrap().body, sent);
    assert_eq!(server.request().header("accept-encoding"), None);
}

#[test]
fn a_gzip_bomb_is_stopped_at_the_bound() {
    let bomb = zipped(&vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let server = Server::always(Reply::bytes(200, bomb).header("Content-Encoding", "gzip"));
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).max_body_bytes(1 << 20).build();
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_BODY_TOO_LARGE);
    assert_eq!(failure.attempt_count, 1, "repeating it cannot help");
}

#[test]
fn a_body_may_be_as_large_as_the_bound_and_no_larger() {
    let server = Server::new(|seen| Reply::bytes(200, vec![7; seen.path[1..].parse().unwrap()]));
    let over = [
        Builder::new().balancer(&round_robin(&[server.port()])),
        Builder::new().base_url(&server.url()),
    ];
    for builder in over {
        let client = builder.max_body_bytes(1000).build();
        assert_eq!(client.get("/1000").unwrap().body, [7; 1000]);
        assert_eq!(client.get("/1001").unwrap_err().status, AHOY_E_BODY_TOO_LARGE);
    }
}

#[test]
fn large_bodies_travel_both_ways() {
    let server = Server::new(|seen| Reply::bytes(200, seen.body.clone()));
    let body: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
    let answer = client_over(&[server.port()]).put("/", "application/x", &body).unwrap();
    assert!(answer.body == body);
}

#[test]
fn an_answer_that_is_no_http_is_a_protocol_error() {
    let server = Server::always(Reply::Raw(b"220 mail.example ESMTP\r\n\r\n".to_vec()));
    let balancer = round_robin(&[server.port()]);
    for builder in [Builder::new().balancer(&balancer), Builder::new().base_url(&server.url())] {
        let failure = builder.tries(1).build().get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
        assert!(failure.is_ambiguous);
    }
}

#[test]
fn an_answer_that_is_cut_short_is_no_answer() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec();
    let server = Server::always(Reply::Raw(cut));
    let balancer = round_robin(&[server.port()]);
    for builder in [Builder::new().balancer(&balancer), Builder::new().base_url(&server.url())] {
        let failure = builder.tries(1).build().get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_CONNECTION_LOST, "{}", failure.message);
    }
}

#[test]
fn an_answer_that_ends_with_its_connection_is_whole() {
    let server = Server::always(Reply::Raw(b"HTTP/1.0 200 OK\r\n\r\nto the end".to_vec()));
    assert_eq!(client_over(&[server.port()]).get("/").unwrap().text(), "to the end");
}

#[test]
fn bytes_after_an_answer_never_answer_the_next_request() {
    let whole = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{body}");
    let smuggled = Reply::Begin((whole("first") + &whole("wrong")).into_bytes());
    let server = Server::new(move |seen| match seen.number {
        0 => smuggled.clone(),
        _ => Reply::text(200, "right"),
    });
    let balancer = round_robin(&[server.port()]);
    for builder in [Builder::new().balancer(&balancer), Builder::new().base_url(&server.url())] {
        let client = builder.tries(1).build();
        let _ = client.get("/");
        assert_eq!(client.get("/").unwrap().text(), "right");
    }
}

#[test]
fn interim_answers_are_passed_over() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let final_one = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let server = Server::always(Reply::Raw(format!("{early}{final_one}").into_bytes()));
    for client in [client_over(&[server.port()]), Builder::new().base_url(&server.url()).build()] {
        let answer = client.get("/").unwrap();
        assert_eq!((answer.status, answer.text()), (200, "ok".to_owned()));
    }
}

#[test]
fn chunks_are_put_together() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let whole = format!("{head}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    let server = Server::always(Reply::Raw(whole.into_bytes()));
    assert_eq!(client_over(&[server.port()]).get("/").unwrap().text(), "hello world");
    let broken = Server::always(Reply::Raw(format!("{head}zz\r\nhello").into_bytes()));
    let builder = Builder::new().balancer(&round_robin(&[broken.port()])).tries(1);
    assert_eq!(builder.build().get("/").unwrap_err().status, AHOY_E_PROTOCOL);
}

#[test]
fn a_gzip_body_that_is_cut_short_or_damaged_is_no_answer() {
    let mut damaged = zipped(&b"some text ".repeat(100));
    let cut = damaged[..damaged.len() / 2].to_vec();
    let last = damaged.len() - 6;
    damaged[last] ^= 0xff;
    for body in [cut, damaged, b"no gzip".to_vec()] {
        let server = Server::always(Reply::bytes(200, body).header("Content-Encoding", "gzip"));
        let balancer = round_robin(&[server.port()]);
        for builder in [Builder::new().balancer(&balancer), Builder::new().base_url(&server.url())]
        {
            let failure = builder.tries(1).build().get("/").unwrap_err();
            assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
        }
    }
}

#[test]
fn answers_without_a_body_have_none() {
    for status in [204, 304] {
        let server = Server::always(Reply::Raw(
            format!("HTTP/1.1 {status} X\r\netag: \"a\"\r\n\r\n").into_bytes(),
        ));
        let answer = client_over(&[server.port()]).get("/").unwrap();
        assert_eq!((answer.status, answer.body.len()), (status, 0));
    }
    let zipped = Reply::bytes(200, zipped(b"body")).header("Content-Encoding", "gzip");
    let server = Server::always(zipped);
    let answer = client_over(&[server.port()]).head("/").unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[test]
fn a_redirected_post_becomes_a_get_or_stays_as_its_status_says() {
    let server = Server::new(|seen| match seen.path.as_str() {
        "/303" => Reply::status(303).header("Location", "/end"),
        "/307" => Reply::status(307).header("Location", "/end"),
        _ => Reply::status(200),
    });
    let client = Builder::new().base_url(&server.url()).redirects(2).build();
    client.post("/303", "text/plain", b"x").unwrap();
    client.post("/307", "text/plain", b"x").unwrap();
    let seen = server.requests();
    let ends: Vec<_> = seen.iter().filter(|seen| seen.path == "/end").collect();
    assert_eq!((ends[0].method.as_str(), &ends[0].body[..]), ("GET", &b""[..]));
    assert_eq!((ends[1].method.as_str(), &ends[1].body[..]), ("POST", &b"x"[..]));
}

#[test]
fn connections_are_reused() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    for _ in 0..20 {
        client.get("/").unwrap();
    }
    assert_eq!((server.request_count(), server.connections()), (20, 1));
}

#[test]
fn a_connection_is_not_used_for_as_long_as_its_server_keeps_it() {
    for body in [2, 1 << 20] {
        let telling = |value| {
            let reply = Reply::bytes(200, vec![b'x'; body]).header("Keep-Alive", value);
            let server = Server::always(reply);
            let client = client_over(&[server.port()]);
            (server, client)
        };
        for (value, connections) in
            [("timeout=0", 3), ("timeout=60, max=9", 1), ("max=9", 1), ("timeout=x", 1)]
        {
            let (server, client) = telling(value);
            for _ in 0..3 {
                assert_eq!(client.get("/").unwrap().body.len(), body);
            }
            assert_eq!(server.connections(), connections, "{value}, {body} bytes");
        }
        let (server, client) = telling("timeout=1");
        client.get("/").unwrap();
        eventually("it is closed long before 60 s", ms(10_000), || server.open_connections() == 0);
        let (name, idle) = ("ahoy_client_connections_closed_total", [("reason", "idle")]);
        // The server sees the end of the socket before the client has counted it.
        eventually("it is counted", ms(10_000), || client.snapshot().sum(name, &idle) == 1.0);
    }
}

#[test]
fn a_kept_connection_that_the_server_closed_is_replaced_unnoticed() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    client.get("/").unwrap();
    server.stop();
    server.restart();
    eventually("the old connection is gone", ms(2000), || server.open_connections() == 0);
    let answer = client.post("/", "text/plain", b"x").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 1));
}

#[test]
fn redirects_are_handed_over_by_default() {
    let target = Server::ok();
    let server = Server::always(Reply::status(302).header("Location", target.url()));
    for client in [client_over(&[server.port()]), Builder::new().base_url(&server.url()).build()] {
        let answer = client.get("/").unwrap();
        assert_eq!((answer.status, answer.header("location")), (302, Some(target.url())));
    }
    assert_eq!(target.request_count(), 0);
}

#[test]
fn a_client_without_a_balancer_follows_redirects_when_told() {
    let server = Server::new(|seen| match seen.path.as_str() {
        "/start" => Reply::status(302).header("Location", "/end"),
        "/loop" => Reply::status(302).header("Location", "/loop"),
        path => Reply::text(200, path),
    });
    let client = Builder::new().base_url(&server.url()).redirects(3).tries(1).build();
    assert_eq!(client.get("/start").unwrap().text(), "/end");
    let failure = client.get("/loop").unwrap_err();
    assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
    assert_eq!(server.requests().iter().filter(|seen| seen.path == "/loop").count(), 4);
}

#[test]
fn credentials_stay_with_the_host_they_were_meant_for() {
    let other = Server::ok();
    let location = format!("http://localhost:{}/", other.port());
    let server = Server::new(move |seen| match seen.path.as_str() {
        "/away" => Reply::status(302).header("Location", location.clone()),
        "/home" => Reply::status(302).header("Location", "/end"),
        _ => Reply::status(200),
    });
    let client = Builder::new().base_url(&server.url()).redirects(3).build();
    let request = |path| {
        let request = Request::new("GET", path).header("Authorization", "Bearer secret");
        request.header("Cookie", "session=secret")
    };
    assert_eq!(client.send(&request("/away")).unwrap().status, 200);
    assert_eq!(client.send(&request("/home")).unwrap().status, 200);
    let away = other.request();
    assert_eq!((away.header("authorization"), away.header("cookie")), (None, None));
    let home = server.requests().into_iter().find(|seen| seen.path == "/end").unwrap();
    assert_eq!(home.header("authorization"), Some("Bearer secret"));
}

#[test]
fn redirects_and_a_balancer_do_not_go_together() {
    let builder = Builder::new().balancer(&round_robin(&[1])).redirects(1);
    let failure = builder.try_build().unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.contains("redirects"), "{}", failure.message);
}

#[test]
fn a_base_url_comes_before_each_path_and_is_not_left() {
    let (server, other) = (Server::ok(), Server::ok());
    let client = Builder::new().base_url(&format!("{}/api/v1/", server.url())).build();
    client.get("/users?id=1").unwrap();
    client.get(&format!("{}/api/v1/users?id=2", server.url())).unwrap();
    client.get(&format!("{}/api/v1", server.url())).unwrap();
    let failure = client.get(&format!("{}/api/v1/users", other.url())).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.starts_with("path: "), "{}", failure.message);
    let paths: Vec<_> = server.requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/api/v1/users?id=1", "/api/v1/users?id=2", "/api/v1"]);
    assert_eq!(other.connections(), 0, "no default header leaves the base url's server");
}

#[test]
fn a_client_with_neither_takes_absolute_urls_only() {
    let server = Server::ok();
    let client = Builder::new().build();
    let answer = client.get(&format!("{}/x", server.url())).unwrap();
    assert_eq!((answer.status, answer.attempt_count, answer.endpoint_url), (200, 1, server.url()));
    let failure = client.get("/x").unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.contains("path"), "{}", failure.message);
}

#[test]
fn an_absolute_url_is_refused_where_a_balancer_chooses_the_host() {
    let (server, other) = (Server::ok(), Server::ok());
    let client = client_over(&[server.port()]);
    let failure = client.get(&format!("{}/", other.url())).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert_eq!((server.connections(), other.connections()), (0, 0));
}

#[test]
fn the_host_header_is_the_authority_and_not_what_is_dialled() {
    let server = Server::ok();
    let plain = Host::new("127.0.0.1", server.port());
    let named = Host::new("127.0.0.1", server.port()).authority("api.example.com:8443");
    for host in [plain, named] {
        let balancer = Balancer::round_robin(&Provider::of(&[host]));
        Builder::new().balancer(&balancer).build().get("/").unwrap();
    }
    Builder::new().base_url(&server.url()).build().get("/").unwrap();
    let seen = server.requests();
    let dialled = format!("127.0.0.1:{}", server.port());
    let hosts: Vec<_> = seen.iter().map(|seen| seen.all("host")).collect();
    assert_eq!(hosts, [[&*dialled], ["api.example.com:8443"], [&*dialled]]);
}

/// Ends when the library has closed all but `count` of a server's connections.
fn connections_become(server: &Server, count: usize, within: u64) {
    eventually("connections close", ms(within), || server.open_connections() == count);
}

#[test]
fn connections_to_an_endpoint_are_limited_and_calls_wait_for_one() {
    let server = Server::always(Reply::status(200).after(ms(50)));
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    builder.option("max_connections_per_endpoint", "2").unwrap();
    let client = builder.build();
    let calls: Vec<_> = (0..10).map(|_| client.begin("/")).collect();
    for call in calls {
        assert_eq!(call.end().unwrap().attempt_count, 1);
    }
    assert_eq!((server.connections(), server.take_most_in_flight()), (2, 2));
}

#[test]
fn a_wait_for_a_connection_ends_with_its_call_and_the_endpoint_is_not_to_blame() {
    let server = Server::always(Reply::Hang);
    let balancer = round_robin(&[server.port()]);
    let builder = Builder::new().balancer(&balancer).tries(1);
    builder.option("max_connections_per_endpoint", "1").unwrap();
    let client = builder.build();
    let held = client.begin("/");
    eventually("it holds the connection", ms(2000), || server.in_flight() == 1);
    let request = Request::new("GET", "/").timeout_ms(150);
    let (failure, took) = timed(|| client.start(&request).unwrap().end().unwrap_err());
    assert_eq!(failure.status, AHOY_E_DEADLINE, "{}", failure.message);
    assert!(failure.message.contains("stayed in use"), "{}", failure.message);
    assert!(!failure.is_ambiguous && took >= ms(145) && took < ms(2000), "{took:?}");
    assert!(balancer.endpoint(server.port()).is_closed());
    held.cancel().unwrap();
    drop(held.end());
}

#[test]
fn a_call_with_nowhere_else_to_go_waits_for_a_connection_until_its_deadline() {
    // The last waits 2.1 s: more than its first try's share of the limit, and than it may connect.
    for connect in [None, Some(150)] {
        let server = Server::always(Reply::status(200).after(ms(700)));
        let builder = Builder::new().balancer(&round_robin(&[server.port()])).timeout_ms(4000);
        builder.option("max_connections_per_endpoint", "1").unwrap();
        let client = match connect {
            Some(limit) => builder.connect_timeout_ms(limit).build(),
            None => builder.build(),
        };
        let calls: Vec<_> = (0..4).map(|_| client.begin("/")).collect();
        for call in calls {
            assert_eq!(call.end().unwrap().attempt_count, 1);
        }
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_call_goes_elsewhere_where_no_connection_comes_free_within_its_share() {
    let (hung, well) = (Server::always(Reply::Hang), Server::ok());
    let balancer = round_robin(&[hung.port(), well.port()]);
    let builder = Builder::new().balancer(&balancer).timeout_ms(3000);
    builder.option("max_connections_per_endpoint", "1").unwrap();
    let client = builder.build();
    // A POST stays where it is.
    let post = Request::new("POST", "/").timeout_ms(20_000);
    let held: Vec<_> = (0..2).map(|_| client.start(&post).unwrap()).collect();
    eventually("one hangs", ms(2000), || hung.in_flight() == 1);
    let (outcome, took) = timed(|| {
        let calls: Vec<_> = (0..2).map(|_| client.begin("/")).collect();
        calls.into_iter().map(|call| call.end().unwrap().attempt_count).max()
    });
    assert!(outcome == Some(2) && took < ms(2500), "{outcome:?} attempts in {took:?}");
    held.iter().for_each(|call| drop(call.cancel()));
    held.into_iter().for_each(|call| drop(call.end()));
}

#[test]
fn no_more_unused_connections_are_kept_than_told() {
    let server = Server::always(Reply::status(200).after(ms(100)));
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    builder.option("max_idle_per_endpoint", "1").unwrap();
    let client = builder.build();
    let calls: Vec<_> = (0..4).map(|_| client.begin("/")).collect();
    calls.iter().for_each(|call| drop(call.end().unwrap()));
    assert_eq!(server.connections(), 4);
    connections_become(&server, 1, 2000);
    client.begin("/").end().unwrap();
    assert_eq!(server.connections(), 4);
}

#[test]
fn a_connection_is_used_no_longer_than_told() {
    let server = Server::ok();
    let builder = Builder::new().balancer(&round_robin(&[server.port()]));
    builder.option("max_connection_age", "300ms").unwrap();
    let client = builder.build();
    client.get("/").unwrap();
    client.get("/").unwrap();
    assert_eq!(server.connections(), 1);
    // Nine tenths to eleven tenths of it.
    thread::sleep(ms(340));
    client.get("/").unwrap();
    assert_eq!(server.connections(), 2);
    builder.option("max_connection_age", "forever").unwrap();
    builder.build().get("/").unwrap();
}

#[test]
fn after_a_warm_up_the_first_call_opens_no_connection() {
    let servers = [Server::ok(), Server::ok(), Server::ok()];
    let ports = servers.each_ref().map(Server::port);
    let listed = Arc::new(AtomicUsize::new(2));
    let count = Arc::clone(&listed);
    let provider = Provider::custom(move |out| {
        let count = count.load(Ordering::SeqCst);
        ports[..count].iter().for_each(|port| out.add("127.0.0.1", *port).unwrap());
        AHOY_OK
    });
    let balancer = Balancer::round_robin(&provider);
    let builder = Builder::new().balancer(&balancer);
    builder.option("warm_up", "2").unwrap();
    let client = builder.build();
    // A server has a connection before the client does, which counts it when it is ready for a call.
    let opened = || client.snapshot().sum("ahoy_client_connections_opened_total", &[]);
    eventually("it is warmed up", ms(2000), || opened() == 4.0);
    listed.store(3, Ordering::SeqCst);
    balancer.update().unwrap();
    eventually("so is what joins", ms(3000), || opened() == 6.0);
    let calls: Vec<_> = (0..6).map(|_| client.begin("/")).collect();
    calls.iter().for_each(|call| assert_eq!(call.end().unwrap().attempt_count, 1));
    assert_eq!(servers.each_ref().map(Server::connections), [2, 2, 2]);
}

#[test]
fn a_warm_up_that_fails_harms_nothing() {
    let (dead, server) = (Dead::new(), Server::ok());
    let balancer = round_robin(&[dead.port(), server.port()]);
    let builder = Builder::new().balancer(&balancer);
    builder.option("warm_up", "1").unwrap();
    let client = builder.build();
    eventually("the other is warmed up", ms(2000), || server.open_connections() == 1);
    assert!(!balancer.endpoint(dead.port()).is_open(), "no circuit learns of it");
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn what_leaves_the_list_loses_its_connections_and_what_is_under_way_ends_well() {
    let servers = [Server::ok(), Server::ok()];
    servers[0].become_(|seen| {
        let reply = Reply::status(200);
        if seen.path == "/slow" { reply.after(ms(2500)) } else { reply }
    });
    let ports = servers.each_ref().map(Server::port);
    let gone = Arc::new(AtomicBool::new(false));
    let left = Arc::clone(&gone);
    let provider = Provider::custom(move |out| {
        let skip = usize::from(left.load(Ordering::SeqCst));
        ports[skip..].iter().for_each(|port| out.add("127.0.0.1", *port).unwrap());
        AHOY_OK
    });
    let balancer = Balancer::round_robin(&provider);
    // The slow calls stay where they are.
    let client = Builder::new().balancer(&balancer).attempt_timeout_ms(u64::MAX).build();
    for _ in 0..2 {
        client.get("/").unwrap();
    }
    // Of one that is used all the time, of one that rests, and of an I/O thread.
    let rests = || (0..2).for_each(|_| drop(client.get("/").unwrap()));
    thread::scope(|scope| scope.spawn(rests).join().unwrap());
    let calls: Vec<_> = (0..4).map(|_| client.begin("/")).collect();
    calls.iter().for_each(|call| drop(call.end().unwrap()));
    // And of a shard that waits in a long call meanwhile.
    let slow_server = Server::always(Reply::status(200).after(ms(3000)));
    let other = client_over(&[slow_server.port()]);
    let long = thread::spawn(move || other.get("/").unwrap().status);
    eventually("it waits", ms(2000), || slow_server.in_flight() == 1);
    let slow: Vec<_> = (0..2).map(|_| client.begin("/slow")).collect();
    eventually("one is under way there", ms(2000), || servers[0].in_flight() == 1);
    assert!(servers[0].open_connections() >= 2, "others are idle");
    gone.store(true, Ordering::SeqCst);
    balancer.update().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let until = Instant::now() + ms(2000);
            while Instant::now() < until {
                client.get("/").unwrap();
            }
        });
        connections_become(&servers[0], 1, 2000);
        assert_eq!(servers[0].in_flight(), 1, "only the one that is used");
    });
    for call in slow {
        assert_eq!(call.end().unwrap().attempt_count, 1);
    }
    connections_become(&servers[0], 0, 500);
    assert_eq!(long.join().unwrap(), 200);
}

#[test]
fn options_by_name_do_what_their_setters_do() {
    let server = Server::new(|seen| Reply::bytes(503, vec![7; seen.path[1..].parse().unwrap()]));
    let builder = Builder::new().balancer(&round_robin(&[server.port()])).tries(1);
    builder.option("max_body", "1KiB").unwrap();
    builder.option("fail_on_status", "true").unwrap();
    let client = builder.build();
    assert_eq!(client.get("/1024").unwrap_err().status, AHOY_E_HTTP_STATUS);
    assert_eq!(client.get("/1025").unwrap_err().status, AHOY_E_BODY_TOO_LARGE);
    let unknown = builder.option("max_bodi", "1KiB").unwrap_err();
    assert_eq!(unknown.status, AHOY_E_UNKNOWN_OPTION);
    assert!(unknown.message.contains("max_body"), "{}", unknown.message);
    assert_eq!(builder.option("timeout", "soon").unwrap_err().status, AHOY_E_INVALID_ARGUMENT);
}

/// Answers each request with its head and the length of its body.
fn serve(mut stream: impl Read + Write) {
    let (mut unread, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        let end = loop {
            if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => unread.extend_from_slice(&buffer[..count]),
            }
        };
        let head = String::from_utf8(unread.drain(..end).collect()).unwrap().to_lowercase();
        let stated = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
        let length: usize = stated.map_or(0, |stated| stated.parse().unwrap());
        while unread.len() < length {
            let count = stream.read(&mut buffer).unwrap();
            unread.extend_from_slice(&buffer[..count]);
        }
        unread.drain(..length);
        let body = format!("{head}{length}");
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// A server at a unix socket that answers each request with its head and the length of its body.
#[cfg(unix)]
struct AtPath(PathBuf);

#[cfg(unix)]
impl AtPath {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ahoy-{name}-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                thread::spawn(move || serve(stream.unwrap()));
            }
        });
        Self(path)
    }

    fn address(&self) -> String {
        format!("unix:{}", self.0.display())
    }
}

#[cfg(unix)]
impl Drop for AtPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
#[test]
fn unix_sockets_are_balanced_like_any_other_host() {
    let (one, two, tcp) = (AtPath::new("one"), AtPath::new("two"), Server::ok());
    let missing = std::env::temp_dir().join("ahoy-no-such.sock");
    let missing = format!("unix:{}", missing.display());
    let hosts = [
        Host::new(&one.address(), 80),
        Host::new(&missing, 80),
        Host::new(&two.address(), 80).authority("api.example"),
        Host::new("127.0.0.1", tcp.port()),
    ];
    let balancer = Balancer::round_robin(&Provider::of(&hosts));
    let client = Builder::new().balancer(&balancer).build();
    let large = vec![b'x'; 1_000_000];
    let mut urls = Vec::new();
    for _ in 0..6 {
        let answer = client.put("/up", "text/plain", &large).unwrap();
        let text = answer.text();
        if answer.endpoint_url.starts_with("unix:") {
            let host =
                if answer.endpoint_url == one.address() { "localhost" } else { "api.example" };
            assert!(text.contains(&format!("\r\nhost: {host}\r\n")), "{text}");
            assert!(text.ends_with("\r\n\r\n1000000"), "{text}");
        }
        urls.push(answer.endpoint_url);
    }
    for url in [one.address(), two.address(), format!("http://127.0.0.1:{}", tcp.port())] {
        assert_eq!(urls.iter().filter(|it| **it == url).count(), 2, "{url}: {urls:?}");
    }
    let only = Builder::new().balancer(&Balancer::round_robin(&Provider::of(&hosts[1..2])));
    let failure = only.tries(1).build().get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECT, "{}", failure.message);
    assert!(failure.message.contains(&missing), "{}", failure.message);
    assert_eq!(failure.attempts[0].detail, "no such socket");
}

#[test]
fn addresses_that_are_no_path_of_a_unix_socket_are_refused() {
    let long = format!("unix:/{}", "x".repeat(103));
    for address in ["unix:", "unix:relative", "unix:/a\nb", &long] {
        assert!(Host::try_new(address, 80).is_none(), "{address}");
    }
}

#[test]
fn connections_come_from_the_local_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let peer = thread::spawn(move || {
        let (stream, peer) = listener.accept().unwrap();
        serve(stream);
        peer.ip().to_string()
    });
    let builder = Builder::new().base_url(&url(port));
    builder.option("local_address", "127.0.0.9").unwrap();
    builder.option("tcp_keepalive", "30s").unwrap();
    if cfg!(target_os = "linux") {
        builder.option("interface", "lo").unwrap();
        builder.option("tcp_user_timeout", "5s").unwrap();
    }
    let client = builder.idle_timeout_ms(60_000).build();
    assert_eq!(client.get("/").unwrap().status, 200);
    #[cfg(target_os = "linux")]
    assert_eq!(sockets::options_of_the_socket_to(port), Some((true, 30, 5_000)));
    drop(client);
    assert_eq!(peer.join().unwrap(), "127.0.0.9");

    let elsewhere = Builder::new().base_url("http://[::1]:9").tries(1);
    elsewhere.option("local_address", "127.0.0.9").unwrap();
    let failure = elsewhere.build().get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECT);
    assert!(failure.message.contains("local_address is of the other family"), "{failure:?}");
}

#[test]
fn a_local_address_or_interface_that_is_not_here_is_named() {
    // The address is kept for documentation (RFC 5737), so that no host has it.
    let settings = [
        ("local_address", "203.0.113.7", "no such local address"),
        ("interface", "no-such-one", "no interface no-such-one on this host"),
    ];
    let server = Server::ok();
    for (key, value, said) in settings {
        if key == "interface" && !cfg!(target_os = "linux") {
            continue;
        }
        let balancer = round_robin(&[server.port()]);
        let builder = Builder::new().balancer(&balancer).tries(1);
        builder.option(key, value).unwrap();
        let client = builder.build();
        for _ in 0..6 {
            let failure = client.get("/").unwrap_err();
            assert_eq!(failure.status, AHOY_E_CONNECT);
            assert!(failure.message.contains(said), "{}", failure.message);
        }
        assert!(balancer.pick().is_ok(), "{key}: the circuit stays closed");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_an_attempt_quotes_ends_no_line_of_the_error() {
    let builder = Builder::new().base_url("http://127.0.0.1:9").tries(1);
    builder.option("interface", "a\nb").unwrap();
    let failure = builder.build().get("/").unwrap_err();
    assert_eq!(failure.message.lines().count(), 2, "{}", failure.message);
    assert!(
        failure.message.contains("no interface a\u{fffd}b on this host"),
        "{}",
        failure.message
    );
}

#[test]
fn names_have_the_addresses_that_are_stated() {
    let server = Server::new(|seen| Reply::text(200, seen.header("host").unwrap_or_default()));
    let port = server.port();
    let builder = Builder::new().base_url(&format!("http://api.test:{port}"));
    builder
        .option(
            "resolve",
            &format!(
                "other.test:80:10.0.0.1 api.test:{port}:192.0.2.1 API.test:{port}:::1,127.0.0.1"
            ),
        )
        .unwrap();
    assert_eq!(builder.build().get("/").unwrap().text(), format!("api.test:{port}"));
    for wrong in ["api.test:80", "*:80:127.0.0.1"] {
        let failure = builder.option("resolve", wrong).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        let said = format!("{wrong} is not name:port:address");
        assert!(failure.message.contains(&said), "{}", failure.message);
    }
}

/// Elsewhere 127.0.0.1 is the only address of the loopback.
#[cfg(target_os = "linux")]
#[test]
fn every_address_of_a_name_has_its_turn_within_the_limit() {
    let (silent, _held) = silent_listener();
    let port = silent.port();
    let good = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let server = thread::spawn(move || {
        let (mut peer, _) = good.accept().unwrap();
        let _ = peer.read(&mut [0; 1024]).unwrap();
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").unwrap();
    });
    // An attempt may take a third of that, and two addresses were what could be tried in it.
    let builder = Builder::new().base_url(&format!("http://api.test:{port}")).timeout_ms(1500);
    let addresses = "127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.2";
    builder.option("resolve", &format!("api.test:{port}:{addresses}")).unwrap();
    assert_eq!(builder.build().get("/").unwrap().text(), "hi");
    server.join().unwrap();
}
