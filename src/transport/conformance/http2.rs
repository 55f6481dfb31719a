//! What the shared connections must do, against servers that speak HTTP/2 well, badly, or not at all.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use ::http::{HeaderMap, Method, Request, Response, StatusCode};
use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::endpoint::{Endpoint, Host, Scheme};
use crate::outcome::{Failure, FailureKind};

use super::server::{Authority, Peer, Server};
use super::{Call, LONG, expect, gzip, multiplexed, plain_endpoint, tls_endpoint, trust};
use crate::transport::content::ASKED;
use crate::transport::{Answer, DirectConfig, Multiplexed, MultiplexedConfig, Progress, TlsConfig};

#[tokio::test]
async fn many_exchanges_share_one_connection() {
    let gate = Arc::new(Gate::default());
    let server = Http2Server::gated(&gate, 200).await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let exchanges = spawn_many(&subject, &endpoint, 100);
    gate.wait_for(100).await;
    gate.open(100);
    assert!(all(exchanges).await.iter().all(Result::is_ok));
    assert_eq!((server.accepted(), subject.connections()), (1, 1));
}

#[tokio::test]
async fn further_connections_are_made_when_streams_are_used_up_but_no_more_than_allowed() {
    let gate = Arc::new(Gate::default());
    let server = Http2Server::gated(&gate, 2).await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let exchanges = spawn_many(&subject, &endpoint, 20);
    gate.wait_for(8).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((gate.entered(), server.accepted()), (8, 4), "the others wait, none was refused");
    gate.open(20);
    assert!(all(exchanges).await.iter().all(Result::is_ok));
    assert_eq!(server.accepted(), 4);
}

#[tokio::test]
async fn waiting_for_a_stream_is_not_waiting_for_a_connection() {
    let gate = Arc::new(Gate::default());
    let server = Http2Server::gated(&gate, 1).await;
    let subject = prior(|config| config.max_connections = 1);
    let endpoint = plain_endpoint(server.address);
    let first = spawn_many(&subject, &endpoint, 1);
    gate.wait_for(1).await;
    let (call, progress) = (Call { connect_timeout: BRIEF, ..Call::get() }, Progress::default());
    let sending = call.send_with(&*subject, &endpoint, &progress);
    assert!(tokio::time::timeout(BRIEF * 3, sending).await.is_err());
    assert!(progress.is_connected() && !progress.is_sent());
    gate.open(1);
    assert!(all(first).await[0].is_ok());
}

#[tokio::test]
async fn one_connect_serves_all_who_wait_and_its_failure_too() {
    let server = Server::start(|_, peer| {
        peer.sees_close();
    });
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let call = Call { connect_timeout: BRIEF, ..Call::get() };
    let exchanges: Vec<_> = (0..20).map(|_| spawn(&subject, &endpoint, call.clone())).collect();
    let begun = Instant::now();
    for outcome in all(exchanges).await {
        expect(outcome, FailureKind::ConnectTimeout, false);
    }
    assert!(begun.elapsed() < BRIEF * 3, "{:?}", begun.elapsed());
    assert_eq!(server.accepted(), 1);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = plain_endpoint(listener.local_addr().unwrap());
    drop(listener);
    for outcome in all(spawn_many(&subject, &endpoint, 20)).await {
        expect(outcome, FailureKind::Connect, false);
    }
}

