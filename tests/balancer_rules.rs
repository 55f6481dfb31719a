//! The rules that any balancer can be given: priorities, zones, panic, slow start, subsets, limits; and hosts
//! that join and leave.

use std::sync::Barrier;
use std::thread;

use ahoy::ffi::values::status::*;
use support::*;

fn sum(counts: &[usize]) -> usize {
    counts.iter().sum()
}

fn within(count: usize, wanted: usize, by: usize) {
    assert!(count.abs_diff(wanted) <= by, "{count} instead of {wanted}");
}

// Priorities

#[test]
fn a_reserve_serves_while_the_first_level_is_down() {
    let fleet = Fleet::of(4);
    let balancer = Balancer::round_robin(&fleet.ranked(&[0, 0, 1, 1]));
    let client = single(&balancer);
    assert_eq!(fleet.counts_of(20, &client), [10, 10, 0, 0]);
    fleet.open(&balancer, 0..2);
    assert_eq!(fleet.counts_of(20, &client), [0, 0, 10, 10]);
    balancer.endpoint(fleet.0[0].port()).close().unwrap();
    balancer.endpoint(fleet.0[1].port()).close().unwrap();
    assert_eq!(fleet.counts_of(20, &client), [10, 10, 0, 0]);
}

#[test]
fn a_level_that_cannot_be_connected_to_costs_no_call() {
    let (fleet, dead) = (Fleet::of(1), Dead::new());
    let provider = Provider::of(&[Host::new("127.0.0.1", dead.port()), fleet.host(0).priority(1)]);
    let balancer = Balancer::p2c(&provider);
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(client.get("/").unwrap().attempt_count, 2);
    assert_eq!(client.get("/").unwrap().attempt_count, 1);
}

fn in_zone_a(provider: &Provider) -> Balancer {
    Balancer::round_robin(provider).ruled(|it| it.set_zone("a"))
}

#[test]
fn a_level_and_a_zone_that_were_lost_come_back_while_others_serve() {
    let breaker = Breaker::new().consecutive(1).no_ratio().open_ms(50, 50);
    let makes = [
        |fleet: &Fleet| Balancer::p2c(&fleet.ranked(&[0, 0, 1, 1, 1, 1])),
        |fleet: &Fleet| in_zone_a(&fleet.zoned(&["a", "a", "b", "b", "b", "b"])),
    ];
    for make in makes {
        let fleet = Fleet::answering(&[500, 500, 200, 200, 200, 200]);
        let balancer = make(&fleet).with(&breaker);
        let client = Builder::new().balancer(&balancer).build();
        client.get("/").unwrap();
        let lost = [0, 1].map(|index| balancer.endpoint(fleet.0[index].port()));
        eventually("it is lost", ms(10_000), || {
            client.get("/").unwrap();
            lost.iter().all(|it| !it.is_closed())
        });
        let probed = fleet.counts_of(200, &client);
        assert!(sum(&probed[..2]) <= 40, "probes keep to their pace: {probed:?}");
        for server in &fleet.0[..2] {
            server.become_(|_| Reply::status(200));
        }
        eventually("it is back", ms(10_000), || {
            assert_eq!(client.get("/").unwrap().status, 200);
            lost.iter().all(|it| it.is_closed())
        });
    }
}

#[test]
fn a_level_and_a_zone_that_fail_as_a_whole_cost_no_call() {
    let makes = [
        |fleet: &Fleet| Balancer::p2c(&fleet.ranked(&[0, 0, 0, 1, 1, 1])),
        |fleet: &Fleet| in_zone_a(&fleet.zoned(&["a", "a", "a", "b", "b", "b"])),
    ];
    for make in makes {
        let fleet = Fleet::answering(&[503, 503, 503, 200, 200, 200]);
        let client = Builder::new().balancer(&make(&fleet)).without_retry_budget().build();
        for _ in 0..20 {
            assert_eq!(client.get("/").unwrap().status, 200);
        }
    }
}

#[test]
fn a_reserve_that_is_not_needed_is_not_probed() {
    let fleet = Fleet::answering(&[200, 500]);
    let breaker = Breaker::new().consecutive(1).no_ratio().min_closed(0).open_ms(20, 20);
    let balancer = Balancer::p2c(&fleet.ranked(&[0, 1])).with(&breaker);
    let client = single(&balancer);
    client.get("/").unwrap();
    fleet.open(&balancer, 0..1);
    fleet.counts_of(2, &client);
    let reserve = balancer.endpoint(fleet.0[1].port());
    balancer.endpoint(fleet.0[0].port()).close().unwrap();
    eventually("its probe is due", ms(10_000), || reserve.available());
    let counts = fleet.counts_of(20, &client);
    assert_eq!((counts[1], reserve.is_closed()), (0, false));
}

