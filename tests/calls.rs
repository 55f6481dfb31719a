//! Calls that are started and waited for later, told by callback, or cancelled.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::values::status::*;
use support::*;

/// Long enough for whatever must happen soon, on a machine that does much else.
const SOON: Duration = ms(10_000);

fn clients_of(server: &Server) -> [Client; 2] {
    [client_over(&[server.port()]), Builder::new().base_url(&server.url()).build()]
}

/// What a completion callback saw.
#[derive(Debug)]
struct Told {
    outcome: Outcome,
    thread: String,
}

/// Counts on drop.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Registers a callback that reports to `told` and counts its destruction in `destroyed`.
fn listen(call: &Call, told: &Sender<Told>, destroyed: &Arc<AtomicUsize>) -> Result<(), Failure> {
    let (told, counted) = (Mutex::new(told.clone()), Counted(Arc::clone(destroyed)));
    call.on_done(move |outcome| {
        let _whole = &counted;
        let _ = told.lock().unwrap().send(Told { outcome, thread: thread_name() });
    })
}

/// The one report that comes, and no other once `destroyed` counts the callback's end.
fn only(told: &Receiver<Told>, destroyed: &AtomicUsize) -> Told {
    let first = told.recv_timeout(SOON).unwrap();
    eventually("destroyed", SOON, || destroyed.load(Ordering::SeqCst) == 1);
    assert!(told.try_recv().is_err(), "told once");
    assert_eq!(destroyed.load(Ordering::SeqCst), 1, "destroyed once");
    first
}

#[test]
fn a_started_call_is_waited_for_and_its_result_handed_out_once() {
    let server = Server::new(|seen| Reply::text(200, &seen.path));
    for client in clients_of(&server) {
        let call = client.begin("/started");
        assert_eq!(call.end().unwrap().text(), "/started");
        for late in [call.poll(), call.wait(1000), call.wait(FOREVER)] {
            assert_eq!(late.unwrap_err().status, AHOY_E_IN_USE);
        }
        assert_eq!(call.on_done(|_| panic!("never")).unwrap_err().status, AHOY_E_IN_USE);
    }
    assert_eq!(server.request_count(), 2);
}

#[test]
fn a_start_returns_at_once_and_time_up_leaves_the_call_going() {
    let server = Server::always(Reply::status(200).after(ms(600)));
    for client in clients_of(&server) {
        let (call, started_in) = timed(|| client.begin("/"));
        assert!(started_in < ms(300), "{started_in:?}");
        assert!(call.poll().unwrap().is_none(), "a poll does not wait");
        let (early, waited) = timed(|| call.wait(50).unwrap());
        assert!(early.is_none() && waited >= ms(50), "{waited:?}");
        assert!(call.wait(1).unwrap().is_none());
        assert_eq!(call.end().unwrap().status, 200);
    }
    assert_eq!(server.request_count(), 2, "each was sent once");
}

#[test]
fn a_poll_finds_the_result_when_it_is_there() {
    let server = Server::ok();
    let call = client_over(&[server.port()]).begin("/");
    let mut answer = None;
    eventually("the answer", SOON, || {
        answer = call.poll().unwrap();
        answer.is_some()
    });
    assert_eq!(answer.unwrap().status, 200);
}

#[test]
fn a_failure_is_handed_out_like_an_answer() {
    let dead = Dead::new();
    let client = Builder::new().balancer(&round_robin(&[dead.port()])).tries(1).build();
    let call = client.begin("/");
    let failure = call.end().unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CONNECT, 1));
    assert_eq!(call.poll().unwrap_err().status, AHOY_E_IN_USE);
}

#[test]
fn of_many_waiters_one_gets_the_result() {
    let server = Server::always(Reply::status(200).after(ms(100)));
    let call = client_over(&[server.port()]).begin("/");
    let taken: usize = thread::scope(|scope| {
        let wait = || match call.wait(FOREVER) {
            Ok(answer) => usize::from(answer.unwrap().status == 200),
            Err(failure) => {
                assert_eq!(failure.status, AHOY_E_IN_USE);
                0
            }
        };
        let waiters: Vec<_> = (0..8).map(|_| scope.spawn(wait)).collect();
        waiters.into_iter().map(|waiter| waiter.join().unwrap()).sum()
    });
    assert_eq!(taken, 1);
}

