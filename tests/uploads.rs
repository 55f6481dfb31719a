//! Request bodies from a function: while they are sent, when it is not ready, and when an attempt fails.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::values::status::*;
use support::*;

const SOON: Duration = ms(10_000);

/// Says one after the other, and then that it is the end.
fn saying(list: &[Said]) -> impl Fn() -> Said + Send + Sync + 'static {
    let list = Mutex::new(list.iter().cloned().collect::<VecDeque<_>>());
    move || list.lock().unwrap().pop_front().unwrap_or(Said::End)
}

fn data(text: &str) -> Said {
    Said::Data(text.as_bytes().to_vec())
}

fn post() -> Request {
    Request::new("POST", "/")
}

fn clients(port: u16) -> [Client; 2] {
    [client_over(&[port]), Builder::new().base_url(&url(port)).build()]
}

/// Answers with what it got of a chunked body.
fn echo_of_chunks() -> Scripted {
    Scripted::new(|_, peer| {
        while let Some(head) = peer.head() {
            let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
            let stated = head.to_ascii_lowercase().contains("content-length");
            let Some(body) = peer.until("0\r\n\r\n") else { return };
            let text = format!("{chunked} {stated} {body:?}");
            peer.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()));
        }
    })
}

#[test]
fn a_body_of_known_length_arrives_with_it() {
    for client in 0..2 {
        let server = Server::new(|seen| Reply::bytes(200, seen.body.clone()));
        let client = &clients(server.port())[client];
        let large = "x".repeat(300_000);
        let request = post().source(Some(300_003), saying(&[data("one"), data(&large)]));
        let echoed = client.send(&request).unwrap().text();
        assert_eq!(echoed, format!("one{large}"));
        let seen = server.request();
        assert_eq!(seen.all("content-length"), ["300003"]);
        assert!(seen.header("transfer-encoding").is_none());
    }
}

#[test]
fn a_body_of_unknown_length_arrives_in_chunks_whatever_the_method() {
    for client in 0..2 {
        let server = echo_of_chunks();
        let client = &clients(server.port())[client];
        for method in ["POST", "GET", "DELETE"] {
            let request = Request::new(method, "/");
            let request = request.source(None, saying(&[data("one"), data("four")]));
            let echoed = client.send(&request).unwrap().text();
            assert_eq!(echoed, "true false \"3\\r\\none\\r\\n4\\r\\nfour\\r\\n0\\r\\n\\r\\n\"");
        }
        assert_eq!(server.connections(), 1, "it is kept");
    }
}

#[test]
fn a_body_without_bytes_is_one() {
    for length in [Some(0), None] {
        let server = Server::ok();
        let request = post().source(length, saying(&[]));
        match length {
            Some(_) => {
                assert_eq!(client_over(&[server.port()]).send(&request).unwrap().status, 200);
                assert_eq!(server.request().header("content-length"), Some("0"));
            }
            None => {
                let server = echo_of_chunks();
                let echoed = client_over(&[server.port()]).send(&request).unwrap().text();
                assert_eq!(echoed, "true false \"0\\r\\n\\r\\n\"");
            }
        }
    }
}

#[test]
fn a_body_that_is_not_ready_is_asked_again_when_resumed_in_all_three_ways_to_call() {
    let server = Server::new(|seen| Reply::bytes(200, seen.body.clone()));
    for client in clients(server.port()) {
        for way in 0..3 {
            // What is there to say next, and how often there was nothing.
            let shelf = Arc::new(Mutex::new((None, 0)));
            let taken = Arc::clone(&shelf);
            let request = post().source(Some(6), move || {
                let mut shelf = taken.lock().unwrap();
                shelf.0.take().unwrap_or_else(|| {
                    shelf.1 += 1;
                    Said::NotReady
                })
            });
            let bring = |piece: &str, times: usize| {
                eventually("it is not ready", SOON, || shelf.lock().unwrap().1 == times);
                shelf.lock().unwrap().0 = Some(data(piece));
                request.resume();
            };
            let queue = Queue::new();
            let answer = thread::scope(|scope| {
                let sent = scope.spawn(|| match way {
                    0 => client.send(&request),
                    1 => client.start(&request).unwrap().end(),
                    _ => {
                        client.submit(&request, &queue, 1).unwrap();
                        queue.next(10_000).unwrap().unwrap().take().unwrap()
                    }
                });
                bring("one", 1);
                bring("two", 2);
                sent.join().unwrap()
            });
            assert_eq!(answer.unwrap().text(), "onetwo");
        }
    }
}

