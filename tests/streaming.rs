//! Bodies piece by piece: answers that are read while they come, and requests that are produced while they go.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ahoy::ffi::values::status::*;
use support::*;

const SOON: Duration = ms(10_000);

/// A server that sends each piece when it is told to, and says whether it saw the client close.
struct Stage {
    server: Scripted,
    pieces: mpsc::Sender<&'static str>,
    closed: mpsc::Receiver<()>,
}

impl Stage {
    fn new() -> Self {
        let (pieces, script) = mpsc::channel::<&str>();
        let (saw, closed) = mpsc::channel();
        let script = Mutex::new(script);
        let server = Scripted::new(move |_, peer| {
            let script = script.lock().unwrap();
            while peer.head().is_some() {
                peer.write(CHUNKED);
                // An empty piece is the end of the body; hanging up that of the connection.
                while let Ok(piece) = script.recv_timeout(SOON) {
                    if piece == "!" {
                        peer.close();
                        return;
                    }
                    peer.chunk(piece);
                    if piece.is_empty() {
                        break;
                    }
                }
            }
            saw.send(()).unwrap();
        });
        Self { server, pieces, closed }
    }

    fn say(&self, piece: &'static str) {
        self.pieces.send(piece).unwrap();
    }

    fn clients(&self) -> [Client; 2] {
        let url = url(self.server.port());
        [client_over(&[self.server.port()]), Builder::new().base_url(&url).build()]
    }
}

#[test]
fn pieces_are_read_as_they_come_by_a_blocking_caller() {
    for base_url in [0, 1] {
        let stage = Stage::new();
        let client = &stage.clients()[base_url];
        let response = client.stream("/");
        assert_eq!((response.head().status, response.head().text()), (200, String::new()));
        assert_eq!(response.poll(), b"");
        for piece in ["one", "two", "three"] {
            stage.say(piece);
            assert_eq!(response.exactly(piece.len()), piece);
            let (nothing, waited) = timed(|| response.read(9, 20).unwrap());
            assert_eq!(nothing, (Vec::new(), false), "the time is up");
            assert!(waited >= ms(20), "{waited:?}");
        }
        stage.say("end");
        stage.say("");
        assert_eq!(response.rest().unwrap(), "end");
        assert_eq!(response.read(9, 0).unwrap(), (Vec::new(), true), "as often as it is asked");
        // The connection is kept.
        stage.say("more");
        stage.say("");
        assert_eq!(client.stream("/").rest_by(1).unwrap(), b"more");
        assert_eq!(stage.server.connections(), 1);
    }
}

#[test]
fn a_call_ends_with_the_head_and_a_function_is_told_of_what_comes() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let call = client.start(&Request::new("GET", "/").streamed()).unwrap();
    let response = Arc::new(call.open().unwrap());
    // The call is over: freeing its handle does not end the body.
    drop(call);
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let told_thread = || told.recv_timeout(SOON).unwrap();
    let ask = || {
        let tell = tell.lock().unwrap().clone();
        response.on_readable(move || tell.send(thread_name()).unwrap())
    };
    ask().unwrap();
    assert_eq!(ask().unwrap_err().status, AHOY_E_IN_USE);
    assert!(told.try_recv().is_err());
    stage.say("one");
    assert!(told_thread().starts_with("ahoy-io-"));
    ask().unwrap();
    told_thread();
    assert_eq!(response.poll(), b"one");
    ask().unwrap();
    stage.say("");
    told_thread();
    assert_eq!(response.read(1, 0).unwrap(), (Vec::new(), true));
    ask().unwrap();
    told_thread();
}