#[test]
fn a_callback_set_before_the_end_is_told_once_on_an_io_thread() {
    let server = Server::always(Reply::status(200).after(ms(100)));
    for client in clients_of(&server) {
        let (tell, told) = mpsc::channel();
        let destroyed = Arc::default();
        let call = client.begin("/");
        listen(&call, &tell, &destroyed).unwrap();
        let again = Arc::new(AtomicUsize::new(0));
        assert_eq!(listen(&call, &tell, &again).unwrap_err().status, AHOY_E_IN_USE);
        assert_eq!(again.load(Ordering::SeqCst), 1, "destroyed where it was refused");
        for wait in [0, FOREVER] {
            assert_eq!(call.wait(wait).unwrap_err().status, AHOY_E_IN_USE, "it is promised");
        }
        let told = only(&told, &destroyed);
        assert_eq!(told.outcome.unwrap().status, 200);
        assert!(told.thread.starts_with("ahoy-io-"), "{}", told.thread);
    }
}

#[test]
fn a_callback_set_after_the_end_is_told_once_on_an_io_thread() {
    let server = Server::ok();
    for client in clients_of(&server) {
        let call = client.begin("/");
        // The answer is there once the server saw the connection idle; ask in the end without taking it.
        let sent = server.request_count();
        eventually("answered", SOON, || server.in_flight() == 0 && server.request_count() >= sent);
        client.get("/after").unwrap();
        let (tell, told) = mpsc::channel();
        let destroyed = Arc::default();
        listen(&call, &tell, &destroyed).unwrap();
        let told = only(&told, &destroyed);
        assert_eq!(told.outcome.unwrap().status, 200);
        assert!(told.thread.starts_with("ahoy-io-"), "{}", told.thread);
        assert_eq!(call.poll().unwrap_err().status, AHOY_E_IN_USE);
    }
}

#[test]
fn a_callback_set_as_the_call_ends_is_told_once() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let (tell, told) = mpsc::channel();
    let destroyed = Arc::new(AtomicUsize::new(0));
    for round in 0..2000_u32 {
        let call = client.begin("/");
        // From at once to long after the answer.
        for _ in 0..(round % 50) * 100 {
            std::hint::spin_loop();
        }
        listen(&call, &tell, &destroyed).unwrap();
    }
    for _ in 0..2000 {
        assert_eq!(told.recv_timeout(SOON).unwrap().outcome.unwrap().status, 200);
    }
    eventually("each is destroyed", SOON, || destroyed.load(Ordering::SeqCst) == 2000);
    assert!(told.try_recv().is_err(), "none is told twice");
}

#[test]
fn a_cancelled_call_ends_so_and_the_server_sees_the_connection_close() {
    for (server, client) in hanging() {
        let call = client.begin("/");
        server.hears();
        let begun = Instant::now();
        call.cancel().unwrap();
        assert!(begun.elapsed() < ms(500), "a cancel does not wait");
        let failure = call.end().unwrap_err();
        assert_eq!(failure.status, AHOY_E_CANCELLED, "{}", failure.message);
        assert!(failure.is_ambiguous, "its bytes had left");
        let closed_after = server.hears() - begun;
        assert!(closed_after < ms(500), "the server hears of it after {closed_after:?}");
    }
}

/// Both kinds of client, each with a server that never answers.
fn hanging() -> [(Listener, Client); 2] {
    let (one, two) = (Listener::new(), Listener::new());
    let clients = [client_over(&[one.port()]), Builder::new().base_url(&url(two.port())).build()];
    let [balanced, plain] = clients;
    [(one, balanced), (two, plain)]
}

#[test]
fn a_call_cancelled_before_its_connection_stands_is_not_ambiguous() {
    let (port, _held) = silent_listener();
    let call = client_over(&[port.port()]).begin("/");
    assert!(call.wait(50).unwrap().is_none());
    call.cancel().unwrap();
    let (failure, took) = timed(|| call.end().unwrap_err());
    assert_eq!(failure.status, AHOY_E_CANCELLED, "{}", failure.message);
    assert!(!failure.is_ambiguous && took < ms(1000), "{took:?}");
}

#[test]
fn a_cancel_after_the_end_is_harmless() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let call = client.begin("/");
    client.get("/").unwrap();
    eventually("answered", SOON, || server.request_count() == 2 && server.in_flight() == 0);
    assert_eq!(call.end().unwrap().status, 200);
    for _ in 0..3 {
        call.cancel().unwrap();
    }
    assert_eq!(call.poll().unwrap_err().status, AHOY_E_IN_USE);
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn a_cancelled_call_with_a_callback_tells_it_once() {
    let server = Server::always(Reply::Hang);
    let client = client_over(&[server.port()]);
    let (tell, told) = mpsc::channel();
    let destroyed = Arc::default();
    let call = client.begin("/");
    listen(&call, &tell, &destroyed).unwrap();
    eventually("the request", SOON, || server.in_flight() == 1);
    for _ in 0..3 {
        call.cancel().unwrap();
    }
    assert_eq!(only(&told, &destroyed).outcome.unwrap_err().status, AHOY_E_CANCELLED);
}