#[test]
fn a_blocking_call_draws_on_its_callers_thread_and_others_on_an_io_thread() {
    let server = Server::ok();
    for client in clients(server.port()) {
        for started in [false, true] {
            let (tell, told) = mpsc::channel();
            let tell = Mutex::new(tell);
            let request = post().source(None, move || {
                let _ = tell.lock().unwrap().send((thread::current().id(), thread_name()));
                Said::Failed
            });
            let outcome = match started {
                false => client.send(&request),
                true => client.start(&request).unwrap().end(),
            };
            assert_eq!(outcome.unwrap_err().status, AHOY_E_BODY_SOURCE);
            let (thread, name) = told.recv().unwrap();
            assert_eq!(thread == thread::current().id(), !started, "{name}");
            assert_eq!(name.starts_with("ahoy-io-"), started);
        }
    }
}

#[test]
fn a_piece_has_left_before_a_function_that_waits_is_asked_for_the_next() {
    for (client, length) in [(0, None), (0, Some(6)), (1, None), (1, Some(6))] {
        let (saw, seen) = mpsc::channel();
        let server = Scripted::new(move |_, peer| {
            peer.head();
            peer.until("one");
            saw.send(()).unwrap();
            peer.until("two");
            peer.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            peer.sees_close();
        });
        let client = &clients(server.port())[client];
        // What comes second is a reply to the first, as of a host that reads from a pipe.
        let (seen, count) = (Mutex::new(seen), AtomicUsize::new(0));
        let request = post().source(length, move || match count.fetch_add(1, Ordering::SeqCst) {
            0 => data("one"),
            1 => match seen.lock().unwrap().recv_timeout(SOON) {
                Ok(()) => data("two"),
                Err(_) => Said::Failed,
            },
            _ => Said::End,
        });
        assert_eq!(client.send(&request).unwrap().status, 200, "{length:?}");
    }
}

#[test]
fn a_function_that_takes_long_for_each_piece_outlasts_no_limit() {
    for (client, length) in [(0, None), (0, Some(1 << 30)), (1, None), (1, Some(1 << 30))] {
        let server = Scripted::new(|_, peer| {
            peer.head();
            let _ = peer.socket.read_to_end(&mut Vec::new());
        });
        let client = &clients(server.port())[client];
        let begun = Instant::now();
        let request = post().timeout_ms(200).source(length, move || {
            thread::sleep(ms(5));
            match begun.elapsed() < ms(3000) {
                true => Said::Data(vec![b'x'; 65_536]),
                false => Said::Failed,
            }
        });
        let failure = client.send(&request).unwrap_err();
        assert_eq!(failure.status, AHOY_E_DEADLINE, "{length:?}: {}", failure.message);
    }
}

