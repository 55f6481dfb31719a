//! What every transport must do, checked against servers that do what servers do.

#[cfg(feature = "http2")]
mod http2;
pub(in crate::transport) mod server;
mod stream;

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ::http::header::{HeaderMap, HeaderName, HeaderValue};
use ::http::{Method, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::runtime::Handle;

use crate::body_source::BodyReader;
use crate::endpoint::{Endpoint, Host, Scheme};
use crate::outcome::{Failure, FailureKind};
use crate::statistics::{ClientCells, Counter};

use self::server::{Authority, Server};
use super::content::ASKED;
use super::{
    Answer, Direct, DirectConfig, Exchange, Progress, Resolver, Tls, TlsConfig, Transport,
};
#[cfg(feature = "proxy")]
use super::{Http, HttpConfig, Proxies};
#[cfg(feature = "http2")]
use super::{Multiplexed, MultiplexedConfig};

/// Declares every scenario as a test of each transport; the one that could speak HTTP/2 finds servers here
/// that do not.
macro_rules! each {
    ($($name:ident,)*) => {
        mod direct {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Make::Direct).await;
            })*
        }
        #[cfg(feature = "http2")]
        mod multiplexed {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Make::Multiplexed).await;
            })*
        }
        #[cfg(feature = "proxy")]
        mod http {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Make::Http).await;
            })*
        }
    };
}

each! {
    body_with_a_length,
    body_in_chunks_with_extensions_and_trailers,
    body_that_ends_with_the_connection,
    answer_that_comes_byte_by_byte,
    connection_is_kept_and_used_again,
    connection_is_not_kept_when_the_answer_forbids_it,
    kept_connection_closed_meanwhile_is_replaced,
    post_on_a_kept_connection_closed_meanwhile_arrives_once,
    half_closed_connection_is_not_used_again,
    close_after_the_request_is_ambiguous,
    reset_after_the_request_is_ambiguous,
    refused_is_unsent,
    status_line_that_is_none,
    answer_nobody_asked_for_is_not_taken_for_the_next,
    truncated_body,
    broken_chunk,
    two_lengths_that_differ,
    interim_answers_are_skipped,
    unasked_switch_of_protocols,
    head_has_no_body,
    no_content_has_no_body,
    not_modified_has_no_body,
    head_above_the_bound,
    answer_before_the_body_was_read,
    large_body_arrives_whole,
    announced_body_above_the_bound,
    growing_body_above_the_bound,
    body_of_exactly_the_bound,
    gzip_is_asked_for_and_decoded,
    gzip_is_left_alone_when_the_caller_asked_for_it,
    gzip_is_left_alone_when_switched_off,
    gzip_bomb_stops_at_the_bound,
    damaged_gzip,
    gzip_header_without_a_body,
    request_line_and_headers_as_given,
    lengths_are_stated_for_empty_bodies_too,
    framing_headers_of_the_caller_are_dropped,
    paths_cannot_break_the_request,
    unknown_name,
    localhost_is_known,
    tls_with_an_extra_root,
    tls_with_a_wrong_name,
    tls_with_an_unknown_authority,
    tls_with_a_client_certificate,
    tls_without_the_client_certificate_asked_for,
    tls_to_a_server_without_tls,
    full_accept_queue_meets_the_connect_limit,
    silent_handshake_meets_the_connect_limit,
    dropped_exchange_closes_the_connection,
    dropped_exchange_closes_the_connection_within_the_body,
}

async fn body_with_a_length(make: Make) {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello");
    let answer = Call::get().send(&make.plain(), server.address).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["x-a"], "b");
    assert_eq!(answer.body, "hello");
}

async fn body_in_chunks_with_extensions_and_trailers(make: Make) {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
         5;name=value\r\nhello\r\n1\r\n \r\n5;x\r\nworld\r\n0\r\nx-sum: 1\r\n\r\n",
    );
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for _ in 0..2 {
        let progress = Progress::default();
        let answer = Call::get().send_to(&subject, &endpoint, &progress).await.unwrap();
        assert_eq!(answer.body, "hello world");
    }
    assert_eq!(server.accepted(), 1);
}

async fn body_that_ends_with_the_connection(make: Make) {
    let server = Server::start(|_, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\n\r\nhello ");
        peer.write("world");
    });
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for _ in 0..2 {
        let progress = Progress::default();
        let answer = Call::get().send_to(&subject, &endpoint, &progress).await.unwrap();
        assert_eq!(answer.body, "hello world");
    }
    assert_eq!(server.accepted(), 2);
}

