//! Children forked from a process that uses the library: what they inherit, and that the parent goes on.
//!
//! `tests/hosts` has the same as C, Ruby and Python programs, where a child may also exit in the orderly way.

// There are no forks elsewhere.
#![cfg(unix)]
#![allow(unsafe_code, reason = "fork is one of the things that only a C program does")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::values::status::*;
use support::names::{self, Names};
#[cfg(feature = "xds")]
use support::registry::ads::AdsServer;
use support::registry::consul::Consul;
use support::registry::etcd::Etcd;
use support::registry::folder::Folder;
use support::registry::forked;
use support::registry::kubernetes::{KubeApi, ready};
use support::registry::zookeeper::ZooKeeper;
use support::*;

const SOON: Duration = ms(10_000);

/// With and without a balancer. On a busy machine an answer may be late, and another attempt on a connection of its own
/// would start beside it.
fn clients_of(server: &Server) -> [Client; 2] {
    let balanced = Builder::new().balancer(&round_robin(&[server.port()]));
    [balanced, Builder::new().base_url(&server.url())]
        .map(|builder| builder.attempt_timeout_ms(FOREVER).build())
}

/// The connection that each request came over.
fn connections(server: &Server) -> Vec<(String, usize)> {
    let requests = server.requests();
    requests.into_iter().map(|seen| (seen.path, seen.connection)).collect()
}

fn seen(rows: &[(&str, usize)]) -> Vec<(String, usize)> {
    rows.iter().map(|(path, connection)| ((*path).to_owned(), *connection)).collect()
}

#[test]
fn a_child_uses_its_parents_client_over_connections_of_its_own() {
    let _alone = alone();
    for base_url in [false, true] {
        let server = Server::ok();
        let client = &clients_of(&server)[usize::from(base_url)];
        client.get("/parent").unwrap();
        Child::run(|| {
            assert_eq!(client.get("/child").unwrap().status, 200);
            assert_eq!(client.get("/child-again").unwrap().status, 200);
            assert_eq!(client.begin("/child-started").end().unwrap().status, 200);
        })
        .ends();
        client.get("/parent-again").unwrap();
        let expected = [
            ("/parent", 0),
            ("/child", 1),
            ("/child-again", 1),
            // An I/O thread has connections of its own.
            ("/child-started", 2),
            ("/parent-again", 0),
        ];
        assert_eq!(connections(&server), seen(&expected));
    }
}

#[test]
fn a_child_that_was_forked_past_the_handlers_is_one_all_the_same() {
    let _alone = alone();
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    client.get("/parent").unwrap();
    let call = client.begin("/parent-started");
    eventually("its request comes", SOON, || server.requests().len() == 2);
    let child = Child::run_past_handlers(|| {
        assert_eq!(call.end().unwrap_err().status, AHOY_E_FORKED);
        assert_eq!(client.get("/child").unwrap().status, 200);
        let inherited = sockets_to(&server);
        assert_eq!(inherited, 1, "its own alone");
    });
    child.ends();
    client.get("/parent-again").unwrap();
    let expected = [("/parent", 0), ("/parent-started", 1), ("/child", 2), ("/parent-again", 0)];
    assert_eq!(connections(&server), seen(&expected));
}

#[test]
fn a_child_balances_by_load_and_limits_of_its_own() {
    let _alone = alone();
    let fleet = Fleet::holding(2);
    let balancer = Balancer::p2c(&fleet.provider()).ruled(|it| it.set_max_in_flight(1));
    let client = single(&balancer);
    let plain = || Request::new("GET", "/").timeout_ms(50);
    let calls = fleet.begin(&client, &[Request::new("GET", "/"), Request::new("GET", "/")]);
    assert_eq!(client.send(&plain()).unwrap_err().status, AHOY_E_NO_ENDPOINTS, "all are full");
    Child::run(|| {
        assert_eq!(client.send(&plain()).unwrap_err().status, AHOY_E_DEADLINE, "none is full");
        balancer.leave(&fleet.host(0)).unwrap();
        assert_eq!(balancer.count(), 1);
    })
    .ends();
    assert_eq!(balancer.count(), 2);
    drop(calls);
}

