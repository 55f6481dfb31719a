//! Calls that end on a queue, for hosts with an event loop.

#![allow(unsafe_code, reason = "descriptors are looked at as only a C program does")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::values::status::*;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SOON: Duration = ms(10_000);

fn get(path: &str) -> Request {
    Request::new("GET", path)
}

/// Reads completions as an event loop does, by `poll(2)` and batches, until `count` of them are there.
fn drained(queue: &Queue, count: usize) -> Vec<Completion> {
    let mut all = Vec::new();
    while all.len() < count {
        assert!(is_readable(queue.fd(), 20_000), "{} of {count} completions came", all.len());
        let batch = queue.batch(0, 64).unwrap();
        assert!(!batch.is_empty(), "readable means that there is something to read");
        all.extend(batch);
    }
    assert!(!is_readable(queue.fd(), 0), "not readable when all is read");
    assert!(queue.next(0).unwrap().is_none());
    all
}

#[test]
fn a_batch_without_room_is_refused_by_the_name_of_its_capacity() {
    let failure = Queue::new().batch(0, 0).map(drop).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert_eq!(failure.message, "capacity: is 0; the least is 1");
}

fn tags(completions: &[Completion]) -> Vec<u64> {
    let mut tags: Vec<_> = completions.iter().map(Completion::tag).collect();
    tags.sort_unstable();
    tags
}

#[test]
fn a_thousand_calls_complete_once_each_with_their_own_answers() {
    let server = Server::new(|seen| Reply::text(200, &seen.path));
    // Of so many at once some may wait for longer than is usual, and would be sent elsewhere as well.
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).attempt_timeout_ms(FOREVER).build();
    let queue = Queue::new();
    assert!(!is_readable(queue.fd(), 0), "nothing to read yet");
    for tag in 0..1000 {
        client.submit(&get(&format!("/{tag}")), &queue, tag).unwrap();
    }
    let completions = drained(&queue, 1000);
    assert_eq!(tags(&completions), (0..1000).collect::<Vec<_>>());
    for completion in &completions {
        assert_eq!(completion.status(), AHOY_OK);
        assert_eq!(completion.take().unwrap().unwrap().text(), format!("/{}", completion.tag()));
        assert!(completion.take().is_none(), "taken once");
    }
    assert_eq!(server.request_count(), 1000);
}

#[test]
fn the_descriptor_is_readable_exactly_while_there_is_something_to_read() {
    let server = Server::ok();
    let client = Builder::new().base_url(&server.url()).build();
    let queue = Queue::new();
    for round in 0..200 {
        client.submit(&get("/"), &queue, round).unwrap();
        client.submit(&get("/"), &queue, round).unwrap();
        assert!(is_readable(queue.fd(), 10_000));
        let first = queue.next(0).unwrap().expect("it was readable");
        let second = queue.next(10_000).unwrap().unwrap();
        assert_eq!((first.tag(), second.tag()), (round, round));
        assert!(!is_readable(queue.fd(), 0));
    }
}

#[test]
fn a_wait_for_the_next_ends_with_its_time_or_with_a_completion() {
    let server = Server::always(Reply::status(200).after(ms(300)));
    let client = client_over(&[server.port()]);
    let queue = Queue::new();
    let (none, took) = timed(|| queue.next(60).unwrap());
    assert!(none.is_none() && took >= ms(60) && took < ms(2000), "{took:?}");
    let (none, took) = timed(|| queue.batch(60, 8).unwrap());
    assert!(none.is_empty() && took >= ms(60) && took < ms(2000), "{took:?}");
    client.submit(&get("/"), &queue, 1).unwrap();
    assert!(queue.next(0).unwrap().is_none(), "a poll does not wait");
    assert_eq!(queue.next(FOREVER).unwrap().unwrap().tag(), 1);
    client.submit(&get("/"), &queue, 2).unwrap();
    assert_eq!(tags(&queue.batch(FOREVER, 8).unwrap()), [2]);
}

#[test]
fn several_threads_may_read_one_queue() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let queue = Queue::new();
    let read = AtomicUsize::new(0);
    let mut all: Vec<u64> = thread::scope(|scope| {
        let reader = || {
            let mut tags = Vec::new();
            while read.load(Ordering::SeqCst) < 600 {
                for completion in queue.batch(20, 3).unwrap() {
                    tags.push(completion.tag());
                    read.fetch_add(1, Ordering::SeqCst);
                }
            }
            tags
        };
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(reader)).collect();
        for tag in 0..600 {
            client.submit(&get("/"), &queue, tag).unwrap();
        }
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    all.sort_unstable();
    assert_eq!(all, (0..600).collect::<Vec<_>>());
}

