//! Peers that send without end: a bad peer costs its own call, and nobody else's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::*;

/// What a bad peer sends, again and again.
#[derive(Clone, Copy, Debug)]
enum Flood {
    ChunkSizes,
    Interim,
    SmallChunks,
    Header,
}

impl Flood {
    const ALL: [Self; 4] = [Self::ChunkSizes, Self::Interim, Self::SmallChunks, Self::Header];

    fn server(self) -> Scripted {
        let (first, again) = match self {
            Self::ChunkSizes => (CHUNKED.to_owned(), "0".repeat(65_536)),
            Self::Interim => (String::new(), "HTTP/1.1 102 P\r\n\r\n".repeat(4096)),
            Self::SmallChunks => (CHUNKED.to_owned(), "1\r\na\r\n".repeat(8192)),
            Self::Header => ("HTTP/1.1 200 OK\r\n".to_owned(), "x-y: z\r\n".repeat(8192)),
        };
        Scripted::new(move |_, peer| {
            peer.head();
            peer.write(&first);
            while peer.write(&again) {}
        })
    }
}

/// How late the worst of `count` calls with a limit of 50 ms to a silent server ends, while `bad` goes on.
fn worst_lateness(flood: Flood, blocking: bool) -> Duration {
    let servers: Vec<_> = (0..4).map(|_| flood.server()).collect();
    let bad: Vec<_> = servers
        .iter()
        .map(|server| {
            let builder = Builder::new().balancer(&round_robin(&[server.port()])).timeout_ms(400);
            builder.build()
        })
        .collect();
    let silent = Server::always(Reply::Hang);
    let good = Builder::new().balancer(&round_robin(&[silent.port()])).timeout_ms(50).build();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in &bad {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    let begun = Instant::now();
                    let outcome = if blocking { client.get("/") } else { client.begin("/").end() };
                    drop(outcome);
                    let took = begun.elapsed();
                    assert!(took < ms(400) + PATIENCE, "the bad call itself: {took:?}");
                }
            });
        }
        let mut worst = Duration::ZERO;
        for _ in 0..20 {
            let begun = Instant::now();
            let outcome = if blocking { good.get("/") } else { good.begin("/").end() };
            assert!(outcome.is_err());
            worst = worst.max(begun.elapsed().saturating_sub(ms(50)));
        }
        over.store(true, Ordering::SeqCst);
        worst
    })
}

#[test]
fn four_peers_that_send_without_end_make_no_other_call_late() {
    let _floor = crate::alone();
    for flood in Flood::ALL {
        for blocking in [false, true] {
            let worst = worst_lateness(flood, blocking);
            println!(
                "{flood:?}, {}: at most {worst:?} late",
                if blocking { "blocking" } else { "started" }
            );
            assert!(worst < PATIENCE, "{flood:?}: {worst:?}");
        }
    }
}

/// The bar is 20 ms for the library as it is shipped, on a machine that has time for it. A build without optimisation
/// takes twenty times as long for every byte and shares the processor with the floods; what a turn may read is tested
/// beside it, in `transport::http1::answer`.
const PATIENCE: Duration = if cfg!(debug_assertions) { ms(2000) } else { ms(20) };
