//! What is left when threads come and go, and when a process has nothing left. How a process ends and how the
//! library is unloaded is in `tests/hosts`, for it takes a program of its own.

// Forks, descriptors and `_exit`.
#![cfg(unix)]
#![allow(unsafe_code, reason = "limits are set as only a C program does")]

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use ahoy::ffi::values::status::*;
use support::*;

fn clients_of(server: &Server) -> [Client; 2] {
    [client_over(&[server.port()]), Builder::new().base_url(&server.url()).build()]
}

/// Each on a thread of its own, eight at a time.
fn on_threads(count: usize, work: impl Fn() + Sync) {
    for _ in 0..count / 8 {
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(&work))));
    }
}

#[test]
fn two_thousand_threads_with_one_call_each_leave_nothing_behind() {
    let _alone = alone();
    let server = Server::ok();
    let clients = clients_of(&server);
    // In a child there is the library and nothing else: no threads of the server, no shards of other tests.
    Child::run(|| {
        let work = || {
            assert_eq!(clients[0].get("/").unwrap().status, 200);
            assert_eq!(clients[1].get("/").unwrap().status, 200);
            assert_eq!(clients[0].begin("/").end().unwrap().status, 200);
        };
        on_threads(400, work);
        let count = || (descriptors().len(), threads().len());
        let (before, memory) = (count(), resident());
        on_threads(2000, work);
        let (after, grown) = (count(), resident().saturating_sub(memory) >> 10);
        // Written past the harness, which catches what is printed in a child only to forget it.
        let _ = writeln!(std::io::stderr(), "{before:?}, then {after:?}, and {grown} KiB more");
        // This one and the I/O threads. One that is joined may still be on its way out.
        let most = 1 + thread::available_parallelism().map_or(1, usize::from);
        eventually("the threads end", ms(10_000), || threads().len() <= most);
        // Callers that meet the janitor make one more shard: three descriptors, and a connection of each
        // client. As many as there are callers at a time, and twice that for a busy machine.
        assert!(after.0 <= before.0 + 16 * 5, "{before:?}, then {after:?}");
        assert!(grown < 4 << 10, "{grown} KiB more");
    })
    .ends_well(ms(60_000));
}

#[test]
fn three_hundred_threads_at_once_are_all_answered() {
    let _alone = alone();
    let server = Server::always(Reply::status(200).after(ms(200)));
    let client = client_over(&[server.port()]);
    let (_, took) = timed(|| {
        thread::scope(|scope| {
            for _ in 0..300 {
                scope.spawn(|| assert_eq!(client.get("/").unwrap().status, 200));
            }
        });
    });
    println!("300 callers at once, 200 ms each: {took:?}");
    assert!(took < ms(5000), "they do not wait for each other: {took:?}");
}

/// No descriptor is left until this drops.
struct Exhausted {
    before: libc::rlimit,
    _held: Vec<File>,
}

impl Exhausted {
    fn new() -> Self {
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let most = descriptors().into_iter().max().unwrap() as u64 + 8;
        // SAFETY: both limits live through the calls.
        unsafe {
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut before);
            let low = libc::rlimit { rlim_cur: most, ..before };
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const low), 0);
        }
        let _held = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        Self { before, _held }
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        // SAFETY: the limit lives through the call.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const self.before) };
    }
}

/// Either says that it is this process that lacks something.
fn assert_tells_of_shortage(failure: &Failure) {
    assert!(
        [AHOY_E_OVERLOADED, AHOY_E_CONNECT].contains(&failure.status),
        "{}: {}",
        failure.status,
        failure.message
    );
    let message = failure.message.to_lowercase();
    assert!(message.contains("descriptors") || message.contains("open files"), "{message}");
    assert!(!failure.is_ambiguous);
}

