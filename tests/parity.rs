//! Hosts, providers, balancers and endpoints: each thing that ahoyhoy 4.0.2 has, through the C interface.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ahoy::ffi::balancer::endpoint::*;
use ahoy::ffi::values::status::*;
use support::*;

/// The url of the only host of a list.
fn url_of(host: Host) -> String {
    Balancer::round_robin(&Provider::of(&[host])).pick().unwrap().url()
}

#[test]
fn port_443_is_https_and_any_other_http_unless_stated() {
    use ahoy::ffi::balancer::host::{AHOY_SCHEME_HTTP, AHOY_SCHEME_HTTPS};
    assert_eq!(url_of(Host::new("a.example", 443)), "https://a.example:443");
    assert_eq!(url_of(Host::new("a.example", 80)), "http://a.example:80");
    assert_eq!(url_of(Host::new("a.example", 8443)), "http://a.example:8443");
    let (http, https) = (AHOY_SCHEME_HTTP, AHOY_SCHEME_HTTPS);
    assert_eq!(url_of(Host::new("a.example", 443).scheme(http)), "http://a.example:443");
    assert_eq!(url_of(Host::new("a.example", 8443).scheme(https)), "https://a.example:8443");
    assert_eq!(url_of(Host::new("::1", 81)), "http://[::1]:81");
}

#[test]
fn a_host_has_weight_zone_and_priority() {
    assert!(Host::new("a.example", 80).placed(5, "eu-1", 2).is_ok());
    assert!(Host::new("a.example", 80).placed(u32::MAX, "eu-1", 2).is_ok());
    let failure = Host::new("a.example", 80).placed(1, "eu-1", 128).unwrap_err();
    assert!(failure.message.contains("priority"), "{}", failure.message);
}

#[test]
fn a_list_is_kept_in_order_and_a_host_counts_once() {
    let provider = Provider::loopback(&[3, 1, 2, 1]);
    provider.add_host(&Host::new("127.0.0.1", 3)).unwrap();
    let balancer = Balancer::round_robin(&provider);
    assert_eq!(balancer.count(), 0, "before its first use");
    balancer.update().unwrap();
    let ports: Vec<_> = (0..balancer.count()).map(|at| balancer.at(at).unwrap().port()).collect();
    assert_eq!(ports, [3, 1, 2]);
    assert_eq!(balancer.at(3).unwrap_err().status, AHOY_E_INVALID_ARGUMENT);
}

#[test]
fn an_endpoint_tells_where_it_is() {
    let endpoint = round_robin(&[81]).pick().unwrap();
    assert_eq!((endpoint.address(), endpoint.port()), ("127.0.0.1".to_owned(), 81));
    assert_eq!(endpoint.url(), "http://127.0.0.1:81");
    assert!(endpoint.is_closed() && endpoint.available());
}

#[test]
fn a_custom_provider_fills_the_list() {
    let server = Server::ok();
    let port = server.port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let provider = Provider::custom(move |out| {
        count.fetch_add(1, Ordering::SeqCst);
        out.add("127.0.0.1", port).unwrap();
        AHOY_OK
    });
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    assert_eq!(asked.load(Ordering::SeqCst), 0, "asked at first use");
    for _ in 0..3 {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "and not again");
}

#[test]
fn a_custom_provider_may_add_whole_hosts_and_is_told_of_bad_ones() {
    let server = Server::ok();
    let port = server.port();
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&refusals);
    let provider = Provider::custom(move |out| {
        for (address, port) in [("", 80), ("a b", 80), ("a.example", 0)] {
            kept.lock().unwrap().push(out.add(address, port).unwrap_err().status);
        }
        out.add_host(&Host::new("127.0.0.1", port).authority("api.example")).unwrap();
        AHOY_OK
    });
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    client.get("/").unwrap();
    assert_eq!(*refusals.lock().unwrap(), [AHOY_E_INVALID_ARGUMENT; 3]);
    assert_eq!(server.request().header("host"), Some("api.example"));
}

/// What a provider says: ports, or the status of its failure.
type Listing = Result<Vec<u16>, i32>;

/// A provider that says what it is told to.
fn switchable(first: Listing) -> (Provider, Arc<Mutex<Listing>>) {
    let list = Arc::new(Mutex::new(first));
    let source = Arc::clone(&list);
    let provider = Provider::custom(move |out| match &*source.lock().unwrap() {
        Ok(ports) => {
            for port in ports {
                out.add("127.0.0.1", *port).unwrap();
            }
            AHOY_OK
        }
        Err(status) => *status,
    });
    (provider, list)
}

