//! The end of all callbacks of a process. There is no way back, so each case is a child process of its own.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ahoy::ffi::values::status::*;
use support::*;

const SOON: Duration = ms(10_000);

/// Says when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn from_then_on_no_callback_begins_and_what_needs_one_says_closed() {
    let _alone = alone();
    let child = Child::run(|| {
        let server = Server::ok();
        let count = Arc::new(AtomicUsize::new(0));
        let destroyed = Arc::new(AtomicBool::new(false));
        let counts = || {
            let (count, held) = (Arc::clone(&count), Dropped(Arc::clone(&destroyed)));
            move || {
                let _held = &held;
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let (request, response, log) = (counts(), counts(), counts());
        let hooked = Builder::new()
            .balancer(&round_robin(&[server.port()]))
            .on_request(move |_| {
                request();
                AHOY_OK
            })
            .build();
        let logging = Builder::new()
            .balancer(&round_robin(&[server.port()]))
            .on_response(move |_| response())
            .on_log(4, move |_, _, _| log())
            .build();
        let provided = counts();
        let provider = Provider::custom(move |_| {
            provided();
            AHOY_OK
        });
        let unprepared = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
        let never_asked = Provider::custom(|_| AHOY_OK);
        never_asked.set("callbacks", "thread").unwrap();
        let by_thread = Builder::new().balancer(&Balancer::round_robin(&never_asked)).build();
        hooked.get("/").unwrap();
        logging.get("/").unwrap();
        let before = count.load(Ordering::SeqCst);
        assert!(before >= 3, "{before} callbacks ran");

        stop_callbacks(0).unwrap();
        let failure = hooked.get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_CLOSED, "{}", failure.message);
        assert!(failure.message.contains("ahoy_callbacks_stop"), "{}", failure.message);
        assert_eq!(hooked.begin("/").end().unwrap_err().status, AHOY_E_CLOSED);
        for client in [&unprepared, &by_thread] {
            assert_eq!(client.get("/").unwrap_err().status, AHOY_E_CLOSED);
            assert_eq!(client.begin("/").end().unwrap_err().status, AHOY_E_CLOSED);
        }
        assert_eq!(logging.get("/").unwrap().status, 200);
        let (called, done) = (logging.begin("/"), counts());
        called.on_done(move |_| done()).unwrap();
        let queue = Queue::new();
        logging.submit(&Request::new("GET", "/"), &queue, 3).unwrap();
        assert_eq!(queue.next(FOREVER).unwrap().unwrap().status(), AHOY_OK);
        assert_eq!(logging.begin("/").end().unwrap().status, 200);
        hooked.close(1000).unwrap();
        logging.close(1000).unwrap();
        drop((hooked, logging, unprepared, provider, called));
        stop_callbacks(0).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), before);
        assert!(!destroyed.load(Ordering::SeqCst), "destroy functions are callbacks too");
    });
    child.ends_well(SOON);
}

#[test]
fn it_waits_for_what_is_under_way_and_says_where_that_outlasts_the_limit() {
    let _alone = alone();
    let child = Child::run(|| {
        let server = Server::ok();
        let client = client_over(&[server.port()]);
        let (entered, entry) = mpsc::channel();
        let (release, released) = mpsc::channel();
        let (entered, released) = (Mutex::new(entered), Mutex::new(released));
        let ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&ended);
        let call = client.begin("/");
        call.on_done(move |_| {
            entered.lock().unwrap().send(stop_callbacks(0).unwrap_err().status).unwrap();
            released.lock().unwrap().recv_timeout(SOON).unwrap();
            thread::sleep(ms(20));
            ends.store(true, Ordering::SeqCst);
        })
        .unwrap();
        assert_eq!(entry.recv_timeout(SOON).unwrap(), AHOY_E_WOULD_DEADLOCK);
        assert_eq!(stop_callbacks(0).unwrap_err().status, AHOY_E_DEADLINE);
        assert_eq!(stop_callbacks(20).unwrap_err().status, AHOY_E_DEADLINE);
        release.send(()).unwrap();
        stop_callbacks(FOREVER).unwrap();
        assert!(ended.load(Ordering::SeqCst), "the callback is over");
    });
    child.ends_well(SOON);
}

#[test]
fn callbacks_that_race_the_stop_have_ended_with_it() {
    let _alone = alone();
    let child = Child::run(|| {
        let server = Server::ok();
        let running = Arc::new(AtomicUsize::new(0));
        let inside = Arc::clone(&running);
        let client = Builder::new()
            .balancer(&round_robin(&[server.port()]))
            .on_response(move |_| {
                inside.fetch_add(1, Ordering::SeqCst);
                thread::yield_now();
                inside.fetch_sub(1, Ordering::SeqCst);
            })
            .build();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        client.get("/").unwrap();
                    }
                });
            }
            thread::sleep(ms(30));
            stop_callbacks(FOREVER).unwrap();
            for _ in 0..200 {
                assert_eq!(running.load(Ordering::SeqCst), 0);
                thread::yield_now();
            }
            over.store(true, Ordering::SeqCst);
        });
    });
    child.ends_well(SOON);
}

#[cfg(unix)]
#[test]
fn a_forked_child_has_callbacks_of_its_own() {
    let _alone = alone();
    let child = Child::run(|| {
        let server = Server::ok();
        let port = server.port();
        stop_callbacks(0).unwrap();
        let grandchild = Child::run(|| {
            let count = Arc::new(AtomicUsize::new(0));
            let counts = Arc::clone(&count);
            let client = Builder::new()
                .balancer(&round_robin(&[port]))
                .on_response(move |_| {
                    counts.fetch_add(1, Ordering::SeqCst);
                })
                .build();
            client.get("/").unwrap();
            assert_eq!(count.load(Ordering::SeqCst), 1);
        });
        grandchild.ends_well(SOON);
    });
    child.ends_well(ms(20_000));
}