#[test]
fn what_comes_with_the_head_is_there_when_the_call_ends() {
    const ANSWERS: [&str; 2] = [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
    ];
    for answer in ANSWERS {
        let server =
            Scripted::new(move |_, peer| while peer.head().is_some() && peer.write(answer) {});
        let client = client_over(&[server.port()]);
        let queue = Queue::new();
        for tag in 0..100 {
            client.submit(&Request::new("GET", "/").streamed(), &queue, tag).unwrap();
            let response = queue.next(10_000).unwrap().unwrap().open().unwrap();
            assert_eq!(
                response.read(99, 0).unwrap(),
                (b"whole".to_vec(), true),
                "one wake is enough"
            );
            let response = client.stream("/");
            assert_eq!(response.read(99, 0).unwrap(), (b"whole".to_vec(), true));
        }
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn a_function_that_waits_when_the_response_is_freed_is_dropped_and_not_called() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let response = client.stream("/");
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let on_readable = move || {
        let _ = &kept;
        panic!("never")
    };
    response.on_readable(on_readable).unwrap();
    drop(response);
    eventually("its data is destroyed", SOON, || Arc::strong_count(&held) == 1);
}

#[test]
fn an_event_loop_is_told_by_its_queue() {
    let stage = Stage::new();
    let [_, client] = stage.clients();
    let queue = Queue::new();
    client.submit(&Request::new("GET", "/").streamed(), &queue, 1).unwrap();
    let next = || queue.next(10_000).unwrap().unwrap();
    let completion = next();
    assert_eq!((completion.tag(), completion.status()), (1, AHOY_OK));
    let response = completion.open().unwrap();
    let mut all = Vec::new();
    for (piece, tag) in [("one", 2), ("two", 3), ("", 4)] {
        response.notify(&queue, tag).unwrap();
        assert!(!is_readable(queue.fd(), 0));
        assert_eq!(response.notify(&queue, 9).unwrap_err().status, AHOY_E_IN_USE);
        stage.say(piece);
        assert!(is_readable(queue.fd(), 10_000));
        let completion = next();
        assert_eq!((completion.tag(), completion.status()), (tag, AHOY_OK));
        assert!(completion.open().is_none() && completion.take().is_none());
        let (bytes, ended) = response.read(99, 0).unwrap();
        all.extend(bytes);
        assert_eq!(ended, piece.is_empty());
    }
    assert_eq!(all, b"onetwo");
    response.notify(&queue, 5).unwrap();
    assert_eq!(next().tag(), 5, "the end stays readable");
    assert!(queue.next(0).unwrap().is_none(), "one for each");
}

/// One that waits reads the connection itself; one that polls or is told has an I/O thread read it.
#[test]
fn a_reader_may_wait_poll_and_be_told_by_turns() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let queue = Queue::new();
    let response = client.stream("/");
    for tag in 0..20 {
        stage.say("waits");
        assert_eq!(response.exactly(5), "waits");
        stage.say("polls");
        let mut polled = Vec::new();
        eventually("it is there", SOON, || {
            polled.extend(response.poll());
            polled.len() == 5
        });
        response.notify(&queue, tag).unwrap();
        assert!(queue.next(0).unwrap().is_none());
        stage.say("told");
        assert_eq!(queue.next(10_000).unwrap().unwrap().tag(), tag);
        assert_eq!(response.poll(), b"told");
    }
    assert_eq!(response.read(9, 5).unwrap(), (Vec::new(), false));
    response.notify(&queue, 99).unwrap();
    stage.say("");
    assert_eq!(queue.next(10_000).unwrap().unwrap().tag(), 99, "the end is told as well");
    assert_eq!(response.read(9, 0).unwrap(), (Vec::new(), true));
}

/// A reader that waits while much comes is woken once for much of it: what came less is late by a moment at most, and
/// there at once for one that only looks.
#[test]
#[cfg(target_os = "linux")]
fn a_reader_that_looks_finds_what_has_arrived_although_it_waited_for_more_before() {
    const FLOW: usize = 1_000_000;
    const LENGTH: usize = 2 * FLOW;
    let (pieces, script) = mpsc::channel::<usize>();
    let (arrived, is_there) = mpsc::channel();
    let script = Mutex::new(script);
    let server = Scripted::new(move |_, peer| {
        let script = script.lock().unwrap();
        peer.head();
        peer.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n"));
        while let Ok(count) = script.recv_timeout(SOON) {
            peer.write(vec![b'x'; count]);
            if count < FLOW {
                sockets::has_arrived(&peer.socket);
                arrived.send(()).unwrap();
            }
        }
    });
    let client = client_over(&[server.port()]);
    let response = client.stream("/");
    pieces.send(FLOW).unwrap();
    assert_eq!(response.exactly(FLOW).len(), FLOW);
    for count in [1, 5, 40_000, 7] {
        assert_eq!(response.read(9, 1).unwrap().0, b"");
        pieces.send(count).unwrap();
        is_there.recv_timeout(SOON).unwrap();
        assert_eq!(response.poll().len(), count);
        pieces.send(count).unwrap();
        assert_eq!(response.exactly(count).len(), count);
        is_there.recv_timeout(SOON).unwrap();
    }
    drop((pieces, response));
}

