//! The balancer that asks endpoints how busy they are: what it makes of the answers, and that no call waits for one.

use std::time::{Duration, Instant};

use support::*;

const SOON: Duration = ms(10_000);
const PROBE: &str = "/load";

/// A server whose probes get `load`, and its calls 200 after a time.
fn server(load: Reply, wait: u64) -> Server {
    Server::new(move |seen| match seen.path.as_str() {
        PROBE => load.clone(),
        _ => Reply::status(200).after(ms(wait)),
    })
}

fn load(value: &str) -> Reply {
    Reply::text(200, "").header("ahoy-load", value)
}

/// A tenth of a second for an answer: the tests are not to depend on a busy machine.
fn prequal(fleet: &Fleet) -> Balancer {
    Balancer::prequal(&fleet.provider(), PROBE).ruled(|it| it.set_prequal_probes(100, 64))
}

fn count(server: &Server, probes: bool) -> usize {
    server.requests().iter().filter(|seen| (seen.path == PROBE) == probes).count()
}

fn calls(fleet: &Fleet) -> Vec<usize> {
    fleet.0.iter().map(|server| count(server, false)).collect()
}

fn probes(fleet: &Fleet) -> usize {
    fleet.0.iter().map(|server| count(server, true)).sum()
}

/// Calls until probes were answered.
fn warm_up(fleet: &Fleet, client: &Client) {
    eventually("probes arrive", SOON, || {
        client.get("/").unwrap();
        probes(fleet) >= 20
    });
}

/// How many of so many calls each server gets.
fn spread(fleet: &Fleet, client: &Client, number: usize) -> Vec<usize> {
    let before = calls(fleet);
    for _ in 0..number {
        client.get("/").unwrap();
    }
    calls(fleet).iter().zip(before).map(|(now, before)| now - before).collect()
}

/// Waits until a hundred calls are spread as they should be: on a busy machine some probes come late.
fn spreads(fleet: &Fleet, is_well: impl Fn(&[usize]) -> bool) {
    let client = single(&prequal(fleet));
    warm_up(fleet, &client);
    eventually("calls are spread well", ms(30_000), || is_well(&spread(fleet, &client, 100)));
}

#[test]
fn servers_that_tell_of_high_load_get_little() {
    // By what its calls take, and by the latency that they tell, the first two would get most.
    let mut servers = Vec::new();
    servers.resize_with(2, || server(load("in_flight=90, latency_ms=1"), 0));
    servers.resize_with(16, || server(load("in_flight=3, latency_ms=4.2"), 3));
    let fleet = Fleet(servers);
    spreads(&fleet, |counts| counts[0] + counts[1] < 6);
}

#[test]
fn of_those_with_little_to_do_the_quick_ones_get_most() {
    let mut servers = Vec::new();
    servers.resize_with(4, || server(load("in_flight=3, latency_ms=1"), 3));
    servers.resize_with(10, || server(load("in_flight=3, latency_ms=80"), 0));
    let fleet = Fleet(servers);
    spreads(&fleet, |counts| counts[..4].iter().sum::<usize>() > 70);
}

#[test]
fn where_nothing_is_told_the_round_trip_of_the_probe_counts() {
    // Without a header, with one that is broken, and with one that tells the rest only.
    let plain = Reply::text(200, "");
    for quiet in [plain, load("in_flight=-3, latency_ms=4"), load("in_flight=3, latency_ms=")] {
        let mut servers = vec![server(quiet.clone().after(ms(20)), 0)];
        servers.resize_with(8, || server(quiet.clone(), 3));
        let fleet = Fleet(servers);
        spreads(&fleet, |counts| counts[0] < 4);
    }
}

#[test]
fn a_probe_asks_for_the_path_and_nothing_else() {
    let fleet = Fleet((0..8).map(|_| server(load("in_flight=1, latency_ms=1"), 0)).collect());
    let client = Builder::new().balancer(&prequal(&fleet)).header("X-Own", "1").build();
    warm_up(&fleet, &client);
    let seen: Vec<Seen> = fleet.0.iter().flat_map(Server::requests).collect();
    for probe in seen.iter().filter(|seen| seen.path == PROBE) {
        assert_eq!((probe.method.as_str(), probe.header("x-own")), ("GET", None));
    }
    // Each call is worth three, and asks nobody twice.
    let probes = seen.iter().filter(|seen| seen.path == PROBE).count();
    let calls = seen.len() - probes;
    assert!(probes <= 3 * calls, "{probes} for {calls}");
}