#[test]
fn a_provider_that_fails_at_first_use_is_a_discovery_error() {
    let (provider, list) = switchable(Err(42));
    let balancer = Balancer::round_robin(&provider);
    let client = Builder::new().balancer(&balancer).build();
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_DISCOVERY);
    assert!(failure.message.contains("42"), "{}", failure.message);
    assert_eq!(balancer.pick().unwrap_err().status, AHOY_E_DISCOVERY);
    let server = Server::ok();
    *list.lock().unwrap() = Ok(vec![server.port()]);
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn a_provider_that_fails_later_leaves_the_last_good_list() {
    let server = Server::ok();
    let (provider, list) = switchable(Ok(vec![server.port()]));
    let balancer = Balancer::round_robin(&provider);
    balancer.update().unwrap();
    *list.lock().unwrap() = Err(42);
    assert_eq!(balancer.update().unwrap_err().status, AHOY_E_DISCOVERY);
    assert_eq!(Builder::new().balancer(&balancer).build().get("/").unwrap().status, 200);
}

#[test]
fn an_empty_list_counts_once_it_has_stood_for_its_time() {
    let (provider, list) = switchable(Ok(vec![1, 2]));
    let balancer = Balancer::round_robin(&provider);
    balancer.update().unwrap();
    *list.lock().unwrap() = Ok(vec![]);
    for _ in 0..3 {
        balancer.update().unwrap();
        assert_eq!(balancer.count(), 2, "30 s by default, however often it is said");
    }
    let (provider, list) = switchable(Ok(vec![1, 2]));
    provider.set("empty_hold", "0ms").unwrap();
    let balancer = Balancer::round_robin(&provider);
    balancer.update().unwrap();
    *list.lock().unwrap() = Ok(vec![]);
    balancer.update().unwrap();
    assert_eq!(balancer.count(), 0);
    let failure = balancer.pick().unwrap_err();
    assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS);
    assert!(failure.message.contains("no endpoint is known"), "{}", failure.message);
}

#[test]
fn no_hosts_at_all_are_no_endpoints() {
    let balancer = Balancer::round_robin(&Provider::list());
    let failure = Builder::new().balancer(&balancer).build().get("/").unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_NO_ENDPOINTS, 0));
}

#[test]
fn hosts_that_are_down_stay_down_over_an_update() {
    let (provider, list) = switchable(Ok(vec![1, 2]));
    let balancer = Balancer::round_robin(&provider);
    balancer.update().unwrap();
    let down = balancer.endpoint(1);
    down.open().unwrap();
    *list.lock().unwrap() = Ok(vec![3, 1, 2]);
    balancer.update().unwrap();
    assert!(balancer.endpoint(1).is_open() && balancer.endpoint(3).is_closed());
    down.close().unwrap();
    assert!(balancer.endpoint(1).is_closed(), "it is the same circuit");
}

#[test]
fn an_endpoint_that_left_the_list_still_shows_its_circuit() {
    let (provider, list) = switchable(Ok(vec![1]));
    let balancer = Balancer::round_robin(&provider);
    let gone = balancer.pick().unwrap();
    *list.lock().unwrap() = Ok(vec![2]);
    balancer.update().unwrap();
    drop(balancer);
    assert_eq!((gone.port(), gone.state()), (1, AHOY_CIRCUIT_CLOSED));
    gone.open().unwrap();
    assert!(gone.is_open());
}

#[test]
fn round_robin_takes_turns_in_the_providers_order() {
    let balancer = round_robin(&[1, 2, 3, 4]);
    let ports: Vec<_> = (0..12).map(|_| balancer.pick().unwrap().port()).collect();
    for pair in ports.windows(2) {
        assert_eq!(pair[1], pair[0] % 4 + 1, "{ports:?}");
    }
}

#[test]
fn round_robin_starts_anywhere() {
    let ports = [1, 2, 3, 4, 5, 6, 7, 8];
    let mut starts: Vec<_> = (0..50).map(|_| round_robin(&ports).pick().unwrap().port()).collect();
    starts.sort_unstable();
    starts.dedup();
    assert!(starts.len() > 2, "{starts:?}");
}

#[test]
fn round_robin_passes_over_what_is_down() {
    let balancer = round_robin(&[1, 2, 3]);
    balancer.update().unwrap();
    balancer.endpoint(2).open().unwrap();
    let ports: Vec<_> = (0..100).map(|_| balancer.pick().unwrap().port()).collect();
    assert!(!ports.contains(&2));
    let first = ports.iter().filter(|port| **port == 1).count();
    assert!((45..=55).contains(&first), "its share is spread evenly: {first}");
}