/// The socket follows its readers from thread to thread, and back to the I/O thread, which keeps it.
#[test]
fn threads_may_read_a_body_in_turn_and_its_connection_is_kept() {
    const LENGTH: usize = 3_000_000;
    let authority = Authority::new();
    let body = |_: &Seen| Reply::bytes(200, (0..LENGTH).map(|at| at as u8).collect::<Vec<_>>());
    for tls in [false, true] {
        let server =
            if tls { Server::tls(authority.server("127.0.0.1"), body) } else { Server::new(body) };
        let url = if tls { server.url().replace("http:", "https:") } else { server.url() };
        let client = Builder::new().ca(&authority.pem).base_url(&url).tries(1).build();
        for _ in 0..3 {
            let (response, mut all) = (client.stream("/"), Vec::new());
            while all.len() < LENGTH {
                all.extend(response.read(70_000, 10_000).unwrap().0);
                all.extend(response.read(70_000, 0).unwrap().0);
                let by_another = || response.read(70_000, 10_000).unwrap().0;
                all.extend(thread::scope(|scope| scope.spawn(by_another).join().unwrap()));
            }
            assert!(all.iter().enumerate().all(|(at, byte)| *byte == at as u8));
            assert_eq!(response.read(9, 10_000).unwrap(), (Vec::new(), true));
        }
        let opened = client.snapshot().sum("ahoy_client_connections_opened_total", &[]);
        assert_eq!(opened, 1.0, "tls: {tls}");
    }
}

/// Bytes are counted once by whichever thread reads them.
#[test]
fn bytes_of_many_readers_add_up() {
    const LENGTH: usize = 3_000_000;
    let server = Server::always(Reply::bytes(200, vec![7; LENGTH]));
    let client = client_over(&[server.port()]);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(client.stream("/").rest_by(50_000).unwrap().len(), LENGTH));
        }
    });
    let snapshot = client.snapshot();
    let received = snapshot.sum("ahoy_client_received_bytes_total", &[]) as usize;
    assert!((4 * LENGTH..4 * LENGTH + 4000).contains(&received), "{received}");
    assert_eq!(snapshot.sum("ahoy_client_streamed_bodies_total", &[]), 4.0);
}

#[test]
fn a_notice_is_kept_when_the_response_is_freed_or_cancelled() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let queue = Queue::new();
    let response = client.stream("/");
    response.notify(&queue, 1).unwrap();
    drop(response);
    let completion = queue.next(10_000).unwrap().unwrap();
    assert_eq!((completion.tag(), completion.status()), (1, AHOY_E_CANCELLED));

    let stage = Stage::new();
    let response = stage.clients()[0].stream("/");
    response.notify(&queue, 2).unwrap();
    queue.cancel(2).unwrap();
    let completion = queue.next(10_000).unwrap().unwrap();
    assert_eq!((completion.tag(), completion.status()), (2, AHOY_OK), "its end is there");
    assert_eq!(response.read(1, 0).unwrap_err().status, AHOY_E_CANCELLED);
}

