//! Peers that send without end, on one I/O thread: a bad peer costs its own call, and nobody else's.
//!
//! A program of its own, in which there is never a reason for a second I/O thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::client::builder::AHOY_HTTP2_PRIOR_KNOWLEDGE;

use support::floods::Flood;
use support::*;

/// A client whose calls all go to `port` for at most `timeout_ms`, however often they failed.
fn client(flood: &Flood, port: u16, authority: &Authority, timeout_ms: u64) -> Client {
    let host = Host::new("127.0.0.1", port);
    let host = if flood.is_tls() { host.https() } else { host };
    let balancer = Balancer::round_robin(&Provider::of(&[host]));
    let balancer = balancer.with(&Breaker::new().no_consecutive().no_ratio());
    let builder = Builder::new().balancer(&balancer).tries(1).timeout_ms(timeout_ms);
    let builder = builder.ca(&authority.pem).platform_roots(false);
    if flood.is_http2() {
        builder.try_http2(AHOY_HTTP2_PRIOR_KNOWLEDGE).unwrap();
    }
    builder.build()
}

/// How late the worst calls end while four peers send without end, and how late this machine itself is meanwhile.
struct Lateness {
    /// Of calls to a silent server with a limit of 50 ms.
    good: Duration,
    bad: Duration,
    /// Of a thread that sleeps for 50 ms: other programs may have the processor.
    machine: Duration,
}

fn worst_lateness(flood: &Flood, blocking: bool) -> Lateness {
    let authority = Authority::new();
    let servers: Vec<_> = (0..4).map(|_| flood.server(&authority)).collect();
    let bad = servers.iter().map(|server| client(flood, server.port(), &authority, 400));
    let bad: Vec<_> = bad.collect();
    let silent = Server::always(Reply::Hang);
    let good = Builder::new().balancer(&round_robin(&[silent.port()])).timeout_ms(50).build();
    let (over, worst_bad) = (AtomicBool::new(false), Mutex::new(Duration::ZERO));
    let late = |client: &Client, limit: Duration| {
        let begun = Instant::now();
        let outcome = if blocking { client.get("/") } else { client.begin("/").end() };
        assert!(outcome.is_err());
        begun.elapsed().saturating_sub(limit)
    };
    thread::scope(|scope| {
        let machine = scope.spawn(|| {
            let mut worst = Duration::ZERO;
            while !over.load(Ordering::SeqCst) {
                let (_, took) = timed(|| thread::sleep(ms(50)));
                worst = worst.max(took.saturating_sub(ms(50)));
            }
            worst
        });
        for client in &bad {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    let took = late(client, ms(400));
                    let mut worst = worst_bad.lock().unwrap();
                    *worst = took.max(*worst);
                }
            });
        }
        eventually("all peers are asked", ms(5000), || servers.iter().all(|s| s.connections() > 0));
        let good = (0..CALLS).map(|_| late(&good, ms(50))).max().unwrap();
        over.store(true, Ordering::SeqCst);
        let machine = machine.join().unwrap();
        Lateness { good, bad: *worst_bad.lock().unwrap(), machine }
    })
}

fn none_is_late(floods: &[Flood]) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for flood in floods {
        for blocking in [false, true] {
            let Lateness { good, bad, machine } = worst_lateness(flood, blocking);
            let way = if blocking { "blocking" } else { "started" };
            let told = format!("{}, {way}: {good:?} late, the bad calls {bad:?}", flood.name);
            println!("{told}, the machine {machine:?}");
            // A call waits for its server's thread, the I/O thread and its own.
            assert!(good.max(bad) < PATIENCE + machine * 3, "{told}, the machine {machine:?}");
        }
    }
    let carriers = threads().iter().filter(|(_, name)| name.starts_with("ahoy-io-")).count();
    assert_eq!(carriers, 2, "one that carries calls, beside the first, which never does");
}

#[test]
fn four_peers_of_http1_that_send_without_end_make_no_other_call_late() {
    none_is_late(&Flood::http1());
}

#[test]
#[cfg(feature = "http2")]
fn four_peers_of_http2_that_send_without_end_make_no_other_call_late() {
    none_is_late(&Flood::http2());
}

#[test]
fn four_peers_that_send_tls_without_end_make_no_other_call_late() {
    none_is_late(&Flood::tls());
}

/// The bar is 20 ms for the library as it is shipped, beside what the machine is late itself. A build without optimisation
/// takes twenty times as long for every byte and shares the processor with the floods; what a turn may read is tested
/// beside it, in `transport::http1::answer` and `transport::wire`.
const PATIENCE: Duration = if cfg!(debug_assertions) { ms(2000) } else { ms(20) };

/// Calls whose worst is looked at. Lateness of 2 s needs fewer: half a second of flood for each peer is enough to cause it.
const CALLS: usize = if cfg!(debug_assertions) { 10 } else { 20 };
