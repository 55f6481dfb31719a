//! The orderly end of a client.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ahoy::ffi::client::hooks::*;
use ahoy::ffi::observe::event::*;
use ahoy::ffi::values::status::*;
use support::*;

const SOON: Duration = ms(10_000);

fn clients_of(server: &Server) -> [Client; 2] {
    [client_over(&[server.port()]), Builder::new().base_url(&server.url()).build()]
}

#[test]
fn a_closed_client_refuses_new_calls_of_every_kind() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    for client in clients_of(&server) {
        client.get("/").unwrap();
        let sent = server.request_count();
        client.close(1000).unwrap();
        let queue = Queue::new();
        let request = Request::new("GET", "/");
        let refused = [
            client.get("/").unwrap_err(),
            client.send(&request).unwrap_err(),
            client.post("/", "text/plain", b"x").unwrap_err(),
            client.start(&request).unwrap_err(),
            client.submit(&request, &queue, 1).unwrap_err(),
        ];
        for failure in refused {
            assert_eq!((failure.status, failure.is_ambiguous), (AHOY_E_CLOSED, false));
        }
        assert!(queue.next(0).unwrap().is_none(), "no completion of a refused submit");
        client.close(0).unwrap();
        client.close(FOREVER).unwrap();
        assert_eq!(server.request_count(), sent);
    }
}

#[test]
fn a_close_waits_for_the_calls_under_way() {
    let _io_threads_are_not_blocked = alone();
    for base_url in [false, true] {
        let gate = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&gate);
        let server = Server::new(move |_| {
            eventually("the gate opens", SOON, || opened.load(Ordering::SeqCst));
            Reply::status(200)
        });
        let client = &clients_of(&server)[usize::from(base_url)];
        let queue = Queue::new();
        let call = client.begin("/started");
        client.submit(&Request::new("GET", "/submitted"), &queue, 1).unwrap();
        thread::scope(|scope| {
            let blocked = scope.spawn(|| client.get("/blocked"));
            eventually("all are sent", SOON, || server.in_flight() == 3);
            let closing = scope.spawn(|| client.close(FOREVER));
            eventually("it refuses", SOON, || {
                let early = client.start(&Request::new("GET", "/late"));
                early.is_err_and(|failure| failure.status == AHOY_E_CLOSED)
            });
            assert!(!closing.is_finished() && !blocked.is_finished(), "calls are under way");
            gate.store(true, Ordering::SeqCst);
            assert_eq!(blocked.join().unwrap().unwrap().status, 200);
            closing.join().unwrap().unwrap();
        });
        assert_eq!(call.poll().unwrap().unwrap().status, 200, "it ended before the close did");
        assert_eq!(queue.next(0).unwrap().unwrap().status(), AHOY_OK);
    }
}

#[test]
fn a_close_waits_for_calls_that_were_taken_right_before() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    let port = server.port();
    let asked = Provider::custom(move |hosts| {
        hosts.add("127.0.0.1", port).unwrap();
        AHOY_OK
    });
    for _ in 0..20 {
        let over_asked = Builder::new().balancer(&Balancer::round_robin(&asked)).build();
        for client in clients_of(&server).into_iter().chain([over_asked]) {
            let queue = Queue::new();
            let call = client.begin("/started");
            client.submit(&Request::new("GET", "/submitted"), &queue, 1).unwrap();
            client.close(FOREVER).unwrap();
            assert_eq!(call.poll().unwrap().unwrap().status, 200);
            assert_eq!(queue.next(0).unwrap().unwrap().status(), AHOY_OK);
        }
    }
}

#[test]
fn a_close_waits_for_a_blocking_call_that_asks_its_provider() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    for callbacks in ["any", "thread", "caller"] {
        let (client, asked, answer) = asking(server.port(), callbacks);
        thread::scope(|scope| {
            let blocked = scope.spawn(|| client.get("/"));
            asked.recv_timeout(SOON).unwrap();
            let closing = scope.spawn(|| client.close(FOREVER));
            eventually("it refuses", SOON, || {
                let early = client.start(&Request::new("GET", "/late"));
                early.is_err_and(|failure| failure.status == AHOY_E_CLOSED)
            });
            answer.send(true).unwrap();
            assert_eq!(blocked.join().unwrap().unwrap().status, 200, "{callbacks}");
            closing.join().unwrap().unwrap();
        });
    }
}

