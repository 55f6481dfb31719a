//! The balancers: how many calls each endpoint gets, by turn, weight, load and key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ahoy::ffi::values::status::*;
use support::*;

fn near(counts: &[usize], wanted: &[usize], by: usize) {
    let near = counts.iter().zip(wanted).all(|(count, wanted)| count.abs_diff(*wanted) <= by);
    assert!(near && counts.len() == wanted.len(), "{counts:?} instead of {wanted:?}");
}

#[test]
fn round_robin_gives_everyone_a_turn() {
    let fleet = Fleet::of(4);
    let client = single(&Balancer::round_robin(&fleet.provider()));
    assert_eq!(fleet.counts_of(40, &client), [10; 4]);
}

#[test]
fn round_robin_goes_by_weight_where_weights_differ() {
    let fleet = Fleet::of(4);
    let client = single(&Balancer::round_robin(&fleet.weighted(&[5, 1, 0, 2])));
    near(&fleet.counts_of(80, &client), &[50, 10, 0, 20], 2);
}

#[test]
fn random_draws_evenly_or_by_weight() {
    let fleet = Fleet::of(3);
    let even = single(&Balancer::random(&fleet.provider()));
    // Five standard deviations.
    near(&fleet.counts_of(600, &even), &[200; 3], 58);
    let weighted = single(&Balancer::random(&fleet.weighted(&[3, 1, 0])));
    let counts = fleet.counts_of(600, &weighted);
    near(&counts[..2], &[450, 150], 53);
    assert_eq!(counts[2], 0);
}

#[test]
fn smooth_order_spreads_the_heavy_one() {
    let fleet = Fleet::of(4);
    let client = single(&Balancer::smooth_weighted(&fleet.weighted(&[5, 1, 1, 0])));
    let letter = |_| ["a", "b", "c", "d"][fleet.at(&client.get("/").unwrap().endpoint_url)];
    assert_eq!((0..14).map(letter).collect::<String>(), "aabacaaaabacaa");
}

#[test]
fn smooth_order_goes_on_without_who_is_out() {
    let fleet = Fleet::of(3);
    let balancer = Balancer::smooth_weighted(&fleet.weighted(&[2, 1, 1]));
    let client = single(&balancer);
    client.get("/").unwrap();
    fleet.open(&balancer, 0..1);
    assert_eq!(fleet.counts_of(10, &client), [0, 5, 5]);
}

/// Every kind that goes by load.
fn by_load(provider: &Provider) -> [Balancer; 2] {
    // No circuit: what moves traffic away is the load alone.
    let breaker = Breaker::new().no_consecutive().no_ratio();
    [Balancer::p2c(provider).with(&breaker), Balancer::peak_ewma(provider).with(&breaker)]
}

#[test]
fn a_server_that_begins_to_refuse_at_once_is_not_the_fastest() {
    for streamed in [false, true] {
        let well = || Reply::status(200).after(ms(5));
        let (lost, other) = (Server::always(well()), Server::always(well()));
        let balancer = Balancer::p2c(&Provider::loopback(&[lost.port(), other.port()]));
        let client = Builder::new().balancer(&balancer).build();
        let call = || match streamed {
            true => drop(client.stream("/").rest().unwrap()),
            false => drop(client.get("/").unwrap()),
        };
        (0..20).for_each(|_| call());
        lost.become_(|_| Reply::status(404));
        let before = lost.request_count();
        (0..400).for_each(|_| call());
        // It had 99 % of them.
        let refused = lost.request_count() - before;
        assert!(refused < 320, "{refused}: {}", balancer.explain());
    }
}

#[test]
fn a_slow_a_failing_and_a_hanging_server_lose_their_traffic() {
    let ill: [fn() -> Server; 3] = [
        || Server::always(Reply::status(200).after(ms(30))),
        || Server::status(503),
        || Server::new(|_| Reply::Hang),
    ];
    for make in ill {
        let mut fleet = Fleet::of(3);
        fleet.0.push(make());
        for balancer in by_load(&fleet.provider()) {
            let client = Builder::new()
                .balancer(&balancer)
                .tries(1)
                .attempt_timeout_ms(50)
                // Longer than any wait that could hide the limit, and not the default of 30 s: one call waits for it.
                .timeout_ms(1000)
                .endpoint_updates(0)
                .build();
            let counts = fleet.counts_of(200, &client);
            assert!(counts[3] <= 20, "{counts:?}");
            assert!(counts[..3].iter().all(|count| *count > 0), "{counts:?}");
        }
    }
}