#[test]
fn probes_that_hang_delay_no_call_and_are_few() {
    let fleet = Fleet((0..10).map(|_| server(Reply::Hang, 0)).collect());
    let balancer = Balancer::prequal(&fleet.provider(), PROBE);
    let client = single(&balancer);
    client.get("/").unwrap();
    let begun = Instant::now();
    let mut number = 1;
    let mut longest = Duration::ZERO;
    while begun.elapsed() < ms(300) || number < 100 {
        longest = longest.max(timed(|| client.get("/").unwrap()).1);
        number += 1;
    }
    // Nothing like the second for which a late probe goes on.
    assert!(longest < ms(500), "{longest:?}");
    assert_eq!(calls(&fleet).iter().sum::<usize>(), number);
    eventually("probes were sent", SOON, || probes(&fleet) > 0);
    // One for each endpoint and second, whatever the number of calls.
    let most = 10 * (begun.elapsed().as_secs() as usize + 2);
    assert!(probes(&fleet) <= most, "{} for {number}", probes(&fleet));
}

#[test]
fn probes_that_fail_leave_it_to_p2c() {
    for reply in [Reply::status(503), Reply::Reset, Reply::Raw(b"nonsense".to_vec())] {
        // The load would be the best of all if an answer like that counted.
        let reply = reply.header("ahoy-load", "in_flight=0, latency_ms=0");
        let fleet = Fleet((0..8).map(|_| server(reply.clone(), 1)).collect());
        let balancer = prequal(&fleet);
        let client = single(&balancer);
        warm_up(&fleet, &client);
        let counts = spread(&fleet, &client, 80);
        assert!(counts.iter().all(|count| *count < 60), "{counts:?}");
        let closed = (0..8).all(|index| balancer.at(index).unwrap().is_closed());
        assert!(closed, "circuits do not learn of probes");
    }
}

#[test]
fn with_three_endpoints_it_is_p2c_and_sends_no_probes() {
    let mut servers = vec![server(load("in_flight=0, latency_ms=0"), 20)];
    servers.resize_with(3, || server(load("in_flight=90, latency_ms=90"), 1));
    let fleet = Fleet(servers);
    let client = single(&prequal(&fleet));
    // The slow one loses, whatever it tells.
    eventually("it is p2c", ms(30_000), || spread(&fleet, &client, 60)[0] < 12);
    assert_eq!(probes(&fleet), 0);
}

#[test]
fn with_too_few_left_in_rotation_it_is_p2c_as_well() {
    let fleet = Fleet((0..10).map(|_| server(load("in_flight=1, latency_ms=1"), 0)).collect());
    let balancer = prequal(&fleet);
    let client = single(&balancer);
    warm_up(&fleet, &client);
    fleet.open(&balancer, 3..10);
    let before = probes(&fleet);
    let counts = spread(&fleet, &client, 60);
    assert_eq!((counts[..3].iter().sum::<usize>(), counts[3..].iter().sum()), (60, 0));
    // But those of the last calls with ten, that were on their way.
    assert!(probes(&fleet) < before + 60, "{} more", probes(&fleet) - before);
}

#[test]
fn whoever_is_tried_already_is_not_proposed_again() {
    let fleet = Fleet(
        (0..6)
            .map(|_| {
                Server::new(|seen| match seen.path.as_str() {
                    PROBE => load("in_flight=1, latency_ms=1"),
                    _ => Reply::status(503),
                })
            })
            .collect(),
    );
    let breaker = Breaker::new().no_consecutive().no_ratio();
    let balancer = prequal(&fleet).with(&breaker);
    let retry = Retry::new().tries(3).delay_ms(0);
    let client = Builder::new().balancer(&balancer).retry(&retry).without_retry_budget().build();
    for _ in 0..20 {
        let answer = client.get("/").unwrap();
        let mut tried = answer.tried();
        tried.sort_unstable();
        tried.dedup();
        assert_eq!(tried.len(), 3, "{:?}", answer.tried());
    }
    assert!(probes(&fleet) > 0);
}

