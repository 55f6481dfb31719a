//! What every transport must do with bodies that are read, or produced, piece by piece.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

#[cfg(feature = "http2")]
use ::http::Response;
use ::http::{Method, StatusCode};
use bytes::Bytes;
#[cfg(feature = "http2")]
use h2::Reason;

use crate::body_source::{BodySource, Produce, Produced};
use crate::endpoint::Endpoint;
use crate::outcome::{Failure, FailureKind};

#[cfg(feature = "http2")]
use super::http2::{Http2Server, prior};
use super::server::{Peer, Server};
use super::{Call, LONG, Make, Subject, gzip, gzip_answer, plain_endpoint};
use crate::transport::{Answer, Progress, StreamedBody, Transport};

const ALL: &[Make] = &[
    Make::Direct,
    #[cfg(feature = "http2")]
    Make::Multiplexed,
    #[cfg(feature = "proxy")]
    Make::Http,
];

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn the_head_comes_first_and_then_each_piece_in_its_time() {
    for &make in ALL {
        let (say, script) = mpsc::channel::<&str>();
        let script = Mutex::new(script);
        let server = Server::start(move |_, peer| {
            while peer.request().is_some() {
                peer.write(CHUNKED);
                while let Ok(piece) = script.lock().unwrap().recv_timeout(LONG) {
                    peer.write(piece);
                    if piece.starts_with('0') {
                        break;
                    }
                }
            }
        });
        let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
        for _ in 0..2 {
            let answer = open(&Call::get(), &subject, &endpoint).await.unwrap();
            assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b""[..]));
            let mut live = answer.live.unwrap();
            for (chunk, piece) in [("1\r\na\r\n", "a"), ("3;x=y\r\nbcd\r\n", "bcd")] {
                say.send(chunk).unwrap();
                assert_eq!(next(&mut live).await.unwrap().unwrap(), piece, "{make:?}");
            }
            say.send("0\r\nx-sum: 1\r\n\r\n").unwrap();
            assert!(next(&mut live).await.is_none(), "trailers are passed over");
        }
        assert_eq!(server.accepted(), 1, "{make:?}: the connection is kept");
    }
}

#[tokio::test]
async fn what_is_not_asked_for_stays_with_the_server() {
    for &make in ALL {
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        let server = Server::start(move |_, peer| {
            peer.request();
            peer.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {FLOOD}\r\n\r\n"));
            flood(peer, &count);
        });
        let answer = open(&Call::get(), &make.plain(), &plain_endpoint(server.address)).await;
        let mut live = answer.unwrap().live.unwrap();
        let held = at_rest(&written).await;
        assert!(held < FLOOD / 4, "{make:?}: {held} bytes left the server");
        assert_eq!(rest(&mut live).await.unwrap().len(), FLOOD);
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_a_failure_after_what_came() {
    for &make in ALL {
        for (answer, kind) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", FailureKind::ConnectionLost),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
                FailureKind::ConnectionLost,
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
                FailureKind::Protocol,
            ),
        ] {
            let server = Server::start(move |_, peer| {
                peer.request();
                peer.write(answer);
            });
            let endpoint = plain_endpoint(server.address);
            let answer = open(&Call::get(), &make.plain(), &endpoint).await.unwrap();
            let mut live = answer.live.unwrap();
            assert_eq!(next(&mut live).await.unwrap().unwrap(), "hello");
            let failure = next(&mut live).await.unwrap().unwrap_err();
            assert_eq!((failure.kind, failure.sent), (kind, true), "{make:?}: {failure:?}");
        }
    }
}

#[tokio::test]
async fn gzip_is_decoded_on_the_way() {
    let plain = b"plain text ".repeat(300_000);
    let server = Server::answering(gzip_answer(&gzip(&plain)));
    for &make in ALL {
        // No bound on what is never held.
        let call = Call { gzip: true, max_body: 10, ..Call::get() };
        let answer = open(&call, &make.plain(), &plain_endpoint(server.address)).await.unwrap();
        assert!(!answer.headers.contains_key("content-encoding"));
        assert!(rest(&mut answer.live.unwrap()).await.unwrap() == plain, "{make:?}");
    }
}

#[tokio::test]
async fn a_reader_that_gives_up_closes_the_connection() {
    for &make in ALL {
        let (saw, closed) = mpsc::channel();
        let saw = Mutex::new(saw);
        let server = Server::start(move |_, peer| {
            peer.request();
            peer.write(CHUNKED);
            peer.write("5\r\nhello\r\n");
            let _ = saw.lock().unwrap().send(peer.sees_close());
        });
        let subject = make.plain();
        let answer = open(&Call::get(), &subject, &plain_endpoint(server.address)).await.unwrap();
        let mut live = answer.live.unwrap();
        assert_eq!(next(&mut live).await.unwrap().unwrap(), "hello");
        drop(live);
        assert!(within(move || closed.recv_timeout(LONG)).await.unwrap(), "{make:?}");
    }
}

