//! Large bodies, whose greater part is read where it stays: to a caller they are as small ones.

use std::io::Read;
use std::sync::{Mutex, mpsc};
use std::thread;

use ahoy::ffi::values::status::*;
use support::*;

const LARGE: usize = 256 * 1024;

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 113) as u8).collect()
}

fn head(length: usize, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX-Kept: Yes\r\n{more}\r\n").into_bytes()
}

/// A server that sends for each request what the path tells: how long the body is, and how much of it goes out with the
/// head.
fn server() -> Scripted {
    Scripted::new(|_, peer| {
        while let Some(asked) = peer.head() {
            let told = asked.split(['/', '-', ' ']).filter_map(|part| part.parse().ok());
            let [length, with_head] = told.collect::<Vec<usize>>()[..2] else { return };
            let body = pattern(length);
            let (first, rest) = body.split_at(with_head.min(length));
            peer.write([&head(length, "Connection: keep-alive\r\n")[..], first].concat());
            peer.write(rest);
        }
    })
}

fn once(port: u16) -> Builder {
    Builder::new().base_url(&url(port)).tries(1)
}

#[test]
fn bodies_of_any_length_come_whole_with_their_headers_over_kept_connections() {
    let server = server();
    let client = once(server.port()).build();
    for length in [LARGE - 1, LARGE, LARGE + 1, 2 * LARGE, 3_000_000] {
        for with_head in [0, 1, 70_000, length - 1, length] {
            let path = format!("/{length}-{with_head}");
            let answer = client.get(&path).unwrap();
            assert!(answer.body == pattern(length), "{path}");
            assert_eq!(answer.header("content-length"), Some(length.to_string()), "{path}");
            assert_eq!(answer.header("x-kept").as_deref(), Some("Yes"));
            let streamed = client.stream(&path);
            assert_eq!(streamed.head().header("content-length"), Some(length.to_string()));
            assert!(streamed.rest_by(10_000).unwrap() == pattern(length), "{path} streamed");
        }
    }
    // One of the caller's own, and one of the I/O thread that carries streams.
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_place_among_limited_connections_is_given_back_once() {
    let server = server();
    let builder = once(server.port());
    builder.option("max_connections_per_endpoint", "1").unwrap();
    let client = builder.build();
    for _ in 0..3 {
        assert_eq!(client.get("/1000000-0").unwrap().body.len(), 1_000_000);
        assert_eq!(client.stream("/1000000-0").rest_by(100_000).unwrap().len(), 1_000_000);
        let left = client.stream("/1000000-0");
        assert!(!left.read(300_000, 10_000).unwrap().0.is_empty());
        drop(left);
    }
    let in_use = client.stream("/1000000-0");
    let second = Request::new("GET", "/1000000-0").streamed().timeout_ms(100);
    assert!(client.open(&second).is_err(), "there is one place, and it is taken");
    drop(in_use);
    assert!(client.stream("/1000000-0").rest_by(70_000).is_ok());
}

/// What a server does after it has sent a head that announces `announced` bytes, and some of them.
fn broken(announced: usize, sent: usize, stalls: bool) -> Scripted {
    let body = pattern(sent);
    Scripted::new(move |_, peer| {
        while peer.head().is_some() {
            peer.write(head(announced, ""));
            peer.write(&body);
            if !stalls {
                return;
            }
        }
    })
}

#[test]
fn a_body_that_is_cut_or_stalls_fails_as_a_small_one_does() {
    for (stalls, status) in [(false, AHOY_E_CONNECTION_LOST), (true, AHOY_E_TIMEOUT)] {
        let told =
            [(1000, 100), (2_000_000, 100), (2_000_000, 1_900_000)].map(|(announced, sent)| {
                let server = broken(announced, sent, stalls);
                let builder = once(server.port());
                if stalls {
                    builder.option("body_idle_timeout", "200ms").unwrap();
                }
                let client = builder.build();
                let failure = client.get("/").unwrap_err();
                assert_eq!(failure.status, status, "{}", failure.message);
                let stream = client.stream("/");
                let cut = stream.rest_by(50_000).unwrap_err();
                assert_eq!(cut.status, status, "{}", cut.message);
                let after = format!("the body broke off after {sent} bytes");
                assert!(cut.message.contains(&after), "{}", cut.message);
                let attempt = failure.attempts[0].clone();
                (attempt.detail, attempt.ambiguous, cut.attempts[0].detail.clone())
            });
        assert_eq!(told[0], told[1]);
        assert_eq!(told[0], told[2]);
    }
}

#[test]
fn a_body_above_the_bound_is_refused_by_its_head() {
    let server = broken(2_000_000, 0, true);
    let client = once(server.port()).max_body_bytes(1_000_000).build();
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_BODY_TOO_LARGE, "{}", failure.message);
}