async fn answer_that_comes_byte_by_byte(make: Make) {
    let server = Server::start(|_, peer| {
        while peer.request().is_some() {
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-a: b\r\n\r\n\
                          3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
            answer.bytes().for_each(|byte| peer.write([byte]));
        }
    });
    let answer = Call::get().send(&make.plain(), server.address).await.unwrap();
    assert_eq!(answer.body, "abcde");
}

async fn connection_is_kept_and_used_again(make: Make) {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for _ in 0..20 {
        Call::get().send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
    }
    assert_eq!(server.accepted(), 1);
    assert_eq!(server.requests().len(), 20);
}

async fn connection_is_not_kept_when_the_answer_forbids_it(make: Make) {
    let server =
        Server::answering("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for _ in 0..3 {
        Call::get().send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
    }
    assert_eq!(server.accepted(), 3);
}

async fn kept_connection_closed_meanwhile_is_replaced(make: Make) {
    closed_meanwhile(make, Call::get()).await;
}

async fn post_on_a_kept_connection_closed_meanwhile_arrives_once(make: Make) {
    closed_meanwhile(make, Call::post("order")).await;
}

async fn closed_meanwhile(make: Make, call: Call) {
    let (tell_closed, closed) = mpsc::channel();
    let tell_closed = Mutex::new(tell_closed);
    let server = Server::start(move |_, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        peer.close();
        tell_closed.lock().unwrap().send(()).unwrap();
    });
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for round in 1..=10 {
        call.send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
        // On loopback what has left has arrived; the pause makes the connection one that rested, and
        // nobody polls it meanwhile.
        closed.recv().unwrap();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!((server.accepted(), server.requests().len()), (round, round));
    }
}

async fn half_closed_connection_is_not_used_again(make: Make) {
    let (tell_closed, closed) = mpsc::channel();
    let tell_closed = Mutex::new(tell_closed);
    let server = Server::start(move |_, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        peer.half_close();
        tell_closed.lock().unwrap().send(()).unwrap();
        while peer.request().is_some() {}
    });
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for round in 1..=5 {
        Call::get().send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
        closed.recv().unwrap();
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!((server.accepted(), server.requests().len()), (round, round));
    }
}

async fn close_after_the_request_is_ambiguous(make: Make) {
    let server = Server::start(|_, peer| {
        peer.request();
    });
    let progress = Progress::default();
    let endpoint = plain_endpoint(server.address);
    let failure = Call::post("order").send_to(&make.plain(), &endpoint, &progress).await;
    expect(failure, FailureKind::ConnectionLost, true);
    assert!(progress.is_connected() && progress.is_sent());
    assert_eq!(server.requests().len(), 1);
}

async fn reset_after_the_request_is_ambiguous(make: Make) {
    let server = Server::start(|_, peer| {
        // Closing with bytes unread resets the connection.
        peer.read_more();
    });
    let failure = Call::post(&"x".repeat(2_000_000)).send(&make.plain(), server.address).await;
    expect(failure, FailureKind::ConnectionLost, true);
}

async fn refused_is_unsent(make: Make) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let failure =
        expect(Call::get().send(&make.plain(), address).await, FailureKind::Connect, false);
    let words = match make {
        #[cfg(feature = "proxy")]
        Make::Http => "proxy: connect refused",
        _ => "connect refused",
    };
    assert_eq!(failure.detail, words);
}

async fn status_line_that_is_none(make: Make) {
    for line in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/3.7 200 OK\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let server = Server::start(move |_, peer| {
            peer.request();
            peer.write(line);
            peer.sees_close();
        });
        let outcome = Call::get().send(&make.plain(), server.address).await;
        expect(outcome, FailureKind::Protocol, true);
    }
}

async fn answer_nobody_asked_for_is_not_taken_for_the_next(make: Make) {
    let (tell_written, written) = mpsc::channel();
    let tell_written = Mutex::new(tell_written);
    let server = Server::start(move |_, peer| {
        while peer.request().is_some() {
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad");
            tell_written.lock().unwrap().send(()).unwrap();
        }
    });
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for _ in 0..3 {
        let outcome = Call::get().send_to(&subject, &endpoint, &Progress::default()).await;
        // Either the surplus was seen in time, or the exchange fails; it never answers.
        if let Ok(answer) = outcome {
            assert_eq!(answer.body, "ok");
            written.recv().unwrap();
        }
    }
}

async fn truncated_body(make: Make) {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
    ] {
        let server = Server::start(move |_, peer| {
            peer.request();
            peer.write(answer);
        });
        let outcome = Call::get().send(&make.plain(), server.address).await;
        expect(outcome, FailureKind::ConnectionLost, true);
    }
}