#[test]
fn a_cancel_ends_every_call_of_its_tag_and_no_other() {
    let server = Server::new(|seen| match seen.path.as_str() {
        "/hang" => Reply::Hang,
        _ => Reply::status(200).after(ms(300)),
    });
    let client = client_over(&[server.port()]);
    let queue = Queue::new();
    for _ in 0..3 {
        client.submit(&get("/hang"), &queue, 7).unwrap();
    }
    client.submit(&get("/"), &queue, 8).unwrap();
    eventually("all are sent", SOON, || server.in_flight() == 4);
    let (_, took) = timed(|| queue.cancel(7).unwrap());
    assert!(took < ms(250), "a cancel does not wait: {took:?}");
    queue.cancel(99).unwrap();
    let completions = drained(&queue, 4);
    assert_eq!(tags(&completions), [7, 7, 7, 8]);
    for completion in completions {
        let cancelled = completion.tag() == 7;
        assert_eq!(completion.status(), if cancelled { AHOY_E_CANCELLED } else { AHOY_OK });
        let outcome = completion.take().unwrap();
        assert_eq!(outcome.is_err_and(|failure| failure.is_ambiguous), cancelled);
    }
    queue.cancel(7).unwrap();
    eventually("their connections close", ms(2000), || sockets_to(&server) <= 1);
}

#[test]
fn a_failure_completes_with_its_error() {
    let dead = Dead::new();
    let client = Builder::new().balancer(&round_robin(&[dead.port()])).tries(1).build();
    let queue = Queue::new();
    client.submit(&get("/"), &queue, u64::MAX).unwrap();
    let completion = queue.next(10_000).unwrap().unwrap();
    assert_eq!((completion.tag(), completion.status()), (u64::MAX, AHOY_E_CONNECT));
    assert_eq!(completion.take().unwrap().unwrap_err().status, AHOY_E_CONNECT);
    assert!(completion.take().is_none(), "taken once");
}

#[test]
fn what_is_in_flight_or_unread_is_bounded() {
    const MOST: u64 = 65_536;
    let dead = Dead::new();
    // Its circuit is open by hand: calls end at once, without a connection.
    let balancer = round_robin(&[dead.port()]);
    balancer.pick().unwrap().open().unwrap();
    let client = Builder::new().balancer(&balancer).build();
    let (queue, request) = (Queue::new(), get("/"));
    for tag in 0..MOST {
        client.submit(&request, &queue, tag).unwrap();
    }
    let failure = client.submit(&request, &queue, MOST).unwrap_err();
    assert_eq!(failure.status, AHOY_E_OVERLOADED, "{}", failure.message);
    let other = Queue::new();
    client.submit(&request, &other, 1).unwrap();
    assert_eq!(queue.next(10_000).unwrap().unwrap().status(), AHOY_E_NO_ENDPOINTS);
    client.submit(&request, &queue, MOST).unwrap();
    assert_eq!(client.submit(&request, &queue, 0).unwrap_err().status, AHOY_E_OVERLOADED);
    let mut count = 0;
    while count < MOST {
        let batch = queue.batch(10_000, 4096).unwrap();
        assert!(!batch.is_empty(), "{count} of {MOST}");
        count += batch.len() as u64;
    }
    assert!(queue.next(0).unwrap().is_none());
}

#[cfg(unix)]
#[test]
fn the_descriptor_closes_on_exec_and_does_not_block() {
    let queue = Queue::new();
    // SAFETY: only asks for flags of an open descriptor.
    let (on_exec, status) =
        unsafe { (libc::fcntl(queue.fd(), libc::F_GETFD), libc::fcntl(queue.fd(), libc::F_GETFL)) };
    assert_eq!(on_exec & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    assert_eq!(status & libc::O_NONBLOCK, libc::O_NONBLOCK);
    assert!(["pipe:", "socket:"].iter().any(|kind| Meaning::of(queue.fd()).0.starts_with(kind)));
}

#[test]
fn a_queue_freed_with_calls_in_flight_cancels_them_and_gives_its_descriptors_back() {
    let server = Server::always(Reply::Hang);
    let client = client_over(&[server.port()]);
    for round in 1..=3 {
        let queue = Queue::new();
        let pipe = Meaning::of(queue.fd());
        for tag in 0..5 {
            client.submit(&get("/"), &queue, tag).unwrap();
        }
        eventually("all are sent", SOON, || server.in_flight() == 5);
        let (_, took) = timed(|| drop(queue));
        assert!(took < ms(500), "round {round}: a free does not wait: {took:?}");
        eventually("the connections close", ms(2000), || sockets_to(&server) == 0);
        eventually("the pipe closes", ms(2000), || {
            !descriptors().into_iter().any(|fd| Meaning::of(fd) == pipe)
        });
        server.stop();
        eventually("the server is free", SOON, || server.in_flight() == 0);
        server.restart();
    }
}

#[test]
fn a_queue_freed_with_unread_completions_discards_them() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let queue = Queue::new();
    for tag in 0..50 {
        client.submit(&get("/"), &queue, tag).unwrap();
    }
    let one = queue.next(10_000).unwrap().unwrap();
    drop(queue);
    assert_eq!(one.take().unwrap().unwrap().status, 200, "a completion is the host's own");
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn a_call_that_is_refused_leaves_no_completion() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let queue = Queue::new();
    let failure = client.submit(&get(&server.url()), &queue, 1).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    client.close(0).unwrap();
    assert_eq!(client.submit(&get("/"), &queue, 2).unwrap_err().status, AHOY_E_CLOSED);
    assert!(queue.next(50).unwrap().is_none() && !is_readable(queue.fd(), 0));
}

