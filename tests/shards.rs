//! More blocking callers than there may be shards.

use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;

use ahoy::ffi::values::status::*;
use ahoy::runtime::shard;
use support::*;

const MOST: usize = 4;

/// The bound is the process's, and so are the descriptors: one test at a time.
fn limited() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    shard::limit(MOST);
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn beyond_the_bound_every_caller_is_answered_and_connections_stay_few() {
    const CALLERS: usize = 64;
    let _alone = limited();
    let server = Server::new(|seen| Reply::text(200, &seen.path));
    let builder = Builder::new().balancer(&round_robin(&[server.port()])).tries(1);
    builder.option("max_connections_per_endpoint", "2").unwrap();
    let client = builder.build();
    let barrier = Barrier::new(CALLERS);
    let before = descriptors().len();
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (client, barrier) = (&client, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for call in 0..20 {
                    let path = format!("/{caller}/{call}");
                    let answer = client.get(&path).unwrap();
                    assert_eq!((answer.text(), answer.attempt_count), (path, 1));
                }
            });
        }
    });
    assert!(shard::count() <= MOST, "{}", shard::count());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    assert!(server.connections() <= MOST + 2 * threads, "{}", server.connections());
    // Three for each shard and I/O thread and for each connection, whose other end is here, too.
    let most = before + 3 * (MOST + threads) + 3 * (MOST + 2 * threads) + 8;
    assert!(descriptors().len() <= most, "{before} became {}", descriptors().len());
}

#[test]
fn beyond_the_bound_a_calls_limit_holds() {
    let _alone = limited();
    let server = Server::always(Reply::Hang);
    let balancer = round_robin(&[server.port()]);
    let patient = Builder::new().balancer(&balancer).timeout_ms(1500).tries(1).build();
    let hasty = Builder::new().balancer(&balancer).timeout_ms(200).tries(1).build();
    thread::scope(|scope| {
        let holders: Vec<_> =
            (0..MOST).map(|_| scope.spawn(|| patient.get("/").unwrap_err().status)).collect();
        eventually("all shards are in use", ms(1000), || server.in_flight() >= MOST);
        let (failure, took) = timed(|| hasty.get("/").unwrap_err());
        assert_eq!((failure.status, failure.is_ambiguous), (AHOY_E_DEADLINE, true));
        assert!(took >= ms(195) && took < ms(1000), "{took:?}");
        for holder in holders {
            assert_eq!(holder.join().unwrap(), AHOY_E_DEADLINE);
        }
    });
    assert!(shard::count() <= MOST, "{}", shard::count());
}

/// Each caller has a shard of its own, as the first calls of all are under way at once; then they take turns. Without
/// lending each shard would open a connection.
#[test]
fn callers_that_take_turns_share_an_endpoints_connection() {
    let _alone = limited();
    for tls in [false, true] {
        let authority = Authority::new();
        let answering = |reply: fn() -> Reply| match tls {
            true => Server::tls(authority.server("localhost"), move |_| reply()),
            false => Server::new(move |_| reply()),
        };
        let (slow, shared) = (
            answering(|| Reply::text(200, "slow").after(ms(100))),
            answering(|| Reply::text(200, "shared")),
        );
        let builder = |server: &Server| {
            let host = Host::new("localhost", server.port());
            let host = if tls { host.https() } else { host };
            let balancer = Balancer::round_robin(&Provider::of(&[host]));
            Builder::new().balancer(&balancer).ca(&authority.pem).platform_roots(false)
        };
        let (at_once, in_turns) = (builder(&slow).build(), builder(&shared).build());
        let (barrier, turn) = (Barrier::new(MOST), Mutex::new(()));
        thread::scope(|scope| {
            for _ in 0..MOST {
                scope.spawn(|| {
                    barrier.wait();
                    assert_eq!(at_once.get("/").unwrap().text(), "slow");
                    barrier.wait();
                    for _ in 0..3 {
                        let _turn = turn.lock().unwrap();
                        assert_eq!(in_turns.get("/").unwrap().text(), "shared");
                        // Above what a connection must be unused for.
                        thread::sleep(ms(60));
                    }
                    barrier.wait();
                });
            }
        });
        assert_eq!(slow.connections(), MOST, "each has a shard");
        assert_eq!(shared.connections(), 1, "tls: {tls}");
    }
}