#[test]
fn random_takes_every_endpoint_about_as_often() {
    let balancer = Balancer::random(&Provider::loopback(&[1, 2, 3, 4]));
    let mut times = [0_u32; 5];
    for _ in 0..2000 {
        times[usize::from(balancer.pick().unwrap().port())] += 1;
    }
    assert!(times[1..].iter().all(|count| (380..620).contains(count)), "{times:?}");
}

#[test]
fn random_draws_from_your_own_function() {
    let balancer = Balancer::random(&Provider::loopback(&[1, 2, 3]));
    let bounds = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&bounds);
    balancer
        .set_function(move |below| {
            seen.lock().unwrap().push(below);
            below - 1
        })
        .unwrap();
    assert_eq!(balancer.pick().unwrap().port(), 3);
    balancer.endpoint(3).open().unwrap();
    assert_eq!(balancer.pick().unwrap().port(), 2, "only candidates are drawn from");
    assert_eq!(*bounds.lock().unwrap(), [3, 2]);
}

#[test]
fn a_random_function_out_of_range_picks_none() {
    let balancer = Balancer::random(&Provider::loopback(&[1, 2, 3]));
    balancer.set_function(|below| below).unwrap();
    assert_eq!(balancer.pick().unwrap_err().status, AHOY_E_NO_ENDPOINTS);
}

#[test]
fn only_a_random_balancer_takes_a_random_function() {
    let failure = round_robin(&[1]).set_function(|_| 0).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.contains("balancer"), "{}", failure.message);
}

#[test]
fn a_balancer_of_your_own_picks_an_index() {
    let counts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&counts);
    let balancer = Balancer::custom(&Provider::loopback(&[1, 2, 3]), move |count| {
        seen.lock().unwrap().push(count);
        count - 1
    });
    assert_eq!(balancer.pick().unwrap().port(), 3);
    balancer.endpoint(3).open().unwrap();
    assert_eq!(balancer.pick().unwrap().port(), 2);
    assert_eq!(*counts.lock().unwrap(), [3, 2]);
}

#[test]
fn a_balancer_of_your_own_is_not_shown_what_the_call_has_tried() {
    let servers = [Server::status(503), Server::status(503), Server::ok()];
    let counts = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&counts);
    let provider = Provider::loopback(&servers.each_ref().map(Server::port));
    let balancer = Balancer::custom(&provider, move |count| {
        seen.lock().unwrap().push(count);
        0
    });
    let answer = Builder::new().balancer(&balancer).build().get("/").unwrap();
    assert_eq!((answer.status, answer.attempt_count), (200, 3));
    assert_eq!(*counts.lock().unwrap(), [3, 2, 1]);
}

#[test]
fn an_index_out_of_range_means_none() {
    for wrong in [2, usize::MAX] {
        let server = Server::ok();
        let provider = Provider::loopback(&[server.port(), server.port() - 1]);
        let balancer = Balancer::custom(&provider, move |_| wrong);
        assert_eq!(balancer.pick().unwrap_err().status, AHOY_E_NO_ENDPOINTS);
        let client = Builder::new().balancer(&balancer).build();
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        assert_eq!((failure.status, failure.attempt_count), (AHOY_E_NO_ENDPOINTS, 0));
        assert!(took < ms(500), "{took:?}");
        assert_eq!(server.connections(), 0);
    }
}

#[test]
fn a_pick_takes_no_probes_permit() {
    let (server, good) = (Server::status(500), Server::ok());
    let provider = Provider::loopback(&[server.port(), good.port()]);
    let breaker = Breaker::new().consecutive(1).open_ms(20, 20);
    let balancer = Balancer::custom(&provider, |_| 0).with(&breaker);
    let client = Builder::new().balancer(&balancer).tries(1).build();
    client.get("/").unwrap();
    let circuit = balancer.endpoint(server.port());
    eventually("a probe is due", ms(1000), || circuit.available());
    for _ in 0..5 {
        assert_eq!(balancer.pick().unwrap().port(), server.port());
        assert!(circuit.is_open(), "shown, not probed");
    }
    server.become_(|_| Reply::status(200));
    assert_eq!(client.get("/").unwrap().endpoint_url, server.url(), "the permit was still there");
    assert!(circuit.is_closed());
}