#[test]
fn cancels_that_race_the_end_leave_one_result() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let (mut answered, mut cancelled) = (0, 0);
    for round in 0..1000_u32 {
        let call = client.begin("/");
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..round * 20 {
                    std::hint::spin_loop();
                }
                call.cancel().unwrap();
            });
            match call.end() {
                Ok(answer) => answered += u32::from(answer.status == 200),
                Err(failure) => cancelled += u32::from(failure.status == AHOY_E_CANCELLED),
            }
        });
    }
    assert_eq!(answered + cancelled, 1000, "{answered} answered, {cancelled} cancelled");
    assert!(cancelled > 0, "the race was never won by the cancel");
}

#[test]
fn a_call_freed_in_flight_is_cancelled() {
    for (server, client) in hanging() {
        let call = client.begin("/");
        server.hears();
        let begun = Instant::now();
        drop(call);
        assert!(begun.elapsed() < ms(500), "a free does not wait");
        let closed_after = server.hears() - begun;
        assert!(closed_after < ms(500), "the server hears of it after {closed_after:?}");
    }
}

#[test]
fn a_call_freed_in_flight_goes_on_for_its_callback() {
    let server = Server::always(Reply::status(200).after(ms(200)));
    for client in clients_of(&server) {
        let (tell, told) = mpsc::channel();
        let destroyed = Arc::default();
        let call = client.begin("/");
        listen(&call, &tell, &destroyed).unwrap();
        drop(call);
        assert_eq!(only(&told, &destroyed).outcome.unwrap().status, 200);
    }
}

#[test]
fn a_client_may_be_freed_with_calls_in_flight() {
    let server = Server::always(Reply::status(200).after(ms(200)));
    for client in clients_of(&server) {
        let (tell, told) = mpsc::channel();
        let destroyed = Arc::default();
        let (waited, called) = (client.begin("/waited"), client.begin("/called"));
        listen(&called, &tell, &destroyed).unwrap();
        let queue = Queue::new();
        client.submit(&Request::new("GET", "/queued"), &queue, 7).unwrap();
        let (_, took) = timed(|| drop(client));
        assert!(took < ms(150), "a free does not wait: {took:?}");
        drop(called);
        assert_eq!(waited.end().unwrap().status, 200);
        assert_eq!(only(&told, &destroyed).outcome.unwrap().status, 200);
        assert_eq!(queue.next(10_000).unwrap().unwrap().status(), AHOY_OK);
    }
    eventually("the connections close", ms(4000), || server.open_connections() == 0);
}

#[test]
fn a_request_that_does_not_fit_is_refused_by_the_start() {
    let server = Server::ok();
    let client = client_over(&[server.port()]);
    let failure = client.start(&Request::new("GET", &server.url())).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{}", failure.message);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_call_has_its_retries_and_its_deadline() {
    let server = Server::new(|seen| match (seen.path.as_str(), seen.number) {
        ("/hangs", _) => Reply::Hang,
        (_, 0) => Reply::status(503),
        _ => Reply::status(200),
    });
    let client = client_over(&[server.port()]);
    let answer = client.begin("/").end().unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    let limited = client.start(&Request::new("GET", "/hangs").timeout_ms(150)).unwrap();
    let (failure, took) = timed(|| limited.end().unwrap_err());
    // The last attempt is cut by the deadline, or the wait before it would pass the deadline.
    let ended = [AHOY_E_DEADLINE, AHOY_E_TIMEOUT].contains(&failure.status);
    assert!(ended, "{}", failure.message);
    assert!(took < ms(2000), "{took:?}");
}