#[test]
fn without_descriptors_every_way_to_call_says_so_and_works_again_later() {
    let _alone = alone();
    let server = Server::ok();
    for client in clients_of(&server) {
        // In a child nothing of the parent's closes meanwhile and gives a descriptor back.
        Child::run(|| {
            // Warm, so that the library has its threads. It stays, for its connection would give a descriptor back.
            let other = client_over(&[server.port()]);
            other.begin("/").end().unwrap();
            {
                let _exhausted = Exhausted::new();
                assert_tells_of_shortage(&client.get("/").unwrap_err());
                assert_tells_of_shortage(&client.begin("/").end().unwrap_err());
                assert_eq!(Queue::try_new().unwrap_err().status, AHOY_E_OVERLOADED);
                thread::scope(|scope| {
                    for _ in 0..8 {
                        scope.spawn(|| assert_tells_of_shortage(&client.get("/").unwrap_err()));
                    }
                });
            }
            assert_eq!(client.get("/").unwrap().status, 200);
            assert_eq!(client.begin("/").end().unwrap().status, 200);
            let queue = Queue::new();
            client.submit(&Request::new("GET", "/"), &queue, 1).unwrap();
            assert_eq!(queue.next(10_000).unwrap().unwrap().status(), AHOY_OK);
        })
        .ends();
    }
}

/// Beyond what `select` and descriptor sets of fixed size can hold, up to the last descriptor and back.
#[test]
fn with_four_thousand_descriptors_in_use_calls_work_until_none_is_left() {
    let _alone = alone();
    let server = Server::ok();
    for client in clients_of(&server) {
        Child::run(|| {
            allow_descriptors(8192);
            let held: Vec<_> = (0..4096).map(|_| File::open("/dev/null").unwrap()).collect();
            let works = || {
                assert_eq!(client.get("/").unwrap().status, 200);
                assert_eq!(client.begin("/").end().unwrap().status, 200);
                let queue = Queue::new();
                assert!(queue.fd() > 4096, "{}", queue.fd());
                client.submit(&Request::new("GET", "/"), &queue, 1).unwrap();
                assert!(is_readable(queue.fd(), 10_000));
                assert_eq!(queue.next(0).unwrap().unwrap().status(), AHOY_OK);
            };
            works();
            {
                let _exhausted = Exhausted::new();
                let other = client_over(&[server.port()]);
                assert_tells_of_shortage(&other.get("/").unwrap_err());
                assert_eq!(client.get("/").unwrap().status, 200, "over a kept connection");
            }
            works();
            drop(held);
        })
        .ends();
    }
}

/// Lets this process have so many descriptors.
fn allow_descriptors(count: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit lives through the calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        assert!(limit.rlim_max >= count, "the hard limit is {}", limit.rlim_max);
        limit.rlim_cur = count;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
}

/// Services that answer after a while: one keeps connections, one closes them.
fn slow_services() -> [Vec<Server>; 2] {
    let kept = Reply::status(200);
    let closed = kept.clone().header("Connection", "close");
    [kept, closed].map(|reply| {
        let reply = reply.after(ms(30));
        (0..3).map(|_| Server::always(reply.clone())).collect()
    })
}

/// Does `work` where 256 more descriptors may be had, with a client of each of the services.
fn with_few_descriptors(work: impl Fn(&Client)) {
    let _alone = alone();
    for servers in slow_services() {
        Child::run(|| {
            allow_descriptors(descriptors().len() as u64 + 256);
            work(&client_over(&servers.iter().map(Server::port).collect::<Vec<_>>()));
        })
        .ends_well(ms(60_000));
    }
}

/// A service that is a client of others needs descriptors for its own callers, files and logs.
#[test]
fn a_burst_of_more_calls_than_descriptors_is_answered_and_leaves_the_host_some() {
    with_few_descriptors(|client| {
        for _ in 0..3 {
            let calls: Vec<_> = (0..600).map(|_| client.begin("/")).collect();
            for (index, call) in calls.into_iter().enumerate() {
                assert_eq!(call.end().unwrap().status, 200, "call {index}");
                drop(File::open("/dev/null").unwrap());
            }
        }
    });
}

#[test]
fn more_blocking_callers_than_descriptors_allow_shards_are_all_answered() {
    with_few_descriptors(|client| {
        let five_calls = || (0..5).for_each(|_| assert_eq!(client.get("/").unwrap().status, 200));
        thread::scope(|scope| {
            (0..200).for_each(|_| drop(scope.spawn(five_calls)));
        });
    });
}