#[tokio::test]
async fn a_connect_goes_on_for_the_others_when_its_first_caller_is_cut_off() {
    let server = Server::start(|_, peer| {
        std::thread::sleep(BRIEF * 2);
        let mut raw = Raw::greet(peer);
        while let Some(stream) = raw.request() {
            raw.answer(stream);
        }
    });
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let (call, progress) = (Call::get(), Progress::default());
    let sending = call.send_with(&*subject, &endpoint, &progress);
    assert!(tokio::time::timeout(BRIEF, sending).await.is_err());
    assert!(!progress.is_connected() && !progress.is_sent());
    assert_eq!(get(&subject, &endpoint).await.unwrap().status, StatusCode::OK);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_refused_stream_was_not_processed() {
    let server = Server::start(|_, peer| {
        let mut raw = Raw::greet(peer);
        let stream = raw.request().unwrap();
        raw.reset(stream, Reason::REFUSED_STREAM);
        let stream = raw.request().unwrap();
        raw.answer(stream);
        raw.request();
    });
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let failure = get(&subject, &endpoint).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::RefusedStream);
    assert!(get(&subject, &endpoint).await.is_ok(), "the connection goes on");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn what_a_peer_that_goes_away_has_not_taken_was_not_processed() {
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::INTERNAL_ERROR] {
        let server = Server::start(move |number, peer| {
            let mut raw = Raw::greet(peer);
            let first = raw.request().unwrap();
            if number == 0 {
                raw.request().unwrap();
                raw.go_away(first, reason);
                std::thread::sleep(BRIEF);
            }
            raw.answer(first);
            raw.request();
        });
        let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
        let mut outcomes = all(spawn_many(&subject, &endpoint, 2)).await;
        assert_eq!(outcomes.pop().unwrap().unwrap_err().kind, FailureKind::RefusedStream);
        assert!(outcomes.pop().unwrap().is_ok(), "what it took it ends");
        assert!(get(&subject, &endpoint).await.is_ok());
        assert_eq!(server.accepted(), 2);
    }
}