async fn broken_chunk(make: Make) {
    for chunk in ["zz\r\nhello\r\n", "5\r\nhello, world\r\n", "fffffffffffffffff\r\n"] {
        let answer =
            format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
        let server = Server::answering(answer);
        let outcome = Call::get().send(&make.plain(), server.address).await;
        expect(outcome, FailureKind::Protocol, true);
    }
}

async fn two_lengths_that_differ(make: Make) {
    let server =
        Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\nhello");
    let outcome = Call::get().send(&make.plain(), server.address).await;
    expect(outcome, make.refusal(), true);
}

async fn interim_answers_are_skipped(make: Make) {
    let server = Server::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    );
    let answer = Call::post("x").send(&make.plain(), server.address).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.headers.contains_key("link"));
}

async fn unasked_switch_of_protocols(make: Make) {
    let server = Server::answering("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\nhi");
    let outcome = Call::get().send(&make.plain(), server.address).await;
    expect(outcome, FailureKind::Unacceptable, true);
}

async fn head_has_no_body(make: Make) {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1234\r\n\r\n",
    );
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    let call = Call { method: Method::HEAD, gzip: true, max_body: 10, ..Call::get() };
    for _ in 0..2 {
        let answer = call.send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
        assert_eq!(answer.body, "");
        assert_eq!(answer.headers["content-length"], "1234");
    }
    assert_eq!(server.accepted(), 1);
}

async fn no_content_has_no_body(make: Make) {
    without_body(make, "204 No Content").await;
}

async fn not_modified_has_no_body(make: Make) {
    without_body(make, "304 Not Modified").await;
}

async fn without_body(make: Make, status: &str) {
    let answer = format!("HTTP/1.1 {status}\r\ncontent-encoding: gzip\r\n\r\n");
    let server = Server::answering(answer);
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    let call = Call { gzip: true, ..Call::get() };
    for _ in 0..2 {
        let answer = call.send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
        assert!(status.starts_with(answer.status.as_str()));
        assert_eq!(answer.body, "");
    }
    assert_eq!(server.accepted(), 1);
}

async fn head_above_the_bound(make: Make) {
    let server = Server::start(|_, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\nx-long: ");
        for _ in 0..100 {
            peer.write([b'x'; 10_000]);
        }
        peer.sees_close();
    });
    let outcome = Call::get().send(&make.plain(), server.address).await;
    expect(outcome, make.refusal(), true);
}

async fn answer_before_the_body_was_read(make: Make) {
    let server = Server::start(|_, peer| {
        peer.read_more();
        peer.write("HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig");
        peer.half_close();
        peer.sees_close();
    });
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    let call = Call::post(&"x".repeat(8_000_000));
    for _ in 0..2 {
        let answer = call.send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.body, "big");
    }
    assert_eq!(server.accepted(), 2);
}

async fn large_body_arrives_whole(make: Make) {
    let body = "0123456789".repeat(500_000);
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    Call::post(&body).send(&make.plain(), server.address).await.unwrap();
    assert!(server.requests()[0].ends_with(&format!("\r\n\r\n{body}")));
}

async fn announced_body_above_the_bound(make: Make) {
    let server = Server::start(|_, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\nhello");
        peer.sees_close();
    });
    let call = Call { max_body: 1000, ..Call::get() };
    let outcome = call.send(&make.plain(), server.address).await;
    expect(outcome, FailureKind::BodyTooLarge, true);
}

async fn growing_body_above_the_bound(make: Make) {
    let server = Server::start(|_, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        for _ in 0..1000 {
            peer.write(format!("3e8\r\n{}\r\n", "x".repeat(1000)));
        }
        peer.sees_close();
    });
    let call = Call { max_body: 10_000, ..Call::get() };
    let outcome = call.send(&make.plain(), server.address).await;
    expect(outcome, FailureKind::BodyTooLarge, true);
}

async fn body_of_exactly_the_bound(make: Make) {
    let chunked =
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde", chunked] {
        let server = Server::answering(answer);
        let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
        let fits = Call { max_body: 5, ..Call::get() };
        let answer = fits.send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
        assert_eq!(answer.body, "abcde");
        let tight = Call { max_body: 4, ..Call::get() };
        let outcome = tight.send_to(&subject, &endpoint, &Progress::default()).await;
        expect(outcome, FailureKind::BodyTooLarge, true);
    }
}

async fn gzip_is_asked_for_and_decoded(make: Make) {
    let plain = "hello ".repeat(10_000);
    let server = Server::answering(gzip_answer(&gzip(plain.as_bytes())));
    let call = Call { gzip: true, ..Call::get() };
    let answer = call.send(&make.plain(), server.address).await.unwrap();
    assert_eq!(answer.body, plain);
    assert!(!answer.headers.contains_key("content-encoding"));
    assert!(!answer.headers.contains_key("content-length"));
    let asked = format!("\r\naccept-encoding: {ASKED}\r\n");
    assert!(server.requests()[0].contains(&asked));
}

