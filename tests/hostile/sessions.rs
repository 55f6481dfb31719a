//! HTTP/2 connections that end before they are of use, and frames without end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use ahoy::ffi::client::builder::AHOY_HTTP2_PRIOR_KNOWLEDGE;
use ahoy::ffi::values::status::*;

use support::floods::{Flood, await_head, frame, greet};
use support::*;

/// With NO_ERROR, and no stream processed.
const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A peer that says its settings and then goes on as told when the first request has come.
fn peer(script: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Scripted {
    Scripted::new(move |_, peer| {
        let socket = &mut peer.socket;
        greet(socket);
        script(socket);
    })
}

fn client(server: &Scripted, timeout_ms: u64) -> (Client, Balancer) {
    let balancer = round_robin(&[server.port()]);
    let builder = Builder::new().balancer(&balancer).timeout_ms(timeout_ms);
    builder.try_http2(AHOY_HTTP2_PRIOR_KNOWLEDGE).unwrap();
    (builder.build(), balancer)
}

#[test]
fn a_session_that_ends_unused_is_a_failed_dial() {
    let _floor = crate::beside_others();
    const AT_ONCE: &str = "end at once";
    type Way = fn(&mut TcpStream);
    let ways: [(&str, Way); 4] = [
        ("goaway at once", |socket| drop(socket.write_all(GOAWAY))),
        ("goaway for the request", |socket| {
            await_head(socket);
            let _ = socket.write_all(GOAWAY);
        }),
        (AT_ONCE, |socket| drop(socket.shutdown(Shutdown::Both))),
        ("goaway, and the connection stays", |socket| {
            let _ = socket.write_all(GOAWAY);
            let _ = socket.read_to_end(&mut Vec::new());
        }),
    ];
    for (name, way) in ways {
        let mut tries = (0..5).map(|_| {
            let server = peer(way);
            let (client, balancer) = client(&server, 1000);
            let (failure, took) = timed(|| client.get("/").unwrap_err());
            let dials = server.connections();
            println!("{name}: {dials} connections in {took:?}: {}", failure.message);
            (failure, took, dials, balancer)
        });
        // Now and then a request is on its way before the end of its connection comes.
        let is_told =
            |it: &(Failure, Duration, usize, Balancer)| !it.0.is_ambiguous || name != AT_ONCE;
        let (failure, took, dials, balancer) = tries.find(is_told).expect(name);
        assert_eq!(failure.status, AHOY_E_CONNECT, "{name}: {}", failure.message);
        assert!(!failure.is_ambiguous, "{name}: {}", failure.message);
        assert!(dials <= 4, "{name}: {dials} connections in {took:?}");
        assert!(balancer.pick().is_err(), "{name}: the circuit opens");
    }
}

/// Answers requests with 200, and ends the connection as told for one with a large head, as nginx does.
fn answering_small_heads(socket: &mut TcpStream, end: &[u8]) {
    let mut head = [0; 9];
    while socket.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        let is_head = socket.read_exact(&mut payload).is_ok() && head[3] == 1;
        if is_head && length > 5000 {
            let _ = socket.write_all(end);
            let _ = socket.shutdown(Shutdown::Both);
        } else if is_head {
            let _ = socket.write_all(&frame(1, 5, head[8], &[0x88]));
        }
    }
}

#[test]
fn a_request_for_which_peers_end_its_connection_opens_no_circuit() {
    let _floor = crate::beside_others();
    let taken = frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0xb]);
    for end in [Vec::new(), taken] {
        let server = peer(move |socket| answering_small_heads(socket, &end));
        let (client, balancer) = client(&server, 5000);
        let large = Request::new("GET", "/").header("x-large", &"x".repeat(10_000));
        let failure = client.send(&large).unwrap_err();
        assert_eq!(failure.status, AHOY_E_CONNECTION_LOST, "{}", failure.message);
        assert!(failure.is_ambiguous && failure.attempt_count == 3, "{}", failure.message);
        assert!(balancer.pick().is_ok(), "the circuit stays closed");
        assert_eq!(client.get("/").unwrap().attempt_count, 1);
    }
}

#[test]
fn many_calls_make_no_more_than_three_dials_a_second() {
    let _floor = crate::beside_others();
    let server = peer(|socket| drop(socket.write_all(GOAWAY)));
    let (client, _balancer) = client(&server, 500);
    let (_, took) = timed(|| {
        for _ in 0..200 {
            assert!(client.get("/").is_err());
            std::thread::sleep(ms(5));
        }
    });
    let most = 3 * (took.as_secs() + 1) + 1;
    let dials = server.connections();
    println!("{dials} connections in {took:?}");
    assert!(u64::try_from(dials).unwrap() <= most, "{dials} connections in {took:?}");
}

#[test]
fn all_clients_and_threads_of_an_endpoint_together_make_no_more_than_three_dials_a_second() {
    let _floor = crate::alone();
    // So many that there is an I/O thread for each processor.
    let silent = Server::always(Reply::Hang);
    let waiting = Builder::new().balancer(&round_robin(&[silent.port()])).build();
    let _held: Vec<_> = (0..128).map(|_| waiting.begin("/")).collect();
    let server = peer(|socket| drop(socket.write_all(GOAWAY)));
    let balancer = round_robin(&[server.port()]);
    balancer.update().unwrap();
    balancer.at(0).unwrap().disable_circuit().unwrap();
    let client = || {
        let builder = Builder::new().balancer(&balancer).tries(1).timeout_ms(500);
        builder.try_http2(AHOY_HTTP2_PRIOR_KNOWLEDGE).unwrap();
        builder.build()
    };
    let clients: Vec<_> = (0..6).map(|_| client()).collect();
    assert!(clients[0].get("/").is_err());
    let (_, took) = timed(|| {
        std::thread::scope(|scope| {
            for client in &clients {
                scope.spawn(|| {
                    for _ in 0..200 {
                        assert!(client.get("/").is_err());
                        std::thread::sleep(ms(5));
                    }
                });
            }
        });
    });
    let most = 3 * (took.as_secs() + 1) + 1;
    let dials = server.connections();
    println!("{dials} connections of 6 clients in {took:?}");
    assert!(u64::try_from(dials).unwrap() <= most, "{dials} connections in {took:?}");
}

