//! Where endpoints come from: lists that are pushed, functions that are asked, sources that tell.

mod support;

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ahoy::ffi::balancer::listing::*;
use ahoy::ffi::values::status::*;
use support::*;

#[test]
fn a_list_that_the_host_replaces_applies_at_once() {
    let servers = [Server::always(Reply::text(200, "a")), Server::always(Reply::text(200, "b"))];
    let provider = Provider::loopback(&[servers[0].port()]);
    let balancer = Balancer::round_robin(&provider);
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(client.get("/").unwrap().body, b"a");
    provider.replace_ports(&[servers[1].port()]);
    assert_eq!(client.get("/").unwrap().body, b"b");
    assert_eq!(balancer.known(), 1);
    provider.replace_ports(&[]);
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_NO_ENDPOINTS);
    assert_eq!(balancer.list_state(), AHOY_LIST_CURRENT);
}

#[test]
fn a_slow_provider_delays_only_the_calls_that_need_its_list_and_they_keep_their_limit() {
    let slow = Provider::custom(|_| {
        std::thread::sleep(Duration::from_secs(2));
        AHOY_OK
    });
    let server = Server::always(Reply::text(200, "hello"));
    let client = Builder::new().balancer(&Balancer::recommended(&slow)).timeout_ms(200).build();
    let other = Builder::new()
        .balancer(&Balancer::recommended(&Provider::loopback(&[server.port()])))
        .build();
    let begun = Instant::now();
    let call = client.begin("/");
    assert!(begun.elapsed() < ms(100), "start returned after {:?}", begun.elapsed());
    let (answer, took) = timed(|| other.begin("/").wait(FOREVER));
    assert_eq!(answer.unwrap().unwrap().status, 200);
    assert!(took < ms(100), "another client's call took {took:?}");
    let failure = call.wait(FOREVER).unwrap_err();
    let took = begun.elapsed();
    assert_eq!(failure.status, AHOY_E_DEADLINE);
    assert!(took > ms(190) && took < ms(300), "{took:?}");
}

#[test]
fn a_function_runs_on_the_thread_that_the_host_chose() {
    let server = Server::always(Reply::text(200, "hello"));
    let port = server.port();
    let asked_on = |callbacks: Option<&str>, starts: bool| {
        let names: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&names);
        let provider = Provider::custom(move |hosts| {
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            noted.lock().unwrap().push(name);
            hosts.add("127.0.0.1", port).unwrap();
            AHOY_OK
        });
        if let Some(callbacks) = callbacks {
            provider.set("callbacks", callbacks).unwrap();
        }
        let client = Builder::new().balancer(&Balancer::recommended(&provider)).build();
        let answer = match starts {
            true => client.begin("/").wait(FOREVER).unwrap().unwrap(),
            false => client.get("/").unwrap(),
        };
        assert_eq!(answer.status, 200);
        let names = names.lock().unwrap().clone();
        assert_eq!(names.len(), 1, "{names:?}");
        names[0].clone()
    };
    let here = std::thread::current().name().unwrap().to_owned();
    assert_eq!(asked_on(None, false), here);
    assert!(asked_on(None, true).starts_with("ahoy-provider-"));
    assert!(asked_on(Some("thread"), false).starts_with("ahoy-provider-"));
    assert!(asked_on(Some("thread"), true).starts_with("ahoy-provider-"));
    assert_eq!(asked_on(Some("caller"), false), here);
    assert_eq!(asked_on(Some("caller"), true), here);
}

#[test]
fn a_blocking_call_keeps_its_limit_too_where_the_function_has_a_thread_of_its_own() {
    let slow = Provider::custom(|_| {
        std::thread::sleep(Duration::from_secs(2));
        AHOY_OK
    });
    slow.set("callbacks", "thread").unwrap();
    let client = Builder::new().balancer(&Balancer::recommended(&slow)).timeout_ms(200).build();
    let (failure, took) = timed(|| client.get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_DEADLINE);
    assert!(took > ms(190) && took < ms(300), "{took:?}");
}

#[test]
fn time_that_a_function_takes_on_the_callers_thread_counts() {
    let server = Server::always(Reply::text(200, "hello"));
    let port = server.port();
    let slow = Provider::custom(move |hosts| {
        std::thread::sleep(ms(300));
        hosts.add("127.0.0.1", port).unwrap();
        AHOY_OK
    });
    let client = Builder::new().balancer(&Balancer::recommended(&slow)).timeout_ms(200).build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_DEADLINE);
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn a_host_with_one_thread_asks_its_registry_while_it_waits_for_a_queue() {
    let (old, new) =
        (Server::always(Reply::text(200, "old")), Server::always(Reply::text(200, "new")));
    let port = Arc::new(AtomicU16::new(old.port()));
    let (told, here) = (Arc::clone(&port), std::thread::current().id());
    let provider = Provider::custom(move |hosts| {
        assert_eq!(std::thread::current().id(), here);
        hosts.add("127.0.0.1", told.load(Ordering::SeqCst)).unwrap();
        AHOY_OK
    });
    provider.set("callbacks", "caller").unwrap();
    let balancer = Balancer::recommended(&provider);
    let client = Builder::new().balancer(&balancer).build();
    let queue = Queue::new();
    let answer = |tag| {
        client.submit(&Request::new("GET", "/"), &queue, tag).unwrap();
        queue.next(FOREVER).unwrap().unwrap().take().unwrap().unwrap().body
    };
    assert_eq!(answer(1), b"old");
    let gone = old.port();
    drop(old);
    port.store(new.port(), Ordering::SeqCst);
    balancer.endpoint(gone).open().unwrap();
    assert_eq!(answer(2), b"new");
}

#[test]
fn a_url_that_names_nothing_is_refused_without_its_secrets() {
    for (url, status) in [
        ("dns://web.test", AHOY_E_INVALID_ARGUMENT),
        ("carrier-pigeon://coop?token=s3cret", AHOY_E_INVALID_ARGUMENT),
        ("dns://web.test:80?tokn=s3cret", AHOY_E_UNKNOWN_OPTION),
        ("dns://web.test:80?empty_hold=s3cret", AHOY_E_INVALID_ARGUMENT),
        ("dns://me:s3cret@web.test:80", AHOY_E_INVALID_ARGUMENT),
        ("dns://web.test:80?family=ipv4&family=ipv6", AHOY_E_INVALID_ARGUMENT),
    ] {
        let failure = Provider::from_url(url).unwrap_err();
        assert_eq!(failure.status, status, "{url}: {}", failure.message);
        let shows = failure.message.contains("s3cret") && !url.contains("empty_hold");
        assert!(!shows, "{}", failure.message);
    }
    let list = Provider::custom(|_| AHOY_OK);
    assert_eq!(list.replace(&[]).unwrap_err().status, AHOY_E_UNSUPPORTED);
    assert_eq!(list.set("family", "any").unwrap_err().status, AHOY_E_UNKNOWN_OPTION);
}