async fn gzip_is_left_alone_when_the_caller_asked_for_it(make: Make) {
    let encoded = gzip(b"hello");
    let server = Server::answering(gzip_answer(&encoded));
    let call = Call { gzip: true, ..Call::get() }.header("accept-encoding", "gzip, br");
    let answer = call.send(&make.plain(), server.address).await.unwrap();
    assert_eq!(answer.body, encoded);
    assert_eq!(answer.headers["content-encoding"], "gzip");
    assert!(server.requests()[0].contains("\r\naccept-encoding: gzip, br\r\n"));
}

async fn gzip_is_left_alone_when_switched_off(make: Make) {
    let encoded = gzip(b"hello");
    let server = Server::answering(gzip_answer(&encoded));
    let answer = Call::get().send(&make.plain(), server.address).await.unwrap();
    assert_eq!(answer.body, encoded);
    assert!(!server.requests()[0].contains("accept-encoding"));
}

async fn gzip_bomb_stops_at_the_bound(make: Make) {
    let server = Server::answering(gzip_answer(&gzip(&vec![0; 50_000_000])));
    let call = Call { gzip: true, max_body: 100_000, ..Call::get() };
    let outcome = call.send(&make.plain(), server.address).await;
    expect(outcome, FailureKind::BodyTooLarge, true);
}

async fn damaged_gzip(make: Make) {
    let mut wrong_sum = gzip(b"hello");
    let sum_at = wrong_sum.len() - 8;
    wrong_sum[sum_at] ^= 1;
    let cut = gzip(b"hello")[..12].to_vec();
    let mut trailing = gzip(b"hello");
    trailing.extend_from_slice(b"rubbish that is no member");
    for encoded in [wrong_sum, cut, b"not gzip at all".to_vec(), trailing] {
        let server = Server::answering(gzip_answer(&encoded));
        let call = Call { gzip: true, ..Call::get() };
        let outcome = call.send(&make.plain(), server.address).await;
        expect(outcome, FailureKind::Protocol, true);
    }
}

async fn gzip_header_without_a_body(make: Make) {
    let server = Server::answering(gzip_answer(b""));
    let call = Call { gzip: true, ..Call::get() };
    let answer = call.send(&make.plain(), server.address).await.unwrap();
    assert_eq!(answer.body, "");
}

async fn request_line_and_headers_as_given(make: Make) {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let call = Call { path: "/a/b?c=d&e", ..Call::post("order") }.header("x-a", "one");
    call.send(&make.plain(), server.address).await.unwrap();
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /a/b?c=d&e HTTP/1.1\r\n"), "{request}");
    for line in ["x-a: one", &format!("host: {}", server.address), "content-length: 5"] {
        assert_eq!(request.matches(&format!("\r\n{line}\r\n")).count(), 1, "{line} in {request}");
    }
    assert!(request.ends_with("\r\n\r\norder"));
}

async fn lengths_are_stated_for_empty_bodies_too(make: Make) {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::GET, Method::DELETE] {
        let stated = method != Method::GET && method != Method::DELETE;
        let call = Call { method, ..Call::get() };
        call.send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert_eq!(request.contains("\r\ncontent-length: 0\r\n"), stated, "{request}");
        assert!(!request.contains("transfer-encoding"), "{request}");
    }
}

async fn framing_headers_of_the_caller_are_dropped(make: Make) {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let call =
        Call::post("order").header("transfer-encoding", "chunked").header("content-length", "99");
    call.send(&make.plain(), server.address).await.unwrap();
    let request = &server.requests()[0];
    assert!(!request.contains("transfer-encoding"));
    assert_eq!(request.matches("content-length").count(), 1);
    assert!(request.contains("content-length: 5\r\n"));
}

async fn paths_cannot_break_the_request(make: Make) {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
    for path in ["/a\r\nx-evil: 1", "/a b", "no-slash", ""] {
        let call = Call { path, ..Call::get() };
        let progress = Progress::default();
        let outcome = call.send_to(&subject, &endpoint, &progress).await;
        expect(outcome, FailureKind::InvalidRequest, false);
        assert!(!progress.is_sent());
    }
    assert_eq!(server.accepted(), 0);
    assert!(HeaderValue::from_str("a\r\nx-evil: 1").is_err());
}

async fn unknown_name(make: Make) {
    let endpoint = Arc::new(Endpoint::new(Host::new("nowhere.invalid", 80)));
    let progress = Progress::default();
    let outcome = Call::get().send_to(&make.plain(), &endpoint, &progress).await;
    expect(outcome, FailureKind::NameNotFound, false);
}