#[test]
fn a_level_that_lost_half_keeps_seven_tenths() {
    let fleet = Fleet::of(6);
    let balancer = Balancer::random(&fleet.ranked(&[0, 0, 0, 0, 1, 1]));
    let client = single(&balancer);
    client.get("/").unwrap();
    fleet.open(&balancer, 0..1);
    assert_eq!(sum(&fleet.counts_of(100, &client)[4..]), 0, "three of four carry all");
    fleet.open(&balancer, 1..2);
    // Five standard deviations.
    within(sum(&fleet.counts_of(600, &client)[4..]), 180, 57);
}

#[test]
fn a_host_without_weight_gets_nothing_alone_on_its_level_either() {
    let fleet = Fleet::of(3);
    let states = |index, host: Host| match index {
        0 => host.weight(0),
        1 => host.priority(1),
        _ => host.priority(1).weight(0),
    };
    let balancer = Balancer::round_robin(&Provider::of(&fleet.hosts(states)));
    assert_eq!(fleet.counts_of(10, &single(&balancer)), [0, 10, 0]);
    let none = Balancer::round_robin(&fleet.weighted(&[0, 0, 0]));
    assert_eq!(single(&none).get("/").unwrap_err().status, AHOY_E_NO_ENDPOINTS);
    // Nor does one that is drained wake the reserve.
    let weights = [1, 0, 0].map(|weight| move |host: Host| host.weight(weight));
    let states = |index: usize, host: Host| weights[index](host);
    let mut hosts = fleet.hosts(states);
    let reserve = Fleet::of(1);
    hosts.push(reserve.host(0).priority(1));
    let client = single(&Balancer::random(&Provider::of(&hosts)));
    assert_eq!(fleet.counts_of(30, &client), [30, 0, 0]);
}

// Zones

#[test]
fn the_own_zone_keeps_its_calls_while_it_is_large_enough() {
    let fleet = Fleet::of(6);
    for make in [Balancer::round_robin, Balancer::p2c, Balancer::least_request] {
        let provider = fleet.zoned(&["a", "a", "a", "b", "b", "b"]);
        let balancer = make(&provider).ruled(|it| it.set_zone("a"));
        let counts = fleet.counts_of(60, &single(&balancer));
        assert_eq!((sum(&counts[..3]), sum(&counts[3..])), (60, 0));
    }
}

#[test]
fn what_a_zone_cannot_take_is_spread_over_the_others() {
    let fleet = Fleet::holding(9);
    let provider = fleet.zoned(&["a", "a", "a", "b", "b", "b", "c", "c", "c"]);
    let balancer = Balancer::p2c(&provider).ruled(|it| {
        it.set_zone("a")?;
        it.set_max_in_flight(10)
    });
    let calls = fleet.begin(&single(&balancer), &plain(60));
    let in_flight = fleet.in_flight();
    assert_eq!(sum(&in_flight[..3]), 30);
    // By chance half of them; five standard deviations.
    within(sum(&in_flight[3..6]), 15, 14);
    drop(calls);
}

#[test]
fn a_small_zone_keeps_what_it_can_carry() {
    let fleet = Fleet::of(8);
    let zones = ["a", "a", "b", "b", "b", "b", "b", "b"];
    let balancer = in_zone_a(&fleet.zoned(&zones));
    let client = single(&balancer);
    // A quarter of the endpoints for half of the callers.
    within(sum(&fleet.counts_of(400, &client)[..2]), 200, 50);
    fleet.open(&balancer, 0..2);
    assert_eq!(sum(&fleet.counts_of(60, &client)[..2]), 0, "nobody is left at home");
}

#[test]
fn few_endpoints_are_used_whatever_their_zone() {
    let fleet = Fleet::of(4);
    let balancer =
        Balancer::random(&fleet.zoned(&["a", "a", "b", "b"])).ruled(|it| it.set_zone("a"));
    within(sum(&fleet.counts_of(400, &single(&balancer))[..2]), 200, 50);
}

#[test]
fn keys_do_not_look_at_zones() {
    let fleet = Fleet::of(6);
    let provider = fleet.zoned(&["a", "b", "a", "b", "a", "b"]);
    let homes = |zone| {
        let balancer = Balancer::maglev(&provider).ruled(|it| it.set_zone(zone));
        let client = single(&balancer);
        let home = |key| {
            let request = Request::new("GET", "/").key(&format!("key {key}"));
            fleet.at(&client.send(&request).unwrap().endpoint_url)
        };
        (0..50).map(home).collect::<Vec<_>>()
    };
    assert_eq!(homes("a"), homes("b"));
}

// Panic

/// Opens with the first failure, for long, even the last.
fn strict() -> Breaker {
    Breaker::new().consecutive(1).no_ratio().min_closed(0).open_ms(60_000, 60_000)
}