#[test]
fn a_body_that_fails_or_does_not_keep_its_length_ends_the_call_and_its_connection() {
    for client in 0..2 {
        let (saw, closed) = mpsc::channel();
        let server = Scripted::new(move |_, peer| {
            peer.head();
            // Whatever else comes is the connection's end, never another request.
            assert!(peer.until("GET ").is_none());
            saw.send(()).unwrap();
        });
        let client = &clients(server.port())[client];
        let cases = [
            (Some(9), vec![data("one"), Said::Failed]),
            (Some(9), vec![data("one"), Said::End]),
            (Some(9), vec![data("one"), data("more than six")]),
            (None, vec![data("one"), Said::Failed]),
            (None, vec![data("one"), Said::Nonsense(77, 1)]),
            (None, vec![data("one"), Said::Nonsense(1, 0)]),
            (None, vec![data("one"), Said::Nonsense(1, usize::MAX)]),
        ];
        for (length, said) in cases {
            let request = post().idempotent(true).source(length, saying(&said));
            let failure = client.send(&request).unwrap_err();
            assert_eq!(failure.status, AHOY_E_BODY_SOURCE, "{said:?}: {}", failure.message);
            assert_eq!(failure.attempt_count, 1, "repeating cannot help");
            assert!(failure.message.contains("body source"), "{}", failure.message);
            closed.recv_timeout(SOON).unwrap();
        }
    }
}

#[test]
fn a_body_that_fails_at_its_begin_ends_the_call_on_a_connection_that_rested_too() {
    for (client, length) in [(0, None), (0, Some(9)), (1, None), (1, Some(9))] {
        let server = Server::new(|_| Reply::status(200));
        let client = &clients(server.port())[client];
        assert_eq!(client.get("/").unwrap().status, 200);
        // What is drawn again says that it has ended, as a generator does that raised.
        let request = post().idempotent(true).source(length, saying(&[Said::Failed]));
        let failure = client.send(&request).unwrap_err();
        assert_eq!(failure.status, AHOY_E_BODY_SOURCE, "{}", failure.message);
        assert_eq!(client.send(&request).unwrap_err().status, AHOY_E_IN_USE);
        assert_eq!(server.request_count(), 1, "nothing arrived that would pass for a request");
    }
}