async fn localhost_is_known(make: Make) {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    // The server listens on IPv4 only; IPv6 is tried first, and fails.
    let endpoint = Arc::new(Endpoint::new(Host::new("localhost", server.address.port())));
    let progress = Progress::default();
    let answer = Call::get().send_to(&make.plain(), &endpoint, &progress).await.unwrap();
    assert_eq!(answer.body, "ok");
}

async fn tls_with_an_extra_root(make: Make) {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("127.0.0.1", None), |_, peer| {
        while peer.request().is_some() {
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let subject = make.trusting(&authority, None);
    let endpoint = tls_endpoint(server.address);
    for _ in 0..5 {
        let progress = Progress::default();
        let answer = Call::post("order").send_to(&subject, &endpoint, &progress).await.unwrap();
        assert_eq!(answer.body, "ok");
        assert!(progress.is_sent());
    }
    assert_eq!(server.accepted(), 1);
    assert_eq!(server.requests().len(), 5);
}

async fn tls_with_a_wrong_name(make: Make) {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("other.example", None), |_, _| {});
    let subject = make.trusting(&authority, None);
    let endpoint = tls_endpoint(server.address);
    let outcome = Call::get().send_to(&subject, &endpoint, &Progress::default()).await;
    let failure = expect(outcome, FailureKind::Tls, false);
    assert_eq!(failure.detail, "certificate not valid for name 127.0.0.1");
}

async fn tls_with_an_unknown_authority(make: Make) {
    let server = Server::start_tls(Authority::new().server("127.0.0.1", None), |_, _| {});
    let subject = make.trusting(&Authority::new(), None);
    let endpoint = tls_endpoint(server.address);
    let outcome = Call::get().send_to(&subject, &endpoint, &Progress::default()).await;
    let failure = expect(outcome, FailureKind::Tls, false);
    assert_eq!(failure.detail, "certificate of an unknown issuer");
}

async fn tls_with_a_client_certificate(make: Make) {
    let (authority, clients) = (Authority::new(), Authority::new());
    let config = authority.server("127.0.0.1", Some(&clients));
    let server = Server::start_tls(config, |_, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let subject = make.trusting(&authority, Some(clients.issue("caller")));
    let endpoint = tls_endpoint(server.address);
    let answer = Call::get().send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
    assert_eq!(answer.body, "ok");
}

async fn tls_without_the_client_certificate_asked_for(make: Make) {
    let (authority, clients) = (Authority::new(), Authority::new());
    let config = authority.server("127.0.0.1", Some(&clients));
    let server = Server::start_tls(config, |_, _| {});
    let subject = make.trusting(&authority, None);
    let endpoint = tls_endpoint(server.address);
    let outcome = Call::get().send_to(&subject, &endpoint, &Progress::default()).await;
    // TLS 1.3 tells a client only after it may have sent; a reset can overtake the alert.
    let kind = outcome.unwrap_err().kind;
    assert!(matches!(kind, FailureKind::Tls | FailureKind::ConnectionLost), "{kind:?}");
}

async fn tls_to_a_server_without_tls(make: Make) {
    let server = Server::start(|_, peer| {
        peer.read_more();
        peer.write("HTTP/1.1 400 Bad Request\r\n\r\n");
        peer.sees_close();
    });
    let subject = make.trusting(&Authority::new(), None);
    let endpoint = tls_endpoint(server.address);
    let outcome = Call::get().send_to(&subject, &endpoint, &Progress::default()).await;
    expect(outcome, FailureKind::Tls, false);
}

async fn full_accept_queue_meets_the_connect_limit(make: Make) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let patience = Duration::from_millis(100);
    let connect = || std::net::TcpStream::connect_timeout(&address, patience);
    let held: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
    within_the_connect_limit(make, &plain_endpoint(address)).await;
    drop(held);
}

async fn silent_handshake_meets_the_connect_limit(make: Make) {
    let server = Server::start(|_, peer| {
        peer.sees_close();
    });
    within_the_connect_limit(make, &tls_endpoint(server.address)).await;
}

async fn within_the_connect_limit(make: Make, endpoint: &Arc<Endpoint>) {
    let subject = make.subject(trust(&Authority::new(), None), SHORT);
    let begun = Instant::now();
    let call = Call { connect_timeout: SHORT, ..Call::get() };
    let outcome = call.send_to(&subject, endpoint, &Progress::default()).await;
    let elapsed = begun.elapsed();
    expect(outcome, FailureKind::ConnectTimeout, false);
    assert!(elapsed >= SHORT && elapsed < SHORT * 5, "{elapsed:?}");
}

async fn dropped_exchange_closes_the_connection(make: Make) {
    dropped_closes(make, "").await;
}

async fn dropped_exchange_closes_the_connection_within_the_body(make: Make) {
    dropped_closes(make, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello").await;
}

async fn dropped_closes(make: Make, answer: &'static str) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let answered = Arc::new(AtomicBool::new(false));
    let tell_answered = Arc::clone(&answered);
    let server = Server::start(move |_, peer| {
        peer.request();
        peer.write(answer);
        tell_answered.store(true, Ordering::SeqCst);
        tell.lock().unwrap().send(peer.sees_close()).unwrap();
    });
    let (subject, endpoint, progress) =
        (make.plain(), plain_endpoint(server.address), Progress::default());
    {
        let call = Call::post("order");
        let mut sending = std::pin::pin!(call.send_to(&subject, &endpoint, &progress));
        while !answered.load(Ordering::SeqCst) {
            let step = tokio::time::timeout(Duration::from_millis(5), &mut sending).await;
            assert!(step.is_err(), "{step:?}");
        }
    }
    assert!(progress.is_sent());
    let wait = move || told.recv_timeout(Duration::from_secs(5)).unwrap();
    // Tasks of the runtime close what they own when it is driven; the direct transport needs none.
    let closed = match make {
        #[cfg(feature = "proxy")]
        Make::Http => tokio::task::spawn_blocking(wait).await.unwrap(),
        _ => wait(),
    };
    assert!(closed);
}

#[tokio::test]
async fn direct_dials_the_address_under_another_authority() {
    let authority = Authority::new();
    let server = Server::start_tls(authority.server("api.example", None), |_, peer| {
        while peer.request().is_some() {
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let mut host = Host::new("127.0.0.1", server.address.port());
    host.scheme = Some(Scheme::Https);
    host.authority = Some("api.example".into());
    let endpoint = Arc::new(Endpoint::new(host));
    let subject = Make::Direct.trusting(&authority, None);
    Call::get().send_to(&subject, &endpoint, &Progress::default()).await.unwrap();
    assert!(server.requests()[0].contains("\r\nhost: api.example\r\n"));
}

#[tokio::test]
async fn direct_knows_that_nothing_left_when_cut_while_connecting() {
    let server = Server::start(|_, peer| {
        peer.sees_close();
    });
    let subject = Make::Direct.trusting(&Authority::new(), None);
    let (endpoint, progress) = (tls_endpoint(server.address), Progress::default());
    let call = Call::get();
    let sending = call.send_to(&subject, &endpoint, &progress);
    assert!(tokio::time::timeout(SHORT, sending).await.is_err());
    assert!(!progress.is_connected() && !progress.is_sent());
}

#[tokio::test]
async fn direct_needs_no_runtime_to_be_dropped() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let subject = Make::Direct.plain();
    Call::get().send(&subject, server.address).await.unwrap();
    std::thread::spawn(move || drop(subject)).join().unwrap();
}

#[tokio::test]
async fn direct_lets_go_of_what_departed_and_what_is_closed() {
    let server = Server::start(|number, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        if number == 1 {
            peer.half_close();
        }
        peer.sees_close();
    });
    let direct = direct(TlsConfig::default(), |_| {});
    let (first, second) = (plain_endpoint(server.address), plain_endpoint(server.address));
    let progress = Progress::default();
    Call::get().send_with(&direct, &first, &progress).await.unwrap();
    Call::get().send_with(&direct, &second, &progress).await.unwrap();
    while direct.idle_connections() > 1 {
        tokio::task::yield_now().await;
        direct.sweep();
    }
    first.depart();
    direct.sweep();
    assert_eq!(direct.idle_connections(), 0);
}

#[tokio::test]
async fn direct_is_told_of_a_close_while_a_connection_rests() {
    let (close, closes) = mpsc::channel();
    let closes = Mutex::new(closes);
    let server = Server::start(move |_, peer| {
        peer.request();
        peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        closes.lock().unwrap().recv().unwrap();
    });
    let direct = direct(TlsConfig::default(), |_| {});
    let endpoint = plain_endpoint(server.address);
    Call::get().send_with(&direct, &endpoint, &Progress::default()).await.unwrap();
    // Longer than until it rests.
    tokio::time::sleep(Duration::from_millis(600)).await;
    (0..2).for_each(|_| assert!(!direct.sweep()));
    assert_eq!(direct.idle_connections(), 1);
    close.send(()).unwrap();
    let closed = async {
        while direct.idle_connections() > 0 {
            tokio::task::yield_now().await;
            direct.sweep();
        }
    };
    tokio::time::timeout(Duration::from_secs(5), closed).await.unwrap();
}

#[tokio::test]
async fn direct_says_of_the_peer_only_that_it_closed_what_it_closed() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let endpoint = plain_endpoint(server.address);
    let cells = ClientCells::default();
    let direct = direct(TlsConfig::default(), |config| config.stripe = cells.stripe());
    Call::get().send_with(&direct, &endpoint, &Progress::default()).await.unwrap();
    direct.sweep();
    assert_eq!(direct.idle_connections(), 1);
    direct.close();
    let totals = cells.totals();
    assert_eq!((totals.get(Counter::ClosedPeer), totals.get(Counter::ClosedOther)), (0, 1));
}

#[tokio::test]
async fn direct_keeps_no_more_and_no_longer_than_configured() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let endpoint = plain_endpoint(server.address);
    for change in [
        (|config: &mut DirectConfig| config.max_idle_per_endpoint = 0) as fn(&mut DirectConfig),
        |config| config.idle_timeout = Duration::ZERO,
        |config| config.max_age = Duration::ZERO,
    ] {
        let direct = direct(TlsConfig::default(), change);
        let before = server.accepted();
        for _ in 0..2 {
            let progress = Progress::default();
            Call::get().send_with(&direct, &endpoint, &progress).await.unwrap();
        }
        assert_eq!(server.accepted() - before, 2);
    }
}

#[tokio::test]
async fn direct_keeps_as_many_as_were_used_at_once() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let endpoint = plain_endpoint(server.address);
    let direct = direct(TlsConfig::default(), |config| config.max_idle_per_endpoint = 2);
    for _ in 0..2 {
        let progress = Progress::default();
        let call = Call::get();
        let send = || call.send_with(&direct, &endpoint, &progress);
        let (a, b, c) = tokio::join!(send(), send(), send());
        assert!(a.is_ok() && b.is_ok() && c.is_ok());
        assert_eq!(direct.idle_connections(), 2);
    }
    assert_eq!(server.accepted(), 4);
}

