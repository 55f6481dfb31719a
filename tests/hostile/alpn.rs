//! What TLS agrees on may be another protocol with each connection, and need not be what is spoken then.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use ahoy::ffi::values::status::*;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use support::floods::{GREETING, frame};
use support::*;

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// A server that is `127.0.0.1` and agrees on nothing but the given protocol, on each connection another one.
fn server(
    authority: &Authority,
    protocols: &[Option<&str>],
    script: impl Fn(&mut Tls) + Send + Sync + 'static,
) -> Scripted {
    let config = |protocol: &Option<&str>| {
        let mut config = authority.server("127.0.0.1");
        config.alpn_protocols = protocol.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    };
    let configs: Vec<Arc<ServerConfig>> = protocols.iter().map(config).collect();
    Scripted::new(move |number, peer| {
        let config = Arc::clone(&configs[number.min(configs.len() - 1)]);
        let socket = peer.socket.try_clone().unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(config).unwrap(), socket);
        while tls.conn.is_handshaking() {
            if tls.conn.complete_io(&mut tls.sock).is_err() {
                return;
            }
        }
        script(&mut tls);
        tls.conn.send_close_notify();
        let _ = tls.flush();
        let _ = tls.sock.shutdown(std::net::Shutdown::Write);
        let _ = tls.sock.read_to_end(&mut Vec::new());
    })
}

/// Answers one request in the protocol that was agreed on, and ends the connection.
fn answer_once(tls: &mut Tls) {
    match tls.conn.alpn_protocol() {
        Some(b"h2") => {
            let _ = tls.read_exact(&mut [0; 24]);
            let _ = tls.write_all(&GREETING);
            let mut head = [0; 9];
            while tls.read_exact(&mut head).is_ok() {
                let _ =
                    tls.read_exact(&mut vec![0; usize::from(head[1]) << 8 | usize::from(head[2])]);
                if head[3] == 1 {
                    let goaway = frame(7, 0, 0, &[0, 0, 0, head[8], 0, 0, 0, 0]);
                    let _ = tls.write_all(&[frame(1, 5, head[8], &[0x89]), goaway].concat());
                    return;
                }
            }
        }
        _ => {
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if tls.read_exact(&mut byte).is_err() {
                    return;
                }
                heard.push(byte[0]);
            }
            assert!(
                heard.starts_with(b"GET / HTTP/1.1\r\n"),
                "{}",
                String::from_utf8_lossy(&heard)
            );
            let _ = tls.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }
    }
}

fn client(authority: &Authority, server: &Scripted) -> (Client, Balancer) {
    let host = Host::new("127.0.0.1", server.port()).https();
    let balancer = Balancer::round_robin(&Provider::of(&[host]));
    let builder = Builder::new().balancer(&balancer).timeout_ms(5000);
    let builder = builder.ca(&authority.pem).platform_roots(false);
    builder.option("http2", "true").unwrap();
    (builder.build(), balancer)
}

#[test]
fn another_protocol_with_each_connection_is_spoken_each_time() {
    let _floor = crate::beside_others();
    let authority = Authority::new();
    let (h2, http1) = (Some("h2"), Some("http/1.1"));
    let protocols = [h2, http1, None, h2, None, h2, http1, http1, h2, h2];
    let server = server(&authority, &protocols, answer_once);
    let (client, balancer) = client(&authority, &server);
    for protocol in protocols {
        let answer = client.get("/").unwrap_or_else(|f| panic!("{protocol:?}: {}", f.message));
        assert_eq!(answer.status, 204, "{protocol:?}");
    }
    assert!(balancer.at(0).unwrap().is_closed());
}

#[test]
fn a_peer_that_agrees_on_http2_and_speaks_http1_is_found_out_before_anything_is_asked() {
    let _floor = crate::beside_others();
    let authority = Authority::new();
    let server = server(&authority, &[Some("h2")], |tls| {
        let _ = tls.read(&mut [0; 1024]);
        let _ = tls.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
    });
    let (client, _) = client(&authority, &server);
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
    assert!(!failure.is_ambiguous, "{}", failure.message);
    assert!(
        failure.message.contains("peer does not speak http/2 as it should"),
        "{}",
        failure.message
    );
    assert!(took < ms(4000) && server.connections() <= 4, "{} in {took:?}", server.connections());
}
