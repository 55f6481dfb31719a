//! Endpoints that tell their load in a header of their answers, for balancers that go by cost.

use support::*;

/// An answer after a time, which tells a load.
fn told(value: &str, wait: u64) -> Reply {
    Reply::status(200).header("ahoy-load", value).after(ms(wait))
}

/// Four servers, of which the first is four times as quick as the others and says this of itself. By what it
/// costs it gets every second call, as often as it is among the two that are drawn.
fn fleet(first: &str) -> Fleet {
    let mut servers = vec![Server::always(told(first, 1))];
    servers.resize_with(4, || Server::always(Reply::status(200).after(ms(4))));
    Fleet(servers)
}

/// Waits until the first server's share of the calls over a new balancer is as it should be: a busy machine makes
/// some answers slow, but not again and again.
fn share_comes_to(
    what: &str,
    fleet: &Fleet,
    make: impl Fn(&Fleet) -> Balancer,
    is: fn(f64) -> bool,
) {
    eventually(what, ms(30_000), || {
        let counts = fleet.counts_of(100, &single(&make(fleet)));
        is(counts[0] as f64 / counts.iter().sum::<usize>() as f64)
    });
}

fn is_small(share: f64) -> bool {
    share < 0.12
}

fn is_large(share: f64) -> bool {
    share > 0.3
}

fn by_load(fleet: &Fleet) -> Balancer {
    Balancer::p2c(&fleet.provider()).ruled(|it| it.set_load_header("Ahoy-Load"))
}

#[test]
fn an_endpoint_that_tells_of_high_load_loses_traffic() {
    for value in ["util=0.95", "cpu=0.95", "TEXT cpu_utilization=0.95, rps_fractional=9"] {
        share_comes_to(value, &fleet(value), by_load, is_small);
    }
}

#[test]
fn peak_ewma_goes_by_it_as_well() {
    let fleet = fleet("util=0.95");
    let deaf = |fleet: &Fleet| Balancer::peak_ewma(&fleet.provider());
    share_comes_to("quick", &fleet, deaf, is_large);
    let listens = |fleet: &Fleet| deaf(fleet).ruled(|it| it.set_load_header("ahoy-load"));
    share_comes_to("full", &fleet, listens, is_small);
}

#[test]
fn a_slow_endpoint_with_room_is_better_than_quick_ones_that_are_full() {
    let mut servers = vec![Server::always(told("util=0.01", 4))];
    servers.resize_with(4, || Server::always(told("util=0.95", 1)));
    share_comes_to("room", &Fleet(servers), by_load, is_large);
}

#[test]
fn a_broken_value_is_as_none() {
    for value in ["util=high", "util=0.95;", "util=-1", "util=0.95, util=0.95", "util=1e9", "0.95"]
    {
        share_comes_to(value, &fleet(value), by_load, is_large);
    }
}

#[test]
fn nobody_listens_by_default_or_under_another_name() {
    let fleet = fleet("util=0.95");
    share_comes_to("default", &fleet, |fleet| Balancer::p2c(&fleet.provider()), is_large);
    let other =
        |fleet: &Fleet| Balancer::p2c(&fleet.provider()).ruled(|it| it.set_load_header("x-load"));
    share_comes_to("another name", &fleet, other, is_large);
}

#[test]
fn what_was_told_fades_and_the_endpoint_is_asked_again() {
    let fleet = fleet("util=0.95");
    let client = single(&by_load(&fleet));
    fleet.counts_of(100, &client);
    fleet.0[0].become_(|_| told("util=0.01", 1));
    let recovered = || fleet.counts_of(40, &client)[0] > 12;
    eventually("it gets its share again", ms(10_000), recovered);
}

#[test]
fn streamed_answers_tell_it_too() {
    let fleet = fleet("util=0.95");
    let client = single(&by_load(&fleet));
    eventually("it loses traffic", ms(30_000), || {
        let before = fleet.counts()[0];
        for _ in 0..100 {
            assert_eq!(client.stream("/").rest().unwrap(), "status 200");
        }
        fleet.counts()[0] - before < 12
    });
}

#[test]
fn only_who_goes_by_cost_takes_a_load_header() {
    let fleet = Fleet::of(1);
    let provider = fleet.provider();
    for other in [Balancer::round_robin, Balancer::least_request, Balancer::maglev] {
        refused(other(&provider).set_load_header("ahoy-load"), "balancer");
        refused(other(&provider).option("load_header", "ahoy-load"), "value");
    }
    let balancer = Balancer::p2c(&provider);
    refused(balancer.set_load_header("a b"), "name");
    balancer.set_load_header("ahoy-load").unwrap();
    balancer.option("load_header", "off").unwrap();
    balancer.option("load_header", "endpoint-load-metrics").unwrap();
    Balancer::prequal(&provider, "/load").set_load_header("ahoy-load").unwrap();
}
