//! Answers that come when they please: before the request, before its body, in between. One table for both kinds of
//! client, blocking and not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ahoy::ffi::values::status::*;
use rustls::{ServerConnection, StreamOwned};
use socket2::SockRef;
use support::*;

/// A way to make a call, with its name.
type Way = (&'static str, Box<dyn Fn(&Request) -> Outcome>);

/// The ways of a call to a server on `port`.
fn ways(port: u16) -> Vec<Way> {
    ways_of(port, Builder::new)
}

fn ways_of(port: u16, builder: impl Fn() -> Builder) -> Vec<Way> {
    let balanced = || builder().balancer(&round_robin(&[port])).build();
    let based = || builder().base_url(&url(port)).build();
    let following = || builder().base_url(&url(port)).redirects(1).build();
    vec![
        ("balanced", blocking(balanced())),
        ("balanced, started", started(balanced())),
        ("with a base url", blocking(based())),
        ("with a base url, started", started(based())),
        ("following redirects", blocking(following())),
    ]
}

fn blocking(client: Client) -> Box<dyn Fn(&Request) -> Outcome> {
    Box::new(move |request| client.send(request))
}

fn started(client: Client) -> Box<dyn Fn(&Request) -> Outcome> {
    Box::new(move |request| client.start(request).unwrap().end())
}

fn answer(status: u16, text: &str) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{text}", text.len())
}

/// The same from a server that takes no further request.
fn last_answer(status: u16, text: &str) -> String {
    answer(status, text).replacen("\r\n", "\r\nconnection: close\r\n", 1)
}

/// A body that no socket buffer takes whole.
fn large() -> Vec<u8> {
    vec![b'x'; 8 << 20]
}

/// From here on closing the socket sends RST.
fn reset(socket: &TcpStream) {
    SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
}

#[test]
fn an_answer_at_accept_is_handed_over() {
    // The server then waits, closes or resets.
    for ending in 0..3 {
        let server = Scripted::new(move |_, peer| {
            peer.write(last_answer(503, "full"));
            match ending {
                0 => peer.sees_close(),
                1 => {}
                _ => reset(&peer.socket),
            }
        });
        for (name, send) in ways_of(server.port(), || Builder::new().tries(1)) {
            for request in [Request::new("GET", "/"), Request::new("POST", "/").body(&large())] {
                let got = send(&request);
                let got = got.unwrap_or_else(|it| panic!("{name} {ending}: {}", it.message));
                assert_eq!((got.status, got.text()), (503, "full".to_owned()), "{name} {ending}");
            }
        }
    }
}

#[test]
fn an_answer_at_accept_is_handed_over_when_it_is_there_before_all_else() {
    // The listener accepts nothing before the answer is written: the request always finds it there.
    let server = Scripted::new(|_, peer| {
        peer.write(last_answer(503, "full"));
        thread::sleep(ms(50));
        peer.head();
    });
    let slow_to_ask = |request: &Request| request.try_header("X-A", b"1").unwrap();
    for (name, send) in ways_of(server.port(), || Builder::new().tries(1)) {
        let request = Request::new("GET", "/");
        slow_to_ask(&request);
        assert_eq!(send(&request).unwrap().status, 503, "{name}");
    }
}

#[test]
fn over_tls_as_well() {
    let authority = Authority::new();
    let config = Arc::new(authority.server("127.0.0.1"));
    let server = Scripted::new(move |_, peer| {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, peer.socket.try_clone().unwrap());
        while stream.conn.is_handshaking() && stream.conn.complete_io(&mut stream.sock).is_ok() {}
        let _ = stream.write_all(last_answer(503, "full").as_bytes());
        let _ = stream.flush();
        peer.sees_close();
    });
    let base = format!("https://127.0.0.1:{}", server.port());
    let client = Builder::new().base_url(&base).ca(&authority.pem).tries(1).build();
    for _ in 0..10 {
        assert_eq!(client.get("/").unwrap().text(), "full");
        assert_eq!(client.put("/", "text/x", &large()).unwrap().text(), "full");
    }
}