#[tokio::test]
async fn statuses_that_are_not_streamed_are_read_whole_and_so_are_answers_without_a_body() {
    for &make in ALL {
        let server =
            Server::answering("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 5\r\n\r\nhello");
        let subject = make.plain();
        let endpoint = plain_endpoint(server.address);
        for _ in 0..2 {
            let answer = open(&Call::get(), &subject, &endpoint).await.unwrap();
            assert_eq!((answer.body.as_ref(), answer.live.is_none()), (&b"hello"[..], true));
        }
        assert_eq!(server.accepted(), 1);
        let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n");
        let answer = open(&Call::get(), &subject, &plain_endpoint(server.address)).await.unwrap();
        assert!(next(&mut answer.live.unwrap()).await.is_none());
    }
}

#[tokio::test]
async fn bodies_are_sent_as_they_are_produced() {
    for &make in ALL {
        let server = Server::start(|_, peer| {
            while let Some(head) = peer.request() {
                if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
                    assert_eq!(peer.exactly(13).unwrap(), b"3\r\nabc\r\n0\r\n\r\n");
                }
                peer.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        });
        let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
        let chunked = source(&["abc"], None, false);
        assert_eq!(upload(&chunked, &subject, &endpoint).await.unwrap().body, "ok");
        let source = source(&["abc"], Some(3), false);
        let answer = upload(&source, &subject, &endpoint).await.unwrap();
        assert_eq!(answer.body, "ok");
        let seen = server.requests().pop().unwrap();
        assert!(seen.contains("content-length: 3\r\n") && seen.ends_with("abc"), "{seen}");
    }
}

#[tokio::test]
async fn a_body_that_falls_short_is_never_sent_as_whole() {
    for &make in ALL {
        let (saw, rest) = mpsc::channel();
        let saw = Mutex::new(saw);
        let server = Server::start(move |_, peer| {
            let closed = peer.request().is_none();
            let _ = saw.lock().unwrap().send(closed);
        });
        let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
        let source = source(&["abc"], Some(9), false);
        let draw = source.hold().unwrap();
        let call = Call { method: Method::POST, ..Call::get() };
        let progress = Progress::default();
        let failure = call.send_as(&subject, &endpoint, &progress, Some(&draw), false).await;
        failure.unwrap_err();
        assert_eq!(draw.fault(), Some("body source ended too early"), "{make:?}");
        drop(draw);
        assert!(within(move || rest.recv_timeout(LONG)).await.unwrap(), "the connection ended");
    }
}

#[tokio::test]
async fn an_answer_may_come_before_the_body_was_produced() {
    for &make in ALL {
        let (saw, closed) = mpsc::channel();
        let saw = Mutex::new(saw);
        let server = Server::start(move |_, peer| {
            peer.read_more();
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly");
            let _ = saw.lock().unwrap().send(peer.sees_close());
        });
        let (subject, endpoint) = (make.plain(), plain_endpoint(server.address));
        let source = source(&["abc"], Some(9), true);
        let answer = upload(&source, &subject, &endpoint).await.unwrap();
        assert_eq!(answer.body, "early");
        assert!(within(move || closed.recv_timeout(LONG)).await.unwrap(), "{make:?}");
    }
}