#[test]
fn two_clients_may_share_a_queue() {
    let (one, two) = (Server::ok(), Server::ok());
    let queue = Queue::new();
    for (tag, server) in [(1, &one), (2, &two)] {
        // Freed at once: its call goes on.
        client_over(&[server.port()]).submit(&get("/"), &queue, tag).unwrap();
    }
    let completions = drained(&queue, 2);
    assert_eq!(tags(&completions), [1, 2]);
    assert!(completions.iter().all(|completion| completion.status() == AHOY_OK));
}

/// Servers that answer at once, many connections on one thread, until this drops.
struct Quick {
    ports: Vec<u16>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Quick {
    /// Several ports, so that connections closed by the thousand do not use up their numbers.
    fn new(count: usize) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let mut ports = Vec::new();
                for _ in 0..count {
                    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                    ports.push(listener.local_addr().unwrap().port());
                    tokio::spawn(answer_all(listener));
                }
                tell.send(ports).unwrap();
                let _ = stopped.await;
            });
        });
        Self { ports: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Quick {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn answer_all(listener: tokio::net::TcpListener) {
    loop {
        let Ok((mut connection, _)) = listener.accept().await else { continue };
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while connection.read(&mut bytes).await.is_ok_and(|count| count > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                if connection.write_all(answer).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// How many races are run; as many as AHOY_RACES says. Three seconds where it is optimised, and eight where it is not.
fn races() -> u64 {
    let races = if cfg!(debug_assertions) { 30_000 } else { 100_000 };
    std::env::var("AHOY_RACES").map_or(races, |count| count.parse().unwrap())
}

#[test]
fn submits_and_cancels_that_race_leave_one_completion_each() {
    const IN_FLIGHT: usize = 256;
    let servers = Quick::new(4);
    let client = client_over(&servers.ports);
    let queue = Queue::new();
    let races = races();
    let (submitted, to_cancel) = mpsc::channel();
    let (read, stuck) = (AtomicUsize::new(0), AtomicBool::new(false));
    let begun = Instant::now();
    let counts: HashMap<i32, u64> = thread::scope(|scope| {
        scope.spawn(|| {
            let request = get("/");
            for tag in 0..races {
                while tag as usize >= read.load(Ordering::SeqCst) + IN_FLIGHT {
                    if stuck.load(Ordering::SeqCst) {
                        return;
                    }
                    thread::yield_now();
                }
                client.submit(&request, &queue, tag).unwrap();
                submitted.send(tag).unwrap();
            }
            drop(submitted);
        });
        scope.spawn(|| {
            for tag in to_cancel {
                // Some at once, others when they are about to end or have ended.
                let late = if tag % 4 == 0 { 0 } else { tag * 7 % 300 };
                queue.cancel(tag.saturating_sub(late)).unwrap();
            }
        });
        let (mut seen, mut counts) = (vec![0_u8; races as usize], HashMap::new());
        while read.load(Ordering::SeqCst) < races as usize {
            let batch = queue.batch(20_000, 256).unwrap();
            if batch.is_empty() {
                stuck.store(true, Ordering::SeqCst);
                let lost = seen.iter().filter(|times| **times == 0).count();
                panic!("{lost} completions do not come");
            }
            for completion in batch {
                seen[completion.tag() as usize] += 1;
                *counts.entry(completion.status()).or_default() += 1;
                read.fetch_add(1, Ordering::SeqCst);
            }
        }
        assert!(seen.iter().all(|times| *times == 1), "each tag once");
        counts
    });
    assert!(queue.next(50).unwrap().is_none(), "no completion is left over");
    let (answered, cancelled) = (counts.get(&AHOY_OK), counts.get(&AHOY_E_CANCELLED));
    let took = begun.elapsed();
    println!("{races} races in {took:?}: {answered:?} answered, {cancelled:?} cancelled");
    let both = answered.copied().unwrap_or(0) + cancelled.copied().unwrap_or(0);
    assert_eq!(both, races, "answered or cancelled, nothing else: {counts:?}");
    assert!(answered.is_some() && cancelled.is_some(), "each side wins at times: {counts:?}");
}

#[test]
fn callers_on_many_threads_share_clients_and_queues() {
    let server = Server::ok();
    let client = Arc::new(client_over(&[server.port()]));
    let queue = Queue::new();
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (client, queue) = (&client, &queue);
            scope.spawn(move || {
                let request = get("/");
                (0..200).for_each(|call| {
                    client.submit(&request, queue, thread * 200 + call).unwrap();
                });
            });
        }
    });
    let completions = drained(&queue, 1600);
    assert_eq!(tags(&completions), (0..1600).collect::<Vec<_>>());
    let failed = completions.iter().find(|completion| completion.status() != AHOY_OK);
    assert!(failed.is_none(), "{:?}", failed.and_then(Completion::take));
}