#[test]
fn peers_that_end_at_once_in_other_ways_are_dialled_as_rarely() {
    let _floor = crate::beside_others();
    for accept in [Accept::Close, Accept::Reset] {
        let server = Server::ok().accepting(accept);
        let balancer = round_robin(&[server.port()]);
        let builder = Builder::new().balancer(&balancer).timeout_ms(1000);
        builder.try_http2(AHOY_HTTP2_PRIOR_KNOWLEDGE).unwrap();
        let client = builder.build();
        for _ in 0..50 {
            assert!(client.get("/").is_err());
        }
        assert!(server.connections() <= 8, "{accept:?}: {}", server.connections());
    }
}

#[test]
fn frames_without_end_that_bring_nothing_end_their_connection() {
    let _floor = crate::alone();
    let authority = Authority::new();
    for flood in Flood::http2() {
        let server = flood.server(&authority);
        let (client, balancer) = client(&server, 8000);
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        println!("{}: {:?} after {took:?}: {}", flood.name, failure.status, failure.message);
        assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}: {}", flood.name, failure.message);
        assert!(failure.is_ambiguous, "{}", flood.name);
        drop((client, balancer));
    }
}

#[test]
fn tls_without_end_that_brings_nothing_ends_its_connection() {
    let _floor = crate::alone();
    let authority = Authority::new();
    for flood in Flood::tls() {
        let server = flood.server(&authority);
        let host = Host::new("127.0.0.1", server.port()).https();
        let balancer = Balancer::round_robin(&Provider::of(&[host]));
        let builder = Builder::new().balancer(&balancer).tries(1).timeout_ms(8000);
        let builder = builder.ca(&authority.pem).platform_roots(false);
        if flood.is_http2() {
            builder.try_http2(AHOY_HTTP2_PRIOR_KNOWLEDGE).unwrap();
        }
        let (failure, took) = timed(|| builder.build().get("/").unwrap_err());
        println!("{}: after {took:?}: {}", flood.name, failure.message);
        let (expected, said) = match flood.name {
            "empty records" => (AHOY_E_TLS, "peer breaks the rules of tls"),
            "handshake in bytes" => (AHOY_E_CONNECT, ""),
            _ => (AHOY_E_PROTOCOL, "more than 1048576 bytes"),
        };
        assert_eq!(failure.status, expected, "{}: {}", flood.name, failure.message);
        assert!(failure.message.contains(said), "{}: {}", flood.name, failure.message);
    }
}

#[test]
fn a_connection_on_which_much_is_said_now_and_then_stays() {
    let _floor = crate::beside_others();
    // More control frames than a connection may have without anything else, but something else comes between.
    let pings = frame(6, 1, 0, &[0; 8]).repeat(30_000);
    let server = peer(move |socket| {
        await_head(socket);
        let _ = socket.write_all(&frame(1, 4, 1, &[0x88]));
        for end in [0, 0, 0, 1] {
            let _ = socket.write_all(&[&pings[..], &frame(0, end, 1, b"x")].concat());
        }
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let (client, _) = client(&server, 20_000);
    assert_eq!(client.get("/").unwrap().body, b"xxxx");
}

#[test]
fn interim_answers_of_http2_are_bounded() {
    let _floor = crate::beside_others();
    let interim = frame(1, 4, 1, &[0x08, 0x03, b'1', b'0', b'3']).repeat(1000);
    let server = peer(move |socket| {
        await_head(socket);
        while socket.write_all(&interim).is_ok() {}
    });
    let (client, balancer) = client(&server, 8000);
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
    assert!(failure.message.contains("answer's head above 262144 bytes"), "{}", failure.message);
    assert!(balancer.pick().is_ok(), "the circuit stays closed");
    let again = client.get("/").unwrap_err();
    assert_eq!(again.status, AHOY_E_PROTOCOL, "{}", again.message);
}

#[test]
fn lengths_of_answers_without_a_body_are_no_lengths() {
    let _floor = crate::beside_others();
    // 204 and 304 are in HPACK's table; the length is a literal.
    let length = [&[0x0f, 0x0d, 9][..], b"999999999"].concat();
    for status in [0x89, 0x8b] {
        let head = frame(1, 5, 1, &[&[status], &length[..]].concat());
        let server = peer(move |socket| {
            await_head(socket);
            let _ = socket.write_all(&head);
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let (client, _) = client(&server, 2000);
        assert!(client.get("/").unwrap().body.is_empty());
    }
    let head = frame(1, 4, 1, &[&[0x88], &length[..]].concat());
    let server = peer(move |socket| {
        await_head(socket);
        let _ = socket.write_all(&[head.clone(), frame(0, 1, 1, b"")].concat());
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let (client, _) = client(&server, 2000);
    assert_eq!(client.head("/").unwrap().status, 200);
}
