//! Endpoints that are registered in a real Consul: `consul://`. Where Consul is not there, that is said and nothing tested.

// The server is a program of Unix.
#![cfg(unix)]

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::values::status::*;
use support::registry::consul::Consul;
use support::registry::folder::Folder;
use support::registry::{SOON, churn, ports, sees};
use support::*;

fn ready(url: &str) -> Balancer {
    let balancer = Balancer::round_robin(&Provider::from_url(url).unwrap());
    balancer.wait_ready(SOON).unwrap();
    balancer
}

/// A check that is set by hand.
const CHECK: &str = r#", "Check": {"TTL": "1h", "Status": "passing"}"#;

#[test]
fn an_instance_that_joins_leaves_or_turns_critical_is_seen_at_once() {
    let Some(consul) = Consul::new() else { return };
    consul.register("web", 1, CHECK);
    consul.register("other", 9, "");
    let balancer = ready(&consul.url("web", ""));
    sees(&balancer, &[1], SOON);
    consul.register("web", 2, CHECK);
    let joined = sees(&balancer, &[1, 2], SOON);
    consul.check("web", 1, "fail");
    let failed = sees(&balancer, &[2], SOON);
    consul.check("web", 1, "warn");
    sees(&balancer, &[1, 2], SOON);
    sees(&ready(&consul.url("web", "?consul_passing=true")), &[2], SOON);
    consul.deregister("web", 2);
    let left = sees(&balancer, &[1], SOON);
    eprintln!("consul: joined {joined:?}, critical {failed:?}, left {left:?}");
}