#[tokio::test]
#[cfg(feature = "http2")]
async fn http2_reads_and_sends_by_the_piece_and_gives_up_a_stream_alone() {
    let (saw, resets) = mpsc::channel();
    let saw = Arc::new(Mutex::new(saw));
    let server = Http2Server::start(move |_, request, mut reply| {
        let saw = Arc::clone(&saw);
        async move {
            let mut sink = reply.send_response(Response::new(()), false).unwrap();
            let mut body = request.into_body();
            while let Some(piece) = body.data().await {
                let piece = piece.unwrap();
                body.flow_control().release_capacity(piece.len()).unwrap();
                sink.send_data(piece, false).unwrap();
            }
            if body.is_end_stream() && sink.send_data(Bytes::from_static(b"."), false).is_ok() {
                let reason = std::future::poll_fn(|cx| sink.poll_reset(cx)).await;
                let _ = saw.lock().unwrap().send(reason.unwrap());
            }
        }
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    for length in [Some(6), None] {
        let source = source(&["abc", "def"], length, false);
        let draw = source.hold().unwrap();
        let call = Call { method: Method::POST, ..Call::get() };
        let progress = Progress::default();
        let answer = call.send_as(&*subject, &endpoint, &progress, Some(&draw), true).await;
        let mut live = answer.unwrap().live.unwrap();
        let mut all = Vec::new();
        while !all.ends_with(b".") {
            all.extend_from_slice(&next(&mut live).await.unwrap().unwrap());
        }
        assert_eq!(all, b"abcdef.");
        drop(live);
        let reason = loop {
            match resets.try_recv() {
                Ok(reason) => break reason,
                Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        assert_eq!(reason, Reason::CANCEL);
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
#[cfg(feature = "http2")]
async fn http2_streams_whose_readers_rest_hold_the_server_back_and_nobody_else() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let server = Http2Server::start(move |_, request, mut reply| {
        let count = Arc::clone(&count);
        async move {
            let large = request.method() == Method::GET;
            let mut sink = reply.send_response(Response::new(()), false).unwrap();
            if !large {
                sink.send_data(Bytes::from_static(b"small"), true).unwrap();
                return;
            }
            let mut left = FLOOD;
            while left > 0 {
                sink.reserve_capacity(left.min(PIECE));
                let Some(Ok(room)) = std::future::poll_fn(|cx| sink.poll_capacity(cx)).await else {
                    return;
                };
                let piece = room.min(left);
                left -= piece;
                sink.send_data(vec![b'x'; piece].into(), left == 0).unwrap();
                count.fetch_add(piece, Ordering::SeqCst);
            }
        }
    })
    .await;
    let (subject, endpoint) = (prior(|_| {}), plain_endpoint(server.address));
    let mut resting = Vec::new();
    for _ in 0..8 {
        resting.push(open_on(&Call::get(), &*subject, &endpoint).await.unwrap().live.unwrap());
    }
    let held = at_rest(&written).await;
    assert!(held <= 8 * (3 << 20), "each has its window: {held}");
    let answer = Call::post("x").send_with(&*subject, &endpoint, &Progress::default()).await;
    assert_eq!(answer.unwrap().body, "small", "the others go on");
    assert_eq!(server.accepted(), 1);
    assert_eq!(rest(&mut resting[3]).await.unwrap().len(), FLOOD);
}

async fn open(call: &Call, subject: &Subject, endpoint: &Arc<Endpoint>) -> Result<Answer, Failure> {
    open_on(call, subject, endpoint).await
}

async fn open_on<T: Transport>(
    call: &Call,
    subject: &T,
    endpoint: &Arc<Endpoint>,
) -> Result<Answer, Failure> {
    call.send_as(subject, endpoint, &Progress::default(), None, true).await
}

async fn upload(
    source: &Arc<BodySource>,
    subject: &Subject,
    endpoint: &Arc<Endpoint>,
) -> Result<Answer, Failure> {
    let draw = source.hold().unwrap();
    let call = Call { method: Method::POST, ..Call::get() };
    call.send_as(subject, endpoint, &Progress::default(), Some(&draw), false).await
}

async fn next(live: &mut StreamedBody) -> Option<Result<Bytes, Failure>> {
    tokio::time::timeout(LONG, live.next()).await.expect("the body hangs")
}

async fn rest(live: &mut StreamedBody) -> Result<Vec<u8>, Failure> {
    let mut all = Vec::new();
    while let Some(piece) = next(live).await {
        all.extend_from_slice(&piece?);
    }
    Ok(all)
}

/// Waits on another thread, while this one drives what is to happen.
async fn within<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(wait).await.unwrap()
}

fn flood(peer: &mut Peer, count: &AtomicUsize) {
    for _ in 0..FLOOD / PIECE {
        peer.write(vec![b'x'; PIECE]);
        count.fetch_add(PIECE, Ordering::SeqCst);
    }
}

/// What was written when nothing more is.
async fn at_rest(written: &AtomicUsize) -> usize {
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = written.load(Ordering::SeqCst);
        if std::mem::replace(&mut before, now) == now {
            return now;
        }
    }
}

/// Gives the pieces, and then its end or never.
struct List {
    pieces: Mutex<VecDeque<&'static str>>,
    hangs: bool,
}

impl Produce for List {
    fn produce(&self, buffer: &mut [u8]) -> Produced {
        match self.pieces.lock().unwrap().pop_front() {
            Some(piece) => {
                buffer[..piece.len()].copy_from_slice(piece.as_bytes());
                Produced::Data(piece.len())
            }
            None if self.hangs => Produced::NotReady,
            None => Produced::End,
        }
    }

    fn can_rewind(&self) -> bool {
        false
    }

    fn rewind(&self) -> bool {
        false
    }
}

fn source(pieces: &[&'static str], length: Option<u64>, hangs: bool) -> Arc<BodySource> {
    let pieces = Mutex::new(pieces.iter().copied().collect());
    Arc::new(BodySource::new(Box::new(List { pieces, hangs }), length))
}

/// More than the buffers of both kernels and all windows hold.
const FLOOD: usize = 48 << 20;

const PIECE: usize = 64 << 10;