#[test]
fn in_panic_those_serve_too_that_tripped_by_their_answers() {
    let fleet = Fleet::answering(&[500; 4]);
    let calm = single(&Balancer::round_robin(&fleet.provider()).with(&strict()));
    assert_eq!(fleet.counts_of(10, &calm), [1; 4]);
    assert_eq!(calm.get("/").unwrap_err().status, AHOY_E_NO_ENDPOINTS);
    let balancer = Balancer::round_robin(&fleet.provider())
        .with(&strict())
        .ruled(|it| it.set_panic_threshold(0.5));
    let client = single(&balancer);
    assert_eq!(fleet.counts_of(40, &client), [10; 4]);
    let open = |port: &u16| balancer.endpoint(*port).is_open();
    assert!(fleet.ports().iter().all(open), "what comes of it is not the circuit's");
    balancer.pick().unwrap();
}

#[test]
fn half_is_not_below_half() {
    let fleet = Fleet::answering(&[500, 500, 200, 200]);
    let balancer = Balancer::round_robin(&fleet.provider())
        .with(&strict())
        .ruled(|it| it.set_panic_threshold(0.5));
    let client = single(&balancer);
    fleet.counts_of(8, &client);
    assert_eq!(fleet.counts_of(20, &client), [0, 0, 10, 10]);
    fleet.open(&balancer, 2..3);
    let counts = fleet.counts_of(30, &client);
    assert_eq!(counts, [10, 10, 0, 10], "but for the one that was opened by hand");
}

#[test]
fn who_cannot_be_connected_to_is_left_alone_in_panic() {
    let (fleet, dead) = (Fleet::answering(&[500; 2]), [Dead::new(), Dead::new()]);
    let mut hosts = fleet.hosts(|_, host| host);
    hosts.extend(dead.iter().map(|dead| Host::new("127.0.0.1", dead.port())));
    let breaker = strict().connect_open_max_ms(60_000);
    let balancer = Balancer::round_robin(&Provider::of(&hosts))
        .with(&breaker)
        .ruled(|it| it.set_panic_threshold(0.5));
    let client = single(&balancer);
    for _ in 0..6 {
        let _ = client.get("/");
    }
    assert_eq!(fleet.counts_of(20, &client), [10; 2]);
}

#[test]
fn who_hangs_is_left_alone_in_panic() {
    let fleet = Fleet::of(6);
    let balancer = Balancer::round_robin(&fleet.provider())
        .with(&strict())
        .ruled(|it| it.set_panic_threshold(0.5));
    let client =
        Builder::new().balancer(&balancer).attempt_timeout_ms(50).timeout_ms(1_000).build();
    client.get("/").unwrap();
    fleet.0[..4].iter().for_each(|server| server.become_(|_| Reply::Hang));
    let open = |port: &u16| balancer.endpoint(*port).is_open();
    eventually("all their circuits are open", ms(20_000), || {
        // All three tries of a call may go to those that hang.
        let _ = client.get("/");
        fleet.ports()[..4].iter().all(open)
    });
    assert_eq!(fleet.counts_of(20, &client), [0, 0, 0, 0, 10, 10]);
}

#[test]
fn a_level_that_panics_does_not_when_the_others_carry_all() {
    let fleet = Fleet::answering(&[500, 500, 200, 200]);
    let balancer = Balancer::round_robin(&fleet.ranked(&[0, 0, 1, 1]))
        .with(&strict())
        .ruled(|it| it.set_panic_threshold(0.5));
    let client = single(&balancer);
    // With one of its two gone the first level keeps seven tenths of the calls.
    fleet.counts_of(30, &client);
    assert_eq!(fleet.counts_of(20, &client), [0, 0, 10, 10]);
}

#[test]
fn in_panic_repeats_still_wait() {
    let fleet = Fleet::answering(&[500]);
    let balancer = Balancer::round_robin(&fleet.provider())
        .with(&strict())
        .ruled(|it| it.set_panic_threshold(0.5));
    let retry = Retry::new().tries(3).delay_ms(40).backoff(1.0).jitter_ms(0, 0);
    let client = Builder::new().balancer(&balancer).retry(&retry).build();
    let (answer, took) = timed(|| client.get("/").unwrap());
    assert_eq!((answer.status, answer.attempt_count), (500, 3));
    assert!(took >= ms(79), "{took:?}");
}

#[test]
fn in_panic_zones_do_not_matter() {
    let fleet = Fleet::answering(&[500; 6]);
    let balancer = Balancer::round_robin(&fleet.zoned(&["a", "a", "a", "b", "b", "b"]))
        .with(&strict())
        .ruled(|it| it.set_panic_threshold(1.0))
        .ruled(|it| it.set_zone("a"));
    let client = single(&balancer);
    fleet.counts_of(20, &client);
    let counts = fleet.counts_of(100, &client);
    within(sum(&counts[..3]), 50, 25);
}