#[test]
fn a_first_use_without_descriptors_fails_and_a_later_one_works() {
    let _alone = alone();
    let server = Server::ok();
    for client in clients_of(&server) {
        // A child has to make everything anew.
        Child::run(|| {
            {
                let _exhausted = Exhausted::new();
                assert_tells_of_shortage(&client.get("/").unwrap_err());
                let started = client.start(&Request::new("GET", "/")).and_then(|call| call.end());
                assert_tells_of_shortage(&started.unwrap_err());
            }
            assert_eq!(client.get("/").unwrap().status, 200);
            assert_eq!(client.begin("/").end().unwrap().status, 200);
        })
        .ends();
    }
}

#[test]
fn kept_connections_serve_while_no_descriptor_is_left() {
    let _alone = alone();
    let server = Server::ok();
    for client in clients_of(&server) {
        Child::run(|| {
            client.get("/").unwrap();
            let _exhausted = Exhausted::new();
            for _ in 0..20 {
                assert_eq!(client.get("/").unwrap().status, 200);
            }
        })
        .ends();
    }
}

/// Runs `before` on a thread of its own, and `after` when the thread's own values are gone, as C's `atexit` functions and the
/// destructors of static objects run on the main thread. What fails there aborts.
fn on_a_thread_that_ends(before: impl FnOnce() + Send, after: impl Fn() + Sync) {
    extern "C" fn run(after: *mut libc::c_void) {
        // SAFETY: what was set below, which outlives the thread.
        unsafe { (*after.cast::<&(dyn Fn() + Sync)>())() };
    }
    let (after, mut key): (&(dyn Fn() + Sync), _) = (&after, 0);
    // SAFETY: a local; and a value that outlives the thread.
    unsafe { assert_eq!(libc::pthread_key_create(&raw mut key, Some(run)), 0) };
    thread::scope(|scope| {
        let ended = scope.spawn(|| {
            // SAFETY: the key is new, and the value outlives the thread.
            unsafe { libc::pthread_setspecific(key, (&raw const after).cast()) };
            before();
        });
        ended.join().unwrap();
    });
}

#[test]
fn a_thread_whose_own_values_are_gone_calls_on() {
    let _alone = alone();
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    Child::run(|| {
        let builder = || Builder::new().balancer(&balancer);
        let clients = [
            builder().build(),
            builder().interruptible().build(),
            builder().should_stop(|| false).build(),
            builder().on_request(|_| AHOY_OK).build(),
        ];
        let call = || {
            for client in &clients {
                assert_eq!(client.get("/").unwrap().status, 200);
                client.stream("/").rest().unwrap();
                assert_eq!(client.begin("/").end().unwrap().status, 200);
            }
        };
        on_a_thread_that_ends(call, call);
    })
    .ends();
}

#[test]
fn callbacks_run_on_a_thread_whose_own_values_are_gone() {
    let _alone = alone();
    let server = Server::ok();
    Child::run(|| {
        let (hook, told) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
        let (balancer, held, tells) =
            (round_robin(&[server.port()]), Arc::clone(&hook), Arc::clone(&told));
        let client = Builder::new()
            .balancer(&balancer)
            .on_request(move |_| {
                let _held = &held;
                AHOY_OK
            })
            .on_event(move |_| {
                tells.fetch_add(1, Ordering::Relaxed);
            })
            .build();
        balancer.update().unwrap();
        let (endpoint, client) = (balancer.endpoint(server.port()), Mutex::new(Some(client)));
        let before = || {
            assert_eq!(client.lock().unwrap().as_ref().unwrap().get("/").unwrap().status, 200);
            endpoint.open().unwrap();
        };
        on_a_thread_that_ends(before, || {
            let so_far = told.load(Ordering::Relaxed);
            endpoint.close().unwrap();
            assert!(told.load(Ordering::Relaxed) > so_far, "the event is told");
            drop(client.lock().unwrap().take());
        });
        eventually("the hook's data is freed", ms(5000), || Arc::strong_count(&hook) == 1);
    })
    .ends();
}