#[test]
fn who_does_not_read_holds_the_server_back() {
    for base_url in [false, true] {
        let written = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&written);
        const TOTAL: usize = 64 << 20;
        let server = Scripted::new(move |_, peer| {
            peer.head();
            peer.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {TOTAL}\r\n\r\n"));
            let piece = vec![b'x'; 64 << 10];
            while count.load(Ordering::SeqCst) < TOTAL && peer.write(&piece) {
                count.fetch_add(piece.len(), Ordering::SeqCst);
            }
        });
        let client = match base_url {
            false => client_over(&[server.port()]),
            true => Builder::new().base_url(&url(server.port())).build(),
        };
        let response = client.stream("/");
        let mut before = usize::MAX;
        // Nothing is written for a while: the server is held.
        eventually("the server rests", SOON, || {
            thread::sleep(ms(100));
            std::mem::replace(&mut before, written.load(Ordering::SeqCst)) == before
        });
        let held = written.load(Ordering::SeqCst);
        // What both kernels hold of a connection on loopback is several megabytes.
        assert!(held < 16 << 20, "{held} bytes left the server");
        assert_eq!(response.rest_by(1 << 20).unwrap().len(), TOTAL);
    }
}

#[test]
fn a_reader_that_gives_up_closes_the_connection() {
    for base_url in [0, 1] {
        for finished in [false, true] {
            let stage = Stage::new();
            let client = &stage.clients()[base_url];
            let response = client.stream("/");
            stage.say("one");
            assert_eq!(response.exactly(3), "one");
            if finished {
                stage.say("");
                assert_eq!(response.rest().unwrap(), "");
            }
            drop(response);
            drop(stage.pieces);
            if finished {
                // It was kept, and serves the next call.
                assert!(stage.closed.try_recv().is_err());
            } else {
                stage.closed.recv_timeout(SOON).unwrap();
            }
        }
    }
}

#[test]
fn a_call_that_nobody_takes_gives_its_body_up() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let request = Request::new("GET", "/").streamed();
    let call = client.start(&request).unwrap();
    eventually("it is there", SOON, || stage.server.connections() == 1);
    drop(call);
    drop(stage.pieces);
    stage.closed.recv_timeout(SOON).unwrap();

    let stage = Stage::new();
    let queue = Queue::new();
    stage.clients()[1].submit(&request, &queue, 1).unwrap();
    assert!(is_readable(queue.fd(), 10_000));
    drop(queue);
    drop(stage.pieces);
    stage.closed.recv_timeout(SOON).unwrap();
}

#[test]
fn a_cancelled_call_ends_its_body() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let call = client.start(&Request::new("GET", "/").streamed()).unwrap();
    let response = call.open().unwrap();
    stage.say("unread");
    eventually("it has come", SOON, || {
        response.on_readable(|| {}).is_ok() && response.read(1, 0).unwrap().0 == b"u"
    });
    thread::scope(|scope| {
        let blocked = scope.spawn(|| {
            response.exactly(5);
            response.read(9, FOREVER)
        });
        thread::sleep(ms(20));
        call.cancel().unwrap();
        let failure = blocked.join().unwrap().unwrap_err();
        assert_eq!(failure.status, AHOY_E_CANCELLED, "{}", failure.message);
        assert!(!failure.is_retryable);
    });
    assert_eq!(response.read(9, 0).unwrap_err().status, AHOY_E_CANCELLED, "again and again");
}

#[test]
fn the_deadline_ends_with_the_head_and_each_piece_has_a_limit_of_its_own() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let request = Request::new("GET", "/").streamed().timeout_ms(150).idle_timeout_ms(400);
    let response = client.open(&request).unwrap();
    for _ in 0..4 {
        thread::sleep(ms(100));
        stage.say("on");
        assert_eq!(response.exactly(2), "on");
    }
    let (failure, waited) = timed(|| response.read(9, FOREVER).unwrap_err());
    assert_eq!(failure.status, AHOY_E_TIMEOUT, "{}", failure.message);
    assert!((ms(300)..ms(2000)).contains(&waited), "{waited:?}");
    assert!(failure.message.contains("the body broke off after 8 bytes"), "{}", failure.message);
    assert!(failure.is_ambiguous && failure.is_retryable, "a GET may be repeated");

    let silent = Server::always(Reply::Hang);
    let client = Builder::new().base_url(&silent.url()).tries(1).build();
    let failure = client.open(&Request::new("GET", "/").streamed().timeout_ms(100)).unwrap_err();
    assert_eq!(failure.status, AHOY_E_DEADLINE);
}