// Slow start

#[test]
fn a_newcomer_grows_to_its_full_share() {
    let fleet = Fleet::of(3);
    for make in [Balancer::round_robin, Balancer::random, Balancer::p2c] {
        let provider = Provider::loopback(&fleet.ports()[..2]);
        let balancer = make(&provider).ruled(|it| it.set_slow_start(30_000, 0.1, 1.0));
        let client = single(&balancer);
        client.get("/").unwrap();
        balancer.join(&fleet.host(2)).unwrap();
        let counts = fleet.counts_of(300, &client);
        assert!((1..50).contains(&counts[2]), "{counts:?}");
    }
}

#[test]
fn those_of_the_first_list_start_at_once() {
    let fleet = Fleet::of(4);
    let balancer =
        Balancer::round_robin(&fleet.provider()).ruled(|it| it.set_slow_start(30_000, 0.1, 1.0));
    assert_eq!(fleet.counts_of(20, &single(&balancer)), [5; 4]);
}

#[test]
fn a_slow_start_ends() {
    let fleet = Fleet::of(3);
    let balancer = Balancer::round_robin(&Provider::loopback(&fleet.ports()[..2]))
        .ruled(|it| it.set_slow_start(2_000, 0.1, 1.0));
    let client = single(&balancer);
    client.get("/").unwrap();
    balancer.join(&fleet.host(2)).unwrap();
    let first = fleet.counts_of(300, &client);
    // Half of its turns: a fifth of all.
    within(first[2], 60, 35);
    eventually("it has its full share", ms(10_000), || fleet.counts_of(30, &client) == [10; 3]);
}

#[test]
fn who_comes_back_starts_slowly() {
    let fleet = Fleet::answering(&[200, 200, 500]);
    let breaker = Breaker::new().consecutive(1).no_ratio().open_ms(50, 50);
    let balancer = Balancer::round_robin(&fleet.provider())
        .with(&breaker)
        .ruled(|it| it.set_slow_start(30_000, 0.1, 1.0));
    let client = single(&balancer);
    fleet.counts_of(3, &client);
    let ill = balancer.endpoint(fleet.0[2].port());
    assert!(ill.is_open());
    fleet.0[2].become_(|_| Reply::status(200));
    eventually("a probe closes it", ms(10_000), || {
        client.get("/").unwrap();
        ill.is_closed()
    });
    let by_probe = fleet.counts_of(300, &client);
    assert!((1..50).contains(&by_probe[2]), "{by_probe:?}");
    let other = balancer.endpoint(fleet.0[0].port());
    other.open().unwrap();
    other.close().unwrap();
    let by_hand = fleet.counts_of(300, &client);
    assert!((1..70).contains(&by_hand[0]), "{by_hand:?}");
}

#[test]
fn who_warms_up_is_well() {
    let fleet = Fleet::answering(&[500, 200, 200]);
    let breaker = Breaker::new().consecutive(1).no_ratio().open_ms(60_000, 60_000);
    let balancer = Balancer::round_robin(&fleet.ranked(&[0, 0, 1]))
        .with(&breaker)
        .ruled(|it| it.set_slow_start(30_000, 0.1, 1.0));
    let client = single(&balancer);
    client.get("/").unwrap();
    let (bad, good) = (fleet.0[0].port(), fleet.0[1].port());
    if balancer.endpoint(bad).is_open() {
        balancer.endpoint(bad).close().unwrap();
    } else {
        balancer.endpoint(bad).open().unwrap();
        balancer.endpoint(bad).close().unwrap();
    }
    balancer.endpoint(good).open().unwrap();
    balancer.endpoint(good).close().unwrap();
    fleet.0[0].become_(|_| Reply::status(200));
    let counts = fleet.counts_of(40, &client);
    assert_eq!(counts[2], 0, "both of the first level warm up, and carry all: {counts:?}");
}

#[test]
fn answers_may_open_a_circuit_while_the_other_warms_up() {
    let fleet = Fleet::answering(&[500, 200]);
    let breaker = Breaker::new().consecutive(2).no_ratio().open_ms(60_000, 60_000);
    let balancer = Balancer::round_robin(&fleet.provider())
        .with(&breaker)
        .ruled(|it| it.set_slow_start(60_000, 0.1, 1.0));
    let client = single(&balancer);
    client.get("/").unwrap();
    let good = balancer.endpoint(fleet.0[1].port());
    good.open().unwrap();
    good.close().unwrap();
    let bad = balancer.endpoint(fleet.0[0].port());
    fleet.counts_of(30, &client);
    assert!(bad.is_open(), "one that warms up stays");
}

// Subsets