#[test]
fn a_child_sends_probes_of_its_own() {
    let _alone = alone();
    let answer = || Reply::text(200, "").header("ahoy-load", "in_flight=1, latency_ms=1");
    let fleet = Fleet((0..8).map(|_| Server::always(answer())).collect());
    let client = single(&Balancer::prequal(&fleet.provider(), "/probe"));
    client.get("/").unwrap();
    let probes = || {
        let seen = fleet.0.iter().flat_map(Server::requests);
        seen.filter(|seen| seen.path == "/probe").count()
    };
    eventually("one call is worth three", SOON, || probes() == 3);
    Child::run(|| {
        for _ in 0..50 {
            client.get("/").unwrap();
        }
    })
    .ends();
    eventually("the child's have arrived", SOON, || probes() > 3);
    client.get("/").unwrap();
}

#[test]
fn a_child_has_none_of_its_parents_sockets() {
    let _alone = alone();
    for base_url in [false, true] {
        let server = Server::new(|seen| match seen.path.as_str() {
            "/hang" => Reply::Hang,
            _ => Reply::status(200),
        });
        let client = &clients_of(&server)[usize::from(base_url)];
        client.get("/").unwrap();
        client.begin("/").end().unwrap();
        let hanging = client.begin("/hang");
        eventually("it is sent", SOON, || server.in_flight() == 1);
        assert!(sockets_to(&server) >= 2, "kept by a shard and by an I/O thread");
        Child::run(|| {
            assert_eq!(sockets_to(&server), 0);
            assert_eq!(client.get("/child").unwrap().status, 200);
            assert_eq!(sockets_to(&server), 1);
        })
        .ends();
        hanging.cancel().unwrap();
        assert_eq!(hanging.end().unwrap_err().status, AHOY_E_CANCELLED);
    }
}

#[test]
fn a_connection_that_the_parent_closes_ends_although_a_child_lives() {
    let _alone = alone();
    for base_url in [false, true] {
        let server = Server::new(|seen| match seen.path.as_str() {
            "/hang" => Reply::Hang,
            _ => Reply::status(200),
        });
        let listener = Listener::new();
        let [balanced, plain] = clients_of(&server);
        let client = if base_url { plain } else { balanced };
        let hanging_client = match base_url {
            true => Builder::new().base_url(&url(listener.port())).build(),
            false => client_over(&[listener.port()]),
        };
        client.get("/").unwrap();
        client.begin("/").end().unwrap();
        let hanging = hanging_client.begin("/");
        listener.hears();
        let (ready, done) = (Signpost::new(), Signpost::new());
        let child = Child::run(|| {
            let_go_of(&server);
            ready.raise();
            done.wait();
        });
        ready.wait();
        hanging.cancel().unwrap();
        listener.hears();
        drop(client);
        eventually("the kept connections close", ms(4000), || server.open_connections() == 0);
        done.raise();
        child.ends();
    }
}

#[test]
fn circuits_start_closed_in_a_child_and_stay_as_they_are_in_the_parent() {
    let _alone = alone();
    let (dead, good) = (Dead::new(), Server::ok());
    let balancer = round_robin(&[dead.port(), good.port()]);
    let client = Builder::new().balancer(&balancer).build();
    client.get("/").unwrap();
    client.get("/").unwrap();
    let circuit = balancer.endpoint(dead.port());
    assert!(circuit.is_open());
    Child::run(|| {
        assert_eq!(client.get("/child").unwrap().status, 200);
        assert_eq!(client.get("/child").unwrap().status, 200);
        let own = balancer.endpoint(dead.port());
        assert!(own.is_open(), "the child found out by itself");
    })
    .ends();
    Child::run(|| {
        balancer.update().unwrap();
        assert!(balancer.endpoint(dead.port()).is_closed(), "nothing is known of it yet");
    })
    .ends();
    assert!(circuit.is_open(), "what children do is theirs");
}

