//! Signals belong to the host: no library thread takes one, no mask changes, and a blocking call ends for one
//! where the host asked for that, and only there.

// There are none elsewhere.
#![cfg(unix)]
#![allow(unsafe_code, reason = "signals are one of the things that only a C program does")]

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::values::status::*;
use support::*;

const SOON: Duration = ms(10_000);

/// How much later than promised something may come on a machine that does much else.
const SLACK: Duration = ms(100);

static CAUGHT: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note(_: libc::c_int) {
    CAUGHT.fetch_add(1, Ordering::SeqCst);
}

/// SIGUSR1 is caught, by a handler that does nothing much.
fn catch_usr1() {
    catch(libc::SIGUSR1);
}

fn catch(signal: libc::c_int) {
    // SAFETY: the handler touches one atomic.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = note as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(signal, &raw const action, ptr::null_mut()), 0);
    }
}

/// A thread that can be sent signals while it lives.
#[derive(Clone, Copy)]
struct Target(libc::pthread_t);

impl Target {
    fn here() -> Self {
        // SAFETY: always valid.
        Self(unsafe { libc::pthread_self() })
    }

    fn signal(self) {
        // SAFETY: the tests join the thread later.
        assert_eq!(unsafe { libc::pthread_kill(self.0, libc::SIGUSR1) }, 0);
    }
}

fn clients(server: &Server, configure: impl Fn(Builder) -> Builder) -> [Client; 2] {
    let builders = [
        Builder::new().balancer(&round_robin(&[server.port()])),
        Builder::new().base_url(&server.url()),
    ];
    builders.map(|builder| configure(builder).build())
}

/// Runs `work` on a thread of its own, and gives `meanwhile` a way to signal that thread.
fn signalled<T: Send>(
    work: impl FnOnce() -> T + Send,
    meanwhile: impl FnOnce(Target),
) -> (T, Instant) {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let working = scope.spawn(move || {
            tell.send(Target::here()).unwrap();
            let result = work();
            (result, Instant::now())
        });
        meanwhile(told.recv().unwrap());
        working.join().unwrap()
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
fn library_threads_block_all_signals_but_the_fault_ones() {
    let _alone = alone();
    let server = Server::always(Reply::Hang);
    let client = client_over(&[server.port()]);
    // Enough to keep every I/O thread busy, so that all of them start.
    let calls: Vec<_> = (0..200).map(|_| client.begin("/")).collect();
    let io_threads = || {
        let all = threads();
        all.into_iter().filter(|(_, name)| name.starts_with("ahoy-")).collect::<Vec<_>>()
    };
    let cores = thread::available_parallelism().unwrap().get();
    // Beside the first, which resolves names and visits, one a core carries calls.
    eventually("one more than cores", SOON, || io_threads().len() == cores + 1);
    let never_blocked = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGABRT,
        libc::SIGSYS,
        libc::SIGKILL,
        libc::SIGSTOP,
    ];
    // 32 and 33 are the C library's own.
    let all = (1..=64).filter(|signal| ![32, 33].contains(signal));
    let expected: BTreeSet<i32> = all.filter(|signal| !never_blocked.contains(signal)).collect();
    for (thread, name) in io_threads() {
        let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        let blocked = u64::from_str_radix(blocked.trim(), 16).unwrap();
        let blocked = (1..=64).filter(|signal| blocked & (1 << (signal - 1)) != 0);
        let blocked: BTreeSet<i32> = blocked.filter(|signal| ![32, 33].contains(signal)).collect();
        assert_eq!(blocked, expected, "{name}");
    }
    drop(calls);
}

#[test]
#[cfg(target_os = "linux")]
fn a_system_call_that_a_sandbox_traps_reaches_the_hosts_handler_on_library_threads_too() {
    let _alone = alone();
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    // Threads that a child makes name themselves by it.
    Child::run(|| {
        catch(libc::SIGSYS);
        let before = CAUGHT.load(Ordering::SeqCst);
        trap(libc::SYS_prctl);
        assert_eq!(client.begin("/").end().unwrap().status, 200);
        assert!(CAUGHT.load(Ordering::SeqCst) > before, "no library thread made that call");
    })
    .ends();
}

/// Lets every `call` of this process raise SIGSYS, as sandboxes do that carry it out by their handler.
#[cfg(target_os = "linux")]
fn trap(call: libc::c_long) {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_TRAP),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    // SAFETY: the program lives through the calls, and binds this child process alone.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program),
            0
        );
    }
}