#[test]
fn a_close_waits_for_the_hook_of_a_call_whose_provider_fails() {
    let _io_threads_are_not_blocked = alone();
    let (told, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (tells, ends) = (Arc::clone(&told), Arc::clone(&ended));
    let builder = Builder::new().on_call_end(move |_| {
        tells.store(true, Ordering::SeqCst);
        thread::sleep(ms(100));
        ends.store(true, Ordering::SeqCst);
    });
    let (provider, asked, answer) = gated(1, "any");
    let client = builder.balancer(&Balancer::round_robin(&provider)).build();
    thread::scope(|scope| {
        let blocked = scope.spawn(|| client.get("/"));
        asked.recv_timeout(SOON).unwrap();
        answer.send(false).unwrap();
        eventually("the hook runs", SOON, || told.load(Ordering::SeqCst));
        client.close(FOREVER).unwrap();
        assert!(ended.load(Ordering::SeqCst), "a hook of a closed client runs");
        assert_eq!(blocked.join().unwrap().unwrap_err().status, AHOY_E_DISCOVERY);
    });
}

#[test]
fn a_closed_client_takes_no_list_from_another_that_waits_for_it() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    // As many questions as are put at once.
    let busy: Vec<_> = (0..PROVIDER_THREADS).map(|_| asking(server.port(), "any")).collect();
    let calls: Vec<_> = busy.iter().map(|(client, ..)| client.begin("/")).collect();
    for (_, asked, _) in &busy {
        asked.recv_timeout(SOON).unwrap();
    }
    let (provider, asked, answer) = gated(server.port(), "any");
    let balancer = Balancer::round_robin(&provider);
    let [first, second] = [(); 2].map(|()| Builder::new().balancer(&balancer).build());
    let (lost, kept) = (first.begin("/"), second.begin("/"));
    first.close(0).unwrap();
    assert_eq!(lost.end().unwrap_err().status, AHOY_E_CLOSED);
    busy.iter().for_each(|(.., answer)| answer.send(true).unwrap());
    asked.recv_timeout(SOON).unwrap();
    answer.send(true).unwrap();
    assert_eq!(kept.end().unwrap().status, 200);
    calls.iter().for_each(|call| assert_eq!(call.end().unwrap().status, 200));
}

/// As many as questions have threads at once.
const PROVIDER_THREADS: usize = 16;

/// A client whose provider tells when it is asked, and waits for what to say.
fn asking(port: u16, callbacks: &str) -> (Client, mpsc::Receiver<()>, mpsc::Sender<bool>) {
    let (provider, asked, answer) = gated(port, callbacks);
    (Builder::new().balancer(&Balancer::round_robin(&provider)).build(), asked, answer)
}

/// Its provider: one endpoint at `port`, or a failure.
fn gated(port: u16, callbacks: &str) -> (Provider, mpsc::Receiver<()>, mpsc::Sender<bool>) {
    let (tell, asked) = mpsc::channel();
    let (answer, answers) = mpsc::channel::<bool>();
    let (tell, answers) = (Mutex::new(tell), Mutex::new(answers));
    let provider = Provider::custom(move |hosts| {
        tell.lock().unwrap().send(()).unwrap();
        if !answers.lock().unwrap().recv_timeout(SOON).unwrap() {
            return AHOY_E_INTERNAL;
        }
        hosts.add("127.0.0.1", port).unwrap();
        AHOY_OK
    });
    provider.set("callbacks", callbacks).unwrap();
    (provider, asked, answer)
}