/// Which transport a scenario runs against.
#[derive(Clone, Copy, Debug)]
pub(super) enum Make {
    Direct,
    #[cfg(feature = "http2")]
    Multiplexed,
    #[cfg(feature = "proxy")]
    Http,
}

impl Make {
    /// What an answer is called that another endpoint would send as well.
    fn refusal(self) -> FailureKind {
        match self {
            #[cfg(feature = "proxy")]
            Self::Http => FailureKind::Protocol,
            _ => FailureKind::Unacceptable,
        }
    }

    pub(super) fn plain(self) -> Subject {
        self.subject(TlsConfig::default(), LONG)
    }

    fn trusting(self, authority: &Authority, identity: Option<(String, String)>) -> Subject {
        self.subject(trust(authority, identity), LONG)
    }

    #[cfg_attr(
        not(feature = "proxy"),
        expect(unused_variables, reason = "the others are told by each exchange")
    )]
    fn subject(self, tls: TlsConfig, connect_timeout: Duration) -> Subject {
        match self {
            Self::Direct => Subject::Direct(direct(tls, |_| {})),
            #[cfg(feature = "http2")]
            Self::Multiplexed => Subject::Multiplexed(multiplexed(tls, |_| {})),
            #[cfg(feature = "proxy")]
            Self::Http => {
                Subject::Http(http(tls, |config| config.connect_timeout = connect_timeout))
            }
        }
    }
}