fn mask() -> Vec<i32> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the call fills the set.
    let set = unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr());
        set.assume_init()
    };
    // SAFETY: the set is filled and the numbers are signals.
    (1..=64).filter(|signal| unsafe { libc::sigismember(&raw const set, *signal) } == 1).collect()
}

#[test]
fn the_callers_mask_is_as_before_after_every_way_to_call() {
    let _alone = alone();
    let server = Server::ok();
    for client in clients(&server, Builder::interruptible) {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut set = MaybeUninit::uninit();
                // SAFETY: the set is initialised first; the mask is this short thread's.
                unsafe {
                    libc::sigemptyset(set.as_mut_ptr());
                    libc::sigaddset(set.as_mut_ptr(), libc::SIGUSR2);
                    libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), ptr::null_mut());
                }
                let queue = Queue::new();
                client.get("/").unwrap();
                assert_eq!(mask(), [libc::SIGUSR2]);
                client.begin("/").end().unwrap();
                client.submit(&Request::new("GET", "/"), &queue, 1).unwrap();
                queue.next(10_000).unwrap().unwrap();
                client.close(1000).unwrap();
                assert_eq!(mask(), [libc::SIGUSR2]);
            });
        });
    }
}

#[test]
fn resets_of_asynchronous_calls_raise_no_sigpipe() {
    let _alone = alone();
    let server = Server::ok().accepting(Accept::ResetAfter(100_000));
    let request = Request::new("POST", "/").body(&vec![7; 4 << 20]);
    // SAFETY: the default action, as in a C program, and back to Rust's way below.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    for client in clients(&server, |builder| builder) {
        let calls: Vec<_> = (0..10).map(|_| client.start(&request).unwrap()).collect();
        for call in calls {
            assert_eq!(call.end().unwrap_err().status, AHOY_E_CONNECTION_LOST);
        }
    }
    // SAFETY: to ignore it.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

#[test]
fn a_caught_signal_ends_a_blocking_call_of_an_interruptible_client() {
    let _alone = alone();
    catch_usr1();
    for base_url in [false, true] {
        let mut times = Vec::new();
        // The other kind hears of the end only when its shard is visited, about a second later.
        for _ in 0..if base_url { 3 } else { 9 } {
            let server = Listener::new();
            let client = match base_url {
                true => Builder::new().base_url(&url(server.port())),
                false => Builder::new().balancer(&round_robin(&[server.port()])),
            };
            let client = client.interruptible().build();
            let mut sent = None;
            let (outcome, ended) = signalled(
                || client.get("/"),
                |target| {
                    server.hears();
                    // It waits for the answer by now; what it does before is a matter of microseconds.
                    thread::sleep(ms(20));
                    sent = Some(Instant::now());
                    target.signal();
                },
            );
            let failure = outcome.unwrap_err();
            assert_eq!(failure.status, AHOY_E_INTERRUPTED, "{}", failure.message);
            assert!(failure.is_ambiguous, "its bytes had left");
            times.push(ended - sent.unwrap());
            let closed_after = server.hears() - sent.unwrap();
            assert!(closed_after < ms(2500), "the server hears of it after {closed_after:?}");
        }
        println!("interrupted within {times:?}");
        assert!(median(times) < ms(50));
    }
}

#[test]
fn a_call_interrupted_before_its_connection_stands_is_not_ambiguous() {
    let _alone = alone();
    catch_usr1();
    let (port, _held) = silent_listener();
    let client = Builder::new().balancer(&round_robin(&[port.port()])).interruptible().build();
    let (outcome, _) = signalled(
        || client.get("/"),
        |target| {
            thread::sleep(ms(100));
            target.signal();
        },
    );
    let failure = outcome.unwrap_err();
    assert_eq!(failure.status, AHOY_E_INTERRUPTED, "{}", failure.message);
    assert!(!failure.is_ambiguous);
}

#[test]
fn a_caught_signal_ends_the_wait_before_the_next_attempt() {
    let _alone = alone();
    catch_usr1();
    let server = Server::status(503);
    let retry = Retry::new().tries(2).delay_ms(20_000).max_delay_ms(20_000).jitter_ms(0, 0);
    for client in
        clients(&server, |builder| builder.retry(&retry).timeout_ms(60_000).interruptible())
    {
        let before = server.request_count();
        let mut sent = None;
        let (outcome, ended) = signalled(
            || client.get("/"),
            |target| {
                eventually("answered", SOON, || {
                    server.request_count() > before && server.in_flight() == 0
                });
                thread::sleep(ms(75));
                sent = Some(Instant::now());
                target.signal();
            },
        );
        assert_eq!(outcome.unwrap_err().status, AHOY_E_INTERRUPTED);
        assert!(ended - sent.unwrap() < ms(50) + SLACK, "{:?}", ended - sent.unwrap());
    }
}