#[test]
fn when_the_time_is_up_the_rest_ends_with_closed() {
    let _io_threads_are_not_blocked = alone();
    for (limit, base_url) in [(0, false), (100, false), (0, true), (100, true)] {
        let server = Server::always(Reply::Hang);
        let client = &clients_of(&server)[usize::from(base_url)];
        let queue = Queue::new();
        let call = client.begin("/started");
        let waited_for = client.begin("/waited-for");
        client.submit(&Request::new("GET", "/submitted"), &queue, 5).unwrap();
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let called = client.begin("/called");
        called.on_done(move |outcome| tell.lock().unwrap().send(outcome).unwrap()).unwrap();
        thread::scope(|scope| {
            let blocked: Vec<_> = (0..4).map(|_| scope.spawn(|| client.get("/blocked"))).collect();
            let waiting = scope.spawn(|| waited_for.wait(FOREVER));
            let reading = scope.spawn(|| queue.next(FOREVER));
            eventually("all are sent", SOON, || server.in_flight() == 8);
            let (closed, took) = timed(|| client.close(limit));
            closed.unwrap();
            assert!(took >= ms(limit) && took < ms(limit + 1500), "{took:?} for {limit} ms");
            for blocked in blocked {
                assert_ended(&blocked.join().unwrap().unwrap_err());
            }
            assert_ended(&waiting.join().unwrap().unwrap_err());
            assert_ended(&call.end().unwrap_err());
            assert_ended(&told.recv_timeout(SOON).unwrap().unwrap_err());
            let completion = reading.join().unwrap().unwrap().unwrap();
            assert_eq!((completion.tag(), completion.status()), (5, AHOY_E_CLOSED));
        });
        // One of a shard goes when the shard is visited.
        eventually("the connections close", ms(2500), || sockets_to(&server) == 0);
    }
}

fn assert_ended(failure: &Failure) {
    assert_eq!(failure.status, AHOY_E_CLOSED, "{}", failure.message);
    assert!(failure.is_ambiguous, "its bytes had left: {}", failure.message);
}

#[test]
fn a_close_ends_a_wait_before_the_next_attempt() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::status(503);
    let retry = || Retry::new().tries(2).delay_ms(20_000).max_delay_ms(20_000).jitter_ms(0, 0);
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .retry(&retry())
        .timeout_ms(60_000)
        .build();
    let call = client.begin("/started");
    thread::scope(|scope| {
        let blocked = scope.spawn(|| client.get("/blocked"));
        eventually("both are answered", SOON, || {
            server.request_count() == 2 && server.in_flight() == 0
        });
        let (_, took) = timed(|| client.close(20).unwrap());
        assert!(took < ms(2000), "{took:?}");
        let (_, took) = timed(|| {
            for outcome in [blocked.join().unwrap(), call.end()] {
                assert_eq!(outcome.unwrap_err().status, AHOY_E_CLOSED);
            }
        });
        assert!(took < ms(2000), "{took:?}");
    });
}

#[test]
fn a_close_inside_a_callback_would_deadlock() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    let statuses = Arc::new(Mutex::new(Vec::new()));
    let kept: Arc<Mutex<Option<Arc<Client>>>> = Arc::default();
    let close = {
        let (statuses, kept) = (Arc::clone(&statuses), Arc::clone(&kept));
        move || {
            let client = kept.lock().unwrap().clone().unwrap();
            statuses.lock().unwrap().push(client.close(1000).unwrap_err().status);
        }
    };
    let (in_hook, in_response) = (close.clone(), close.clone());
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_request(move |_| {
            in_hook();
            AHOY_OK
        })
        .on_response(move |_| in_response())
        .build();
    let client = Arc::new(client);
    *kept.lock().unwrap() = Some(Arc::clone(&client));
    client.get("/").unwrap();
    let call = client.begin("/");
    call.on_done(move |_| close()).unwrap();
    eventually("all callbacks ran", SOON, || statuses.lock().unwrap().len() == 5);
    assert_eq!(*statuses.lock().unwrap(), [AHOY_E_WOULD_DEADLOCK; 5]);
    assert_eq!(client.get("/").unwrap().status, 200, "it is not closed");
    kept.lock().unwrap().take();
}