/// Asks to be told of the next piece, which comes after `wait`, and reads it.
fn told_of_a_piece(stage: &Stage, response: &Streamed, wait: Duration) {
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    response.on_readable(move || tell.lock().unwrap().send(()).unwrap()).unwrap();
    thread::sleep(wait);
    stage.say("told");
    told.recv_timeout(SOON).unwrap();
    assert_eq!(response.poll(), b"told");
}

/// A stream whose reader was told of a piece and then waited for another, and so looks for it itself.
fn waited_for(stage: &Stage, idle_ms: u64) -> Streamed {
    let [client, _] = stage.clients();
    let request = Request::new("GET", "/").streamed().idle_timeout_ms(idle_ms);
    let response = client.open(&request).unwrap();
    told_of_a_piece(stage, &response, ms(0));
    // What carries the body waits by then, with the limit on the next piece.
    thread::sleep(ms(50));
    assert_eq!(response.read(9, 1).unwrap(), (Vec::new(), false));
    response
}

#[test]
fn a_reader_that_waited_and_then_only_looks_meets_the_limit_on_a_piece() {
    let stage = Stage::new();
    let response = waited_for(&stage, 500);
    let mut end = None;
    eventually("its body ends", SOON, || {
        end = response.read(9, 0).err();
        end.is_some()
    });
    assert_eq!(end.unwrap().status, AHOY_E_TIMEOUT);
}

#[test]
fn a_reader_that_waited_and_then_stays_away_keeps_no_body_beyond_its_limit() {
    let stage = Stage::new();
    let response = waited_for(&stage, 300);
    drop(stage.pieces);
    stage.closed.recv_timeout(SOON).unwrap();
    assert_eq!(response.read(9, 10_000).unwrap_err().status, AHOY_E_TIMEOUT);
}

#[test]
fn a_piece_has_its_whole_limit_after_a_reader_that_waited_asks_to_be_told() {
    let stage = Stage::new();
    let response = waited_for(&stage, 2000);
    thread::sleep(ms(1200));
    stage.say("next");
    assert_eq!(response.exactly(4), "next");
    told_of_a_piece(&stage, &response, ms(1200));
}

#[test]
fn a_piece_has_its_whole_limit_after_a_reader_that_was_told_waits() {
    let stage = Stage::new();
    let response = waited_for(&stage, 2000);
    told_of_a_piece(&stage, &response, ms(1200));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| response.exactly(4));
        thread::sleep(ms(1200));
        stage.say("last");
        assert_eq!(waiting.join().unwrap(), "last");
    });
}

#[test]
fn a_reader_that_rests_is_no_reason_to_end_the_body() {
    let server = Server::always(Reply::bytes(200, vec![b'x'; 8 << 20]));
    let client = client_over(&[server.port()]);
    let response = client.open(&Request::new("GET", "/").streamed().idle_timeout_ms(50)).unwrap();
    thread::sleep(ms(300));
    assert_eq!(response.rest_by(1 << 20).unwrap().len(), 8 << 20);
}

#[test]
fn a_body_that_breaks_off_is_read_up_to_there_and_counts_against_its_endpoint() {
    let stage = Stage::new();
    let breaker = Breaker::new().consecutive(1).min_closed(0);
    let balancer = round_robin(&[stage.server.port()]).with(&breaker);
    let client = Builder::new().balancer(&balancer).build();
    let request = Request::new("POST", "/").streamed();
    let response = client.open(&request).unwrap();
    let endpoint = balancer.endpoint(stage.server.port());
    stage.say("one");
    stage.say("!");
    assert_eq!(response.exactly(3), "one");
    let failure = response.read(9, FOREVER).unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECTION_LOST, "{}", failure.message);
    assert!(failure.is_ambiguous && !failure.is_retryable, "a POST must not be repeated");
    assert_eq!(failure.attempt_count, 1);
    assert!(endpoint.is_open(), "the endpoint has failed");
    assert_eq!(response.head().status, 200, "the head stays");
}

