//! What a client leaves of its process: descriptors, signals, threads. One test at a time.

// Looks into /proc, and at signals.
#![cfg(unix)]
#![allow(unsafe_code, reason = "some of it is done as only a C program does")]

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ahoy::ffi::values::status::*;
use support::registry::folder::{Folder, file_url};
use support::registry::{SOON, sees};
use support::*;

/// Descriptors and signal actions belong to the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The library's own: the test runner starts some of its own meanwhile.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name = |path: std::path::PathBuf| std::fs::read_to_string(path.join("comm")).ok();
    tasks
        .filter_map(|task| name(task.ok()?.path()))
        .filter(|name| name.starts_with("ahoy-"))
        .count()
}

#[test]
fn the_connections_of_freed_clients_close_and_no_descriptor_leaks() {
    let _alone = alone();
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let use_one = |builder: Builder| assert_eq!(builder.build().get("/").unwrap().status, 200);
    // Shards, resolver and background thread stay.
    use_one(Builder::new().balancer(&balancer));
    use_one(Builder::new().base_url(&server.url()));
    eventually("the first connections close", ms(4000), || server.open_connections() == 0);
    let before = descriptors();
    for _ in 0..50 {
        use_one(Builder::new().balancer(&balancer));
        use_one(Builder::new().base_url(&server.url()));
    }
    assert_eq!(server.connections(), 102);
    eventually("the connections close", ms(2500), || server.open_connections() == 0);
    eventually("the descriptors are given back", ms(1000), || descriptors() <= before);
}

#[test]
fn a_client_that_is_kept_keeps_its_connection() {
    let _alone = alone();
    let (server, other) = (Server::ok(), Server::ok());
    // Other threads were at work before, all at once.
    let slow = Server::always(Reply::status(200).after(ms(50)));
    let busy = client_over(&[slow.port()]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| busy.get("/").unwrap());
        }
    });
    let client = client_over(&[server.port()]);
    client.get("/").unwrap();
    // The janitor came by once the connection of a client that is gone is closed.
    client_over(&[other.port()]).get("/").unwrap();
    eventually("it closes", ms(4000), || other.open_connections() == 0);
    client.get("/").unwrap();
    assert_eq!(server.connections(), 1);
}

#[test]
fn threads_that_take_turns_share_connections() {
    let _alone = alone();
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..100).for_each(|_| drop(client.get("/").unwrap())));
        }
    });
    let connections = server.connections();
    // One for each thread; a shard that is just being tidied may cost one more.
    assert!(connections <= 16, "{connections} connections for 8 threads");
}

#[test]
fn an_idle_connection_closes_after_its_limit() {
    let _alone = alone();
    let server = Server::ok();
    for builder in [
        Builder::new().balancer(&round_robin(&[server.port()])),
        Builder::new().base_url(&server.url()),
    ] {
        let client = builder.idle_timeout_ms(200).build();
        client.get("/").unwrap();
        eventually("it closes", ms(3000), || server.open_connections() == 0);
        client.get("/").unwrap();
    }
}

#[test]
fn many_calls_and_clients_start_no_threads() {
    let _alone = alone();
    let dead = Dead::new();
    let balancer = round_robin(&[dead.port()]);
    let call = || Builder::new().balancer(&balancer).build().get("/").map(|_| ());
    call().unwrap_err();
    let before = threads();
    for _ in 0..100 {
        call().unwrap_err();
    }
    assert!(threads() <= before, "{before} threads, then {}", threads());
}

/// SIGPIPE kills, as it does by default in a C program; back to Rust's way on drop.
struct DeadlyPipe;

impl DeadlyPipe {
    fn new() -> Self {
        // SAFETY: the default action.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        Self
    }
}

impl Drop for DeadlyPipe {
    fn drop(&mut self) {
        // SAFETY: to ignore it.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    }
}

#[test]
fn a_server_that_resets_in_the_middle_of_a_large_post_raises_no_sigpipe() {
    let _alone = alone();
    let body = vec![7; 8 << 20];
    let server = Server::ok().accepting(Accept::ResetAfter(100_000));
    let balancer = round_robin(&[server.port()]);
    for round in 0..20 {
        let (one, two) =
            (Builder::new().balancer(&balancer), Builder::new().base_url(&server.url()));
        for client in [one.build(), two.build()] {
            let deadly = DeadlyPipe::new();
            let failure = client.post("/", "application/x", &body).unwrap_err();
            drop(deadly);
            assert_eq!(
                failure.status, AHOY_E_CONNECTION_LOST,
                "round {round}: {}",
                failure.message
            );
            assert!(failure.is_ambiguous && failure.attempt_count == 1);
        }
    }
}

#[test]
fn a_kept_connection_that_was_reset_raises_no_sigpipe() {
    let _alone = alone();
    let server =
        Server::always(Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec()));
    let balancer = round_robin(&[server.port()]);
    // Each reset that is seen too late costs a retry, more of them than a budget has.
    let without = || Builder::new().without_retry_budget();
    for client in [without().balancer(&balancer).build(), without().base_url(&server.url()).build()]
    {
        for _ in 0..50 {
            let deadly = DeadlyPipe::new();
            let answer = client.get("/");
            drop(deadly);
            assert_eq!(answer.unwrap().status, 200);
        }
    }
}