#[allow(clippy::large_enum_variant, reason = "a few are made, and not with all features")]
pub(super) enum Subject {
    Direct(Direct),
    #[cfg(feature = "http2")]
    Multiplexed(Multiplexed),
    #[cfg(feature = "proxy")]
    Http(Http),
}

impl Transport for Subject {
    async fn send(&self, exchange: &Exchange<'_>) -> Result<Answer, Failure> {
        match self {
            Self::Direct(direct) => direct.send(exchange).await,
            #[cfg(feature = "http2")]
            Self::Multiplexed(multiplexed) => multiplexed.send(exchange).await,
            #[cfg(feature = "proxy")]
            Self::Http(http) => http.send(exchange).await,
        }
    }
}

fn direct(tls: TlsConfig, change: impl FnOnce(&mut DirectConfig)) -> Direct {
    let mut config = DirectConfig::of_tests(Arc::new(Tls::new(tls, None).unwrap()), resolver());
    change(&mut config);
    Direct::new(Arc::new(config))
}

#[cfg(feature = "http2")]
pub(super) fn multiplexed(
    tls: TlsConfig,
    change: impl FnOnce(&mut MultiplexedConfig),
) -> Multiplexed {
    let direct = DirectConfig::of_tests(Arc::new(Tls::new(tls, None).unwrap()), resolver());
    let mut config = MultiplexedConfig::new(Arc::new(direct));
    change(&mut config);
    Multiplexed::new(Arc::new(config))
}