#[test]
fn a_fork_with_calls_in_flight_harms_neither_side() {
    let _alone = alone();
    for base_url in [false, true] {
        let gate = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&gate);
        let server = Server::new(move |seen| {
            if seen.path != "/child" {
                eventually("the gate opens", SOON, || opened.load(Ordering::SeqCst));
            }
            Reply::text(200, &seen.path)
        });
        let client = &clients_of(&server)[usize::from(base_url)];
        let queue = Queue::new();
        let (started, called) = (client.begin("/started"), client.begin("/called"));
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        called.on_done(move |outcome| tell.lock().unwrap().send(outcome).unwrap()).unwrap();
        client.submit(&Request::new("GET", "/submitted"), &queue, 1).unwrap();
        thread::scope(|scope| {
            let blocked: Vec<_> = (0..4).map(|_| scope.spawn(|| client.get("/blocked"))).collect();
            let waiting = scope.spawn(|| started.wait(FOREVER));
            eventually("all are sent", SOON, || server.in_flight() == 7);
            for _ in 0..5 {
                Child::run(|| {
                    assert_eq!(client.get("/child").unwrap().text(), "/child");
                    assert_eq!(client.begin("/child").end().unwrap().text(), "/child");
                })
                .ends();
            }
            gate.store(true, Ordering::SeqCst);
            for blocked in blocked {
                assert_eq!(blocked.join().unwrap().unwrap().text(), "/blocked");
            }
            assert_eq!(waiting.join().unwrap().unwrap().unwrap().text(), "/started");
        });
        assert_eq!(told.recv_timeout(SOON).unwrap().unwrap().text(), "/called");
        assert_eq!(queue.next(10_000).unwrap().unwrap().status(), AHOY_OK);
        assert!(server.requests().iter().all(|seen| seen.method == "GET"), "nothing but requests");
        assert_eq!(server.request_count(), 7 + 10, "each once");
    }
}

#[test]
fn streamed_bodies_of_the_parent_say_forked_in_the_child_and_free_without_harm() {
    let _alone = alone();
    let gate = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&gate);
    let server = Scripted::new(move |_, peer| {
        while peer.head().is_some() {
            peer.write(CHUNKED);
            peer.chunk("one");
            eventually("the gate opens", SOON, || opened.load(Ordering::SeqCst));
            peer.chunk("two");
            peer.chunk("");
        }
    });
    let client = client_over(&[server.port()]);
    let response = client.stream("/");
    assert_eq!(response.exactly(1), "o");
    let queue = Queue::new();
    let drawing = Request::new("POST", "/").source(None, || Said::NotReady);
    let call = client.start(&drawing).unwrap();
    Child::run(|| {
        let own = Queue::new();
        for refused in [
            response.read(9, 0).map(|_| ()),
            response.read(9, FOREVER).map(|_| ()),
            response.notify(&own, 1),
            response.on_readable(|| panic!("never")),
            client.start(&drawing).map(|_| ()),
        ] {
            assert_eq!(refused.unwrap_err().status, AHOY_E_FORKED);
        }
        assert_eq!(response.head().status, 200, "the head is there");
        // SAFETY: freed twice over, but in a process each.
        unsafe { ahoy::ffi::call::response::ahoy_response_free(response.raw()) };
        assert_eq!(client.stream("/").exactly(3), "one");
    })
    .ends();
    gate.store(true, Ordering::SeqCst);
    assert_eq!(response.rest().unwrap(), "netwo");
    response.notify(&queue, 1).unwrap();
    call.cancel().unwrap();
}

#[test]
fn calls_and_queues_of_the_parent_say_forked_in_the_child_and_free_without_harm() {
    let _alone = alone();
    let server = Server::new(|seen| match seen.path.as_str() {
        "/hang" => Reply::status(200).after(ms(1500)),
        _ => Reply::status(200),
    });
    let client = client_over(&[server.port()]);
    let (queue, request) = (Queue::new(), Request::new("GET", "/"));
    let (running, ended) = (client.begin("/hang"), client.begin("/"));
    client.submit(&request, &queue, 1).unwrap();
    assert!(is_readable(queue.fd(), 10_000), "one is unread");
    client.get("/").unwrap();
    eventually("both are sent", SOON, || server.request_count() == 4);
    Child::run(|| {
        for call in [&running, &ended] {
            for refused in [
                call.poll().map(|_| ()),
                call.wait(FOREVER).map(|_| ()),
                call.cancel(),
                call.on_done(|_| panic!("never")),
            ] {
                assert_eq!(refused.unwrap_err().status, AHOY_E_FORKED);
            }
        }
        for refused in [
            queue.next(FOREVER).map(|_| ()),
            queue.next(0).map(|_| ()),
            queue.batch(FOREVER, 4).map(|_| ()),
            queue.cancel(1),
            client.submit(&request, &queue, 2),
        ] {
            assert_eq!(refused.unwrap_err().status, AHOY_E_FORKED);
        }
        assert_eq!(queue.fd(), -1);
        // SAFETY: freed twice over, but in a process each.
        unsafe {
            ahoy::ffi::call::call::ahoy_call_free(running.raw());
            ahoy::ffi::call::call::ahoy_call_free(ended.raw());
            ahoy::ffi::call::queue::ahoy_queue_free(queue.raw());
        }
        let own = Queue::new();
        client.submit(&request, &own, 3).unwrap();
        let completion = own.next(10_000).unwrap().unwrap();
        assert_eq!((completion.tag(), completion.status()), (3, AHOY_OK));
    })
    .ends();
    assert_eq!(queue.next(10_000).unwrap().unwrap().tag(), 1);
    assert_eq!(running.end().unwrap().status, 200);
    assert_eq!(ended.end().unwrap().status, 200);
}