/// Reads the head and a bit of the body, refuses, and resets.
fn refusing_by_reset() -> Scripted {
    Scripted::new(|_, peer| {
        if peer.head().is_none() {
            return;
        }
        let _ = peer.socket.read(&mut [0; 64 * 1024]);
        peer.write(answer(413, "too much"));
        reset(&peer.socket);
    })
}

#[test]
fn a_refusal_is_heard_although_the_connection_is_reset() {
    let mut tried = 0;
    let mut heard = 0;
    for method in ["POST", "PUT"] {
        for round in 0..10 {
            let server = refusing_by_reset();
            for (name, send) in ways(server.port()) {
                let before = server.connections();
                tried += 1;
                match send(&Request::new(method, "/").body(&large())) {
                    Ok(got) => {
                        assert_eq!((got.status, got.text()), (413, "too much".to_owned()));
                        assert_eq!(server.connections() - before, 1, "not repeated: {name}");
                        heard += 1;
                    }
                    Err(failure) => println!("{name} {method} {round}: {}", failure.message),
                }
            }
        }
    }
    assert!(heard * 20 >= tried * 19, "{heard} of {tried}");
}

#[test]
fn a_refusal_over_tls_is_heard_as_well() {
    let authority = Authority::new();
    let config = Arc::new(authority.server("127.0.0.1"));
    let server = Scripted::new(move |_, peer| {
        // Or the answer would wait for the receipt of what came before it, and be lost with the reset.
        peer.socket.set_nodelay(true).unwrap();
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(connection, peer.socket.try_clone().unwrap());
        if matches!(stream.read(&mut [0; 1024]), Ok(count) if count > 0) {
            let _ = stream.write_all(answer(413, "too much").as_bytes());
            let _ = stream.flush();
            reset(&peer.socket);
        }
    });
    let base = format!("https://127.0.0.1:{}", server.port());
    let client = Builder::new().base_url(&base).ca(&authority.pem).build();
    let heard = |_: &i32| match client.put("/", "text/x", &large()) {
        Ok(got) => got.status == 413 && got.attempt_count == 1,
        Err(failure) => {
            println!("{}", failure.message);
            false
        }
    };
    let heard = (0..20).filter(heard).count();
    assert!(heard >= 19, "{heard} of 20");
}

#[test]
fn a_refusal_and_an_orderly_end_are_heard_always() {
    let server = Scripted::new(|_, peer| {
        if peer.head().is_some() {
            peer.write(answer(413, "too much"));
            let _ = peer.socket.shutdown(Shutdown::Write);
            peer.sees_close();
        }
    });
    for (name, send) in ways(server.port()) {
        for _ in 0..5 {
            let got = send(&Request::new("PUT", "/").body(&large())).unwrap();
            assert_eq!((got.status, got.attempt_count), (413, 1), "{name}");
        }
    }
}

#[test]
fn a_reset_without_an_answer_is_a_lost_connection() {
    let server = Scripted::new(|_, peer| {
        peer.head();
        reset(&peer.socket);
    });
    for (name, send) in ways(server.port()) {
        let failure = send(&Request::new("POST", "/").body(&large())).unwrap_err();
        assert_eq!(failure.status, AHOY_E_CONNECTION_LOST, "{name}: {}", failure.message);
        assert!(failure.is_ambiguous && failure.attempt_count == 1);
    }
}