#[test]
fn one_choice_is_a_plain_draw() {
    let mut fleet = Fleet::of(3);
    fleet.0.push(Server::always(Reply::status(200).after(ms(2))));
    let balancer = Balancer::p2c(&fleet.provider()).ruled(|it| it.set_choices(1));
    near(&fleet.counts_of(400, &single(&balancer)), &[100; 4], 45);
}

#[test]
fn p2c_goes_by_weight() {
    let fleet = Fleet::of(3);
    let client = single(&Balancer::p2c(&fleet.weighted(&[3, 1, 0])));
    let counts = fleet.counts_of(200, &client);
    assert!(counts[0] > counts[1] && counts[1] > 0 && counts[2] == 0, "{counts:?}");
}

fn plain(count: usize) -> Vec<Request> {
    (0..count).map(|_| Request::new("GET", "/")).collect()
}

#[test]
fn least_request_fills_all_evenly() {
    let fleet = Fleet::holding(4);
    let client = single(&Balancer::least_request(&fleet.provider()));
    let calls = fleet.begin(&client, &plain(8));
    assert_eq!(fleet.in_flight(), [2; 4]);
    drop(calls);
}

/// Servers whose answers begin and do not end.
fn streaming(count: usize) -> Fleet {
    let begin = |_: &_| Reply::Begin(CHUNKED.as_bytes().to_vec());
    Fleet((0..count).map(|_| Server::new(begin)).collect())
}

#[test]
fn a_body_under_way_weighs_as_much_as_a_call() {
    let fleet = streaming(2);
    let client = single(&Balancer::least_request(&fleet.provider()));
    let streams: Vec<_> = (0..8).map(|_| client.stream("/")).collect();
    assert_eq!(fleet.counts(), [4; 2]);
    let at = |stream: &Streamed| fleet.at(&stream.head().endpoint_url);
    let (first, second): (Vec<_>, Vec<_>) = streams.into_iter().partition(|stream| at(stream) == 0);
    let active = || client.snapshot().sum("ahoy_endpoint_active_attempts", &[]);
    assert_eq!(active(), 8.0);
    drop(first);
    eventually("its bodies end", ms(10_000), || active() == 4.0);
    let again: Vec<_> = (0..3).map(|_| client.stream("/")).collect();
    assert!(again.iter().all(|stream| at(stream) == 0), "there less is under way");
    drop(second);
}

#[test]
fn a_body_under_way_takes_a_place_below_the_limit() {
    let fleet = streaming(2);
    let balancer = Balancer::round_robin(&fleet.provider()).ruled(|it| it.set_max_in_flight(1));
    let client = single(&balancer);
    let mut streams = vec![client.stream("/"), client.stream("/")];
    assert_eq!(fleet.counts(), [1; 2]);
    let failure = client.get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS);
    assert!(failure.message.contains("in flight"), "{}", failure.message);
    streams.pop();
    let mut again = None;
    eventually("its place is free", ms(10_000), || {
        again = client.open(&Request::new("GET", "/").streamed()).ok();
        again.is_some()
    });
}

#[test]
fn least_request_draws_by_weight() {
    let fleet = Fleet::of(3);
    let client = single(&Balancer::least_request(&fleet.weighted(&[3, 1, 0])));
    let counts = fleet.counts_of(400, &client);
    near(&counts[..2], &[300, 100], 44);
    assert_eq!(counts[2], 0);
}

