//! Many threads at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use ahoy::ffi::values::status::*;
use support::*;

#[test]
fn sixteen_threads_make_two_hundred_calls_each_on_one_client() {
    let servers = [Server::ok(), Server::ok(), Server::ok()];
    let client = client_over(&servers.each_ref().map(Server::port));
    let barrier = Barrier::new(16);
    thread::scope(|scope| {
        for thread in 0..16 {
            let (client, barrier) = (&client, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for call in 0..200 {
                    let answer = client.get(&format!("/{thread}/{call}")).unwrap();
                    assert_eq!((answer.status, answer.attempt_count), (200, 1));
                }
            });
        }
    });
    let counts = servers.each_ref().map(Server::request_count);
    assert_eq!(counts.iter().sum::<usize>(), 3200);
    assert!(counts.iter().all(|count| (1000..=1134).contains(count)), "taking turns: {counts:?}");
}

#[test]
fn each_caller_gets_its_own_answer() {
    let server = Server::new(|seen| Reply::text(200, &seen.path));
    for client in [client_over(&[server.port()]), Builder::new().base_url(&server.url()).build()] {
        thread::scope(|scope| {
            for thread in 0..8 {
                let client = &client;
                scope.spawn(move || {
                    for call in 0..50 {
                        let path = format!("/{thread}/{call}");
                        assert_eq!(client.get(&path).unwrap().text(), path);
                    }
                });
            }
        });
    }
}

#[test]
fn a_slow_call_holds_up_no_other() {
    let server = Server::new(|seen| {
        let reply = Reply::status(200);
        if seen.path == "/slow" { reply.after(ms(500)) } else { reply }
    });
    let client = client_over(&[server.port()]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| timed(|| client.get("/slow").unwrap()).1);
        eventually("the slow call is under way", ms(2000), || server.in_flight() == 1);
        let (_, took) = timed(|| {
            for _ in 0..20 {
                client.get("/quick").unwrap();
            }
        });
        assert!(took < ms(400), "{took:?}");
        assert!(slow.join().unwrap() >= ms(495));
    });
}

#[test]
fn updates_and_calls_and_circuits_by_hand_go_together() {
    let servers = [Server::ok(), Server::ok(), Server::ok()];
    let ports = servers.each_ref().map(Server::port);
    let turn = AtomicUsize::new(0);
    let provider = Provider::custom(move |out| {
        // The last host comes and goes.
        let count = 2 + turn.fetch_add(1, Ordering::SeqCst) % 2;
        ports[..count].iter().for_each(|port| out.add("127.0.0.1", *port).unwrap());
        AHOY_OK
    });
    let balancer = Balancer::round_robin(&provider);
    let client = Builder::new().balancer(&balancer).build();
    client.get("/").unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let callers: Vec<_> = (0..6)
            .map(|_| scope.spawn(|| (0..200).filter(|_| client.get("/").is_err()).count()))
            .collect();
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                balancer.update().unwrap();
            }
        });
        scope.spawn(|| {
            let circuit = balancer.endpoint(ports[1]);
            while !done.load(Ordering::SeqCst) {
                circuit.open().unwrap();
                circuit.close().unwrap();
            }
        });
        let failed: usize = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        done.store(true, Ordering::SeqCst);
        assert_eq!(failed, 0);
    });
}

#[test]
fn callers_that_come_first_together_ask_the_provider_once() {
    let server = Server::ok();
    let (port, asked) = (server.port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    let provider = Provider::custom(move |out| {
        count.fetch_add(1, Ordering::SeqCst);
        thread::sleep(ms(20));
        out.add("127.0.0.1", port).unwrap();
        AHOY_OK
    });
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                assert_eq!(client.get("/").unwrap().status, 200);
            });
        }
    });
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn clients_come_and_go_on_many_threads() {
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    // On a busy machine a call may wait for so long that it would be sent once more.
                    let builder = Builder::new().balancer(&balancer);
                    let client = builder.attempt_timeout_ms(FOREVER).build();
                    assert_eq!(client.get("/").unwrap().status, 200);
                }
            });
        }
    });
    assert_eq!(server.request_count(), 160);
}