#[test]
fn weights_tags_and_zones_come_from_the_service() {
    let Some(consul) = Consul::new() else { return };
    let fleet = Fleet::of(2);
    let [one, two] = fleet.ports()[..] else { panic!() };
    let weighted = |port: u16, weight: u32| {
        let more = format!(
            r#", "Tags": ["v1"], "Weights": {{"Passing": {weight}, "Warning": 1}}, "Meta": {{"zone": "z"}}{CHECK}"#
        );
        consul.register("web", port, &more);
    };
    weighted(one, 3);
    weighted(two, 1);
    consul.register("web", 9, r#", "Tags": ["v2"]"#);
    let provider = Provider::from_url(&consul.url("web", "?consul_tag=v1")).unwrap();
    let balancer = Balancer::smooth_weighted(&provider);
    balancer.wait_ready(SOON).unwrap();
    sees(&balancer, &[one, two], SOON);
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(fleet.counts_of(40, &client), [30, 10]);
    weighted(one, 1);
    let begun = Instant::now();
    eventually("the weight is seen", SOON, || fleet.counts_of(8, &client) == [4, 4]);
    eprintln!("consul: a weight changed: seen after {:?}", begun.elapsed());
    consul.check("web", one, "warn");
    consul.check("web", two, "fail");
    sees(&balancer, &[one], SOON);
}

#[test]
fn p21_two_hundred_changes_under_eight_calling_threads_fail_no_call() {
    let Some(consul) = Consul::new() else { return };
    let _alone = alone();
    let register = |port: u16| consul.register("churn", port, "");
    let leave = |port: u16| consul.deregister("churn", port);
    churn("consul", &consul.url("churn", ""), register, leave);
}

/// Promise 4, and the first half of promise 14: the new agent's index is lower.
#[test]
fn p4_an_agent_that_comes_back_with_a_lower_index_is_believed() {
    let Some(consul) = Consul::new() else { return };
    let server = Server::ok();
    for number in 1..50 {
        consul.register("other", number, "");
    }
    consul.register("web", server.port(), "");
    let balancer = ready(&consul.url("web", ""));
    let client = Builder::new().balancer(&balancer).build();
    consul.daemon().kill();
    assert!((0..20).all(|_| client.get("/").unwrap().status == 200));
    consul.restart();
    consul.register("web", 2, "");
    let seen = sees(&balancer, &[2], SOON);
    consul.register("web", 3, "");
    let heard = sees(&balancer, &[2, 3], SOON);
    eprintln!("consul: a lower index: seen after {seen:?}, and the next change after {heard:?}");
}

/// Promise 14, with answers that Consul does not give by itself.
#[test]
fn p14_an_index_of_zero_or_lower_than_before_begins_anew_and_is_asked_for_once_a_second() {
    let body = r#"[{"Node": {}, "Service": {"Address": "127.0.0.1", "Port": 1}, "Checks": []}]"#;
    let server = Server::new(move |seen| {
        // A broken server: it never waits, and its index falls.
        let index = 100_u64.saturating_sub(seen.number as u64 * 60);
        Reply::text(200, body).header("x-consul-index", index.to_string())
    });
    let balancer = ready(&format!("consul://127.0.0.1:{}/web", server.port()));
    sees(&balancer, &[1], SOON);
    thread::sleep(ms(3200));
    let requests = server.requests();
    assert!((3..=5).contains(&requests.len()), "{} requests", requests.len());
    let asked = |at: usize| requests[at].path.split("index=").nth(1).map(str::to_owned);
    assert_eq!((asked(0), asked(1)), (None, Some("100".to_owned())));
    assert_eq!((asked(2), asked(3)), (None, None), "40 is lower than 100, and 0 is none");
    let wait = requests[1].path.split("wait=").nth(1).unwrap().split("ms").next().unwrap();
    assert!(Duration::from_millis(wait.parse().unwrap()) * 17 / 16 <= ms(60_000), "{wait}");
}

/// The same answer again, which says that Consul lives, hides it no more than the next one does.
#[test]
fn p15_instances_of_which_none_can_be_used_keep_the_last_list_and_are_told() {
    let body = |port: &str| {
        format!(
            r#"[{{"Node": {{}}, "Service": {{"Address": "127.0.0.1", "Port": {port}}}, "Checks": []}}]"#
        )
    };
    let server = Server::new(move |seen| {
        let port = if seen.number == 0 { "1" } else { "0" };
        Reply::text(200, &body(port)).header("x-consul-index", "7")
    });
    let balancer = ready(&format!("consul://127.0.0.1:{}/web?empty_hold=0s", server.port()));
    eventually("it is told", SOON, || balancer.list_error().is_some());
    let told = balancer.list_error().unwrap();
    assert_eq!(told, "the only entry is unusable: its port is not valid");
    let asked = server.request_count();
    eventually("it is asked again", SOON, || server.request_count() > asked + 1);
    assert!(balancer.list_error().is_some());
    sees(&balancer, &[1], ms(0));
}

#[test]
fn p2_a_first_question_that_hangs_goes_to_the_next_server_as_well_and_is_told() {
    let body = r#"[{"Node": {}, "Service": {"Address": "127.0.0.1", "Port": 1}, "Checks": []}]"#;
    let hung = Server::always(Reply::Begin(Vec::new()));
    // It holds back what has an index.
    let well = Server::new(move |seen| match seen.path.contains("index=") {
        true => Reply::text(200, body).after(ms(60_000)),
        false => Reply::text(200, body).header("x-consul-index", "7"),
    });
    let servers = format!("127.0.0.1:{},127.0.0.1:{}", hung.port(), well.port());
    for _ in 0..6 {
        let balancer = ready(&format!("consul://{servers}/web?connect_timeout=300ms"));
        sees(&balancer, &[1], ms(0));
    }
    let url = format!("consul://127.0.0.1:{}/web?connect_timeout=300ms", hung.port());
    let failure = Balancer::round_robin(&Provider::from_url(&url).unwrap()).wait_ready(ms(2000));
    let told = failure.unwrap_err().message;
    assert!(told.contains("no answer"), "{told}");
}

#[test]
fn an_empty_value_in_the_metadata_of_a_service_is_none() {
    let body = r#"[{"Node": {}, "Checks": [], "Service": {"Address": "127.0.0.1", "Port": 1,
                    "Meta": {"scheme": "", "priority": "", "zone": ""}}}]"#;
    let server = Server::new(move |_| Reply::text(200, body));
    let balancer = ready(&format!("consul://127.0.0.1:{}/web", server.port()));
    sees(&balancer, &[1], SOON);
}

#[test]
fn p14_an_answer_without_an_index_is_asked_for_once_a_second_though_each_is_another() {
    let server = Server::new(|seen| {
        let port = 1 + seen.number;
        Reply::text(
            200,
            &format!(
                r#"[{{"Node": {{}}, "Service": {{"Address": "127.0.0.1", "Port": {port}}}, "Checks": []}}]"#
            ),
        )
    });
    let balancer = ready(&format!("consul://127.0.0.1:{}/web", server.port()));
    sees(&balancer, &[3], SOON);
    assert!(server.requests().len() <= 4, "{} requests", server.requests().len());
}