/// A POST whose body begins, and goes on as `then` says once the request is resumed.
fn beginning(then: Said) -> (Request, Arc<AtomicBool>) {
    let goes_on = Arc::new(AtomicBool::new(false));
    let (may, begun, then) = (Arc::clone(&goes_on), AtomicBool::new(false), Mutex::new(then));
    let say = move || match begun.swap(true, Ordering::SeqCst) {
        false => Said::Data(b"one".to_vec()),
        true if may.load(Ordering::SeqCst) => {
            std::mem::replace(&mut *then.lock().unwrap(), Said::End)
        }
        true => Said::NotReady,
    };
    (Request::new("POST", "/").streamed().source(None, say), goes_on)
}

#[test]
fn a_requests_body_that_fails_after_the_head_is_no_fault_of_the_endpoint() {
    let server = Scripted::new(|_, peer| {
        peer.head();
        peer.write(CHUNKED);
        peer.sees_close();
    });
    let breaker = Breaker::new().consecutive(1).min_closed(0);
    let balancer = round_robin(&[server.port()]).with(&breaker);
    let client = Builder::new().balancer(&balancer).build();
    let (request, goes_on) = beginning(Said::Failed);
    let response = client.open(&request).unwrap();
    goes_on.store(true, Ordering::SeqCst);
    request.resume();
    let failure = response.rest().unwrap_err();
    assert_eq!(failure.status, AHOY_E_BODY_SOURCE, "{}", failure.message);
    // The host pauses for longer than the answer may.
    let (request, _) = beginning(Said::End);
    let response = client.open(&request.idle_timeout_ms(50)).unwrap();
    let failure = response.rest().unwrap_err();
    assert_eq!(failure.status, AHOY_E_TIMEOUT, "{}", failure.message);
    assert!(balancer.endpoint(server.port()).is_closed());
}

#[test]
fn a_stream_that_is_freed_makes_room_at_once() {
    let server = Server::new(|_| Reply::Begin(CHUNKED.as_bytes().to_vec()));
    let balancer = round_robin(&[server.port()]).max_in_flight(1);
    let of_endpoint = Builder::new().balancer(&balancer).tries(1).endpoint_updates(0).build();
    let of_client = Builder::new().base_url(&url(server.port())).max_in_flight(1).build();
    for client in [of_endpoint, of_client] {
        (0..200).for_each(|_| drop(client.stream("/")));
    }
}

#[test]
fn a_reader_that_gives_up_says_nothing_of_the_endpoint() {
    let stage = Stage::new();
    let breaker = Breaker::new().consecutive(1).min_closed(0);
    let balancer = round_robin(&[stage.server.port()]).with(&breaker);
    let client = Builder::new().balancer(&balancer).build();
    drop(client.stream("/"));
    drop(stage.pieces);
    stage.closed.recv_timeout(SOON).unwrap();
    assert!(balancer.endpoint(stage.server.port()).is_closed());
}

#[test]
fn a_probe_is_settled_by_its_head() {
    let bad = Arc::new(AtomicBool::new(true));
    let now = Arc::clone(&bad);
    let server = Server::new(move |_| match now.load(Ordering::SeqCst) {
        true => Reply::Close,
        false => Reply::Begin(CHUNKED.as_bytes().to_vec()),
    });
    let breaker = Breaker::new().consecutive(1).open_ms(20, 20).min_closed(0);
    let balancer = round_robin(&[server.port()]).with(&breaker);
    let client = Builder::new().balancer(&balancer).tries(1).build();
    client.get("/").unwrap_err();
    let endpoint = balancer.endpoint(server.port());
    assert!(endpoint.is_open());
    bad.store(false, Ordering::SeqCst);
    let mut response = None;
    eventually("the probe goes", SOON, || {
        response = client.open(&Request::new("GET", "/").streamed()).ok();
        response.is_some()
    });
    assert!(endpoint.is_closed(), "although its body goes on");
}

