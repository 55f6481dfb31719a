//! body_idle_timeout: a body that brings nothing for too long ends its attempt, held whole or streamed, over both
//! HTTP versions.

#![cfg_attr(
    not(feature = "http2"),
    allow(dead_code, unused_imports, reason = "the peer of HTTP/2")
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use ahoy::ffi::client::builder::AHOY_HTTP2_PRIOR_KNOWLEDGE;
use ahoy::ffi::values::status::*;
use support::*;

const LIMIT: u64 = 150;

/// Sends a head and the first bytes of a longer body, and then nothing.
fn stalls_over_http1() -> Scripted {
    Scripted::new(|_, peer| {
        while peer.head().is_some() {
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab");
        }
    })
}

/// The same over HTTP/2: for each request a head, two bytes, and no end of the stream.
#[cfg(feature = "http2")]
fn stalls_over_http2() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || stall(connection));
        }
    });
    port
}

/// Ends with the connection.
fn stall(mut connection: TcpStream) -> Option<()> {
    let mut preface = [0; 24];
    connection.read_exact(&mut preface).ok()?;
    frame(&mut connection, SETTINGS, 0, 0, &[])?;
    loop {
        let mut head = [0; 9];
        connection.read_exact(&mut head).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        connection.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => frame(&mut connection, SETTINGS, ACK, 0, &[])?,
            (PING, 0) => frame(&mut connection, PING, ACK, 0, &payload)?,
            (HEADERS, _) => {
                // `:status: 200` is entry 8 of the static table.
                frame(&mut connection, HEADERS, END_HEADERS, stream, &[0x88])?;
                frame(&mut connection, DATA, 0, stream, b"ab")?;
            }
            _ => {}
        }
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(to: &mut TcpStream, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Option<()> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    to.write_all(&bytes).ok()
}

/// Both kinds of bodies end by the limit, long before that of the call.
fn ends_in_time(builder: &Builder) {
    let client = builder.build();
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_TIMEOUT, "{}", failure.message);
    assert!(failure.message.contains("no more of the body in time"), "{}", failure.message);
    in_time(took);
    let response = client.open(&Request::new("GET", "/").streamed()).unwrap();
    assert_eq!(response.exactly(2), "ab");
    let (failure, took) = timed(|| response.read(9, FOREVER).unwrap_err());
    assert_eq!(failure.status, AHOY_E_TIMEOUT, "{}", failure.message);
    in_time(took);
}

fn in_time(took: Duration) {
    assert!((ms(LIMIT - 20)..ms(5_000)).contains(&took), "{took:?}");
}

fn limited(port: u16) -> Builder {
    let balancer = round_robin(&[port]).with(&Breaker::new().no_consecutive().no_ratio());
    Builder::new().balancer(&balancer).tries(1).body_idle_timeout_ms(LIMIT)
}

#[test]
fn over_http1() {
    let server = stalls_over_http1();
    ends_in_time(&limited(server.port()));
}

#[test]
fn over_http1_without_a_balancer() {
    let server = stalls_over_http1();
    let builder = Builder::new().base_url(&url(server.port())).tries(1);
    builder.option("body_idle_timeout", "150ms").unwrap();
    ends_in_time(&builder);
}

#[test]
#[cfg(feature = "http2")]
fn over_http2() {
    let builder = limited(stalls_over_http2());
    builder.try_http2(AHOY_HTTP2_PRIOR_KNOWLEDGE).unwrap();
    ends_in_time(&builder);
}

#[test]
fn an_attempt_that_ends_so_is_followed_by_another() {
    let (stalling, well) = (stalls_over_http1(), Server::ok());
    let provider = Provider::loopback(&[stalling.port(), well.port()]);
    let client = Builder::new()
        .balancer(&Balancer::round_robin(&provider))
        .tries(2)
        .body_idle_timeout_ms(LIMIT)
        .build();
    let answers: Vec<_> = (0..2).map(|_| client.get("/").unwrap()).collect();
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.endpoint_url == well.url()));
    assert!(answers.iter().any(|answer| answer.attempt_count == 2));
}

#[test]
fn a_body_that_keeps_coming_takes_as_long_as_it_likes() {
    let server = Scripted::new(|_, peer| {
        while peer.head().is_some() {
            peer.write("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
            for _ in 0..8 {
                thread::sleep(ms(LIMIT / 3));
                peer.write("x");
            }
        }
    });
    let client = limited(server.port()).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!(answer.text(), "xxxxxxxx");
    assert!(took > ms(2 * LIMIT), "{took:?}");
}

/// While it flows, its reader is woken for many bytes at a time: not so for those that trickle, nor for the next answer.
#[test]
fn a_large_body_that_flows_and_then_trickles_is_seen_to_come() {
    const PART: usize = 1_000_000;
    let length = 2 * PART + 8;
    let reply = move |seen: &Seen| {
        if seen.path != "/" {
            return Reply::text(200, "next");
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        let flow = [head.as_bytes(), &vec![b'a'; PART]].concat();
        let trickle = vec![b"x".to_vec(); 8];
        let parts = [vec![flow], trickle, vec![vec![b'b'; PART]]].concat();
        Reply::Paced(ms(LIMIT / 3), parts)
    };
    let authority = Authority::new();
    for server in [Server::new(reply), Server::tls(authority.server("127.0.0.1"), reply)] {
        let is_tls = server.is_tls();
        let base = if is_tls { server.url().replace("http:", "https:") } else { server.url() };
        let builder = Builder::new().ca(&authority.pem).base_url(&base).tries(1);
        let client = builder.body_idle_timeout_ms(LIMIT).build();
        let streamed = || client.stream("/").rest_by(100_000).unwrap();
        for read in [&|| client.get("/").unwrap().body, &streamed as &dyn Fn() -> Vec<u8>] {
            let (body, took) = timed(read);
            assert_eq!(body.len(), length);
            assert_eq!(&body[PART..PART + 8], b"xxxxxxxx");
            assert!(took > ms(2 * LIMIT), "tls: {is_tls}, {took:?}");
            let (next, took) = timed(|| client.stream("/next").rest().unwrap());
            assert_eq!(next, "next");
            assert!(took < ms(5_000), "tls: {is_tls}, {took:?}");
        }
        // One of the caller's own, and one of the I/O thread that carries streams.
        assert_eq!(server.connections(), 2, "tls: {is_tls}");
    }
}

#[test]
fn by_default_only_the_other_limits_end_a_body() {
    let server = stalls_over_http1();
    let client =
        Builder::new().balancer(&round_robin(&[server.port()])).tries(1).timeout_ms(400).build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_DEADLINE);
}

/// A limit on attempts says how long an answer may take, and events may be further apart.
#[test]
fn events_may_be_further_apart_than_an_attempt_may_take() {
    let server = Scripted::new(|_, peer| {
        while let Some(head) = peer.head() {
            let kind = if head.contains("/events") { "text/event-stream" } else { "text/plain" };
            peer.write(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: 4\r\n\r\nab"
            ));
            thread::sleep(ms(4 * LIMIT));
            peer.write("cd");
        }
    });
    let builder = Builder::new().base_url(&url(server.port())).tries(1);
    let client = builder.attempt_timeout_ms(LIMIT).build();
    assert_eq!(client.stream("/events").rest().unwrap(), "abcd");
    let failure = client.stream("/").rest().unwrap_err();
    assert_eq!(failure.status, AHOY_E_TIMEOUT, "{}", failure.message);
}