#[test]
fn clients_that_share_a_balancer_close_each_for_itself() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::always(Reply::status(200).after(ms(100)));
    let balancer = round_robin(&[server.port()]);
    let (one, other) =
        (Builder::new().balancer(&balancer).build(), Builder::new().balancer(&balancer).build());
    let call = other.begin("/");
    one.close(0).unwrap();
    assert_eq!(call.end().unwrap().status, 200);
    assert_eq!(other.get("/").unwrap().status, 200);
    assert_eq!(one.get("/").unwrap_err().status, AHOY_E_CLOSED);
}

/// Not a visit later: a host that makes a client for each of its requests would run out of descriptors.
#[test]
fn a_client_that_was_closed_or_freed_has_no_connection() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    for is_freed in [false, true] {
        for client in clients_of(&server) {
            client.get("/").unwrap();
            assert_eq!(sockets_to_port(server.port()), 1);
            if is_freed {
                drop(client);
            } else {
                client.begin("/").wait(FOREVER).unwrap();
                client.close(1000).unwrap();
            }
            assert_eq!(sockets_to_port(server.port()), 0, "freed: {is_freed}");
        }
    }
}

/// What tells the log of certificates is with the connections, which the client's life ends.
#[test]
fn a_freed_client_that_logged_lets_go_of_its_log_and_its_connection() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    let over = || {
        [
            Builder::new().balancer(&round_robin(&[server.port()])),
            Builder::new().base_url(&server.url()),
        ]
    };
    for is_closed in [false, true] {
        for builder in over() {
            let held = Arc::new(());
            let [logs, tells] = [(); 2].map(|()| Arc::clone(&held));
            let client = builder
                .on_log(AHOY_LOG_DEBUG, move |_, _, _| _ = &logs)
                .on_event(move |_| _ = &tells)
                .build();
            client.get("/").unwrap();
            client.begin("/").wait(FOREVER).unwrap();
            if is_closed {
                client.close(1000).unwrap();
            }
            drop(client);
            // That of the call which was begun may come to rest a moment later.
            eventually("its connections end", SOON, || sockets_to_port(server.port()) == 0);
            eventually("both functions go", SOON, || Arc::strong_count(&held) == 1);
        }
    }
}

#[test]
fn several_threads_may_close_at_once() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::always(Reply::Hang);
    let client = client_over(&[server.port()]);
    let call = client.begin("/");
    eventually("it is sent", SOON, || server.in_flight() == 1);
    thread::scope(|scope| {
        let long = scope.spawn(|| timed(|| client.close(20_000)));
        for _ in 0..4 {
            scope.spawn(|| client.close(50).unwrap());
        }
        let (closed, took) = long.join().unwrap();
        closed.unwrap();
        assert!(took < SOON, "the shortest limit ends the calls for all: {took:?}");
    });
    assert_eq!(call.end().unwrap_err().status, AHOY_E_CLOSED);
}

#[test]
fn no_call_begins_after_a_close_has_returned() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    let port = server.port();
    let (entered, entry) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let (entered, released) = (Mutex::new(entered), Mutex::new(released));
    let provider = Provider::custom(move |hosts| {
        entered.lock().unwrap().send(()).unwrap();
        released.lock().unwrap().recv_timeout(SOON).unwrap();
        hosts.add("127.0.0.1", port).unwrap();
        AHOY_OK
    });
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    thread::scope(|scope| {
        let starting = scope.spawn(|| client.start(&Request::new("GET", "/late")));
        entry.recv_timeout(SOON).unwrap();
        let (closed, took) = timed(|| client.close(0));
        assert_eq!(closed.unwrap_err().status, AHOY_E_DEADLINE, "the provider still runs");
        assert!(took < ms(1500), "{took:?}");
        let closing = scope.spawn(|| client.close(FOREVER));
        release.send(()).unwrap();
        closing.join().unwrap().unwrap();
        let outcome = starting.join().unwrap().and_then(|call| call.end());
        assert_eq!(outcome.map(|answer| answer.status).unwrap_err().status, AHOY_E_CLOSED);
    });
    assert_eq!(server.request_count(), 0);
}