#[test]
fn a_status_that_is_retried_is_so_before_anything_is_handed_over() {
    let bad = Server::always(Reply::text(503, "not now"));
    let good = Server::always(Reply::text(200, "here"));
    let client = client_over(&[bad.port(), good.port()]);
    for _ in 0..2 {
        assert_eq!(client.stream("/").rest().unwrap(), "here");
    }
    let client = client_over(&[bad.port()]);
    let response = client.stream("/");
    let head = response.head();
    assert_eq!((head.status, head.attempt_count), (503, 3));
    assert_eq!(response.rest_by(2).unwrap(), b"not now", "the last answer is handed over");

    let client = Builder::new().base_url(&bad.url()).fail_on_status(true).tries(1).build();
    let failure = client.open(&Request::new("GET", "/").streamed()).unwrap_err();
    assert_eq!(failure.status, AHOY_E_HTTP_STATUS);
    assert_eq!(failure.response.unwrap().text(), "not now");
}

#[test]
fn an_answer_that_cannot_be_asked_for_anew_is_handed_over_by_its_head() {
    let (go_on, waits) = mpsc::channel();
    let waits = Mutex::new(waits);
    let server = Scripted::new(move |_, peer| {
        while peer.head().is_some() {
            peer.write("HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nab");
            waits.lock().unwrap().recv_timeout(SOON).unwrap();
            peer.write("cd");
        }
    });
    let balancer = round_robin(&[server.port()]);
    let once = Builder::new().balancer(&balancer).tries(1).build();
    let thrice = Builder::new().balancer(&balancer).tries(3).build();
    for (client, method) in [(&once, "GET"), (&once, "GET"), (&thrice, "POST"), (&thrice, "POST")] {
        let response = client.open(&Request::new(method, "/").streamed()).unwrap();
        let head = response.head();
        assert_eq!((head.status, head.attempt_count), (503, 1), "{method}");
        assert_eq!(response.read(2, 1_000).unwrap(), (b"ab".to_vec(), false));
        go_on.send(()).unwrap();
        assert_eq!(response.rest_by(2).unwrap(), b"cd");
        assert!(balancer.explain().contains("last failure"), "{}", balancer.explain());
    }
    assert_eq!(server.connections(), 2, "that of each client is kept");
}

#[test]
fn any_response_can_be_read_and_some_have_no_body() {
    let server = Server::new(|seen| match seen.path.as_str() {
        "/none" => Reply::Raw(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        _ => Reply::text(200, "hello"),
    });
    let client = client_over(&[server.port()]);
    let response = client.open(&Request::new("GET", "/")).unwrap();
    assert_eq!(response.read(2, 0).unwrap(), (b"he".to_vec(), false));
    assert_eq!(response.read(3, 0).unwrap(), (b"llo".to_vec(), true));
    assert_eq!(response.read(3, 0).unwrap(), (Vec::new(), true));
    assert_eq!(response.head().text(), "hello");
    let queue = Queue::new();
    response.notify(&queue, 7).unwrap();
    assert_eq!(queue.next(0).unwrap().unwrap().tag(), 7);
    for (method, path) in [("HEAD", "/"), ("GET", "/none")] {
        let response = client.open(&Request::new(method, path).streamed()).unwrap();
        assert_eq!(response.rest().unwrap(), "");
    }
    assert_eq!(response.read(0, 0).unwrap_err().status, AHOY_E_INVALID_ARGUMENT);
}

#[test]
fn a_streamed_body_has_no_bound() {
    let server = Server::always(Reply::bytes(200, vec![b'x'; 100_000]));
    let client = Builder::new().base_url(&server.url()).max_body_bytes(10).build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_BODY_TOO_LARGE);
    assert_eq!(client.stream("/").rest().unwrap().len(), 100_000);
}