#[test]
fn a_child_frees_everything_and_the_parent_goes_on() {
    let _alone = alone();
    let server = Server::ok();
    for uses_first in [false, true] {
        for base_url in [false, true] {
            let balancer = round_robin(&[server.port()]);
            let builder = Builder::new();
            let client = match base_url {
                true => builder.base_url(&server.url()).build(),
                false => builder.balancer(&balancer).build(),
            };
            client.get("/").unwrap();
            let kept = server.connections();
            Child::run(|| {
                if uses_first {
                    client.get("/child").unwrap();
                }
                // SAFETY: freed twice over, but in a process each.
                unsafe {
                    ahoy::ffi::client::client::ahoy_client_free(client.raw());
                    ahoy::ffi::balancer::balancer::ahoy_balancer_free(balancer.raw());
                }
                assert_eq!(client_over(&[server.port()]).get("/own").unwrap().status, 200);
            })
            .ends();
            client.get("/").unwrap();
            let last = server.requests().pop().unwrap();
            assert_eq!(last.connection, kept - 1, "over the connection that it kept");
        }
    }
}

#[test]
fn a_child_that_leaves_at_once_disturbs_nothing() {
    let _alone = alone();
    let server = Server::ok();
    let clients = clients_of(&server);
    clients.iter().for_each(|client| assert_eq!(client.get("/").unwrap().status, 200));
    for _ in 0..20 {
        Child::run(|| ()).ends();
        clients.iter().for_each(|client| assert_eq!(client.get("/").unwrap().status, 200));
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_grandchild_uses_the_client_too() {
    let _alone = alone();
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    client.get("/parent").unwrap();
    Child::run(|| {
        client.get("/child").unwrap();
        let call = client.begin("/child-started");
        Child::run(|| {
            assert_eq!(sockets_to(&server), 0, "none of its parent's");
            assert_eq!(call.poll().unwrap_err().status, AHOY_E_FORKED);
            client.get("/grandchild").unwrap();
        })
        .ends();
        assert_eq!(call.end().unwrap().status, 200);
        client.get("/child").unwrap();
    })
    .ends();
    // Of a child that never used it.
    Child::run(|| {
        Child::run(|| assert_eq!(client.get("/grandchild").unwrap().status, 200)).ends();
    })
    .ends();
    client.get("/parent").unwrap();
    let paths: Vec<_> = connections(&server).into_iter().filter(|row| row.0 == "/parent").collect();
    assert_eq!(paths, seen(&[("/parent", 0), ("/parent", 0)]));
}

#[test]
fn a_client_made_in_the_parent_and_first_used_in_the_child_works_in_both() {
    let _alone = alone();
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    Child::run(|| assert_eq!(client.get("/child").unwrap().status, 200)).ends();
    assert_eq!(client.get("/parent").unwrap().status, 200);
    assert_eq!(connections(&server), seen(&[("/child", 0), ("/parent", 1)]));
}

#[test]
fn a_child_speaks_tls_with_its_parents_client() {
    let _alone = alone();
    let authority = Authority::new();
    let server = Server::tls(authority.server("localhost"), |_| Reply::status(200));
    let host = Host::new("127.0.0.1", server.port()).https().server_name("localhost");
    let balancer = Balancer::round_robin(&Provider::of(&[host]));
    let client = Builder::new().balancer(&balancer).ca(&authority.pem).build();
    client.get("/parent").unwrap();
    Child::run(|| {
        assert_eq!(sockets_to(&server), 0);
        assert_eq!(client.get("/child").unwrap().status, 200);
    })
    .ends();
    client.get("/parent").unwrap();
    let expected = [("/parent", 0), ("/child", 1), ("/parent", 0)];
    assert_eq!(connections(&server), seen(&expected), "a close_notify of the child would end it");
}

#[test]
fn a_fork_inside_a_callback_may_exit() {
    let _alone = alone();
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    client
        .begin("/")
        .on_done(move |outcome| tell.lock().unwrap().send((outcome, Child::run(|| ()))).unwrap())
        .unwrap();
    let (outcome, child) = told.recv_timeout(SOON).unwrap();
    assert_eq!(outcome.unwrap().status, 200);
    child.ends();
    let hooked = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_request(|_| {
            Child::run(|| ()).ends();
            AHOY_OK
        })
        .build();
    assert_eq!(hooked.get("/").unwrap().status, 200);
    assert_eq!(client.begin("/").end().unwrap().status, 200);
}

/// Ends loops on other threads, also when the test fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_fork_while_a_list_is_replaced_leaves_it_usable_in_the_child() {
    let _alone = alone();
    let (provider, done) = (Provider::list(), AtomicBool::new(false));
    thread::scope(|scope| {
        let _done = SetOnDrop(&done);
        scope.spawn(|| {
            let hosts: Vec<_> = (0..10_000).map(|_| Host::new("127.0.0.1", 1)).collect();
            let hosts = OwnHosts::of(&hosts);
            while !done.load(Ordering::SeqCst) {
                provider.replace_by(&hosts).unwrap();
            }
        });
        for _ in 0..40 {
            Child::run(|| provider.add("127.0.0.1", 2).unwrap()).ends();
        }
    });
}

/// In some of the children the other thread is amid that use.
#[test]
fn a_fork_during_the_first_use_of_a_handle_leaves_it_usable_in_the_child() {
    const ROUNDS: u64 = 400;
    let _alone = alone();
    let hosts: Vec<_> = (0..1000).map(|_| Host::new("127.0.0.1", 1)).collect();
    for round in 0..ROUNDS {
        let is_of_balancer = round % 2 == 0;
        let provider = Provider::of(&hosts[..if is_of_balancer { 3 } else { hosts.len() }]);
        let balancer = is_of_balancer.then(|| Balancer::round_robin(&provider));
        let first_use = || match &balancer {
            Some(balancer) => drop(Builder::new().balancer(balancer)),
            None => drop(Balancer::round_robin(&provider)),
        };
        let begun = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                begun.store(true, Ordering::SeqCst);
                first_use();
            });
            while !begun.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            let latest = Duration::from_micros(if is_of_balancer { 40 } else { 1000 });
            let (begin, pause) = (Instant::now(), latest * round as u32 / ROUNDS as u32);
            while begin.elapsed() < pause {}
            Child::run(first_use).ends();
        });
    }
}