#[test]
fn two_clients_over_one_balancer_share_the_circuits() {
    let (dead, good) = (Dead::new(), Server::ok());
    let balancer = round_robin(&[dead.port(), good.port()]);
    let one = Builder::new().balancer(&balancer).build();
    let two = Builder::new().balancer(&balancer).build();
    one.get("/").unwrap();
    one.get("/").unwrap();
    assert!(balancer.endpoint(dead.port()).is_open());
    let tried: Vec<_> = (0..4).flat_map(|_| two.get("/").unwrap().attempts).collect();
    assert!(tried.iter().all(|attempt| attempt.url == good.url()), "{tried:?}");
}

#[test]
fn two_balancers_over_one_provider_do_not() {
    let provider = Provider::loopback(&[1]);
    let (one, two) = (Balancer::round_robin(&provider), Balancer::round_robin(&provider));
    one.pick().unwrap().open().unwrap();
    assert!(two.pick().unwrap().is_closed());
}

#[test]
fn a_circuit_is_opened_and_closed_by_hand_and_not_twice() {
    let balancer = round_robin(&[1]);
    let endpoint = balancer.pick().unwrap();
    assert_eq!(endpoint.close().unwrap_err().status, AHOY_E_IN_USE);
    endpoint.open().unwrap();
    assert_eq!((endpoint.state(), endpoint.available()), (AHOY_CIRCUIT_OPEN, false));
    let again = endpoint.open().unwrap_err();
    assert_eq!(again.status, AHOY_E_IN_USE);
    assert!(again.message.contains("open already"), "{}", again.message);
    assert_eq!(balancer.pick().unwrap_err().status, AHOY_E_NO_ENDPOINTS);
    endpoint.close().unwrap();
    assert_eq!(balancer.pick().unwrap().state(), AHOY_CIRCUIT_CLOSED);
}

/// A provider that names a dead host first, and another port from its second answer on.
fn moving(dead: u16, later: u16) -> (Provider, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    let provider = Provider::custom(move |out| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        out.add("127.0.0.1", if first { dead } else { later }).unwrap();
        AHOY_OK
    });
    (provider, asked)
}

#[test]
fn when_none_is_left_the_provider_is_asked_again_and_the_call_goes_on() {
    let (dead, good) = (Dead::new(), Server::ok());
    let (provider, asked) = moving(dead.port(), good.port());
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    let answer = client.get("/").unwrap();
    assert_eq!((answer.status, answer.tried()), (200, vec![&*dead.url(), &*good.url()]));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn endpoint_updates_say_how_often_it_is_asked() {
    for (updates, expected) in [(0, 1), (1, 2), (3, 4)] {
        let dead = Dead::new();
        let (provider, asked) = moving(dead.port(), dead.port());
        let balancer = Balancer::round_robin(&provider);
        let client = Builder::new().balancer(&balancer).endpoint_updates(updates).build();
        let failure = client.get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_CONNECT);
        assert_eq!(asked.load(Ordering::SeqCst), expected, "{updates} updates");
    }
}

#[test]
fn a_host_that_only_the_third_list_names_is_found_within_three_updates() {
    let (dead, good, asked) = (Dead::new(), Server::ok(), AtomicU32::new(0));
    let (dead_port, good_port) = (dead.port(), good.port());
    let provider = Provider::custom(move |out| {
        let third = asked.fetch_add(1, Ordering::SeqCst) >= 2;
        out.add("127.0.0.1", if third { good_port } else { dead_port }).unwrap();
        AHOY_OK
    });
    let balancer = Balancer::round_robin(&provider);
    let client = Builder::new().balancer(&balancer).endpoint_updates(3).build();
    assert_eq!(client.get("/").unwrap().status, 200);
}

#[test]
fn no_endpoints_says_when_the_next_probe_is_due() {
    let dead = [Dead::new(), Dead::new()];
    let breaker = Breaker::new().open_ms(10_000, 10_000).connect_open_max_ms(10_000);
    let balancer = round_robin(&dead.each_ref().map(Dead::port)).with(&breaker);
    let client = Builder::new().balancer(&balancer).wait_for_ready_ms(0).build();
    client.get("/").unwrap_err();
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS);
    assert!(failure.is_retryable && !failure.is_ambiguous);
    let (_, due) = failure.message.split_once("next probe is due in ").expect("the time");
    let due: u64 = due.split(' ').next().unwrap().parse().unwrap();
    // A twentieth of the ten seconds, as no other endpoint takes calls.
    assert!(due > 0 && due <= 500, "{due} ms");
}