#[test]
fn a_subset_is_all_that_is_used() {
    let fleet = Fleet::of(10);
    let balancer = Balancer::round_robin(&fleet.provider()).ruled(|it| it.set_subset(3));
    let counts = fleet.counts_of(30, &single(&balancer));
    assert_eq!(balancer.count(), 3);
    assert_eq!(counts.iter().filter(|count| **count == 10).count(), 3, "{counts:?}");
    balancer.update().unwrap();
    assert_eq!(balancer.count(), 3);
    let ill = fleet.0.iter().find(|server| server.request_count() > 0).unwrap().port();
    balancer.endpoint(ill).open().unwrap();
    balancer.update().unwrap();
    assert_eq!(balancer.count(), 4, "three that are well");
}

#[test]
fn one_of_a_subset_that_is_due_a_probe_is_not_well_yet() {
    let fleet = Fleet::of(10);
    let breaker = Breaker::new().consecutive(1).no_ratio().open_ms(50, 50);
    let balancer =
        Balancer::round_robin(&fleet.provider()).with(&breaker).ruled(|it| it.set_subset(3));
    let client = single(&balancer);
    let counts = fleet.counts_of(3, &client);
    let ill = &fleet.0[counts.iter().position(|count| *count > 0).unwrap()];
    ill.become_(|_| Reply::status(500));
    fleet.counts_of(3, &client);
    let endpoint = balancer.endpoint(ill.port());
    assert!(endpoint.is_open());
    eventually("its probe is due", ms(10_000), || endpoint.available());
    balancer.update().unwrap();
    assert_eq!(balancer.count(), 4, "three that are well");
}

#[test]
fn a_subset_does_not_count_those_without_weight() {
    let fleet = Fleet::of(9);
    let balancer = Balancer::round_robin(&fleet.weighted(&[0, 0, 0, 0, 0, 0, 1, 1, 1]))
        .ruled(|it| it.set_subset(3));
    assert_eq!(fleet.counts_of(30, &single(&balancer)), [0, 0, 0, 0, 0, 0, 10, 10, 10]);
}

/// A subset of two of eight, by the rule of gRPC and by that of Finagle.
fn pairs(fleet: &Fleet) -> [Balancer; 2] {
    let balancer = || Balancer::round_robin(&fleet.provider());
    [
        balancer().ruled(|it| it.set_subset(2)),
        balancer().ruled(|it| it.set_deterministic_subset(2, 3, 4)),
    ]
}

/// Does so to each server that sees one of four calls.
fn to_those_used(fleet: &Fleet, client: &Client, act: impl Fn(&Server)) {
    let counts = fleet.counts_of(4, client);
    for (server, _) in fleet.0.iter().zip(counts).filter(|(_, count)| *count > 0) {
        act(server);
    }
}

#[test]
fn a_subset_that_hangs_as_a_whole_is_no_slow_service() {
    for which in 0..2 {
        let fleet = Fleet::of(8);
        let balancer = &pairs(&fleet)[which];
        let client = Builder::new().balancer(balancer).attempt_timeout_ms(100).build();
        to_those_used(&fleet, &client, |server| server.become_(|_| Reply::Hang));
        let calls = fleet.begin(&client, &plain(2));
        eventually("others are asked", ms(10_000), || balancer.count() == 4);
        for call in &calls {
            assert_eq!(call.end().unwrap().status, 200);
        }
    }
}

#[test]
fn others_stand_in_for_a_subset_that_is_dead_as_a_whole() {
    for which in 0..2 {
        let fleet = Fleet::of(8);
        let balancer = &pairs(&fleet)[which];
        let client = Builder::new().balancer(balancer).build();
        to_those_used(&fleet, &client, Server::stop);
        let _ = client.get("/");
        eventually("others stand in", ms(10_000), || balancer.count() == 4);
        for _ in 0..20 {
            assert_eq!(client.get("/").unwrap().status, 200);
        }
    }
}

#[test]
fn a_part_of_the_ring_without_weight_is_filled_up() {
    let fleet = Fleet::of(8);
    for client in 0..4 {
        let balancer = Balancer::round_robin(&fleet.weighted(&[0, 0, 0, 0, 1, 1, 1, 1]))
            .ruled(|it| it.set_deterministic_subset(2, client, 4));
        let counts = fleet.counts_of(10, &single(&balancer));
        assert_eq!(counts[..4], [0; 4]);
    }
}

#[test]
fn the_last_of_a_subset_may_be_given_up_while_others_are_listed() {
    let fleet = Fleet::of(3);
    let breaker = Breaker::new().consecutive(1).no_ratio().open_ms(60_000, 60_000);
    let balancer =
        Balancer::round_robin(&fleet.provider()).with(&breaker).ruled(|it| it.set_subset(1));
    let client = single(&balancer);
    for left in [true, true, false] {
        let counts = fleet.counts_of(1, &client);
        let serving = &fleet.0[counts.iter().position(|count| *count > 0).unwrap()];
        serving.become_(|_| Reply::status(500));
        let known = balancer.count();
        assert_eq!(client.get("/").unwrap().status, 500);
        assert_eq!(balancer.endpoint(serving.port()).is_open(), left);
        if left {
            eventually("another stands in", ms(10_000), || balancer.count() > known);
        }
    }
}

