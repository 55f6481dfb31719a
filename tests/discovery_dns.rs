//! Endpoints by DNS, against bind9: addresses and services, and how soon a change is seen.

mod support;

use std::time::Duration;

use ahoy::ffi::balancer::listing::*;
use support::bind::Bind;
use support::*;

const SOON: Duration = Duration::from_secs(5);

fn web(bind: &Bind, port: u16, options: &str) -> Provider {
    Provider::from_url(&format!("dns://web.test.:{port}?{}{options}", bind.option())).unwrap()
}

#[test]
fn a_name_gives_its_addresses_and_calls_reach_them() {
    let server = Server::always(Reply::text(200, "hello"));
    let bind = Bind::start(&["web 1 A 127.0.0.1"]);
    let balancer = Balancer::recommended(&web(&bind, server.port(), ""));
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(client.get("/").unwrap().status, 200, "the first call awaits the first list");
    assert_eq!((balancer.known(), balancer.list_state()), (1, AHOY_LIST_CURRENT));
}

#[test]
fn p10_growth_is_seen_within_its_time_to_live_and_100_ms_without_a_failure() {
    let bind = Bind::start(&["web 1 A 127.0.0.1"]);
    let balancer = Balancer::round_robin(&web(&bind, 80, ""));
    balancer.wait_ready(SOON).unwrap();
    bind.update(&["add web.test. 1 A 127.0.0.2", "add web.test. 1 A 127.0.0.3"]);
    let took = balancer.when(SOON, |it| it.known() == 3);
    assert!(took < Duration::from_millis(1100), "{took:?}");
}