#[test]
fn inside_a_completion_callback_all_works_but_blocking() {
    let server = Server::ok();
    let client = Arc::new(client_over(&[server.port()]));
    let queue = Arc::new(Queue::new());
    let (tell, told) = mpsc::channel();
    let tell = Mutex::new(tell);
    let call = client.begin("/first");
    let (inner, completions) = (Arc::clone(&client), Arc::clone(&queue));
    call.on_done(move |outcome| {
        let answer = outcome.unwrap();
        let next = inner.begin("/started-inside");
        let blocking = [
            inner.get("/").unwrap_err().status,
            inner.close(0).unwrap_err().status,
            next.wait(10).unwrap_err().status,
            completions.next(10).map(|_| ()).unwrap_err().status,
            completions.batch(10, 4).map(|_| ()).unwrap_err().status,
        ];
        // Another thread carries it, and it may have ended by now.
        let polled = next.poll().expect("a poll does not block");
        assert!(completions.next(0).is_ok(), "a poll does not block");
        inner.submit(&Request::new("GET", "/submitted-inside"), &completions, 9).unwrap();
        tell.lock().unwrap().send((answer.status, blocking, next, polled)).unwrap();
    })
    .unwrap();
    let (status, blocking, next, polled) = told.recv_timeout(SOON).unwrap();
    assert_eq!((status, blocking), (200, [AHOY_E_WOULD_DEADLOCK; 5]));
    assert_eq!(polled.unwrap_or_else(|| next.end().unwrap()).status, 200);
    let completion = queue.next(10_000).unwrap().unwrap();
    assert_eq!((completion.tag(), completion.status()), (9, AHOY_OK));
    let mut paths: Vec<_> = server.requests().into_iter().map(|seen| seen.path).collect();
    paths.sort();
    assert_eq!(paths, ["/first", "/started-inside", "/submitted-inside"]);
}

#[test]
fn a_hook_of_a_blocking_call_may_start_and_submit() {
    let server = Server::ok();
    let other = Arc::new(client_over(&[server.port()]));
    let queue = Arc::new(Queue::new());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let (inner, completions, calls) = (Arc::clone(&other), Arc::clone(&queue), Arc::clone(&kept));
    let client = Builder::new()
        .balancer(&round_robin(&[server.port()]))
        .on_request(move |_| {
            let call = inner.begin("/from-hook");
            inner.submit(&Request::new("GET", "/from-hook"), &completions, 1).unwrap();
            assert_eq!(call.wait(5).unwrap_err().status, AHOY_E_WOULD_DEADLOCK);
            assert_eq!(inner.get("/").unwrap_err().status, AHOY_E_WOULD_DEADLOCK);
            calls.lock().unwrap().push(call);
            AHOY_OK
        })
        .build();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(kept.lock().unwrap().pop().unwrap().end().unwrap().status, 200);
    assert_eq!(queue.next(10_000).unwrap().unwrap().status(), AHOY_OK);
}

#[test]
fn a_provider_may_start_a_call_of_another_client() {
    let server = Server::ok();
    let other = client_over(&[server.port()]);
    let port = server.port();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let calls = Arc::clone(&kept);
    let provider = Provider::custom(move |hosts| {
        calls.lock().unwrap().push(other.begin("/from-provider"));
        assert_eq!(other.get("/").unwrap_err().status, AHOY_E_WOULD_DEADLOCK);
        hosts.add("127.0.0.1", port).unwrap();
        AHOY_OK
    });
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    assert_eq!(client.begin("/").end().unwrap().status, 200);
    assert_eq!(kept.lock().unwrap().pop().unwrap().end().unwrap().status, 200);
}

#[test]
fn two_hundred_calls_at_once_all_end() {
    let server = Server::new(|seen| Reply::text(200, &seen.path).after(ms(50)));
    let client = client_over(&[server.port()]);
    let calls: Vec<_> = (0..200).map(|number| client.begin(&format!("/{number}"))).collect();
    for (number, call) in calls.iter().enumerate() {
        assert_eq!(call.end().unwrap().text(), format!("/{number}"));
    }
}

/// As a goroutine does, which wakes up on another thread than it slept on.
#[test]
fn a_caller_may_move_between_threads_at_every_step() {
    fn elsewhere<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| scope.spawn(work).join().unwrap())
    }
    let server = Server::new(|seen| Reply::text(200, &seen.path).after(ms(50)));
    let dead = Dead::new();
    for client in clients_of(&server) {
        for round in 0..10 {
            let path = format!("/{round}");
            let call = elsewhere(|| client.begin(&path));
            assert!(elsewhere(|| call.wait(1)).unwrap().is_none(), "it goes on");
            assert_eq!(elsewhere(|| call.end()).unwrap().text(), path);
            let queue = elsewhere(Queue::new);
            elsewhere(|| client.submit(&Request::new("GET", &path), &queue, round).unwrap());
            let completion = elsewhere(|| queue.next(10_000)).unwrap().expect("in time");
            let answer = elsewhere(|| completion.take()).unwrap().unwrap();
            assert_eq!((completion.tag(), answer.text()), (round, path));
            elsewhere(|| drop((call, completion, queue)));
        }
    }
    // An error belongs to its call, whichever thread has made other calls since.
    let refused = client_over(&[dead.port()]);
    let call = elsewhere(|| refused.begin("/"));
    assert_eq!(client_over(&[server.port()]).get("/").unwrap().status, 200);
    assert_eq!(elsewhere(|| call.end()).unwrap_err().status, AHOY_E_CONNECT);
}