#[test]
fn signals_do_not_end_a_call_of_a_client_that_is_not_interruptible() {
    let _alone = alone();
    catch_usr1();
    let server = Server::always(Reply::status(200).after(ms(300)));
    for client in clients(&server, |builder| builder) {
        let before = CAUGHT.load(Ordering::SeqCst);
        let sent = server.request_count();
        let (outcome, _) = signalled(
            || (client.get("/"), client.begin("/").end()),
            |target| {
                while server.request_count() < sent + 2 {
                    target.signal();
                    thread::sleep(ms(10));
                }
                (0..10).for_each(|_| {
                    target.signal();
                    thread::sleep(ms(10));
                });
            },
        );
        assert_eq!(outcome.0.unwrap().status, 200);
        assert_eq!(outcome.1.unwrap().status, 200);
        assert!(CAUGHT.load(Ordering::SeqCst) > before + 10, "the signals were caught");
    }
}

#[test]
fn should_stop_is_asked_all_the_time_and_its_no_lets_the_call_go_on() {
    let _alone = alone();
    let server = Server::always(Reply::status(200).after(ms(1000)));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let configure = |builder: Builder| {
        let asked = Arc::clone(&asked);
        builder.should_stop(move || {
            asked.lock().unwrap().push((Instant::now(), thread::current().id()));
            false
        })
    };
    for client in clients(&server, configure) {
        asked.lock().unwrap().clear();
        let begun = Instant::now();
        assert_eq!(client.get("/").unwrap().status, 200);
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert!(asked.iter().all(|(_, id)| *id == thread::current().id()), "on this thread");
        let times: Vec<_> = asked.into_iter().map(|(time, _)| time - begun).collect();
        assert!(times.len() >= 14, "{} times in a second", times.len());
        let gaps = times.windows(2).map(|two| two[1] - two[0]).collect::<Vec<_>>();
        println!("asked {} times, median gap {:?}", times.len(), median(gaps.clone()));
        assert!(median(gaps) < ms(60));
    }
}

#[test]
fn should_stop_is_asked_at_once_after_a_signal() {
    let _alone = alone();
    catch_usr1();
    let server = Server::always(Reply::status(200).after(ms(1000)));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .should_stop(move || {
            kept.lock().unwrap().push(Instant::now());
            false
        })
        .build();
    let mut delays = Vec::new();
    let (outcome, _) = signalled(
        || client.get("/"),
        |target| {
            eventually("it is sent", SOON, || server.in_flight() == 1);
            let first = Instant::now();
            while first.elapsed() < ms(700) {
                // Right after it was asked anyway, so that the next time is because of the signal.
                let count = asked.lock().unwrap().len();
                eventually("it is asked", SOON, || asked.lock().unwrap().len() > count);
                let (sent, count) = (Instant::now(), asked.lock().unwrap().len());
                target.signal();
                eventually("it is asked", SOON, || asked.lock().unwrap().len() > count);
                delays.push(asked.lock().unwrap()[count] - sent);
            }
        },
    );
    assert_eq!(outcome.unwrap().status, 200, "its no lets the call go on");
    println!("asked {:?} after a signal, median of {}", median(delays.clone()), delays.len());
    assert!(median(delays) < ms(20));
}

#[test]
fn a_yes_of_should_stop_ends_the_call_within_fifty_milliseconds() {
    let _alone = alone();
    let stop = Arc::new(AtomicBool::new(false));
    let server = Server::always(Reply::Hang);
    let configure = |builder: Builder| {
        let stop = Arc::clone(&stop);
        builder.should_stop(move || stop.load(Ordering::SeqCst))
    };
    for client in clients(&server, configure) {
        let mut times = Vec::new();
        for _ in 0..7 {
            stop.store(false, Ordering::SeqCst);
            let before = server.request_count();
            let mut asked = None;
            let (outcome, ended) = signalled(
                || client.get("/"),
                |_| {
                    eventually("it is sent", SOON, || server.request_count() > before);
                    asked = Some(Instant::now());
                    stop.store(true, Ordering::SeqCst);
                },
            );
            let failure = outcome.unwrap_err();
            assert_eq!(failure.status, AHOY_E_INTERRUPTED, "{}", failure.message);
            assert!(failure.is_ambiguous);
            times.push(ended - asked.unwrap());
        }
        println!("stopped within {times:?}");
        assert!(median(times) < ms(65), "50 ms and what the machine adds");
    }
}