#[test]
fn p2_an_agent_that_stands_still_fails_no_call_and_is_noticed() {
    let Some(consul) = Consul::new() else { return };
    let server = Server::ok();
    consul.register("web", server.port(), "");
    let balancer = ready(&consul.url("web", "?silence=1s&connect_timeout=1s"));
    let client = Builder::new().balancer(&balancer).build();
    consul.daemon().pause();
    let begun = Instant::now();
    eventually("it is noticed", SOON, || {
        assert_eq!(client.get("/").unwrap().status, 200);
        thread::sleep(ms(10));
        balancer.list_error().is_some()
    });
    let noticed = begun.elapsed();
    consul.daemon().go_on();
    consul.register("web", 2, "");
    let seen = sees(&balancer, &[server.port(), 2], SOON);
    eprintln!(
        "consul: stopped, noticed after {noticed:?} of 1 s silence; back, seen after {seen:?}"
    );
}

/// Consul says 403 of a token that it does not know, also where it knew it before.
#[test]
fn over_tls_with_a_private_authority_and_a_token_that_is_replaced_or_expires() {
    const TOKENS: [&str; 2] =
        ["0f0c7f0e-0000-4000-8000-00000000000a", "0f0c7f0e-0000-4000-8000-00000000000b"];
    let (authority, stranger, folder) = (Authority::new(), Authority::new(), Folder::new());
    let acl = r#", "acl": {"enabled": true, "default_policy": "deny", "tokens": {"master": "b1gs3cret"}}"#;
    let secure = Dead::new();
    let Some(consul) = Consul::over_tls(acl, secure.port(), &authority) else { return };
    let consul = consul.token("b1gs3cret");
    eventually("its token is known", SOON, || consul.try_register("web", 1));
    consul.add_token(TOKENS[0]);
    let (trusted, foreign) =
        (folder.file("ca.pem", &authority.pem), folder.file("stranger.pem", &stranger.pem));
    let token = folder.file("token", TOKENS[0]);
    let of = |ca: &Path, token: &str| {
        let query = format!("tls=true&ca_file={}&{token}", ca.display());
        let url = format!("consul://127.0.0.1:{}/web?{query}", secure.port());
        Balancer::round_robin(&Provider::from_url(&url).unwrap())
    };
    let told = |message: &str, reason: &str| {
        assert!(message.contains(reason), "{message}");
        let is_secret = |secret| message.contains(secret);
        assert!(!TOKENS.into_iter().chain(["wr0ng"]).any(is_secret), "{message}");
    };
    let by_file = format!("token_file={}", token.display());
    let balancer = of(&trusted, &by_file);
    balancer.wait_ready(SOON).unwrap();
    sees(&balancer, &[1], SOON);
    told(&of(&foreign, &by_file).wait_ready(ms(2000)).unwrap_err().message, "certificate");
    let failure = of(&trusted, "token=wr0ng").wait_ready(SOON).unwrap_err();
    assert_eq!(failure.status, AHOY_E_DISCOVERY);
    told(&failure.message, "token");

    consul.add_token(TOKENS[1]);
    folder.file("token", TOKENS[1]);
    consul.remove_token(TOKENS[0]);
    consul.register("web", 2, "");
    sees(&balancer, &[1, 2], SOON);
    consul.register("web", 3, "");
    let replaced = sees(&balancer, &[1, 2, 3], SOON);
    assert!(balancer.list_error().is_none(), "{:?}", balancer.list_error());

    consul.remove_token(TOKENS[1]);
    consul.register("web", 4, "");
    eventually("that it expired is told", SOON, || balancer.list_error().is_some());
    told(&balancer.list_error().unwrap(), "token");
    let listed = ports(&balancer);
    assert!([1, 2, 3].iter().all(|port| listed.contains(port)), "the last list serves: {listed:?}");
    eprintln!("consul over TLS: after another token a change is seen in {replaced:?}");
}

#[test]
fn a_wrong_token_is_told_without_it() {
    let acl = r#", "acl": {"enabled": true, "default_policy": "deny", "tokens": {"master": "b1gs3cret"}}"#;
    let Some(consul) = Consul::with(acl) else { return };
    let consul = consul.token("b1gs3cret");
    eventually("its token is known", SOON, || consul.try_register("web", 1));
    let of = |more: &str| {
        let balancer =
            Balancer::round_robin(&Provider::from_url(&consul.url("web", more)).unwrap());
        balancer.wait_ready(SOON).map(|()| ports(&balancer).into_iter().collect::<Vec<_>>())
    };
    assert_eq!(of("?token=b1gs3cret").unwrap(), [1]);
    let failure = of("?token=wr0ng").unwrap_err();
    assert_eq!(failure.status, AHOY_E_DISCOVERY);
    assert!(
        failure.message.contains("token") && !failure.message.contains("wr0ng"),
        "{}",
        failure.message
    );
}