#[test]
fn an_attempt_that_failed_is_repeated_after_a_rewind() {
    for client in 0..2 {
        let server = Server::new(|seen| match seen.number {
            0 => Reply::status(503),
            1 => Reply::Close,
            _ => Reply::bytes(200, seen.body.clone()),
        });
        let client = &clients(server.port())[client];
        let (rewinds, said) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (rewound, says) = (Arc::clone(&rewinds), Arc::clone(&said));
        let request = post().idempotent(true).rewindable(
            Some(6),
            move || match says.fetch_add(1, Ordering::SeqCst) {
                0 => data("one"),
                1 => data("two"),
                _ => Said::End,
            },
            move || {
                rewound.fetch_add(1, Ordering::SeqCst);
                said.store(0, Ordering::SeqCst);
                true
            },
        );
        let answer = client.send(&request).unwrap();
        assert_eq!((answer.text(), answer.attempt_count), ("onetwo".to_owned(), 3));
        assert_eq!(rewinds.load(Ordering::SeqCst), 2);
        assert!(server.requests().iter().all(|seen| seen.body == b"onetwo"));
        // The request may be sent again, by the same means.
        assert_eq!(client.send(&request).unwrap().text(), "onetwo");
        assert_eq!(rewinds.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn a_rewind_that_fails_ends_the_call() {
    let server = Server::status(503);
    let request = post().idempotent(true).rewindable(Some(3), saying(&[data("one")]), || false);
    let failure = client_over(&[server.port()]).send(&request);
    // The answer that came is handed over all the same.
    let answer = failure.unwrap();
    assert_eq!((answer.status, answer.attempt_count), (503, 2));
    assert_eq!(answer.attempts[1].status, AHOY_E_BODY_SOURCE);
    assert_eq!(server.request_count(), 1);
}

#[test]
fn without_a_rewind_there_is_no_second_attempt_once_bytes_were_taken() {
    let server = Server::new(|_| Reply::Close);
    for client in clients(server.port()) {
        let request = post().idempotent(true).source(Some(3), saying(&[data("one")]));
        let failure = client.send(&request).unwrap_err();
        assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CONNECTION_LOST, 1));
        assert!(failure.message.contains("cannot rewind"), "{}", failure.message);
        let failure = client.send(&request).unwrap_err();
        assert_eq!(failure.status, AHOY_E_IN_USE, "{}", failure.message);
    }
    assert_eq!(server.request_count(), 2);
}

#[test]
fn endpoints_that_refuse_take_no_byte_and_the_next_is_free() {
    let (dead, server) = (Dead::new(), Server::new(|seen| Reply::bytes(200, seen.body.clone())));
    let mut met_the_dead = 0;
    for _ in 0..4 {
        let client = client_over(&[dead.port(), server.port()]);
        let request = post().source(Some(3), saying(&[data("one")]));
        let answer = client.send(&request).unwrap();
        assert_eq!(answer.text(), "one");
        met_the_dead += answer.attempt_count - 1;
        // The second pick of a new client is the other one.
        let request = post().source(Some(3), saying(&[data("two")]));
        let answer = client.send(&request).unwrap();
        assert_eq!(answer.text(), "two");
        met_the_dead += answer.attempt_count - 1;
    }
    assert!(met_the_dead >= 4, "{met_the_dead}");
}

#[test]
fn one_call_at_a_time_draws_and_a_cancelled_one_draws_no_more() {
    let server = Server::always(Reply::Hang);
    for client in clients(server.port()) {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let say = move || {
            count.fetch_add(1, Ordering::SeqCst);
            Said::NotReady
        };
        let request = post().rewindable(None, say, || true);
        for round in 1..=3 {
            let holder = client.start(&request).unwrap();
            let refused = client.send(&request).unwrap_err();
            assert_eq!(refused.status, AHOY_E_IN_USE, "{}", refused.message);
            eventually("it draws", SOON, || asked.load(Ordering::SeqCst) == round);
            let refused = client.start(&request).map(drop).unwrap_err();
            assert_eq!(refused.status, AHOY_E_IN_USE, "{}", refused.message);
            holder.cancel().unwrap();
            assert_eq!(holder.end().unwrap_err().status, AHOY_E_CANCELLED);
            request.resume();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }
}

#[test]
fn an_answer_that_comes_before_the_body_has_left_is_handed_over() {
    for client in 0..2 {
        for streamed in [false, true] {
            let (saw, closed) = mpsc::channel();
            let server = Scripted::new(move |_, peer| {
                peer.head();
                peer.until("one");
                peer.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly");
                peer.sees_close();
                saw.send(()).unwrap();
            });
            let client = &clients(server.port())[client];
            let list = Mutex::new(Some(data("one")));
            let request =
                post().source(None, move || list.lock().unwrap().take().unwrap_or(Said::NotReady));
            let request = if streamed { request.streamed() } else { request };
            let response = client.open(&request).unwrap();
            assert_eq!(response.rest().unwrap(), "early");
            closed.recv_timeout(SOON).unwrap();
        }
    }
}

#[test]
fn a_body_can_be_produced_while_the_answer_is_read() {
    let server = Scripted::new(|_, peer| {
        peer.head();
        peer.write(CHUNKED);
        while let Some(word) = peer.until(".") {
            let word = word.split("\r\n").find(|part| part.ends_with('.')).unwrap().to_owned();
            peer.chunk(word.as_bytes());
            if word == "end." {
                peer.chunk("");
            }
        }
    });
    for client in clients(server.port()) {
        let shelf = Arc::new(Mutex::new(VecDeque::from([data("start.")])));
        let next = Arc::clone(&shelf);
        let request = post()
            .streamed()
            .source(None, move || next.lock().unwrap().pop_front().unwrap_or(Said::NotReady));
        let response = client.open(&request).unwrap();
        assert_eq!(response.exactly(6), "start.");
        for word in ["one.", "two."] {
            shelf.lock().unwrap().push_back(data(word));
            request.resume();
            assert_eq!(response.exactly(4), word);
        }
        shelf.lock().unwrap().extend([data("end."), Said::End]);
        request.resume();
        assert_eq!(response.rest().unwrap(), "end.");
    }
}

#[test]
fn its_data_is_destroyed_when_request_and_call_are_gone() {
    let held = Arc::new(());
    let kept = Arc::clone(&held);
    let server = Server::always(Reply::Hang);
    let client = client_over(&[server.port()]);
    let request = post().source(None, move || {
        let _ = &kept;
        Said::NotReady
    });
    let call = client.start(&request).unwrap();
    drop(request);
    assert_eq!(Arc::strong_count(&held), 2);
    call.cancel().unwrap();
    assert_eq!(call.end().unwrap_err().status, AHOY_E_CANCELLED);
    eventually("it is destroyed", SOON, || Arc::strong_count(&held) == 1);

    let kept = Arc::clone(&held);
    let request = post().source(None, move || {
        let _ = &kept;
        Said::End
    });
    let request = request.body(b"held now");
    assert_eq!(Arc::strong_count(&held), 1, "another body is in its place");
    drop(request);
}

/// Three endpoints that answer at once, a balancer over them, and a client that knows how quick they are.
fn quick_three() -> ([Server; 3], Balancer, Client) {
    let servers = [Server::ok(), Server::ok(), Server::ok()];
    let balancer = Balancer::p2c(&Provider::loopback(&servers.each_ref().map(Server::port)));
    let client = Builder::new().balancer(&balancer).build();
    for _ in 0..200 {
        client.get("/").unwrap();
    }
    (servers, balancer, client)
}

#[test]
fn a_body_that_does_not_come_is_no_fault_of_an_endpoint() {
    let (_servers, balancer, client) = quick_three();
    for _ in 0..9 {
        let begun = Mutex::new(false);
        let nothing_more = move || match std::mem::replace(&mut *begun.lock().unwrap(), true) {
            false => data("a beginning"),
            true => Said::NotReady,
        };
        let request = post().timeout_ms(300).source(Some(100), nothing_more);
        let failure = client.send(&request).unwrap_err();
        assert_eq!(failure.status, AHOY_E_DEADLINE, "{}", failure.message);
        assert!(failure.message.contains("request's body not whole"), "{}", failure.message);
        assert!(!failure.message.contains("passed its limit"), "{}", failure.message);
    }
    let explained = balancer.explain();
    assert!(!explained.contains("failure"), "{explained}");
    assert!(largest_cost(&balancer) < 100.0, "{explained}");
}

#[test]
fn a_limit_on_an_attempt_whose_body_does_not_come_opens_no_circuit() {
    let (servers, balancer, _) = quick_three();
    let client = Builder::new()
        .balancer(&balancer)
        .tries(1)
        .attempt_timeout_ms(100)
        .attempt_timeout_hard()
        .build();
    for _ in 0..30 {
        let failure = client.send(&post().source(Some(100), || Said::NotReady)).unwrap_err();
        assert_eq!(failure.status, AHOY_E_TIMEOUT, "{}", failure.message);
        let says = "request's body not whole within the attempt limit 100 ms";
        assert!(failure.message.contains(says), "{}", failure.message);
    }
    for server in &servers {
        assert!(balancer.endpoint(server.port()).is_closed(), "{}", balancer.explain());
    }
}

#[test]
fn the_time_that_a_body_takes_to_come_is_not_its_endpoints() {
    let (_servers, balancer, client) = quick_three();
    for streamed in [false, true] {
        for waits in [false, true] {
            for _ in 0..4 {
                let late = saying(&[data("one"), Said::NotReady, data("two")]);
                let slow = saying(&[data("one"), data("two")]);
                let request = match waits {
                    true => post().source(Some(6), late),
                    false => post().source(Some(6), move || {
                        thread::sleep(ms(100));
                        slow()
                    }),
                };
                let request = if streamed { request.streamed() } else { request };
                let call = client.start(&request).unwrap();
                if waits {
                    thread::sleep(ms(200));
                    request.resume();
                }
                assert_eq!(call.end().unwrap().status, 200);
            }
            let explained = balancer.explain();
            assert!(largest_cost(&balancer) < 100.0, "{streamed} {waits}: {explained}");
        }
    }
}