#[test]
fn calls_that_race_a_close_end_one_way_or_the_other() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    for _ in 0..50 {
        let client = Builder::new().balancer(&balancer).build();
        client.get("/").unwrap();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let blocking = client.get("/");
                        let started =
                            client.start(&Request::new("GET", "/")).and_then(|call| call.end());
                        for outcome in [blocking, started] {
                            match outcome {
                                Ok(answer) => assert_eq!(answer.status, 200),
                                Err(failure) => assert_eq!(failure.status, AHOY_E_CLOSED),
                            }
                        }
                    }
                });
            }
            scope.spawn(|| client.close(1).unwrap());
        });
        assert_eq!(client.get("/").unwrap_err().status, AHOY_E_CLOSED);
    }
}

/// What runs in callbacks of all kinds, and for how long at least.
fn busy_client(server: &Server, running: &Arc<AtomicUsize>) -> Client {
    let run = {
        let running = Arc::clone(running);
        move || {
            running.fetch_add(1, Ordering::SeqCst);
            thread::sleep(ms(2));
            running.fetch_sub(1, Ordering::SeqCst);
        }
    };
    let (request, response, error, log) = (run.clone(), run.clone(), run.clone(), run);
    Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_request(move |_| {
            request();
            AHOY_OK
        })
        .on_response(move |_| response())
        .on_error(move |_| error())
        .on_log(4, move |_, _, _| log())
        .build()
}

#[test]
fn after_a_close_no_callback_runs_and_none_will() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    for limit in [0, 5, 1000] {
        let running = Arc::new(AtomicUsize::new(0));
        let client = busy_client(&server, &running);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| while client.get("/").is_ok() {});
                scope.spawn(|| {
                    while let Ok(call) = client.start(&Request::new("GET", "/")) {
                        let running = Arc::clone(&running);
                        let (tell, told) = mpsc::channel();
                        let tell = Mutex::new(tell);
                        call.on_done(move |_| {
                            running.fetch_add(1, Ordering::SeqCst);
                            thread::sleep(ms(1));
                            running.fetch_sub(1, Ordering::SeqCst);
                            tell.lock().unwrap().send(()).unwrap();
                        })
                        .unwrap();
                        told.recv_timeout(SOON).unwrap();
                    }
                });
            }
            eventually("callbacks run", SOON, || running.load(Ordering::SeqCst) > 1);
            client.close(limit).unwrap();
            for _ in 0..20 {
                assert_eq!(running.load(Ordering::SeqCst), 0, "with {limit} ms");
                thread::sleep(ms(1));
            }
        });
    }
}

#[test]
fn a_completion_that_outlasts_the_limit_is_said_and_waited_for_by_the_next_close() {
    let _blocks_an_io_thread = alone();
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let (entered, entry) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let (entered, released) = (Mutex::new(entered), Mutex::new(released));
    let call = client.begin("/");
    call.on_done(move |_| {
        entered.lock().unwrap().send(()).unwrap();
        released.lock().unwrap().recv_timeout(SOON).unwrap();
    })
    .unwrap();
    entry.recv_timeout(SOON).unwrap();
    assert_eq!(client.close(20).unwrap_err().status, AHOY_E_DEADLINE);
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_CLOSED);
    release.send(()).unwrap();
    client.close(FOREVER).unwrap();
}