#[test]
fn a_fork_while_connections_come_and_go_hands_none_of_them_to_the_child() {
    let _alone = alone();
    let server = Server::always(Reply::status(200).header("connection", "close"));
    let client = client_over(&[server.port()]);
    let done = AtomicBool::new(false);
    let mut with_sockets = 0;
    thread::scope(|scope| {
        let _done = SetOnDrop(&done);
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/").unwrap().status, 200);
                }
            });
        }
        for _ in 0..100 {
            let found = Signpost::new();
            Child::run(|| {
                if sockets_to(&server) > 0 {
                    found.raise();
                }
            })
            .ends();
            with_sockets += usize::from(found.is_raised());
        }
    });
    assert_eq!(with_sockets, 0, "of 100 children");
}

#[test]
fn two_hundred_forks_under_eight_busy_threads_hang_nowhere() {
    let _alone = alone();
    let server = Server::ok();
    let [balanced, plain] = clients_of(&server);
    let (done, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut slowest = Duration::ZERO;
    thread::scope(|scope| {
        let _done = SetOnDrop(&done);
        for thread in 0..8 {
            let (balanced, plain, done, calls) = (&balanced, &plain, &done, &calls);
            scope.spawn(move || {
                while !done.load(Ordering::SeqCst) {
                    let answer = match thread {
                        0..4 => balanced.get("/"),
                        4..6 => plain.get("/"),
                        _ => balanced.begin("/").end(),
                    };
                    assert_eq!(answer.unwrap().status, 200);
                    calls.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for round in 0..200 {
            let (_, took) = timed(|| {
                Child::run(|| {
                    let client = if round % 4 == 3 { &plain } else { &balanced };
                    let answer = match round % 2 {
                        0 => client.get("/child"),
                        _ => client.begin("/child").end(),
                    };
                    assert_eq!(answer.unwrap().status, 200);
                })
                .ends();
            });
            slowest = slowest.max(took);
            let before = calls.load(Ordering::SeqCst);
            if round % 20 == 0 {
                eventually("the parent goes on", SOON, || calls.load(Ordering::SeqCst) > before);
            }
        }
    });
    println!("slowest child {slowest:?}, {} calls meanwhile", calls.load(Ordering::SeqCst));
    let children = server.requests().iter().filter(|seen| seen.path == "/child").count();
    assert_eq!(children, 200, "each child was served once");
}

#[test]
fn children_follow_registries_and_files_over_descriptors_of_their_own() {
    let etcd = Etcd::new();
    let entry = |port: u16| etcd.put(&format!("/web/{port}"), &format!("127.0.0.1:{port}"));
    forked(&etcd.url("web", ""), etcd.port(), 64, entry);
    if let Some(consul) = Consul::new() {
        let instance = |port: u16| consul.register("web", port, "");
        forked(&consul.url("web", ""), consul.port(), 64, instance);
    }
    let (folder, listed) = (Folder::new(), Mutex::new(String::new()));
    let line = |port: u16| {
        let mut listed = listed.lock().unwrap();
        *listed += &format!("127.0.0.1:{port}\n");
        folder.file("web", &*listed);
    };
    forked(&format!("file://{}", folder.path().join("web").display()), 0, 64, line);
}

#[test]
fn children_ask_for_a_document_over_connections_of_their_own() {
    let targets = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&targets);
    let server = Server::new(move |_| {
        Reply::text(200, &format!(r#"[{{"targets": [{}]}}]"#, told.lock().unwrap().join(",")))
    });
    let target = |port: u16| targets.lock().unwrap().push(format!(r#""127.0.0.1:{port}""#));
    forked(
        &format!("http+sd://127.0.0.1:{}/web?refresh=1s", server.port()),
        server.port(),
        64,
        target,
    );
}

#[test]
fn children_follow_zookeeper_over_a_session_of_their_own() {
    let server = ZooKeeper::new();
    server.client().create("/web", "");
    let node = |port: u16| {
        assert!(server.client().create(&format!("/web/{port}"), &format!("127.0.0.1:{port}")));
    };
    forked(&format!("zk://127.0.0.1:{}/web", server.port()), server.port(), 64, node);
}

#[test]
fn children_follow_kubernetes_over_connections_of_their_own() {
    let api = KubeApi::start();
    let url = format!("k8s://shop/web?kubernetes_server=http://127.0.0.1:{}", api.port());
    let slice = |port: u16| api.put(&format!("web-{port}"), &[ready("127.0.0.1")], port);
    forked(&format!("{url}&port=http"), api.port(), 64, slice);
}

#[test]
#[cfg(feature = "xds")]
fn children_follow_a_control_plane_over_streams_of_their_own() {
    let (server, listed) = (AdsServer::start(), Mutex::new(Vec::new()));
    let place = |port: u16| {
        let mut listed = listed.lock().unwrap();
        listed.push(("127.0.0.1", port, 1, 0));
        server.put("web", &[(0, 0, &listed)]);
    };
    forked(&format!("xds://127.0.0.1:{}/web", server.port()), server.port(), 64, place);
}

/// A name server with one name, whose questions come over TCP where that is asked for.
fn named() -> Names {
    Names::start(|question| match question.kind {
        names::A => names::Said::Records(vec![(1, vec![127, 0, 0, 1])]),
        _ => names::Said::Records(Vec::new()),
    })
}

fn watching(port: u16, names: &Names, options: &str) -> Balancer {
    let url = format!("dns://web.test.:{port}?family=ipv4&{}{options}", names.option());
    let balancer = Balancer::round_robin(&Provider::from_url(&url).unwrap());
    balancer.wait_ready(SOON).unwrap();
    balancer
}

#[test]
fn a_child_serves_its_parents_list_at_once_and_then_watches_itself() {
    let _alone = alone();
    let (server, names) = (Server::ok(), named());
    let balancer = watching(server.port(), &names, "&transport=tcp");
    let client = Builder::new().balancer(&balancer).timeout_ms(5000).build();
    client.get("/parent").unwrap();
    let asked = names.asked(names::A).len();
    Child::run(|| {
        let inherited = sockets_to_port(names.port);
        assert_eq!(inherited, 0, "connections to the name server");
        let (answer, took) = timed(|| client.get("/child").unwrap());
        assert_eq!(answer.status, 200);
        assert!(took < ms(200), "{took:?}");
        assert_eq!(balancer.known(), 1);
        thread::sleep(ms(1500));
        let own = sockets_to_port(names.port);
        assert!(own > 0, "it asks over a connection of its own");
    })
    .ends();
    assert!(names.asked(names::A).len() > asked);
    client.get("/parent-again").unwrap();
}

#[test]
fn p18_64_children_begin_their_watches_over_a_second() {
    let _alone = alone();
    let (server, names) = (Server::ok(), named());
    let balancer = watching(server.port(), &names, "&min_ttl=1h&max_ttl=1h");
    let client = Builder::new().balancer(&balancer).build();
    client.get("/").unwrap();
    let before = names.asked(names::A).len();
    let begun = Instant::now();
    let children: Vec<_> = (0..64)
        .map(|_| {
            Child::run(|| {
                assert_eq!(client.get("/child").unwrap().status, 200);
                thread::sleep(ms(1500));
            })
        })
        .collect();
    let made = begun.elapsed();
    children.into_iter().for_each(Child::ends);
    let asked = names.asked(names::A).split_off(before);
    // A question whose answer is late is sent again.
    assert!(asked.len() >= 64, "{}", asked.len());
    let (first, last) = (asked.iter().min().unwrap(), asked.iter().max().unwrap());
    let spread = *last - *first;
    assert!(spread > ms(750) && spread < ms(1100) + made, "{spread:?}, made in {made:?}");
}

#[test]
fn a_child_replaces_the_configuration_of_its_parents_client_for_itself() {
    let _alone = alone();
    let (one, other) = (Server::ok(), Server::ok());
    let config = |server: &Server, balancer: &str| {
        let host = format!("127.0.0.1:{}", server.port());
        format!(
            r#"{{"hosts": ["{host}"], "balancer": "{balancer}", "attempt_timeout": "forever"}}"#
        )
    };
    let client = Client::from_config(&config(&one, "p2c")).unwrap();
    client.get("/parent").unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Forks come in the midst of calls and of changes.
        scope.spawn(|| {
            for balancer in ["random", "p2c"].iter().cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                client.reconfigure(&config(&one, balancer)).unwrap();
                assert_eq!(client.get("/parent").unwrap().status, 200);
            }
        });
        for _ in 0..20 {
            Child::run(|| {
                assert_eq!(client.get("/child").unwrap().endpoint_url, one.url());
                client.reconfigure(&config(&other, "round_robin")).unwrap();
                assert_eq!(client.get("/child").unwrap().endpoint_url, other.url());
                let calls = client.snapshot().sum("ahoy_client_call_duration_seconds", &[]);
                assert_eq!(calls, 2.0, "what the parent counted is the parent's");
            })
            .ends();
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(client.get("/parent").unwrap().endpoint_url, one.url());
}

#[test]
fn a_child_waits_for_no_lock_that_a_thread_of_its_parent_has() {
    let _alone = alone();
    let server = Server::always(Reply::Hang);
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).build();
    let _held = client.begin("/");
    eventually("its request comes", SOON, || server.request_count() == 1);
    let endpoint = balancer.endpoint(server.port());
    let (snapshot, over) = (client.snapshot(), AtomicBool::new(false));
    let is_on = || !over.load(Ordering::Relaxed);
    thread::scope(|scope| {
        scope.spawn(|| {
            while is_on() {
                let _ = client.close(0);
            }
        });
        scope.spawn(|| {
            while is_on() {
                // Refused, for it is there; and looked at under the same lock.
                assert!(snapshot.add(&client).is_err());
                assert!(!snapshot.series().is_empty());
            }
        });
        scope.spawn(|| {
            while is_on() {
                assert_eq!(endpoint.properties(), (1, 0, None));
            }
        });
        let children = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..300 {
                let child = Child::run(|| {
                    let _ = client.close(100);
                    assert!(!snapshot.series().is_empty());
                    assert_eq!(endpoint.port(), server.port());
                    assert_eq!(endpoint.properties(), (0, 0, None));
                });
                child.ends();
            }
        }));
        over.store(true, Ordering::Relaxed);
        children.unwrap_or_else(|panic| resume_unwind(panic));
    });
}