#[tokio::test]
async fn other_endings_are_ambiguous() {
    type Script = fn(&mut Raw<'_>, u32);
    let endings: [(Script, FailureKind); 6] = [
        (
            |raw, stream| {
                raw.go_away(stream, Reason::ENHANCE_YOUR_CALM);
                raw.peer.close();
            },
            FailureKind::ConnectionLost,
        ),
        (|raw, stream| raw.reset(stream, Reason::INTERNAL_ERROR), FailureKind::ConnectionLost),
        (|raw, stream| raw.reset(stream, Reason::CANCEL), FailureKind::ConnectionLost),
        (|raw, _| raw.peer.close(), FailureKind::ConnectionLost),
        // A frame of no stream, and a header block that is none.
        (|raw, _| raw.frame(DATA, 0, 0, b"x"), FailureKind::Protocol),
        (|raw, stream| raw.frame(HEADERS, END_HEADERS, stream, b"\xff\xff"), FailureKind::Protocol),
    ];
    for (index, (ending, kind)) in endings.into_iter().enumerate() {
        let server = Server::start(move |_, peer| {
            let mut raw = Raw::greet(peer);
            let stream = raw.request().unwrap();
            ending(&mut raw, stream);
            raw.peer.sees_close();
        });
        let progress = Progress::default();
        let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
        let outcome = Call::post("order").send_with(&*subject, &endpoint, &progress).await;
        let failure = outcome.expect_err("a failure");
        assert_eq!((failure.kind, failure.sent), (kind, true), "{index}: {failure:?}");
        assert!(progress.is_connected() && progress.is_sent());
    }
}

#[tokio::test]
async fn what_was_begun_to_be_answered_is_not_taken_for_refused_or_whole() {
    for (reason, kind) in [
        (Reason::REFUSED_STREAM, FailureKind::Protocol),
        (Reason::NO_ERROR, FailureKind::ConnectionLost),
        (Reason::CANCEL, FailureKind::ConnectionLost),
    ] {
        let server = Server::start(move |_, peer| {
            let mut raw = Raw::greet(peer);
            let stream = raw.request().unwrap();
            raw.frame(HEADERS, END_HEADERS, stream, STATUS_200);
            raw.frame(DATA, 0, stream, b"half");
            raw.reset(stream, reason);
            raw.request();
        });
        let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
        expect(get(&subject, &endpoint).await, kind, true);
    }
}

#[tokio::test]
async fn dropped_exchange_resets_its_stream_alone() {
    for begun in [false, true] {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let server = Server::start(move |_, peer| {
            let mut raw = Raw::greet(peer);
            let stream = raw.request().unwrap();
            if begun {
                raw.frame(HEADERS, END_HEADERS, stream, STATUS_200);
            }
            let (_, payload) = raw.wait_for(RST_STREAM).unwrap();
            tell.lock().unwrap().send(payload).unwrap();
            let stream = raw.request().unwrap();
            raw.answer(stream);
            raw.request();
        });
        let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
        let (call, progress) = (Call::get(), Progress::default());
        let sending = call.send_with(&*subject, &endpoint, &progress);
        assert!(tokio::time::timeout(BRIEF, sending).await.is_err());
        assert!(progress.is_sent());
        // h2 would put the next stream before the reset, and the script waits for that.
        let reset = tokio::task::spawn_blocking(move || told.recv()).await.unwrap();
        assert_eq!(reset.unwrap(), u32::from(Reason::CANCEL).to_be_bytes());
        assert!(get(&subject, &endpoint).await.is_ok());
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn a_stream_that_was_given_up_makes_room_only_once_its_reset_has_left() {
    let server = Server::start(|_, peer| {
        let mut raw = Raw::greet_with(peer, &ONE_STREAM);
        let (mut open, mut first) = (0, true);
        while let Some((kind, stream, _)) = raw.any() {
            match kind {
                RST_STREAM => open -= 1,
                HEADERS if open > 0 => raw.reset(stream, Reason::REFUSED_STREAM),
                HEADERS if first => (open, first) = (1, false),
                HEADERS => raw.answer(stream),
                _ => {}
            }
        }
    });
    let subject = prior(|config| config.max_connections = 1);
    let endpoint = plain_endpoint(server.address);
    let (call, progress) = (Call::get(), Progress::default());
    let sending = call.send_with(&*subject, &endpoint, &progress);
    assert!(tokio::time::timeout(BRIEF, sending).await.is_err());
    for _ in 0..5 {
        assert!(get(&subject, &endpoint).await.is_ok());
    }
}

#[tokio::test]
async fn tls_agrees_on_http2() {
    let authority = Authority::new();
    let mut config = authority.server("127.0.0.1", None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let server = Server::start_tls(config, |_, peer| {
        let mut raw = Raw::greet(peer);
        while let Some(stream) = raw.request() {
            raw.answer(stream);
        }
    });
    let subject = Arc::new(multiplexed(trust(&authority, None), |_| {}));
    let endpoint = tls_endpoint(server.address);
    for _ in 0..5 {
        assert_eq!(get(&subject, &endpoint).await.unwrap().status, StatusCode::OK);
    }
    assert_eq!((server.accepted(), subject.connections()), (1, 1));
}

#[tokio::test]
async fn what_speaks_only_http1_is_spoken_to_so_and_remembered() {
    for named in [vec![], vec![b"http/1.1".to_vec()]] {
        let authority = Authority::new();
        let mut config = authority.server("127.0.0.1", None);
        config.alpn_protocols = named;
        let server = Server::start_tls(config, |_, peer| {
            while peer.request().is_some() {
                peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        });
        let subject = Arc::new(multiplexed(trust(&authority, None), |_| {}));
        let endpoint = tls_endpoint(server.address);
        for _ in 0..5 {
            assert_eq!(get(&subject, &endpoint).await.unwrap().body, "ok");
        }
        assert_eq!(server.accepted(), 1, "the first connection was not wasted");
        assert!(all(spawn_many(&subject, &endpoint, 3)).await.iter().all(Result::is_ok));
        assert_eq!((server.accepted(), subject.connections()), (3, 0));
    }
}

#[tokio::test]
async fn plain_http_is_http1_without_prior_knowledge() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let subject = Arc::new(multiplexed(TlsConfig::default(), |_| {}));
    assert_eq!(get(&subject, &plain_endpoint(server.address)).await.unwrap().body, "ok");
    assert!(server.requests()[0].starts_with("GET / HTTP/1.1\r\n"));
}

#[tokio::test]
async fn prior_knowledge_that_is_wrong_is_found_out_before_anything_is_asked() {
    let server = Server::start(|_, peer| {
        peer.read_more();
        peer.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
        peer.sees_close();
    });
    let (subject, progress) = (prior(|_| {}), Progress::default());
    let endpoint = plain_endpoint(server.address);
    let outcome = Call::post("order").send_with(&*subject, &endpoint, &progress).await;
    let failure = expect(outcome, FailureKind::Protocol, false);
    assert_eq!(failure.detail, "peer does not speak http/2 as it should");
    assert!(!progress.is_sent());
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_given_up() {
    let server = Server::start(|_, peer| {
        Raw::greet(peer).request();
        // From here on it reads nothing, like a stopped process.
        std::thread::sleep(LONG);
    });
    let (subject, endpoint) = (prior(pinging), plain_endpoint(server.address));
    let begun = Instant::now();
    let failure = expect(get(&subject, &endpoint).await, FailureKind::ConnectionLost, true);
    assert_eq!(failure.detail, "keep-alive timed out");
    assert!(begun.elapsed() >= BRIEF * 2 && begun.elapsed() < BRIEF * 6, "{:?}", begun.elapsed());
    subject.sweep();
    assert_eq!(subject.connections(), 0);
}

#[tokio::test]
async fn a_late_exchange_has_a_silent_peer_given_up_within_a_second_and_a_new_connection_made() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let server = Server::start(move |_, peer| {
        Raw::greet(peer).request();
        count.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(LONG);
    });
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let begun = Instant::now();
    let late = spawn(&subject, &endpoint, Call::get());
    while connections.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let beside = spawn(&subject, &endpoint, Call::fresh());
    let failure = expect(late.await.unwrap(), FailureKind::ConnectionLost, true);
    assert_eq!(failure.detail, "keep-alive timed out");
    assert!(begun.elapsed() < Duration::from_secs(5), "not the interval's 10 s");
    while connections.load(Ordering::SeqCst) < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    beside.abort();
}

#[tokio::test]
async fn a_late_exchange_keeps_a_connection_whose_peer_answers() {
    let gate = Arc::new(Gate::default());
    let server = Http2Server::gated(&gate, 10).await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let late = spawn(&subject, &endpoint, Call::get());
    gate.wait_for(1).await;
    let beside = spawn(&subject, &endpoint, Call::fresh());
    gate.wait_for(2).await;
    gate.open(2);
    assert!(all(vec![late, beside]).await.iter().all(Result::is_ok));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_silent_peer_is_given_up_also_while_a_large_body_waits_for_it() {
    let server = Server::start(|_, peer| {
        Raw::greet(peer).request();
        std::thread::sleep(LONG);
    });
    let (subject, endpoint) = (prior(pinging), plain_endpoint(server.address));
    let call = Call::post(&"x".repeat(8_000_000));
    let outcome = call.send_with(&*subject, &endpoint, &Progress::default()).await;
    expect(outcome, FailureKind::ConnectionLost, true);
}

#[tokio::test]
async fn a_connection_at_rest_is_pinged_and_kept_while_its_peer_answers() {
    let pings = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&pings);
    let server = Server::start(move |_, peer| {
        let mut raw = Raw::greet(peer);
        let stream = raw.request().unwrap();
        raw.answer(stream);
        while let Some((_, payload)) = raw.wait_for(PING) {
            count.fetch_add(1, Ordering::SeqCst);
            raw.frame(PING, ACK, 0, &payload);
        }
    });
    let (subject, endpoint) = (prior(pinging), plain_endpoint(server.address));
    get(&subject, &endpoint).await.unwrap();
    tokio::time::sleep(BRIEF * 6).await;
    subject.sweep();
    assert_eq!((server.accepted(), subject.connections()), (1, 1));
    let pings = pings.load(Ordering::SeqCst);
    assert!((3..=6).contains(&pings), "{pings}");
}

#[tokio::test]
async fn connections_end_by_age_rest_and_departure_but_never_under_a_stream() {
    for change in [
        (|config| direct_config(config).max_age = BRIEF) as fn(&mut MultiplexedConfig),
        |config| direct_config(config).idle_timeout = Duration::ZERO,
        |_| {},
    ] {
        let gate = Arc::new(Gate::default());
        let server = Http2Server::gated(&gate, 100).await;
        let subject = prior(change);
        let endpoint = plain_endpoint(server.address);
        let first = spawn_many(&subject, &endpoint, 1);
        gate.wait_for(1).await;
        tokio::time::sleep(BRIEF * 2).await;
        endpoint.depart();
        subject.sweep();
        assert_eq!((subject.connections(), server.closed()), (0, 0), "it drains");
        gate.open(2);
        assert!(all(first).await[0].is_ok());
        assert!(get(&subject, &endpoint).await.is_ok());
        assert_eq!(server.accepted(), 2);
        while server.closed() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn what_nobody_else_knows_any_more_is_let_go() {
    let server = Http2Server::answering(|_| Response::new(Bytes::from_static(b"ok"))).await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    get(&subject, &endpoint).await.unwrap();
    subject.sweep();
    assert_eq!(subject.connections(), 1);
    drop(endpoint);
    subject.sweep();
    assert_eq!(subject.connections(), 0);
    while server.closed() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_transport_that_is_dropped_closes_its_connections() {
    let server = Http2Server::answering(|_| Response::new(Bytes::new())).await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    get(&subject, &endpoint).await.unwrap();
    // Where the last reference drops matters to nobody.
    std::thread::spawn(move || drop(subject)).join().unwrap();
    while server.closed() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn request_as_given_with_the_endpoints_authority() {
    let server = Http2Server::answering(|request| {
        let parts = request.into_parts().0;
        let mut answer = Response::new(Bytes::from(format!("{} {}", parts.method, parts.uri)));
        *answer.headers_mut() = parts.headers;
        let length = answer.headers_mut().remove("content-length");
        length
            .into_iter()
            .for_each(|length| answer.headers_mut().insert("x-length", length).map_or((), drop));
        answer
    })
    .await;
    let mut host = Host::new("127.0.0.1", server.address.port());
    host.scheme = Some(Scheme::Http);
    host.authority = Some("api.example".into());
    let (subject, endpoint) = (prior(|_| {}), Arc::new(Endpoint::new(host)));
    let call = Call { path: "/a/b?c=d&e", ..Call::post("order") }
        .header("x-a", "one")
        .header("connection", "close, x-hop")
        .header("x-hop", "1")
        .header("keep-alive", "1")
        .header("te", "gzip")
        .header("upgrade", "websocket");
    let answer = call.send_with(&*subject, &endpoint, &Progress::default()).await.unwrap();
    assert_eq!(answer.body, "POST http://api.example/a/b?c=d&e");
    assert_eq!(answer.headers["x-a"], "one");
    assert_eq!(answer.headers["x-length"], "5");
    for absent in ["host", "connection", "x-hop", "keep-alive", "te", "upgrade"] {
        assert!(!answer.headers.contains_key(absent), "{absent}");
    }
    let call = Call::get().header("host", "other.example");
    let answer = call.send_with(&*subject, &endpoint, &Progress::default()).await.unwrap();
    assert_eq!(answer.body, "GET http://other.example/");
}

#[tokio::test]
async fn answers_without_a_body() {
    let server = Http2Server::answering(|request| {
        let status = if request.method() == Method::HEAD { 200 } else { 204 };
        let answer = Response::builder().status(status).header("content-encoding", "gzip");
        answer.body(Bytes::new()).unwrap()
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    for (method, status) in [(Method::HEAD, 200), (Method::GET, 204)] {
        let call = Call { method, gzip: true, max_body: 10, ..Call::get() };
        let answer = call.send_with(&*subject, &endpoint, &Progress::default()).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, &b""[..]));
    }
}

#[tokio::test]
async fn announced_length_without_a_body() {
    for (method, status) in [(Method::HEAD, STATUS_200), (Method::GET, STATUS_304)] {
        let server = Server::start(move |_, peer| {
            let mut raw = Raw::greet(peer);
            let stream = raw.request().unwrap();
            // A literal header: content-length (name 28 of the static table) is 1234.
            let head = [status, b"\x0f\x0d\x041234"].concat();
            raw.frame(HEADERS, END_HEADERS | END_STREAM, stream, &head);
            raw.request();
        });
        let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
        let call = Call { method, max_body: 10, ..Call::get() };
        let answer = call.send_with(&*subject, &endpoint, &Progress::default()).await.unwrap();
        assert_eq!(
            (&answer.headers["content-length"], answer.body.len()),
            (&"1234".parse().unwrap(), 0)
        );
    }
}

#[tokio::test]
async fn interim_answers_are_skipped() {
    let server = Server::start(|_, peer| {
        let mut raw = Raw::greet(peer);
        let stream = raw.request().unwrap();
        // Literal headers: the status (name 8 of the static table) is 100, then 103.
        raw.frame(HEADERS, END_HEADERS, stream, b"\x08\x03100");
        raw.frame(HEADERS, END_HEADERS, stream, b"\x08\x03103");
        raw.answer(stream);
        raw.request();
    });
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    assert_eq!(get(&subject, &endpoint).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_waits_for_the_servers_consent() {
    // Consents, refuses at once, or does not know what is expected of it.
    let server = Http2Server::start(|_, request, mut reply| async move {
        let path = request.uri().path().to_owned();
        let expects = request.headers().get("expect").is_some();
        let (mut body, mut sent) = (request.into_body(), Vec::new());
        let early = tokio::time::timeout(BRIEF, body.data()).await;
        let status = match (&*path, expects) {
            ("/consents", true) => {
                assert!(early.is_err(), "the body waits");
                reply
                    .send_informational(Response::builder().status(100).body(()).unwrap())
                    .unwrap();
                sent.extend_from_slice(&body.data().await.unwrap().unwrap());
                200
            }
            ("/refuses", true) => {
                assert!(early.is_err(), "the body waits");
                413
            }
            (_, true) => 417,
            (_, false) => {
                sent.extend_from_slice(&early.unwrap().unwrap().unwrap());
                200
            }
        };
        let answer = Response::builder().status(status).body(Bytes::from(sent)).unwrap();
        send(reply, answer).await;
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    for (path, status, body) in
        [("/consents", 200, "order"), ("/refuses", 413, ""), ("/", 200, "order")]
    {
        let call = Call { path, ..Call::post("order").header("expect", "100-continue") };
        let answer = call.send_with(&*subject, &endpoint, &Progress::default()).await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, body.as_bytes()), "{path}");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn trailers_are_passed_over() {
    let server = Http2Server::start(|_, _, mut reply| async move {
        let mut body = reply.send_response(Response::new(()), false).unwrap();
        body.send_data("hello ".into(), false).unwrap();
        body.send_data("world".into(), false).unwrap();
        body.send_trailers(HeaderMap::from_iter([(
            "x-sum".parse().unwrap(),
            "1".parse().unwrap(),
        )]))
        .unwrap();
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    for _ in 0..2 {
        assert_eq!(get(&subject, &endpoint).await.unwrap().body, "hello world");
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn large_bodies_pass_the_windows_both_ways() {
    let server = Http2Server::start(|_, request, reply| async move {
        let body = read(request).await;
        send(reply, Response::new(body)).await;
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let body = "0123456789".repeat(1_000_000);
    let call = Call { max_body: body.len(), ..Call::post(&body) };
    for _ in 0..3 {
        let answer = call.send_with(&*subject, &endpoint, &Progress::default()).await.unwrap();
        assert!(answer.body == body);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn the_bound_on_a_body_holds_and_the_connection_goes_on() {
    for announced in [true, false] {
        let server = Http2Server::start(move |_, _, reply| async move {
            let mut answer = Response::builder();
            if announced {
                answer = answer.header("content-length", "20000000");
            }
            send(reply, answer.body(Bytes::from(vec![b'x'; 20_000_000])).unwrap()).await;
        })
        .await;
        let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
        // Eight times the connection's window in all: what was not read must not fill it.
        for _ in 0..8 {
            let call = Call { max_body: 100_000, ..Call::get() };
            let outcome = call.send_with(&*subject, &endpoint, &Progress::default()).await;
            expect(outcome, FailureKind::BodyTooLarge, true);
        }
        assert_eq!(server.accepted(), 1);
    }
}

#[tokio::test]
async fn gzip_is_asked_for_decoded_and_bounded() {
    let plain = "hello ".repeat(10_000);
    let encoded = Bytes::from(gzip(plain.as_bytes()));
    let server = Http2Server::answering(move |request| {
        assert_eq!(request.headers()["accept-encoding"], ASKED);
        Response::builder().header("content-encoding", "gzip").body(encoded.clone()).unwrap()
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let call = Call { gzip: true, ..Call::get() };
    let answer = call.send_with(&*subject, &endpoint, &Progress::default()).await.unwrap();
    assert_eq!(answer.body, plain);
    assert!(!answer.headers.contains_key("content-encoding"));
    let tight = Call { max_body: 1000, ..call };
    let outcome = tight.send_with(&*subject, &endpoint, &Progress::default()).await;
    expect(outcome, FailureKind::BodyTooLarge, true);
}

#[tokio::test]
async fn answer_before_the_body_was_read() {
    // What follows the answer of a server that did not read all is a reset with NO_ERROR.
    let server = Http2Server::answering(|_| {
        Response::builder().status(413).body(Bytes::from_static(b"big")).unwrap()
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let call = Call::post(&"x".repeat(8_000_000));
    for _ in 0..3 {
        let answer = call.send_with(&*subject, &endpoint, &Progress::default()).await.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::PAYLOAD_TOO_LARGE, &b"big"[..]));
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_refusal_is_heard_although_the_connection_is_reset() {
    let server = Server::start(|_, peer| {
        // INITIAL_WINDOW_SIZE (4), and as much for the connection: nothing holds the upload back.
        let mut raw = Raw::greet_with(peer, &[0, 4, 0x7f, 0xff, 0xff, 0xff]);
        raw.frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0]);
        let Some(stream) = raw.request() else { return };
        let Some(_) = raw.wait_for(DATA) else { return };
        // A literal status (name 8 of the static table).
        raw.frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x08\x03413");
        raw.peer.reset();
    });
    let endpoint = plain_endpoint(server.address);
    let call = Call::post(&"x".repeat(8_000_000));
    let mut heard = 0;
    for _ in 0..20 {
        // One of its own: a connection that is being reset may be taken for one that stands.
        let subject = prior(|_| {});
        let outcome = call.send_with(&*subject, &endpoint, &Progress::default()).await;
        heard += usize::from(outcome.is_ok_and(|it| it.status == StatusCode::PAYLOAD_TOO_LARGE));
    }
    assert!(heard >= 19, "{heard} of 20");
}

#[tokio::test]
async fn head_above_the_bound() {
    let server = Http2Server::answering(|_| {
        Response::builder().header("x-long", "x".repeat(300_000)).body(Bytes::new()).unwrap()
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let outcome = get(&subject, &endpoint).await;
    expect(outcome, FailureKind::Unacceptable, true);
}

/// One that speaks HTTP/2 unasked.
pub(super) fn prior(change: impl FnOnce(&mut MultiplexedConfig)) -> Arc<Multiplexed> {
    Arc::new(multiplexed(TlsConfig::default(), |config| {
        config.prior_knowledge = true;
        change(config);
    }))
}

fn pinging(config: &mut MultiplexedConfig) {
    (config.ping_interval, config.ping_timeout) = (BRIEF, BRIEF);
}

fn direct_config(config: &mut MultiplexedConfig) -> &mut DirectConfig {
    Arc::get_mut(&mut config.direct).unwrap()
}

async fn get(subject: &Arc<Multiplexed>, endpoint: &Arc<Endpoint>) -> Result<Answer, Failure> {
    Call::get().send_with(&**subject, endpoint, &Progress::default()).await
}

type Running = tokio::task::JoinHandle<Result<Answer, Failure>>;

fn spawn(subject: &Arc<Multiplexed>, endpoint: &Arc<Endpoint>, call: Call) -> Running {
    let (subject, endpoint) = (Arc::clone(subject), Arc::clone(endpoint));
    tokio::spawn(async move { call.send_with(&*subject, &endpoint, &Progress::default()).await })
}

fn spawn_many(subject: &Arc<Multiplexed>, endpoint: &Arc<Endpoint>, count: usize) -> Vec<Running> {
    (0..count).map(|_| spawn(subject, endpoint, Call::get())).collect()
}

async fn all(exchanges: Vec<Running>) -> Vec<Result<Answer, Failure>> {
    let mut outcomes = Vec::new();
    for exchange in exchanges {
        outcomes.push(exchange.await.unwrap());
    }
    outcomes
}

/// Holds requests back until the test lets them through.
struct Gate {
    entered: AtomicUsize,
    open: Semaphore,
}

impl Default for Gate {
    fn default() -> Self {
        Self { entered: AtomicUsize::new(0), open: Semaphore::new(0) }
    }
}

impl Gate {
    fn entered(&self) -> usize {
        self.entered.load(Ordering::SeqCst)
    }

    async fn wait_for(&self, count: usize) {
        while self.entered() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    fn open(&self, count: usize) {
        self.open.add_permits(count);
    }

    async fn pass(&self) {
        self.entered.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.unwrap().forget();
    }
}

/// A server that speaks HTTP/2 properly, in the test's own runtime.
pub(super) struct Http2Server {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    closed: Arc<AtomicUsize>,
}

impl Http2Server {
    /// Runs `handle` for each request, with its connection's number from 0.
    pub(super) async fn start<F: Future<Output = ()> + Send + 'static>(
        handle: impl Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self {
        Self::limited(200, handle).await
    }

    async fn answering(
        answer: impl Fn(Request<RecvStream>) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |_, request, reply| send(reply, answer(request))).await
    }

    /// Answers what the gate lets through.
    async fn gated(gate: &Arc<Gate>, max_streams: u32) -> Self {
        let gate = Arc::clone(gate);
        Self::limited(max_streams, move |_, _request, reply| {
            let gate = Arc::clone(&gate);
            async move {
                gate.pass().await;
                send(reply, Response::new(Bytes::from_static(b"ok"))).await;
            }
        })
        .await
    }

    async fn limited<F: Future<Output = ()> + Send + 'static>(
        max_streams: u32,
        handle: impl Fn(usize, Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (count, count_closed, handle) =
            (Arc::clone(&accepted), Arc::clone(&closed), Arc::new(handle));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (count_closed, handle) = (Arc::clone(&count_closed), Arc::clone(&handle));
                tokio::spawn(async move {
                    let mut builder = Builder::new();
                    builder.max_concurrent_streams(max_streams);
                    let mut connection = builder.handshake(socket).await.unwrap();
                    while let Some(Ok((request, reply))) = connection.accept().await {
                        tokio::spawn(handle(number, request, reply));
                    }
                    count_closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, accepted, closed }
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

async fn read(request: Request<RecvStream>) -> Bytes {
    let (mut body, mut all) = (request.into_body(), Vec::new());
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        all.extend_from_slice(&piece);
    }
    all.into()
}

/// Sends an answer as the windows allow; a client that is gone is no error.
async fn send(mut reply: SendResponse<Bytes>, answer: Response<Bytes>) {
    let (head, mut body) = answer.into_parts();
    let Ok(mut sink) = reply.send_response(Response::from_parts(head, ()), body.is_empty()) else {
        return;
    };
    while !body.is_empty() {
        sink.reserve_capacity(body.len().min(100_000));
        let granted = std::future::poll_fn(|cx| sink.poll_capacity(cx)).await;
        let Some(Ok(granted)) = granted else { return };
        let piece = body.split_to(granted.min(body.len()));
        if sink.send_data(piece, body.is_empty()).is_err() {
            return;
        }
    }
}

/// A server that writes frames as its script says.
struct Raw<'a> {
    peer: &'a mut Peer,
}

impl<'a> Raw<'a> {
    /// Exchanges prefaces, with SETTINGS that set nothing.
    fn greet(peer: &'a mut Peer) -> Self {
        Self::greet_with(peer, b"")
    }

    fn greet_with(peer: &'a mut Peer, settings: &[u8]) -> Self {
        let mut raw = Self { peer };
        assert_eq!(raw.peer.exactly(24).as_deref(), Some(&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..]));
        raw.frame(SETTINGS, 0, 0, settings);
        raw
    }

    /// The stream of the next request; `None` when the client closed.
    fn request(&mut self) -> Option<u32> {
        self.wait_for(HEADERS).map(|(stream, _)| stream)
    }

    /// The next frame of `kind`; others are passed over.
    fn wait_for(&mut self, kind: u8) -> Option<(u32, Vec<u8>)> {
        loop {
            let (found, stream, payload) = self.any()?;
            if found == kind {
                return Some((stream, payload));
            }
        }
    }

    /// The next frame: its kind, stream and payload.
    fn any(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let head = self.peer.exactly(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let payload = self.peer.exactly(length as usize)?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.peer.write([&head, payload].concat());
    }

    fn answer(&mut self, stream: u32) {
        self.frame(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200);
    }

    fn reset(&mut self, stream: u32, reason: Reason) {
        self.frame(RST_STREAM, 0, stream, &u32::from(reason).to_be_bytes());
    }

    fn go_away(&mut self, last: u32, reason: Reason) {
        let payload = [last.to_be_bytes(), u32::from(reason).to_be_bytes()].concat();
        self.frame(GOAWAY, 0, 0, &payload);
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// MAX_CONCURRENT_STREAMS (3) is 1.
const ONE_STREAM: [u8; 6] = [0, 3, 0, 0, 0, 1];

/// Names and values of the static table.
const STATUS_200: &[u8] = b"\x88";
const STATUS_304: &[u8] = b"\x8b";

/// For limits that are meant to run out.
const BRIEF: Duration = Duration::from_millis(100);