#[test]
fn after_a_close_nothing_is_told_of_a_balancer_that_goes_on() {
    let server = Server::ok();
    let [told, logged] = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let balancer = round_robin(&[server.port()]);
    let (events, lines, queue) = (Arc::clone(&told), Arc::clone(&logged), Queue::new());
    let count = |counter: &AtomicUsize| _ = counter.fetch_add(1, Ordering::SeqCst);
    let client = Builder::new()
        .balancer(&balancer)
        .on_event(move |_| count(&events))
        .event_queue(&queue)
        .on_log(AHOY_LOG_DEBUG, move |_, _, _| count(&lines))
        .build();
    let other = single(&balancer);
    other.get("/").unwrap();
    while queue.next_event(0).is_some() {}
    let counts = || (told.load(Ordering::SeqCst), logged.load(Ordering::SeqCst));
    let before = counts();
    balancer.endpoint(server.port()).open().unwrap();
    assert_eq!(counts(), (before.0 + 1, before.1 + 1));
    assert!(queue.next_event(0).is_some());

    client.close(1_000).unwrap();
    balancer.endpoint(server.port()).close().unwrap();
    other.get("/").unwrap();
    assert_eq!(counts(), (before.0 + 1, before.1 + 1));
    assert!(queue.next_event(0).is_none());
}

#[test]
fn a_closed_client_opens_no_connection_ahead_of_calls() {
    let _io_threads_are_not_blocked = alone();
    let [server, newcomer] = [Server::ok(), Server::ok()];
    let balancer = round_robin(&[server.port()]);
    let clients = [(); 2].map(|()| {
        let builder = Builder::new().balancer(&balancer);
        builder.option("warm_up", "1").unwrap();
        builder.build()
    });
    for client in &clients {
        client.begin("/").end().unwrap();
    }
    clients[0].close(1_000).unwrap();
    balancer.join(&Host::new("127.0.0.1", newcomer.port())).unwrap();
    // The closed one would be looked after first.
    eventually("the other one is ready", SOON, || newcomer.connections() > 0);
    let uses_it = || clients[1].begin("/").end().unwrap().endpoint_url == newcomer.url();
    eventually("it is used", SOON, uses_it);
    assert_eq!(newcomer.connections(), 1);
}

#[test]
fn after_a_close_no_connection_is_traced_for_a_balancer_that_goes_on() {
    let _io_threads_are_not_blocked = alone();
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]).check(Some("/health"), 20, 1_000);
    let traced = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&traced);
    let client = Builder::new()
        .balancer(&balancer)
        .wire_trace(move |_, _, _| _ = count.fetch_add(1, Ordering::SeqCst))
        .build();
    let call = client.begin("/");
    let other = single(&balancer);
    other.get("/").unwrap();
    client.close(1_000).unwrap();
    let before = traced.load(Ordering::SeqCst);
    assert!(before > 0);
    let late = call.on_done(|_| panic!("a callback of a closed client"));
    assert_eq!(late.unwrap_err().status, AHOY_E_CLOSED);
    assert_eq!(call.poll().unwrap().unwrap().status, 200);

    let checks = || server.requests().iter().filter(|seen| seen.path == "/health").count();
    let is_checked_further = || {
        let before = checks();
        eventually("it is checked further", SOON, || {
            other.get("/").unwrap();
            // What answers calls is not checked meanwhile.
            thread::sleep(ms(40));
            checks() > before + 5
        });
    };
    is_checked_further();
    drop(client);
    is_checked_further();
    assert_eq!(traced.load(Ordering::SeqCst), before);
}

#[test]
fn a_close_waits_for_a_function_that_is_told_of_a_shared_balancer() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let (entered, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (enters, leaves) = (Arc::clone(&entered), Arc::clone(&left));
    let client = Builder::new()
        .balancer(&balancer)
        .on_event(move |told| {
            if told.kind == AHOY_EVENT_CIRCUIT_OPENED {
                enters.store(true, Ordering::SeqCst);
                thread::sleep(ms(200));
                leaves.store(true, Ordering::SeqCst);
            }
        })
        .build();
    client.get("/").unwrap();
    thread::scope(|scope| {
        scope.spawn(|| balancer.endpoint(server.port()).open().unwrap());
        eventually("the function runs", SOON, || entered.load(Ordering::SeqCst));
        client.close(5_000).unwrap();
        assert!(left.load(Ordering::SeqCst));
    });
}