#[test]
fn should_stop_is_asked_also_while_many_short_attempts_fail() {
    let _alone = alone();
    let server = Server::status(503);
    let retry = Retry::new().tries(-1).delay_ms(10).backoff(1.0).jitter_ms(0, 0);
    let begun = Arc::new(Mutex::new(Instant::now()));
    let (kept, asked) = (Arc::clone(&begun), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&asked);
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]).with(&Breaker::new().no_consecutive().no_ratio()))
        .retry(&retry)
        .timeout_ms(3000)
        .should_stop(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            kept.lock().unwrap().elapsed() > ms(300)
        })
        .build();
    *begun.lock().unwrap() = Instant::now();
    let (outcome, took) = timed(|| client.get("/"));
    let asked = asked.load(Ordering::SeqCst);
    assert!(outcome.is_err(), "asked {asked} times in {took:?} and never stopped");
    assert_eq!(outcome.unwrap_err().status, AHOY_E_INTERRUPTED);
    assert!(took < ms(350) + SLACK, "asked {asked} times in {took:?}");
}

#[test]
fn a_read_that_a_signal_ended_may_be_repeated() {
    let _alone = alone();
    catch_usr1();
    let (say, script) = mpsc::channel::<()>();
    let script = Mutex::new(script);
    let server = Scripted::new(move |_, peer| {
        peer.head();
        peer.write(CHUNKED);
        let _ = script.lock().unwrap().recv_timeout(SOON);
        peer.chunk("one");
        peer.chunk("");
    });
    let balancer = round_robin(&[server.port()]);
    let client = Builder::new().balancer(&balancer).interruptible().build();
    let response = client.stream("/");
    let (read, _) = signalled(
        || response.read(9, FOREVER),
        |target| {
            thread::sleep(ms(100));
            target.signal();
        },
    );
    assert_eq!(read.unwrap_err().status, AHOY_E_INTERRUPTED);
    say.send(()).unwrap();
    assert_eq!(response.rest().unwrap(), "one");
}

#[test]
fn a_wait_that_a_signal_ended_may_be_repeated() {
    let _alone = alone();
    catch_usr1();
    let server = Server::always(Reply::status(200).after(ms(1000)));
    // Nor does it look elsewhere on a busy machine.
    for client in clients(&server, |it| it.interruptible().attempt_timeout_ms(u64::MAX)) {
        let call = client.begin("/");
        for _ in 0..3 {
            let ended = AtomicBool::new(false);
            let (outcome, _) = signalled(
                || {
                    let waited = call.wait(FOREVER);
                    ended.store(true, Ordering::SeqCst);
                    waited
                },
                |target| {
                    // The first may come before the wait begins.
                    while !ended.load(Ordering::SeqCst) {
                        target.signal();
                        thread::sleep(ms(5));
                    }
                },
            );
            assert_eq!(outcome.unwrap_err().status, AHOY_E_INTERRUPTED);
        }
        assert_eq!(call.end().unwrap().status, 200, "the call went on");
    }
    assert_eq!(server.request_count(), 2);
}

#[test]
fn a_started_call_does_not_ask_should_stop() {
    let _alone = alone();
    let server = Server::always(Reply::status(200).after(ms(200)));
    let asked = Arc::new(AtomicUsize::new(0));
    let kept = Arc::clone(&asked);
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .should_stop(move || {
            kept.fetch_add(1, Ordering::SeqCst);
            true
        })
        .build();
    let call = client.begin("/");
    eventually("the end", SOON, || match call.poll().unwrap() {
        Some(answer) => answer.status == 200,
        None => false,
    });
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody waits");
}

#[test]
fn a_storm_of_signals_breaks_nothing() {
    let _alone = alone();
    catch_usr1();
    let server = Server::ok();
    for client in clients(&server, |builder| builder) {
        let done = AtomicBool::new(false);
        let (answered, _) = signalled(
            || {
                let count = (0..500).filter(|_| client.get("/").unwrap().status == 200).count();
                done.store(true, Ordering::SeqCst);
                count
            },
            |target| {
                while !done.load(Ordering::SeqCst) {
                    target.signal();
                    thread::yield_now();
                }
            },
        );
        assert_eq!(answered, 500);
    }
}