#[test]
fn a_subset_has_its_part_of_each_priority() {
    let fleet = Fleet::of(12);
    let priorities = [0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1];
    let first = |counts: &[usize]| counts[0] + counts[2] + counts[6];
    let provider = fleet.ranked(&priorities);
    for client in 0..6 {
        let drawn = Balancer::round_robin(&provider).ruled(|it| it.set_subset(2));
        assert_eq!(first(&fleet.counts_of(6, &single(&drawn))), 6);
        assert_eq!(drawn.count(), 4, "two of each");
        let dealt =
            Balancer::round_robin(&provider).ruled(|it| it.set_deterministic_subset(2, client, 6));
        assert_eq!(first(&fleet.counts_of(6, &single(&dealt))), 6);
    }
}

/// Has the servers that calls go to fail until their circuits are open, by the rules of [`strict`], and says which they
/// are. Others may stand in for the first before the last has failed.
fn fail_those_used(fleet: &Fleet, balancer: &Balancer, client: &Client) -> Vec<usize> {
    let counts = fleet.counts_of(8, client);
    let used: Vec<usize> = (0..counts.len()).filter(|index| counts[*index] > 0).collect();
    used.iter().for_each(|index| fleet.0[*index].become_(|_| Reply::status(500)));
    while !used.iter().all(|index| balancer.endpoint(fleet.0[*index].port()).is_open()) {
        let _ = client.get("/");
    }
    used
}

#[test]
fn a_level_whose_subset_is_filled_up_has_lost_nothing() {
    let fleet = Fleet::of(8);
    let balancer = Balancer::round_robin(&fleet.ranked(&[0, 0, 0, 0, 0, 0, 1, 1]))
        .with(&strict())
        .ruled(|it| it.set_subset(2))
        .ruled(|it| it.set_panic_threshold(0.6));
    let client = single(&balancer);
    let failed = fail_those_used(&fleet, &balancer, &client);
    balancer.update().unwrap();
    assert_eq!(balancer.count(), 6, "two that are well of each level");
    let counts = fleet.counts_of(40, &client);
    assert_eq!(counts[6..], [0; 2], "{counts:?}");
    assert!(failed.iter().all(|index| counts[*index] == 0), "no panic: {counts:?}");
}

#[test]
fn one_level_needs_more_of_its_subset_as_another_needs_less() {
    let fleet = Fleet::of(4);
    let levels = [0, 0, 1, 1];
    let balancer = Balancer::round_robin(&fleet.ranked(&levels)).ruled(|it| it.set_subset(1));
    let client = single(&balancer);
    client.get("/").unwrap();
    let ports: Vec<u16> = fleet.0.iter().map(Server::port).collect();
    let drawn = |level: u32| {
        let is_used =
            |port: u16| (0..balancer.count()).any(|at| balancer.at(at).unwrap().port() == port);
        let of_level = ports.iter().zip(levels).filter(|(_, of)| *of == level);
        of_level.map(|(port, _)| *port).find(|port| is_used(*port)).unwrap()
    };
    let (first, second) = (balancer.endpoint(drawn(0)), balancer.endpoint(drawn(1)));
    second.open().unwrap();
    eventually("another of the second level stands in", ms(5000), || balancer.count() == 3);
    // The next look finds both.
    second.close().unwrap();
    first.open().unwrap();
    let other = (0..2).find(|index| ports[*index] != first.port()).unwrap();
    eventually("the other of the first level serves", ms(5000), || {
        fleet.counts_of(4, &client)[other] == 4
    });
}

#[test]
fn a_call_that_finds_none_of_a_subset_has_it_filled_up() {
    let fleet = Fleet::of(8);
    let balancer =
        Balancer::round_robin(&fleet.provider()).with(&strict()).ruled(|it| it.set_subset(2));
    let client = single(&balancer);
    for _ in 0..3 {
        fail_those_used(&fleet, &balancer, &client);
        assert_eq!(client.get("/").unwrap().status, 200);
    }
}

#[test]
fn deterministic_subsets_load_all_alike() {
    let fleet = Fleet::of(4);
    // With two of four wanted, three clients take two and two thirds each.
    for client in 0..3 {
        let balancer = Balancer::round_robin(&fleet.provider())
            .ruled(|it| it.set_deterministic_subset(2, client, 3));
        fleet.counts_of(240, &single(&balancer));
    }
    let counts = fleet.counts();
    assert!(counts.iter().all(|count| count.abs_diff(180) <= 9), "{counts:?}");
}

