//! HTTP/2 connections that end before they are of use, and frames without end.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use ahoy::ffi::client::builder::AHOY_HTTP2_PRIOR_KNOWLEDGE;
use ahoy::ffi::values::status::*;

use crate::support::*;

const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
/// With NO_ERROR, and no stream processed.
const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, stream];
    [&head, payload].concat()
}

/// A peer that says its settings and then goes on as told when the first request has come.
fn peer(script: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Scripted {
    Scripted::new(move |_, peer| {
        let socket = &mut peer.socket;
        let mut preface = [0; 24];
        let _ = socket.read_exact(&mut preface);
        let _ = socket.write_all(&[SETTINGS, SETTINGS_ACK].concat());
        script(socket);
    })
}

/// Waits for a frame of HEADERS.
fn request(socket: &mut TcpStream) -> Option<()> {
    loop {
        let mut head = [0; 9];
        socket.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        socket.read_exact(&mut payload).ok()?;
        if head[3] == 1 {
            return Some(());
        }
    }
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
    type Way = fn(&mut TcpStream);
    let ways: [(&str, Way); 4] = [
        ("goaway at once", |socket| drop(socket.write_all(GOAWAY))),
        ("goaway for the request", |socket| {
            request(socket);
            let _ = socket.write_all(GOAWAY);
        }),
        ("end at once", |socket| drop(socket.shutdown(Shutdown::Both))),
        ("goaway, and the connection stays", |socket| {
            let _ = socket.write_all(GOAWAY);
            let _ = socket.read_to_end(&mut Vec::new());
        }),
    ];
    for (name, way) in ways {
        let server = peer(way);
        let (client, balancer) = client(&server, 1000);
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        let dials = server.connections();
        println!("{name}: {dials} connections in {took:?}: {}", failure.message);
        assert_eq!(failure.status, AHOY_E_CONNECT, "{name}: {}", failure.message);
        assert!(!failure.is_ambiguous, "{name}: {}", failure.message);
        assert!(dials <= 4, "{name}: {dials} connections in {took:?}");
        assert!(balancer.pick().is_err(), "{name}: the circuit opens");
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
fn frames_without_end_cost_their_own_call_only() {
    let _floor = crate::alone();
    let floods: [(&str, Vec<u8>); 3] = [
        ("ping", frame(6, 1, 0, &[0; 8])),
        ("window update", frame(8, 0, 0, &[0, 0, 0, 1])),
        ("interim answers", frame(1, 4, 1, &[0x08, 0x03, b'1', b'0', b'3'])),
    ];
    for (name, flood) in floods {
        let flood = flood.repeat(4096);
        let server = peer(move |socket| {
            request(socket);
            while socket.write_all(&flood).is_ok() {}
        });
        let (bad, _) = client(&server, 400);
        let silent = Server::always(Reply::Hang);
        let good = Builder::new().balancer(&round_robin(&[silent.port()])).timeout_ms(50).build();
        let call = bad.begin("/");
        let mut worst = Duration::ZERO;
        for _ in 0..6 {
            let (outcome, took) = timed(|| good.begin("/").end());
            assert!(outcome.is_err());
            worst = worst.max(took.saturating_sub(ms(50)));
        }
        println!("{name}: at most {worst:?} late");
        assert!(worst < PATIENCE, "{name}: {worst:?}");
        assert!(call.end().is_err());
    }
}

#[test]
fn interim_answers_of_http2_are_bounded() {
    let _floor = crate::beside_others();
    let interim = frame(1, 4, 1, &[0x08, 0x03, b'1', b'0', b'3']).repeat(1000);
    let server = peer(move |socket| {
        request(socket);
        while socket.write_all(&interim).is_ok() {}
    });
    let (client, _) = client(&server, 8000);
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
    assert!(failure.message.contains("answer's head above 262144 bytes"), "{}", failure.message);
}

#[test]
fn lengths_of_answers_without_a_body_are_no_lengths() {
    let _floor = crate::beside_others();
    // 204 and 304 are in HPACK's table; the length is a literal.
    let length = [&[0x0f, 0x0d, 9][..], b"999999999"].concat();
    for status in [0x89, 0x8b] {
        let head = frame(1, 5, 1, &[&[status], &length[..]].concat());
        let server = peer(move |socket| {
            request(socket);
            let _ = socket.write_all(&head);
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let (client, _) = client(&server, 2000);
        assert!(client.get("/").unwrap().body.is_empty());
    }
    let head = frame(1, 4, 1, &[&[0x88], &length[..]].concat());
    let server = peer(move |socket| {
        request(socket);
        let _ = socket.write_all(&[head.clone(), frame(0, 1, 1, b"")].concat());
        let _ = socket.read_to_end(&mut Vec::new());
    });
    let (client, _) = client(&server, 2000);
    assert_eq!(client.head("/").unwrap().status, 200);
}

/// As for HTTP/1.1: the bar is 20 ms for the library as it is shipped.
const PATIENCE: Duration = if cfg!(debug_assertions) { ms(2000) } else { ms(20) };