/// In 32 bits its length would be that of what came.
#[test]
fn a_length_of_more_than_32_bits_is_told_whole() {
    let length = (1 << 32) + LARGE as u64;
    let server = Scripted::new(move |_, peer| {
        peer.head();
        peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"));
        peer.write(pattern(LARGE));
    });
    let client = once(server.port()).build();
    let cut = client.stream("/").rest_by(50_000).unwrap_err();
    assert_eq!(cut.status, AHOY_E_CONNECTION_LOST, "{}", cut.message);
    let after = format!("the body broke off after {LARGE} bytes");
    assert!(cut.message.contains(&after), "{}", cut.message);
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_BODY_TOO_LARGE, "{}", failure.message);
}

#[test]
fn what_follows_a_body_unasked_is_no_answer() {
    let server = Scripted::new(|number, peer| {
        while peer.head().is_some() {
            let body = pattern(1_000_000);
            let unasked = if number == 0 {
                &b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"[..]
            } else {
                b""
            };
            peer.write([&head(body.len(), "")[..], &body, unasked].concat());
        }
    });
    let client = once(server.port()).build();
    for _ in 0..3 {
        assert!(client.get("/").unwrap().body == pattern(1_000_000));
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn framing_that_says_otherwise_is_kept_to() {
    let requests = Mutex::new(0);
    let server = Scripted::new(move |_, peer| {
        while let Some(asked) = peer.head() {
            *requests.lock().unwrap() += 1;
            let body = pattern(1_000_000);
            match asked.split(' ').nth(1).unwrap() {
                "/close" => {
                    peer.write([&head(body.len(), "Connection: close\r\n")[..], &body].concat());
                    return;
                }
                "/old" => {
                    let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                    peer.write([head.as_bytes(), &body].concat());
                    return;
                }
                "/head" | "/304" if asked.starts_with("HEAD") => {
                    peer.write(head(1_000_000, ""));
                }
                "/304" => {
                    peer.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 1000000\r\n\r\n");
                }
                "/early" => {
                    peer.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
                    peer.write([&head(body.len(), "")[..], &body].concat());
                }
                _ => {
                    // Byte by byte up to the end of the head.
                    for byte in head(body.len(), "") {
                        peer.write([byte]);
                    }
                    peer.write(&body);
                }
            }
        }
    });
    let client = once(server.port()).build();
    for path in ["/close", "/old", "/early", "/slow"] {
        assert!(client.get(path).unwrap().body == pattern(1_000_000), "{path}");
        assert!(client.stream(path).rest_by(70_000).unwrap() == pattern(1_000_000), "{path}");
        assert!(client.post(path, "text/plain", b"").unwrap().body.len() == 1_000_000, "{path}");
    }
    let answer = client.head("/head").unwrap();
    assert_eq!((answer.body.len(), answer.header("content-length")), (0, Some("1000000".into())));
    assert_eq!(client.get("/304").unwrap().status, 304);
    assert_eq!(client.get("/slow").unwrap().body.len(), 1_000_000);
}

const SECOND: &str = "GET /second";

/// What comes up to the end of the second request.
fn up_to_the_second(peer: &mut Peer) -> Vec<u8> {
    let (mut all, mut room) = (Vec::new(), vec![0; 1 << 20]);
    while !(has_second(&all) && all.ends_with(b"\r\n\r\n")) {
        match peer.socket.read(&mut room) {
            Ok(count) if count > 0 => all.extend_from_slice(&room[..count]),
            _ => break,
        }
    }
    all
}

fn has_second(all: &[u8]) -> bool {
    String::from_utf8_lossy(&all[all.len().saturating_sub(300)..]).contains(SECOND)
}

/// A server may answer before it has read the request. Its connection is mostly kept; where it rested meanwhile it was closed.
#[test]
fn a_request_goes_out_whole_although_its_answer_came_before() {
    // More than the sockets of both ends hold.
    const MANY: usize = 20_000_000;
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let server = Scripted::new(move |number, peer| {
        if number > 0 {
            peer.head();
            peer.write(OK);
            return;
        }
        peer.write([&head(LARGE * 2, "")[..], &pattern(LARGE * 2)].concat());
        thread::sleep(ms(200));
        let all = up_to_the_second(peer);
        peer.write(OK);
        tell.lock().unwrap().send((all.len(), has_second(&all))).unwrap();
        peer.sees_close();
    });
    let client = once(server.port()).build();
    let first = Request::new("GET", "/first").header("x-many", &"a".repeat(MANY));
    assert!(client.send(&first).unwrap().body == pattern(LARGE * 2));
    assert_eq!(client.get("/second").unwrap().text(), "ok");
    let (length, second_came) = told.recv().unwrap();
    assert_eq!(second_came, length > MANY, "{length} bytes came on the first connection");
}