// Joining and leaving

#[test]
fn who_joins_and_leaves_does_so_at_once() {
    let fleet = Fleet::of(3);
    let balancer = Balancer::round_robin(&Provider::loopback(&fleet.ports()[..2]));
    let client = single(&balancer);
    balancer.join(&fleet.host(2)).unwrap();
    assert_eq!(balancer.count(), 3);
    assert_eq!(fleet.counts_of(30, &client), [10; 3]);
    balancer.leave(&fleet.host(0)).unwrap();
    assert_eq!(balancer.count(), 2);
    assert_eq!(fleet.counts_of(30, &client), [0, 15, 15]);
    balancer.update().unwrap();
    assert_eq!(fleet.counts_of(30, &client), [15, 15, 0], "the provider's word counts");
    refused(balancer.leave(&fleet.host(2)), "host");
    refused(balancer.leave(&fleet.host(0).https()), "host");
}

#[test]
fn what_is_under_way_to_who_leaves_goes_on() {
    let fleet = Fleet(vec![Server::always(Reply::status(200).after(ms(200))), Server::ok()]);
    let balancer = Balancer::round_robin(&Provider::loopback(&fleet.ports()[..1]));
    let client = single(&balancer);
    let calls = fleet.begin(&client, &[Request::new("GET", "/")]);
    balancer.join(&fleet.host(1)).unwrap();
    balancer.leave(&fleet.host(0)).unwrap();
    assert_eq!(calls[0].end().unwrap().status, 200);
    assert_eq!(fleet.counts_of(5, &client), [0, 5]);
}

#[test]
fn who_joins_again_keeps_its_circuit_and_takes_the_new_properties() {
    let fleet = Fleet::of(2);
    let balancer = Balancer::round_robin(&fleet.provider());
    let client = single(&balancer);
    client.get("/").unwrap();
    fleet.open(&balancer, 0..1);
    balancer.join(&fleet.host(0).weight(3)).unwrap();
    assert_eq!((balancer.count(), fleet.counts_of(8, &client)), (2, vec![0, 8]));
    balancer.endpoint(fleet.0[0].port()).close().unwrap();
    let counts = fleet.counts_of(40, &client);
    within(counts[0], 30, 2);
    balancer.join(&fleet.host(0).weight(0)).unwrap();
    assert_eq!(fleet.counts_of(8, &client), [0, 8], "drained");
}

#[test]
fn an_endpoint_tells_what_its_host_states_as_that_changes() {
    let fleet = Fleet::of(1);
    let balancer = Balancer::round_robin(&fleet.provider());
    balancer.update().unwrap();
    let endpoint = balancer.endpoint(fleet.0[0].port());
    assert_eq!(endpoint.properties(), (1, 0, None));
    balancer.join(&fleet.host(0).weight(3)).unwrap();
    assert_eq!(endpoint.properties(), (3, 0, None));
    balancer.join(&fleet.host(0).weight(0).priority(2).zone("b")).unwrap();
    assert_eq!(endpoint.properties(), (0, 2, None), "the zone is that of before");
    let again = balancer.endpoint(fleet.0[0].port());
    assert_eq!(again.properties(), (0, 2, Some("b".to_owned())));
}

#[test]
fn connections_outlive_a_change_of_weight() {
    let fleet = Fleet::of(2);
    let balancer = Balancer::round_robin(&fleet.provider());
    let client = single(&balancer);
    fleet.counts_of(4, &client);
    let made = fleet.0[0].connections();
    balancer.join(&fleet.host(0).weight(3)).unwrap();
    assert_eq!(fleet.counts_of(8, &client), [6, 2]);
    assert_eq!(fleet.0[0].connections(), made);
    balancer.join(&fleet.host(0).authority("elsewhere")).unwrap();
    assert_eq!(fleet.counts_of(8, &client), [4, 4]);
    assert_eq!(fleet.0[0].connections(), made + 1, "it is reached otherwise now");
}

#[test]
fn a_handle_goes_with_its_endpoint_to_another_priority_and_back_into_the_list() {
    let fleet = Fleet::of(2);
    let balancer = Balancer::round_robin(&fleet.provider());
    let client = single(&balancer);
    client.get("/").unwrap();
    let handle = balancer.endpoint(fleet.0[0].port());
    handle.drain();
    for index in 0..2 {
        balancer.join(&fleet.host(index).priority(1)).unwrap();
    }
    assert_eq!(fleet.counts_of(8, &client), [0, 8], "it is still drained");
    assert!(handle.reason().1.contains("drained"), "{:?}", handle.reason());
    handle.resume();
    assert_eq!(fleet.counts_of(8, &client), [4, 4]);
    balancer.leave(&fleet.host(0)).unwrap();
    assert!(handle.reason().1.contains("no longer"), "{:?}", handle.reason());
    balancer.join(&fleet.host(0).priority(1)).unwrap();
    handle.open().unwrap();
    assert_eq!(fleet.counts_of(8, &client), [0, 8]);
}