#[test]
fn a_close_waits_for_bodies_and_then_ends_them() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let response = client.stream("/");
    thread::scope(|scope| {
        let closing = scope.spawn(|| timed(|| client.close(FOREVER).unwrap()).1);
        eventually("it is closing", SOON, || {
            let call = client.start(&Request::new("GET", "/"));
            call.map(|call| call.cancel().unwrap()).is_err()
        });
        stage.say("one");
        assert_eq!(response.exactly(3), "one");
        assert!(!closing.is_finished());
        stage.say("");
        assert_eq!(response.rest().unwrap(), "");
        closing.join().unwrap();
    });

    let stage = Stage::new();
    let [_, client] = stage.clients();
    let response = client.stream("/");
    thread::scope(|scope| {
        let blocked = scope.spawn(|| response.read(9, FOREVER).unwrap_err());
        thread::sleep(ms(20));
        client.close(10).unwrap();
        assert_eq!(blocked.join().unwrap().status, AHOY_E_CLOSED);
    });
    drop(stage.pieces);
    stage.closed.recv_timeout(SOON).unwrap();
}

#[test]
fn inside_a_callback_what_would_wait_is_refused() {
    let stage = Stage::new();
    let [client, _] = stage.clients();
    let response = Arc::new(client.stream("/"));
    let (tell, told) = mpsc::channel();
    let inside = Arc::downgrade(&response);
    response
        .on_readable(move || {
            let response = inside.upgrade().unwrap();
            let there = response.read(2, FOREVER).unwrap();
            let polled = response.read(2, 0).unwrap();
            let refused = response.read(2, FOREVER).unwrap_err().status;
            tell.send((there, polled, refused)).unwrap();
        })
        .unwrap();
    stage.say("on");
    let (there, polled, refused) = told.recv_timeout(SOON).unwrap();
    assert_eq!((there, polled), ((b"on".to_vec(), false), (Vec::new(), false)));
    assert_eq!(refused, AHOY_E_WOULD_DEADLOCK);
}

#[test]
fn the_hook_sees_the_head_and_the_client_may_go() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&seen);
    let stage = Stage::new();
    let client = Builder::new()
        .base_url(&url(stage.server.port()))
        .on_response(move |answer| shown.lock().unwrap().push((answer.status, answer.body)))
        .build();
    let response = client.stream("/");
    drop(client);
    stage.say("one");
    stage.say("");
    assert_eq!(response.rest().unwrap(), "one");
    assert_eq!(*seen.lock().unwrap(), [(200, Vec::new())]);
}

#[test]
fn gzip_is_decoded_on_the_way() {
    let plain = "plain text ".repeat(500_000);
    let encoded = gzip(plain.as_bytes());
    let reply = Reply::bytes(200, encoded.clone()).header("content-encoding", "gzip");
    let server = Server::always(reply);
    let client = client_over(&[server.port()]);
    let response = client.stream("/");
    assert_eq!(response.head().header("content-encoding"), None);
    assert_eq!(response.rest_by(7777).unwrap(), plain.as_bytes());

    let cut = encoded[..encoded.len() / 2].to_vec();
    let server = Server::always(Reply::bytes(200, cut).header("content-encoding", "gzip"));
    let failure = client_over(&[server.port()]).stream("/").rest().unwrap_err();
    assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn bodies_go_both_ways_over_tls() {
    let authority = Authority::new();
    let server =
        Server::tls(authority.server("127.0.0.1"), |seen| Reply::bytes(200, seen.body.clone()));
    let body = "x".repeat(1_000_000);
    let host = Host::new("127.0.0.1", server.port()).https();
    let balanced = Balancer::round_robin(&Provider::of(&[host]));
    let base = server.url().replace("http:", "https:");
    for client in [
        Builder::new().ca(&authority.pem).balancer(&balanced).build(),
        Builder::new().ca(&authority.pem).base_url(&base).build(),
    ] {
        let left = Mutex::new(vec![body.clone().into_bytes()]);
        let request = Request::new("PUT", "/").streamed().source(Some(1_000_000), move || {
            left.lock().unwrap().pop().map_or(Said::End, Said::Data)
        });
        let response = client.open(&request).unwrap();
        assert_eq!(response.rest_by(5000).unwrap(), body.as_bytes());
    }
}