/// The signals that this thread blocks.
fn mask() -> Vec<i32> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the call fills the set.
    let set = unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr());
        set.assume_init()
    };
    // SAFETY: the set is filled and the numbers are signals.
    (1..=31).filter(|signal| unsafe { libc::sigismember(&raw const set, *signal) } == 1).collect()
}

#[test]
fn the_signal_mask_is_the_hosts_during_callbacks_and_after_calls() {
    let _alone = alone();
    let (server, lossy) = (Server::ok(), Server::always(Reply::Close));
    let before = mask();
    assert!(!before.contains(&libc::SIGPIPE));
    for url in [server.url(), lossy.url()] {
        let expected = before.clone();
        let inside = std::sync::Arc::new(Mutex::new(Vec::new()));
        let kept = std::sync::Arc::clone(&inside);
        let client = Builder::new()
            .base_url(&url)
            .on_request(move |_| {
                kept.lock().unwrap().push(mask());
                AHOY_OK
            })
            .build();
        let _ = client.get("/");
        assert_eq!(mask(), expected);
        let inside = inside.lock().unwrap();
        assert!(!inside.is_empty() && inside.iter().all(|inside| *inside == expected));
    }
    client_over(&[server.port()]).get("/").unwrap();
    client_over(&[lossy.port()]).get("/").unwrap_err();
    assert_eq!(mask(), before);
}

#[test]
fn what_came_while_the_process_was_stopped_is_in_time() {
    let _alone = alone();
    let server = Server::always(Reply::status(200).after(ms(150)));
    let port = server.port();
    for (is_hard, is_started) in [(false, false), (false, true), (true, false), (true, true)] {
        let child = Child::run(|| {
            let balancer = round_robin(&[port]);
            let builder = Builder::new().balancer(&balancer);
            let client = match is_hard {
                true => builder.attempt_timeout_ms(400).attempt_timeout_hard().build(),
                false => builder.timeout_ms(400).build(),
            };
            let request = Request::new("GET", "/");
            let outcome = match is_started {
                true => client.start(&request).unwrap().end(),
                false => client.send(&request),
            };
            let answer = outcome.unwrap();
            assert_eq!((answer.status, answer.attempt_count), (200, 1));
            assert!(balancer.endpoint(port).is_closed());
        });
        eventually("it is asked", SOON, || server.in_flight() == 1);
        child.stop();
        eventually("it has answered", SOON, || server.in_flight() == 0);
        // Its limit passes meanwhile.
        std::thread::sleep(ms(500));
        child.go_on();
        child.ends();
    }
}

#[test]
fn out_of_descriptors_is_this_process_fault_and_opens_no_circuit() {
    let _alone = alone();
    let server = Server::ok();
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).tries(1).build();
    client.get("/").unwrap();
    let other = Builder::new().balancer(&balancer).tries(1).build();
    let failure = {
        let _held = exhausted();
        other.get("/").unwrap_err()
    };
    assert_eq!(failure.status, AHOY_E_CONNECT, "{}", failure.message);
    assert!(failure.message.contains("descriptors"), "{}", failure.message);
    assert!(balancer.endpoint(server.port()).is_closed());
    assert_eq!(other.get("/").unwrap().status, 200);
}

#[test]
fn a_watched_file_that_could_not_be_opened_is_read_when_it_can_be() {
    let _alone = alone();
    let folder = Folder::new();
    let path = folder.file("web", "127.0.0.1:1\n");
    let balancer = Balancer::round_robin(&Provider::from_url(&file_url(&path)).unwrap());
    balancer.wait_ready(SOON).unwrap();
    let beside = folder.file("new", "127.0.0.1:2\n");
    {
        let _held = exhausted();
        std::fs::rename(&beside, &path).unwrap();
        eventually("it is told", SOON, || balancer.list_error().is_some());
    }
    sees(&balancer, &[2], SOON);
    assert!(balancer.list_error().is_none(), "{:?}", balancer.list_error());
}

/// All descriptors taken, down to a low limit that drops with this.
fn exhausted() -> (Limit, Vec<std::fs::File>) {
    let limit = Limit::lowered(descriptors() as u64 + 8);
    let held = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
    (limit, held)
}

struct Limit(libc::rlimit);

impl Limit {
    fn lowered(to: u64) -> Self {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both limits live through the calls.
        unsafe {
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
            let low = libc::rlimit { rlim_cur: to, ..limit };
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const low), 0);
        }
        Self(limit)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // SAFETY: the limit lives through the call.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const self.0) };
    }
}