#[test]
fn a_subset_is_filled_up_when_somebody_leaves() {
    let fleet = Fleet::of(5);
    let balancer = Balancer::round_robin(&fleet.provider()).ruled(|it| it.set_subset(2));
    let client = single(&balancer);
    client.get("/").unwrap();
    for index in 0..3 {
        balancer.leave(&fleet.host(index)).unwrap();
        assert_eq!(balancer.count(), 2);
    }
    assert_eq!(fleet.counts_of(10, &client), [0, 0, 0, 5, 5]);
    balancer.leave(&fleet.host(3)).unwrap();
    assert_eq!(balancer.count(), 1);
    refused(balancer.leave(&fleet.host(3)), "host");
}

// Limits

#[test]
fn who_is_full_is_passed_over_and_where_all_are_the_call_ends() {
    let fleet = Fleet::holding(3);
    for make in [Balancer::round_robin, Balancer::random, Balancer::maglev, Balancer::p2c] {
        let balancer = make(&fleet.provider()).ruled(|it| it.set_max_in_flight(2));
        let client = single(&balancer);
        let calls = fleet.begin(&client, &plain(6));
        assert_eq!(fleet.in_flight(), [2; 3]);
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        assert_eq!((failure.status, failure.attempt_count), (AHOY_E_NO_ENDPOINTS, 0));
        assert!(failure.message.contains("in flight"), "{}", failure.message);
        assert!(took < ms(1_000), "{took:?}");
        for call in calls {
            call.cancel().unwrap();
            call.end().unwrap_err();
        }
        fleet.restart();
        let again = fleet.begin(&client, &plain(1));
        assert_eq!(sum(&fleet.in_flight()), 1, "what ended has made room");
        drop(again);
        fleet.restart();
    }
}

fn plain(count: usize) -> Vec<Request> {
    (0..count).map(|_| Request::new("GET", "/")).collect()
}

#[test]
fn callers_at_the_same_time_do_not_pass_the_limit() {
    for _ in 0..5 {
        let fleet = Fleet::holding(2);
        let balancer = Balancer::round_robin(&fleet.provider()).ruled(|it| it.set_max_in_flight(1));
        let client =
            Builder::new().balancer(&balancer).tries(1).endpoint_updates(0).timeout_ms(400).build();
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    client.get("/").unwrap_err()
                });
            }
        });
        assert_eq!(fleet.counts(), [1; 2], "each held one until all had given up");
    }
}

// All of them

#[test]
fn values_out_of_range_are_refused_by_name() {
    let balancer = Balancer::round_robin(&Fleet::of(1).provider());
    for ratio in [-0.1, 1.1, f64::NAN] {
        refused(balancer.set_panic_threshold(ratio), "ratio");
        refused(balancer.set_slow_start(1_000, ratio, 1.0), "min_ratio");
    }
    for aggression in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(balancer.set_slow_start(1_000, 0.1, aggression), "aggression");
    }
    refused(balancer.set_slow_start(0, 0.1, 1.0), "window_ms");
    refused(balancer.set_zone(""), "zone");
    refused(balancer.set_subset(0), "size");
    refused(balancer.set_deterministic_subset(0, 0, 1), "size");
    refused(balancer.set_deterministic_subset(1, 0, 0), "clients");
    refused(balancer.set_deterministic_subset(1, 2, 2), "client");
    refused(balancer.set_max_in_flight(0), "attempts");
}

#[test]
fn rules_are_set_by_name_as_well() {
    let fleet = Fleet::of(6);
    let provider = fleet.zoned(&["a", "a", "a", "b", "b", "b"]);
    let balancer = Balancer::round_robin(&provider);
    balancer.option("zone", "b").unwrap();
    balancer.option("slow_start_window", "10s").unwrap();
    assert_eq!(fleet.counts_of(30, &single(&balancer)), [0, 0, 0, 10, 10, 10]);
    let other = Balancer::round_robin(&provider);
    refused(other.option("zone", ""), "value");
    refused(other.option("table_size", "7"), "value");
    let unknown = other.option("max_inflight", "7").unwrap_err();
    assert_eq!(unknown.status, AHOY_E_UNKNOWN_OPTION);
    assert!(unknown.message.ends_with("max_in_flight"), "{}", unknown.message);
}

#[test]
fn the_names_can_be_listed() {
    let listed = balancer_options();
    assert!(listed.iter().any(|(key, _)| key == "panic_threshold"));
    assert!(listed.is_sorted() && listed.iter().all(|(_, says)| says.contains("default")));
}