#[test]
fn an_answer_that_is_complete_before_the_upload_lets_go_of_its_connection() {
    let (received, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (heard, count) = (Arc::clone(&received), Arc::clone(&closed));
    let server = Scripted::new(move |number, peer| {
        if peer.head().is_some() {
            peer.write(answer(200, "done"));
            // Nothing is read before, so that the upload cannot end. Then come what is on its way, and the end or a reset.
            eventually("its answer is received", ms(5000), || {
                heard.load(Ordering::SeqCst) > number
            });
            let mut rest = [0; 65_536];
            while matches!(peer.socket.read(&mut rest), Ok(count) if count > 0) {}
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut sent = 0;
    for (name, send) in ways(server.port()) {
        for _ in 0..3 {
            let got = send(&Request::new("PUT", "/").body(&large())).unwrap();
            assert_eq!((got.status, got.text()), (200, "done".to_owned()), "{name}");
            sent += 1;
            received.store(sent, Ordering::SeqCst);
        }
        eventually("its connections are closed", ms(2000), || {
            closed.load(Ordering::SeqCst) == sent
        });
    }
}

/// Runs in a process of its own: its descriptors and its memory are counted.
#[test]
fn in_a_process_that_uploads() {
    let Ok(port) = std::env::var("TEST_PORT") else { return };
    let port: u16 = port.parse().unwrap();
    for (name, send) in ways(port) {
        // The first call makes what stays: runtimes, pools.
        send(&Request::new("PUT", "/").body(&large())).unwrap();
        let (descriptors_before, before) = (descriptors().len(), resident());
        for _ in 0..6 {
            send(&Request::new("PUT", "/").body(&vec![b'x'; 16 << 20])).unwrap();
        }
        eventually("no socket is left", ms(2000), || descriptors().len() <= descriptors_before);
        let grown = || resident().saturating_sub(before) >> 20;
        // The allocator may keep one; six would be 96 MB.
        eventually("no body is left", ms(2000), || grown() < 32);
        println!("{name}: {} descriptors, {} MB more", descriptors().len(), grown());
    }
}

#[test]
fn sixteen_megabytes_six_times_leave_neither_descriptors_nor_memory() {
    let held = Arc::new(Mutex::new(Vec::new()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let keep = Arc::clone(&held);
    thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut head = [0; 1024];
            let _ = socket.read(&mut head);
            let _ = socket.write_all(answer(200, "done").as_bytes());
            // Neither read nor closed: only the client can end it.
            keep.lock().unwrap().push(socket);
        }
    });
    let test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_a_process_that_uploads", "--nocapture"])
        .env("TEST_PORT", port.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&test.stdout);
    assert!(test.status.success(), "{said}{}", String::from_utf8_lossy(&test.stderr));
    assert!(held.lock().unwrap().len() >= 5 * 7, "{said}");
}

#[test]
fn interim_answers_are_passed_over_and_a_switch_is_refused() {
    let server = Scripted::new(|_, peer| {
        while let Some(head) = peer.head() {
            let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
                         HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
            match head.contains("/switch") {
                true => peer.write("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n"),
                false => peer.write(early.to_owned() + &answer(200, "ok")),
            };
        }
    });
    for (name, send) in ways_of(server.port(), || Builder::new().tries(1)) {
        let before = server.connections();
        for _ in 0..2 {
            let got = send(&Request::new("GET", "/")).unwrap();
            assert_eq!((got.status, got.text()), (200, "ok".to_owned()), "{name}");
            assert!(got.header("link").is_none());
        }
        assert_eq!(server.connections() - before, 1, "{name}");
        let failure = send(&Request::new("GET", "/switch")).unwrap_err();
        assert_eq!(failure.status, AHOY_E_PROTOCOL, "{name}: {}", failure.message);
    }
}

#[test]
fn trailers_are_passed_over_and_the_connection_is_kept() {
    let server = Scripted::new(|_, peer| {
        while peer.head().is_some() {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";
            peer.write(format!("{head}2\r\nok\r\n0\r\nx-sum: 7\r\nx-status: 500\r\n\r\n"));
        }
    });
    for (name, send) in ways(server.port()) {
        let before = server.connections();
        for _ in 0..3 {
            let got = send(&Request::new("GET", "/")).unwrap();
            assert_eq!((got.status, got.text()), (200, "ok".to_owned()), "{name}");
            assert!(got.header("x-sum").is_none(), "{name}");
        }
        assert_eq!(server.connections() - before, 1, "{name}");
    }
}

#[test]
fn a_connection_that_the_server_wants_closed_is_used_no_more() {
    for head in [
        "HTTP/1.1 200 OK\r\nconnection: close\r\n",
        "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\n",
        "HTTP/1.0 200 OK\r\n",
    ] {
        let server = Scripted::new(move |_, peer| {
            // Says so, but does not do it.
            while peer.head().is_some() {
                peer.write(format!("{head}content-length: 2\r\n\r\nok"));
            }
        });
        for (name, send) in ways(server.port()) {
            let before = server.connections();
            for _ in 0..3 {
                assert_eq!(send(&Request::new("POST", "/").body(b"x")).unwrap().text(), "ok");
            }
            assert_eq!(server.connections() - before, 3, "{name} {head}");
        }
    }
}

#[test]
fn an_error_about_the_head_is_handed_over() {
    let server = Scripted::new(|_, peer| {
        let _ = peer.socket.read(&mut [0; 100]);
        peer.write("HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        reset(&peer.socket);
    });
    for (name, send) in ways(server.port()) {
        let request = Request::new("GET", "/").header("X-Large", &"x".repeat(4 << 20));
        let got = send(&request).unwrap_or_else(|it| panic!("{name}: {}", it.message));
        assert_eq!((got.status, got.attempt_count), (431, 1), "{name}");
    }
}

#[test]
fn a_farewell_on_a_kept_connection_answers_nothing() {
    let said = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&said);
    let server = Scripted::new(move |number, peer| {
        if peer.head().is_some() {
            peer.write(answer(200, &format!("from {number}")));
            // Said to a connection at rest.
            peer.write(answer(408, "too slow"));
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut sent = 0;
    for (name, send) in ways_of(server.port(), || Builder::new().tries(1)) {
        for _ in 0..3 {
            let got = send(&Request::new("POST", "/").body(b"x"));
            // It may come while the first answer is read; then its connection is not kept.
            assert_eq!(got.unwrap().status, 200, "{name}");
            sent += 1;
            // A request that leaves before the farewell comes would take it for its answer.
            eventually("its farewell is said", ms(2000), || said.load(Ordering::SeqCst) == sent);
        }
    }
}

/// The body of a request whose head says `Content-Length`.
fn body_of(peer: &mut Peer, head: &str) -> Option<String> {
    let head = head.to_ascii_lowercase();
    let length: usize =
        head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
    let mut body = vec![0; length];
    peer.socket.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}

fn expects(head: &str) -> bool {
    head.to_ascii_lowercase().contains("\r\nexpect: 100-continue\r\n")
}

/// Whether anything comes within 50 ms.
fn is_silent(peer: &Peer) -> bool {
    peer.socket.set_read_timeout(Some(ms(50))).unwrap();
    let silent = peer.socket.peek(&mut [0]).is_err();
    peer.socket.set_read_timeout(None).unwrap();
    silent
}

fn expecting() -> Builder {
    Builder::new().expect_continue(true).tries(1)
}

fn order() -> Request {
    Request::new("POST", "/").body(b"order")
}

#[test]
fn a_body_waits_for_the_servers_consent() {
    let server = Scripted::new(|_, peer| {
        while let Some(head) = peer.head() {
            let waited = expects(&head) && is_silent(peer);
            peer.write("HTTP/1.1 103 Early Hints\r\n\r\n");
            let waited = waited && is_silent(peer);
            peer.write("HTTP/1.1 100 Continue\r\n\r\n");
            let Some(body) = body_of(peer, &head) else { return };
            peer.write(answer(200, &format!("{waited} {body}")));
        }
    });
    for (name, send) in ways_of(server.port(), expecting) {
        let before = server.connections();
        for _ in 0..2 {
            let (got, took) = timed(|| send(&order()).unwrap());
            assert_eq!(got.text(), "true order", "{name}");
            assert!(took < ms(900), "{name}: {took:?}");
        }
        assert_eq!(server.connections() - before, 1, "it is kept: {name}");
    }
    // So it does where the request says so itself, and where the option is set by name.
    let own = order().header("Expect", "100-continue");
    for (name, send) in ways(server.port()) {
        assert_eq!(send(&own).unwrap().text(), "true order", "{name}");
    }
    let builder = Builder::new().base_url(&url(server.port()));
    builder.option("expect_continue", "true").unwrap();
    let client = builder.build();
    let said = Mutex::new(vec![Said::End, Said::Data(b"drawn".to_vec())]);
    let request = Request::new("PUT", "/");
    let request = request.source(Some(5), move || said.lock().unwrap().pop().unwrap());
    assert_eq!(client.send(&request).unwrap().text(), "true drawn");
}

#[test]
fn a_body_waits_no_longer_than_a_second() {
    let server = Scripted::new(|_, peer| {
        while let Some(head) = peer.head() {
            let Some(body) = body_of(peer, &head) else { return };
            peer.write(answer(200, &body));
        }
    });
    let ways = ways_of(server.port(), expecting);
    thread::scope(|scope| {
        for way in 0..ways.len() {
            let port = server.port();
            scope.spawn(move || {
                let (name, send) = &ways_of(port, expecting)[way];
                let (got, took) = timed(|| send(&order()).unwrap());
                assert_eq!(got.text(), "order", "{name}");
                assert!(took >= ms(950) && took < ms(1900), "{name}: {took:?}");
            });
        }
    });
}

#[test]
fn an_answer_instead_of_consent_spares_the_body() {
    let bytes = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&bytes);
    let server = Scripted::new(move |_, peer| {
        if peer.head().is_some() {
            peer.write(answer(413, "too much"));
            let mut rest = Vec::new();
            let _ = peer.socket.read_to_end(&mut rest);
            count.fetch_add(rest.len(), Ordering::SeqCst);
        }
    });
    for (name, send) in ways_of(server.port(), expecting) {
        let (got, took) = timed(|| send(&Request::new("PUT", "/").body(&large())).unwrap());
        assert_eq!((got.status, got.text()), (413, "too much".to_owned()), "{name}");
        assert!(took < ms(900), "{name}: {took:?}");
    }
    thread::sleep(ms(1100));
    assert_eq!(bytes.load(Ordering::SeqCst), 0, "not even later");
}

#[test]
fn an_expectation_that_is_refused_is_dropped() {
    let server = Scripted::new(|_, peer| {
        while let Some(head) = peer.head() {
            if expects(&head) {
                peer.write(answer(417, "what?"));
            } else {
                let Some(body) = peer.until("order") else { return };
                peer.write(answer(200, &body));
            }
        }
    });
    for (name, send) in ways_of(server.port(), expecting) {
        let got = send(&order()).unwrap();
        assert_eq!((got.status, got.text()), (200, "order".to_owned()), "{name}");
        assert_eq!(got.attempt_count, 1, "{name}");
    }
}

#[test]
fn without_a_body_nothing_is_expected() {
    let server = Server::ok();
    for (_, send) in ways_of(server.port(), expecting) {
        send(&Request::new("GET", "/")).unwrap();
        send(&Request::new("POST", "/").header("Expect", "100-continue")).unwrap();
    }
    assert!(server.requests().iter().all(|seen| seen.header("expect").is_none()));
    // An expectation of another kind is passed on.
    client_over(&[server.port()]).send(&Request::new("GET", "/").header("Expect", "x")).unwrap();
    assert_eq!(server.requests().pop().unwrap().header("expect"), Some("x"));
}