type Kind = (&'static str, fn(&Provider) -> Balancer, usize);

/// Each with how many of 200 keys may move that are not the victim's.
const KEYED: [Kind; 3] = [
    ("ring hash", Balancer::ring_hash, 4),
    ("maglev", Balancer::maglev, 20),
    ("rendezvous", Balancer::rendezvous, 0),
];

/// Where each of 200 keys goes, stated as `stated` says.
fn homes(
    client: &Client,
    fleet: &Fleet,
    stated: impl Fn(Request, usize) -> Request,
) -> BTreeMap<usize, usize> {
    let home = |key| {
        let request = stated(Request::new("GET", "/"), key);
        (key, fleet.at(&client.send(&request).unwrap().endpoint_url))
    };
    (0..200).map(home).collect()
}

fn by_key(request: Request, key: usize) -> Request {
    request.key(&format!("key {key}"))
}

#[test]
fn a_key_stays_and_only_the_keys_of_who_left_move() {
    let fleet = Fleet::of(12);
    for (name, make, spare) in KEYED {
        let balancer = make(&fleet.provider());
        let client = single(&balancer);
        let before = homes(&client, &fleet, by_key);
        assert_eq!(before, homes(&client, &fleet, by_key), "{name}: again");
        let twin = single(&make(&fleet.provider()));
        assert_eq!(before, homes(&twin, &fleet, by_key), "{name}: in another balancer");
        let used: std::collections::BTreeSet<_> = before.values().collect();
        assert_eq!(used.len(), 12, "{name}: everyone has some");
        balancer.leave(&fleet.host(5)).unwrap();
        let after = homes(&client, &fleet, by_key);
        assert!(after.values().all(|home| *home != 5), "{name}");
        let moved = before.iter().filter(|(key, home)| **home != 5 && after[key] != **home);
        assert!(moved.clone().count() <= spare, "{name}: {:?}", moved.collect::<Vec<_>>());
        balancer.join(&fleet.host(5)).unwrap();
        assert_eq!(before, homes(&client, &fleet, by_key), "{name}: it is back");
    }
}

#[test]
fn a_key_comes_from_the_request_or_a_header_or_a_cookie() {
    let fleet = Fleet::of(5);
    let by_header = |request: Request, key| request.header("X-User", &format!("key {key}"));
    let by_cookie = |request: Request, key| {
        request.header("Cookie", &format!("name=Jos\u{e9}; user2=no; user=key {key}; other=1"))
    };
    for (name, make, _) in KEYED {
        let wanted = homes(&single(&make(&fleet.provider())), &fleet, by_key);
        let header = make(&fleet.provider()).ruled(|it| it.set_hash_header("x-user"));
        assert_eq!(homes(&single(&header), &fleet, by_header), wanted, "{name}: by header");
        let cookie = make(&fleet.provider()).ruled(|it| it.set_hash_cookie("user"));
        assert_eq!(homes(&single(&cookie), &fleet, by_cookie), wanted, "{name}: by cookie");
        let both = |request, key| by_key(by_header(request, key + 1), key);
        assert_eq!(homes(&single(&header), &fleet, both), wanted, "{name}: the request's wins");
    }
}

#[test]
fn a_stated_hash_stays_and_calls_without_a_key_go_anywhere() {
    let fleet = Fleet::of(4);
    let by_hash = |request: Request, key: usize| {
        request.hash((key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    };
    for (name, make, _) in KEYED {
        let client = single(&make(&fleet.provider()));
        let first = homes(&client, &fleet, by_hash);
        assert_eq!(first, homes(&client, &fleet, by_hash), "{name}");
        let counts = fleet.counts_of(100, &client);
        assert!(counts.iter().all(|count| *count > 0), "{name}: {counts:?}");
    }
}

#[test]
fn keys_go_by_weight() {
    let fleet = Fleet::of(3);
    for (name, make, _) in KEYED {
        let client = single(&make(&fleet.weighted(&[3, 1, 0])));
        let homes = homes(&client, &fleet, by_key);
        let at = |server| homes.values().filter(|home| **home == server).count();
        assert!(at(0).abs_diff(150) <= 35 && at(2) == 0, "{name}: {} {}", at(0), at(1));
    }
}

#[test]
fn a_key_whose_home_is_down_is_served_elsewhere_meanwhile() {
    let fleet = Fleet::of(4);
    for (name, make, _) in KEYED {
        let balancer = make(&fleet.provider());
        let client = single(&balancer);
        let home = |client: &Client| {
            fleet.at(&client.send(&by_key(Request::new("GET", "/"), 1)).unwrap().endpoint_url)
        };
        let own = home(&client);
        fleet.open(&balancer, own..own + 1);
        let other = home(&client);
        assert!(other != own && home(&client) == other, "{name}");
        balancer.endpoint(fleet.0[own].port()).close().unwrap();
        assert_eq!(home(&client), own, "{name}");
    }
}

#[test]
fn a_bounded_load_spreads_a_popular_key() {
    let popular = || (0..12).map(|_| by_key(Request::new("GET", "/"), 1)).collect::<Vec<_>>();
    for make in [Balancer::ring_hash, Balancer::maglev] {
        let fleet = Fleet::holding(4);
        let client = single(&make(&fleet.provider()));
        let calls = fleet.begin(&client, &popular());
        assert!(fleet.in_flight().contains(&12), "{:?}", fleet.in_flight());
        drop(calls);
        let fleet = Fleet::holding(4);
        let client = single(&make(&fleet.provider()).ruled(|it| it.set_bounded_load(1.25)));
        let calls = fleet.begin(&client, &popular());
        // 1.25 times a quarter of twelve, rounded up.
        assert!(fleet.in_flight().iter().all(|count| *count <= 4), "{:?}", fleet.in_flight());
        drop(calls);
    }
}

/// A balancer that notes how many candidates it was shown, and what it answers.
fn noting(provider: &Provider, answer: usize) -> (Balancer, Arc<[AtomicUsize; 2]>) {
    let seen: Arc<[AtomicUsize; 2]> = Arc::default();
    let note = Arc::clone(&seen);
    let balancer = Balancer::custom(provider, move |count| {
        note[0].fetch_add(1, Ordering::SeqCst);
        note[1].store(count, Ordering::SeqCst);
        answer
    });
    (balancer, seen)
}

#[test]
fn a_function_sees_only_those_that_may_be_used() {
    let fleet = Fleet::of(5);
    let (balancer, seen) = noting(&fleet.weighted(&[1, 0, 2, 1, 1]), 0);
    let client = single(&balancer);
    client.get("/").unwrap();
    assert_eq!(seen[1].load(Ordering::SeqCst), 4, "one has a weight of 0");
    fleet.open(&balancer, 3..4);
    client.get("/").unwrap();
    assert_eq!(seen[1].load(Ordering::SeqCst), 3, "and one is open");
    assert_eq!(fleet.counts(), [2, 0, 0, 0, 0]);
}

#[test]
fn a_function_that_names_nobody_is_asked_once() {
    let fleet = Fleet::of(4);
    let (balancer, seen) = noting(&fleet.ranked(&[0, 0, 1, 1]), 99);
    let failure = single(&balancer).get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS);
    assert_eq!(seen[0].load(Ordering::SeqCst), 1);
    let draws = Arc::new(AtomicUsize::new(0));
    let drawn = Arc::clone(&draws);
    let random = Balancer::random(&fleet.ranked(&[0, 0, 1, 1]));
    random
        .set_function(move |below| {
            drawn.fetch_add(1, Ordering::SeqCst);
            below
        })
        .unwrap();
    assert_eq!(single(&random).get("/").unwrap_err().status, AHOY_E_NO_ENDPOINTS);
    assert_eq!(draws.load(Ordering::SeqCst), 1);
}

#[test]
fn a_rule_of_another_balancer_is_refused_by_name() {
    let fleet = Fleet::of(1);
    let robin = Balancer::round_robin(&fleet.provider());
    refused(robin.set_choices(2), "balancer");
    refused(robin.set_ring_size(1, 2), "balancer");
    refused(robin.set_table_size(7), "balancer");
    refused(robin.set_bounded_load(1.25), "balancer");
    refused(robin.set_hash_header("x-user"), "balancer");
    refused(robin.set_hash_cookie("user"), "balancer");
    refused(robin.set_function(|_| 0), "balancer");
    refused(Balancer::rendezvous(&fleet.provider()).set_bounded_load(1.25), "balancer");
    refused(Balancer::maglev(&fleet.provider()).set_ring_size(1, 2), "balancer");
    refused(Balancer::least_request(&fleet.provider()).set_choices(2), "balancer");
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    let provider = Fleet::of(1).provider();
    let (p2c, ring) = (Balancer::p2c(&provider), Balancer::ring_hash(&provider));
    let maglev = Balancer::maglev(&provider);
    for choices in [0, 9] {
        refused(p2c.set_choices(choices), "choices");
    }
    refused(ring.set_ring_size(0, 5), "min");
    refused(ring.set_ring_size(6, 5), "max");
    refused(ring.set_ring_size(1, 8_388_609), "max");
    for size in [0, 1, 8, 5_000_013] {
        refused(maglev.set_table_size(size), "size");
    }
    for factor in [0.99, -1.0, f64::NAN, f64::INFINITY] {
        refused(maglev.set_bounded_load(factor), "factor");
    }
    refused(ring.set_hash_header("no header"), "name");
    for name in ["", "a=b", "a;b"] {
        refused(ring.set_hash_cookie(name), "name");
    }
}

#[test]
fn in_use_it_can_no_longer_be_changed() {
    let fleet = Fleet::of(1);
    let maglev = Balancer::maglev(&fleet.provider());
    let _client = single(&maglev);
    assert_eq!(maglev.set_table_size(7).unwrap_err().status, AHOY_E_IN_USE);
    assert_eq!(maglev.option("zone", "a").unwrap_err().status, AHOY_E_IN_USE);
}

#[test]
fn sizes_that_were_set_serve() {
    let fleet = Fleet::of(3);
    let ring = Balancer::ring_hash(&fleet.provider()).ruled(|it| it.set_ring_size(30, 300));
    let maglev = Balancer::maglev(&fleet.provider()).ruled(|it| it.set_table_size(7));
    for balancer in [ring, maglev] {
        let client = single(&balancer);
        assert_eq!(homes(&client, &fleet, by_key), homes(&client, &fleet, by_key));
    }
}

#[test]
fn a_server_counts_once_however_its_address_is_written() {
    let provider = Provider::list();
    let ways = ["[::1]", "::1", "0:0:0:0:0:0:0:1", "::0001", "Api.Example", "api.example"];
    let zoned = ["fe80::0:1%Eth0", "fe80::1%Eth0", "fe80::1%eth0"];
    for address in ways.into_iter().chain(zoned) {
        provider.add(address, 80).unwrap();
    }
    let balancer = Balancer::round_robin(&provider);
    balancer.update().unwrap();
    let told = balancer.explain();
    let urls: Vec<_> = told.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let expected = [
        "http://[::1]:80",
        "http://api.example:80",
        "http://[fe80::1%Eth0]:80",
        "http://[fe80::1%eth0]:80",
    ];
    assert_eq!(urls, expected);
}

#[test]
fn a_server_that_is_listed_twice_takes_one_place_of_a_subset() {
    type Rule = fn(&Balancer) -> Result<(), Failure>;
    let fleet = Fleet::of(8);
    let twice: Vec<Host> = (0..16).map(|index| fleet.host(index % 8)).collect();
    let rules: [Rule; 2] = [|it| it.set_subset(4), |it| it.set_deterministic_subset(4, 0, 2)];
    for rule in rules {
        let provider = Provider::list();
        provider.replace(&twice).unwrap();
        let balancer = Balancer::p2c(&provider).ruled(rule);
        balancer.update().unwrap();
        assert_eq!(balancer.count(), 4);
    }
}

type Make = fn(&Provider) -> Balancer;

/// Calls while one list after the other is put in place of the one before; what failed, with the balancer's name.
fn failed_while_replaced(name: &str, make: Make, lists: &[Vec<Host>; 2]) {
    let provider = Provider::of(&lists[0]);
    let client = single(&make(&provider));
    client.get("/").unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let calls = || {
            while !is_over.load(Ordering::SeqCst) {
                if let Err(failure) = client.get("/") {
                    return Err(failure.message);
                }
            }
            Ok(())
        };
        let callers = [scope.spawn(calls), scope.spawn(calls)];
        for turn in 1..40 {
            provider.replace(&lists[turn % 2]).unwrap();
            std::thread::sleep(ms(1));
        }
        is_over.store(true, Ordering::SeqCst);
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Ok(()), "{name}");
        }
    });
}

#[test]
fn a_list_that_is_replaced_as_a_whole_fails_no_call() {
    let fleet = Fleet::of(2);
    let one_each = || [0, 1].map(|index| vec![fleet.host(index)]);
    let weights = || [0, 1].map(|heavy| fleet.hosts(|at, host| host.weight((at == heavy).into())));
    let moved = || [0, 1].map(|turn| fleet.hosts(|at, host| host.priority((at != turn).into())));
    let balancers: [(&str, Make); 6] = [
        ("maglev", Balancer::maglev),
        ("ring_hash", Balancer::ring_hash),
        ("rendezvous", Balancer::rendezvous),
        ("smooth_weighted", Balancer::smooth_weighted),
        ("round_robin", Balancer::round_robin),
        ("p2c", Balancer::p2c),
    ];
    for (name, make) in balancers {
        for lists in [one_each(), weights(), moved()] {
            failed_while_replaced(name, make, &lists);
        }
    }
}