#[cfg(feature = "proxy")]
fn http(tls: TlsConfig, change: impl FnOnce(&mut HttpConfig)) -> Http {
    let tls = Arc::new(Tls::new(tls, None).unwrap());
    let mut config = HttpConfig::of_tests(tls, resolver(), Arc::new(Proxies::none()));
    change(&mut config);
    Http::new(config)
}

fn resolver() -> Arc<Resolver> {
    Arc::new(Resolver::new(Handle::current()))
}

pub(super) fn trust(authority: &Authority, identity: Option<(String, String)>) -> TlsConfig {
    TlsConfig {
        extra_roots_pem: vec![authority.pem.clone().into_bytes()],
        platform_roots: false,
        identity: identity.map(|(chain, key)| (chain.into_bytes(), key.into_bytes())),
        ..TlsConfig::default()
    }
}

/// An exchange as a test states it.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) connect_timeout: Duration,
    pub(super) max_body: usize,
    pub(super) gzip: bool,
    pub(super) fresh: bool,
}

impl Call {
    pub(super) fn get() -> Self {
        Self {
            method: Method::GET,
            path: "/",
            headers: HeaderMap::new(),
            body: Bytes::new(),
            connect_timeout: LONG,
            max_body: 1 << 20,
            gzip: false,
            fresh: false,
        }
    }

    /// A GET beside another at the same endpoint that is late.
    pub(super) fn fresh() -> Self {
        Self { fresh: true, ..Self::get() }
    }

    pub(super) fn post(body: &str) -> Self {
        Self { method: Method::POST, body: Bytes::copy_from_slice(body.as_bytes()), ..Self::get() }
    }

    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        self
    }

    async fn send(&self, subject: &Subject, address: SocketAddr) -> Result<Answer, Failure> {
        self.send_to(subject, &plain_endpoint(address), &Progress::default()).await
    }

    async fn send_to(
        &self,
        subject: &Subject,
        endpoint: &Arc<Endpoint>,
        progress: &Progress,
    ) -> Result<Answer, Failure> {
        self.send_with(subject, endpoint, progress).await
    }

    pub(super) async fn send_with<T: Transport>(
        &self,
        transport: &T,
        endpoint: &Arc<Endpoint>,
        progress: &Progress,
    ) -> Result<Answer, Failure> {
        self.send_as(transport, endpoint, progress, None, false).await
    }

    /// The same with a body that is drawn, or an answer that is streamed unless its status is 503.
    pub(super) async fn send_as<T: Transport>(
        &self,
        transport: &T,
        endpoint: &Arc<Endpoint>,
        progress: &Progress,
        source: Option<&BodyReader>,
        streamed: bool,
    ) -> Result<Answer, Failure> {
        let streams = |status| status != StatusCode::SERVICE_UNAVAILABLE;
        let exchange = Exchange {
            endpoint,
            method: &self.method,
            path: self.path,
            headers: &self.headers,
            body: &self.body,
            connect_timeout: self.connect_timeout,
            stands_by: &|| false,
            body_idle_timeout: None,
            max_body: self.max_body,
            gzip: self.gzip,
            source,
            fresh: self.fresh,
            met: &[],
            streams: streamed.then_some(&streams),
            progress,
        };
        let sent = tokio::time::timeout(LONG, transport.send(&exchange)).await;
        sent.expect("the exchange hangs")
    }
}

#[track_caller]
pub(super) fn expect(outcome: Result<Answer, Failure>, kind: FailureKind, sent: bool) -> Failure {
    let failure = outcome.expect_err("a failure");
    assert_eq!((failure.kind, failure.sent), (kind, sent), "{failure:?}");
    failure
}

pub(super) fn plain_endpoint(address: SocketAddr) -> Arc<Endpoint> {
    Arc::new(Endpoint::new(Host::new(address.ip().to_string(), address.port())))
}

pub(super) fn tls_endpoint(address: SocketAddr) -> Arc<Endpoint> {
    let mut host = Host::new(address.ip().to_string(), address.port());
    host.scheme = Some(Scheme::Https);
    Arc::new(Endpoint::new(host))
}

pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn gzip_answer(encoded: &[u8]) -> Vec<u8> {
    let length = encoded.len();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), encoded].concat()
}

/// Above anything a healthy test needs.
pub(super) const LONG: Duration = Duration::from_secs(10);

/// For limits that are meant to run out.
const SHORT: Duration = Duration::from_millis(200);
