//! A name with several addresses, of which the first is not well.
//!
//! Elsewhere than on Linux 127.0.0.1 is the only address of the loopback.

#![cfg(target_os = "linux")]
#![cfg_attr(
    not(feature = "http2"),
    allow(dead_code, unused_imports, reason = "the peer of HTTP/2")
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ahoy::ffi::client::builder::AHOY_HTTP2_PRIOR_KNOWLEDGE;
use ahoy::ffi::values::status::*;
use support::*;

/// Answers nothing, as a process that hangs: the kernel takes its connections.
const HANGS: u16 = 0;

/// The first address of a name, beside a server on the same port of the second.
struct First {
    status: Arc<AtomicU16>,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

impl First {
    fn beside(server: &Server, status: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.2", server.port())).unwrap();
        let first = Self {
            status: Arc::new(AtomicU16::new(status)),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (status, requests) = (Arc::clone(&first.status), Arc::clone(&first.requests));
        let connections = Arc::clone(&first.connections);
        thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (status, requests) = (Arc::clone(&status), Arc::clone(&requests));
                thread::spawn(move || answer(peer, &status, &requests));
            }
        });
        first
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn becomes(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}

/// Requests without a body come whole.
fn answer(mut peer: TcpStream, status: &AtomicU16, requests: &AtomicUsize) {
    let mut read = [0; 4096];
    while peer.read(&mut read).is_ok_and(|count| count > 0) {
        requests.fetch_add(1, Ordering::SeqCst);
        let status = status.load(Ordering::SeqCst);
        if status != HANGS {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            peer.write_all(head.as_bytes()).unwrap();
        }
    }
}

/// Calls a name whose addresses are 127.0.0.2 and then 127.0.0.1.
fn builder(scheme: &str, port: u16) -> Builder {
    let builder = Builder::new().base_url(&format!("{scheme}://api.test:{port}"));
    builder.option("resolve", &format!("api.test:{port}:127.0.0.2,127.0.0.1")).unwrap();
    builder
}

/// Far above an answer, below the time until a late attempt is followed by a copy.
const SOON: Duration = Duration::from_millis(450);

#[test]
fn an_address_that_hangs_costs_one_call_its_wait_and_no_call_its_answer() {
    let server = Server::ok();
    let first = First::beside(&server, HANGS);
    let client = builder("http", server.port()).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!(answer.status, 200);
    assert!(took < ms(10_000), "{took:?}");
    for _ in 0..20 {
        let (answer, took) = timed(|| client.get("/").unwrap());
        assert!(answer.status == 200 && took < SOON, "{took:?}");
    }
    assert_eq!(first.requests(), 1);
    assert_eq!(server.connections(), 1, "one connection is enough");
}

#[test]
fn connections_kept_to_an_address_that_hangs_are_left() {
    let server = Server::ok();
    let first = First::beside(&server, 200);
    let client = builder("http", server.port()).build();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| client.get("/").unwrap());
        }
    });
    let before = first.requests();
    assert!(before == 8 && server.request_count() == 0, "all well, the first has them all");
    first.becomes(HANGS);
    assert_eq!(client.get("/").unwrap().status, 200);
    for _ in 0..20 {
        let (answer, took) = timed(|| client.get("/").unwrap());
        assert!(answer.status == 200 && took < SOON, "{took:?}");
    }
    assert_eq!(first.requests(), before + 1);
}

#[test]
fn a_retry_of_an_answer_that_is_no_good_goes_to_another_address() {
    let server = Server::ok();
    let first = First::beside(&server, 503);
    let client = builder("http", server.port()).tries(2).build();
    for _ in 0..20 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert!(first.requests() <= 3, "{}", first.requests());
}

#[test]
fn a_call_that_may_not_be_repeated_fails_and_the_next_goes_elsewhere() {
    let server = Server::ok();
    let first = First::beside(&server, HANGS);
    let client = builder("http", server.port()).timeout_ms(1500).build();
    let failure = client.send(&Request::new("POST", "/")).unwrap_err();
    assert_eq!(failure.status, AHOY_E_DEADLINE, "{}", failure.message);
    assert_eq!((first.requests(), server.request_count()), (1, 0));
    assert_eq!(client.send(&Request::new("POST", "/")).unwrap().status, 200);
    assert_eq!((first.requests(), server.request_count()), (1, 1));
}

#[test]
fn where_no_other_address_can_be_reached_the_one_that_failed_is_used_and_kept() {
    let server = Server::ok();
    let first = First::beside(&server, 503);
    let client = builder("http", server.port()).tries(1).build();
    server.stop();
    for _ in 0..4 {
        assert_eq!(client.get("/").unwrap().status, 503);
    }
    first.becomes(200);
    for _ in 0..8 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert!(first.connections() <= 4, "{} connections", first.connections());
}

#[test]
fn a_handshake_that_hangs_is_followed_by_one_with_another_address() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("api.test"), |_| Reply::status(200));
    let first = First::beside(&server, HANGS);
    let client = builder("https", server.port()).ca(&authority.pem).timeout_ms(8000).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!(answer.status, 200);
    assert!(took < ms(6000), "{took:?}");
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert!(answer.status == 200 && took < SOON, "{took:?}");
    assert_eq!(first.connections(), 1);
}

/// Speaks HTTP/2 and answers each request with 200, or not at all.
fn speak_http2(mut peer: TcpStream, answers: bool) -> Option<()> {
    let frame = |peer: &mut TcpStream, kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags];
        bytes.extend(stream.to_be_bytes());
        bytes.extend(payload);
        peer.write_all(&bytes).ok()
    };
    peer.read_exact(&mut [0; 24]).ok()?;
    frame(&mut peer, SETTINGS, 0, 0, &[])?;
    loop {
        let mut head = [0; 9];
        peer.read_exact(&mut head).ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        peer.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match (head[3], head[4] & ACK) {
            (SETTINGS, 0) => frame(&mut peer, SETTINGS, ACK, 0, &[])?,
            (PING, 0) => frame(&mut peer, PING, ACK, 0, &payload)?,
            // `:status: 200` is entry 8 of the static table.
            (HEADERS, _) if answers => {
                frame(&mut peer, HEADERS, END_HEADERS | END_STREAM, stream, &[0x88])?;
            }
            _ => {}
        }
    }
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[cfg(feature = "http2")]
#[test]
fn a_shared_connection_to_an_address_that_hangs_is_left_although_it_answers_pings() {
    let good = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = good.local_addr().unwrap().port();
    let hangs = TcpListener::bind(("127.0.0.2", port)).unwrap();
    for (listener, answers) in [(good, true), (hangs, false)] {
        thread::spawn(move || {
            for peer in listener.incoming().flatten() {
                thread::spawn(move || speak_http2(peer, answers));
            }
        });
    }
    let balancer = Balancer::round_robin(&Provider::of(&[Host::new("api.test", port)]));
    let builder = Builder::new().balancer(&balancer);
    builder.option("resolve", &format!("api.test:{port}:127.0.0.2,127.0.0.1")).unwrap();
    builder.try_http2(AHOY_HTTP2_PRIOR_KNOWLEDGE).unwrap();
    let client = builder.build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!(answer.status, 200);
    assert!(took < ms(10_000), "{took:?}");
    for _ in 0..20 {
        let (answer, took) = timed(|| client.get("/").unwrap());
        assert!(answer.status == 200 && took < SOON, "{took:?}");
    }
}