#[test]
fn whoever_leaves_and_joins_is_known_by_what_it_tells_itself() {
    let fleet = Fleet((0..8).map(|_| server(load("in_flight=1, latency_ms=50"), 0)).collect());
    let newcomer = server(load("in_flight=0, latency_ms=1"), 0);
    let balancer = prequal(&fleet);
    let client = single(&balancer);
    warm_up(&fleet, &client);
    balancer.leave(&fleet.host(0)).unwrap();
    let left = count(&fleet.0[0], false);
    balancer.join(&Host::new("127.0.0.1", newcomer.port())).unwrap();
    eventually("the newcomer is found", SOON, || {
        client.get("/").unwrap();
        count(&newcomer, false) > 20
    });
    assert_eq!(count(&fleet.0[0], false), left);
}

#[test]
fn probes_and_their_connections_end_with_the_balancer() {
    let fleet = Fleet((0..8).map(|_| server(load("in_flight=1, latency_ms=1"), 0)).collect());
    let balancer = prequal(&fleet);
    let client = single(&balancer);
    warm_up(&fleet, &client);
    drop(client);
    drop(balancer);
    let open = || fleet.0.iter().map(Server::open_connections).sum::<usize>();
    eventually("all connections are closed", SOON, || open() == 0);
    let sent = probes(&fleet);
    std::thread::sleep(ms(100));
    assert_eq!(probes(&fleet), sent);
}

#[test]
fn without_calls_there_are_no_probes() {
    let fleet = Fleet((0..8).map(|_| server(load("in_flight=1, latency_ms=1"), 0)).collect());
    let balancer = prequal(&fleet);
    for _ in 0..50 {
        balancer.pick().unwrap();
    }
    let client = single(&balancer);
    assert_eq!(probes(&fleet), 0);
    client.get("/").unwrap();
    eventually("one call is worth three", SOON, || probes(&fleet) == 3);
}

#[test]
fn figures_that_make_no_sense_are_refused() {
    let provider = Provider::loopback(&[1]);
    for path in ["", "load", "/a b", "/a#b", "/\u{e9}"] {
        assert!(Balancer::try_prequal(&provider, path).is_none(), "{path}");
    }
    let balancer = Balancer::prequal(&provider, "/load?by=ahoy");
    balancer.set_prequal(8, 500, 2.5, 0.5, 0.6).unwrap();
    balancer.set_prequal_probes(10, 1).unwrap();
    refused(balancer.set_prequal(1, 500, 3.0, 1.0, 0.84), "pool");
    refused(balancer.set_prequal(257, 500, 3.0, 1.0, 0.84), "pool");
    refused(balancer.set_prequal(8, 0, 3.0, 1.0, 0.84), "max_age_ms");
    refused(balancer.set_prequal(8, 500, 1.0, 1.0, 0.84), "probes_per_call");
    refused(balancer.set_prequal(8, 500, 101.0, 1.0, 0.84), "probes_per_call");
    refused(balancer.set_prequal(8, 500, f64::NAN, 1.0, 0.84), "probes_per_call");
    refused(balancer.set_prequal(8, 500, 3.0, -1.0, 0.84), "removals_per_call");
    refused(balancer.set_prequal(8, 500, 3.0, f64::NAN, 0.84), "removals_per_call");
    refused(balancer.set_prequal(8, 500, 3.0, 1.0, 1.5), "hot");
    refused(balancer.set_prequal_probes(0, 1), "timeout_ms");
    refused(balancer.set_prequal_probes(3, 0), "at_once");
    refused(balancer.set_prequal_probes(3, 1025), "at_once");
    let other = Balancer::p2c(&provider);
    refused(other.set_prequal(8, 500, 3.0, 1.0, 0.84), "balancer");
    refused(other.set_prequal_probes(3, 1), "balancer");
}
