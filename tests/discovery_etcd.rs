//! Endpoints that are registered in a real etcd: `etcd://`.
//!
//! Figures go to standard error: `cargo test --test discovery_etcd -- --nocapture`.

// The server is a program of Unix.
#![cfg(unix)]

use std::thread;
use std::time::Instant;

use ahoy::ffi::values::status::*;
use support::registry::etcd::Etcd;
use support::registry::{SOON, churn, cpu, folder::Folder, ports, resident_kib, sees};
use support::*;

fn balancer(url: &str) -> Balancer {
    Balancer::round_robin(&Provider::from_url(url).unwrap())
}

fn ready(url: &str) -> Balancer {
    let balancer = balancer(url);
    balancer.wait_ready(SOON).unwrap();
    balancer
}

fn entry(port: u16) -> String {
    format!(r#"{{"address": "127.0.0.1", "port": {port}}}"#)
}

fn key(service: &str, name: impl std::fmt::Display) -> String {
    format!("/{service}/{name}")
}

#[test]
fn an_endpoint_that_joins_leaves_or_drains_is_seen_at_once() {
    let (etcd, fleet) = (Etcd::shared(), Fleet::of(3));
    let [one, two, three] = fleet.ports()[..] else { panic!() };
    etcd.put(&key("join", "a"), &entry(one));
    // A service whose name only begins so.
    etcd.put(&key("join2", "x"), &entry(three));
    let balancer = ready(&etcd.url("join", ""));
    assert_eq!(ports(&balancer).into_iter().collect::<Vec<_>>(), [one]);
    etcd.put(&key("join", "b"), &entry(two));
    let joined = sees(&balancer, &[one, two], SOON);
    etcd.delete(&key("join", "a"));
    let left = sees(&balancer, &[two], SOON);
    etcd.put(&key("join", "c"), &entry(three));
    sees(&balancer, &[two, three], SOON);

    let client = Builder::new().balancer(&balancer).build();
    assert!(fleet.counts_of(10, &client)[1..].iter().all(|count| *count == 5));
    etcd.put(
        &key("join", "b"),
        &format!(r#"{{"address": "127.0.0.1", "port": {two}, "weight": 0}}"#),
    );
    let begun = Instant::now();
    eventually("it is drained", SOON, || fleet.counts_of(4, &client)[1] == 0);
    eprintln!("etcd: joined {joined:?}, left {left:?}, drained {:?}", begun.elapsed());
    etcd.put(&key("join", "b"), &entry(two));
    eventually("it is back", SOON, || fleet.counts_of(4, &client)[1] == 2);
}

/// Also where it was told too soon after the one before to apply at once. etcd tells what it tells late in one answer, which
/// is one change: then the list before that serves.
#[test]
fn the_last_list_before_an_empty_one_serves_through_its_hold() {
    let etcd = Etcd::shared();
    let put = |name: &str, port| etcd.put(&key("last", name), &entry(port));
    put("a", 1);
    let balancer = ready(&etcd.url("last", ""));
    eventually("deletes that were told one by one", SOON, || {
        [("a", 1), ("b", 2), ("c", 3)].into_iter().for_each(|(name, port)| put(name, port));
        sees(&balancer, &[1, 2, 3], SOON);
        ["a", "b", "c"].into_iter().for_each(|name| etcd.delete(&key("last", name)));
        thread::sleep(ms(200));
        let last = ports(&balancer);
        assert!(last.contains(&3), "the list before the empty one is gone: {last:?}");
        last.len() == 1
    });
}

#[test]
fn a_prefix_is_taken_as_it_is_where_it_is_given() {
    let etcd = Etcd::shared();
    // As etcd's own naming for gRPC writes it.
    etcd.put("bare/web/e1", r#"{"Op": 0, "Addr": "127.0.0.1:1", "Metadata": null}"#);
    etcd.put("/bare/web/e2", &entry(2));
    etcd.put("bare/web2/e3", &entry(3));
    let of = |more: &str| etcd.url("", more).replace("/?", "?");
    sees(&ready(&of("?etcd_prefix=bare/web/")), &[1], SOON);
    sees(&ready(&of("?etcd_prefix=bare/web")), &[1, 3], SOON);
    sees(&ready(&etcd.url("bare/web", "")), &[2], SOON);
    let provider = Provider::from_url(&of("?etcd_prefix=bare/web/")).unwrap();
    assert!(provider.describe().ends_with("?etcd_prefix=bare/web/"), "{}", provider.describe());
}

#[test]
fn large_weights_keep_their_ratios() {
    let (etcd, fleet) = (Etcd::shared(), Fleet::of(2));
    for (port, weight) in fleet.ports().iter().zip([100_000, 300_000]) {
        etcd.put(&key("heavy", port), &format!("127.0.0.1:{port} weight={weight}"));
    }
    let provider = Provider::from_url(&etcd.url("heavy", "")).unwrap();
    let balancer = Balancer::smooth_weighted(&provider);
    balancer.wait_ready(SOON).unwrap();
    sees(&balancer, &fleet.ports(), SOON);
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(fleet.counts_of(40, &client), [10, 30]);
}

#[test]
fn a_server_that_does_not_answer_is_left_for_the_next() {
    let (etcd, dead) = (Etcd::shared(), Dead::new());
    etcd.put(&key("servers", "a"), &entry(1));
    let url = etcd
        .url("servers", "?password=s3cret")
        .replace("//", &format!("//127.0.0.1:{},", dead.port()));
    let provider = Provider::from_url(&url).unwrap();
    assert!(!provider.describe().contains("s3cret"), "{}", provider.describe());
    let balancer = Balancer::round_robin(&provider);
    balancer.wait_ready(SOON).unwrap();
    sees(&balancer, &[1], SOON);
}

#[test]
fn a_lease_that_nobody_keeps_alive_takes_its_endpoint_away() {
    let etcd = Etcd::shared();
    etcd.put(&key("lease", "a"), &entry(1));
    etcd.put_for(&key("lease", "b"), &entry(2), 1);
    let balancer = ready(&etcd.url("lease", ""));
    sees(&balancer, &[1, 2], SOON);
    let gone = sees(&balancer, &[1], SOON);
    eprintln!("etcd: a lease of 1 s was gone after {gone:?}");
}

#[test]
fn p15_every_form_of_a_value_is_read_and_a_bad_one_is_skipped() {
    let etcd = Etcd::shared();
    for (name, value) in [
        ("a", entry(1)),
        ("b", "127.0.0.1:2 weight=3".to_owned()),
        (
            "c",
            r#"{"name": "w", "address": "127.0.0.1", "port": 3, "serviceType": "DYNAMIC"}"#
                .to_owned(),
        ),
        (
            "d",
            r#"{"serviceEndpoint": {"host": "127.0.0.1", "port": 4}, "status": "ALIVE"}"#
                .to_owned(),
        ),
        (
            "e",
            r#"{"serviceEndpoint": {"host": "127.0.0.1", "port": 5}, "status": "DEAD"}"#.to_owned(),
        ),
        ("f", "s3cret".to_owned()),
        ("127.0.0.1:7", String::new()),
    ] {
        etcd.put(&key("forms", name), &value);
    }
    let balancer = ready(&etcd.url("forms", ""));
    sees(&balancer, &[1, 2, 3, 4], SOON);
    etcd.put(&key("forms", "f"), "127.0.0.1:6");
    sees(&balancer, &[1, 2, 3, 4, 6], SOON);
    // What it registers now cannot be used: it is gone.
    etcd.put(&key("forms", "a"), "{");
    sees(&balancer, &[2, 3, 4, 6], SOON);
    sees(&ready(&etcd.url("forms", "?entry=text")), &[2, 6], SOON);
    sees(&ready(&etcd.url("forms", "?entry=curator")), &[3], SOON);
    sees(&ready(&etcd.url("forms", "?entry_from=key")), &[7], SOON);
}

#[test]
fn p21_two_hundred_changes_under_eight_calling_threads_fail_no_call() {
    let _alone = alone();
    let etcd = Etcd::shared();
    let register = |port: u16| etcd.put(&key("churn", port), &entry(port));
    let leave = |port: u16| etcd.delete(&key("churn", port));
    churn("etcd", &etcd.url("churn", ""), register, leave);
}

#[test]
fn p3_after_a_compaction_the_list_is_right() {
    let etcd = Etcd::new();
    etcd.put("/web/a", &entry(1));
    // Opened anew each second, so that it asks for a revision that is gone.
    let balancer = ready(&etcd.url("web", "?silence=1s"));
    for number in 0..50 {
        etcd.put("/other", &number.to_string());
    }
    etcd.compact();
    thread::sleep(ms(1500));
    etcd.put("/web/b", &entry(2));
    let seen = sees(&balancer, &[1, 2], SOON);
    etcd.delete("/web/a");
    sees(&balancer, &[2], SOON);
    eprintln!("etcd: a change after a compaction was seen after {seen:?}");
}

#[test]
fn p4_a_registry_that_comes_back_with_older_data_is_believed() {
    let (etcd, fleet) = (Etcd::new(), Fleet::of(2));
    let [one, two] = fleet.ports()[..] else { panic!() };
    for number in 0..100 {
        etcd.put("/other", &number.to_string());
    }
    etcd.put("/web/a", &entry(one));
    let balancer = ready(&etcd.url("web", ""));
    let client = Builder::new().balancer(&balancer).build();
    etcd.daemon().kill();
    assert!(
        (0..20).all(|_| client.get("/").unwrap().status == 200),
        "the list serves while etcd is down"
    );
    etcd.wipe();
    etcd.restart();
    etcd.put("/web/b", &entry(two));
    let seen = sees(&balancer, &[two], SOON);
    // The watch hears what follows, although the revision is lower than the one before.
    etcd.put("/web/a", &entry(one));
    let heard = sees(&balancer, &[one, two], SOON);
    eprintln!("etcd: older data seen after {seen:?}, and the next change after {heard:?}");
}

#[test]
fn p2_a_registry_that_stands_still_fails_no_call_and_is_noticed() {
    let (etcd, server) = (Etcd::new(), Server::ok());
    etcd.put("/web/a", &entry(server.port()));
    let balancer = ready(&etcd.url("web", "?silence=1s&connect_timeout=1s"));
    let client = Builder::new().balancer(&balancer).build();
    etcd.daemon().pause();
    let begun = Instant::now();
    eventually("it is noticed", SOON, || {
        assert_eq!(client.get("/").unwrap().status, 200);
        thread::sleep(ms(10));
        balancer.list_error().is_some()
    });
    let noticed = begun.elapsed();
    assert!(noticed < ms(4000), "{noticed:?}");
    etcd.daemon().go_on();
    etcd.put("/web/b", &entry(2));
    let seen = sees(&balancer, &[server.port(), 2], SOON);
    eprintln!("etcd: stopped, noticed after {noticed:?} of 1 s silence; back, seen after {seen:?}");
}

/// Its watch takes nothing from the others and would stay silent for ever.
#[test]
fn p2_a_member_that_is_cut_off_from_the_quorum_is_left_for_another() {
    const LIST: &str =
        r#"{"header":{"revision":"3"},"kvs":[{"key":"L3dlYi9h","value":"MTI3LjAuMC4xOjE="}]}"#;
    const NEWER: &str =
        r#"{"header":{"revision":"4"},"kvs":[{"key":"L3dlYi9h","value":"MTI3LjAuMC4xOjI="}]}"#;
    const CHANGE: &str = r#"{"result":{"header":{"revision":"4"},"events":[{"kv":{"key":"L3dlYi9h","mod_revision":"4","value":"MTI3LjAuMC4xOjI="}}]}}"#;
    const NO_LEADER: &str = r#"{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}"#;
    let created = |end: &str| {
        let text = format!(r#"{{"result":{{"header":{{"revision":"4"}},"created":true}}}}{end}"#);
        Reply::Begin(format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{text}\n").into_bytes())
    };
    for is_lost_at_once in [true, false] {
        let majority = Server::new(move |seen| match seen.path.as_str() {
            "/v3/kv/range" => Reply::text(200, NEWER),
            _ => created(&format!("\n{CHANGE}")),
        });
        let minority = Server::new(move |seen| match seen.path.as_str() {
            "/v3/kv/range" if seen.number == 0 => Reply::text(200, LIST),
            "/v3/kv/range" => Reply::text(503, NO_LEADER),
            // Told in the stream, or by what the quorum is asked for behind a watch that was silent.
            _ if is_lost_at_once && seen.header("grpc-metadata-hasleader") == Some("true") => {
                created(&format!("\n{NO_LEADER}"))
            }
            _ => created(""),
        });
        let servers = format!("127.0.0.1:{},127.0.0.1:{}", minority.port(), majority.port());
        let balancer = balancer(&format!("etcd://{servers}/web?silence=2s&connect_timeout=2s"));
        balancer.wait_ready(SOON).unwrap();
        sees(&balancer, &[2], SOON);
    }
}

#[test]
fn p15_values_of_which_none_can_be_used_keep_the_last_list_and_are_told() {
    let etcd = Etcd::shared();
    etcd.put(&key("mistake", "a"), &entry(1));
    let balancer = ready(&etcd.url("mistake", "?empty_hold=0s&silence=1s"));
    etcd.put(&key("mistake", "a"), "s3cret");
    eventually("it is told", SOON, || balancer.list_error().is_some());
    let told = balancer.list_error().unwrap();
    assert_eq!(told, "the only entry is unusable: without a port");
    // Also while the watch is opened anew, and says that it stands.
    let begun = Instant::now();
    while begun.elapsed() < ms(2500) {
        assert!(balancer.list_error().is_some() && balancer.count() == 1);
        thread::sleep(ms(5));
    }
    etcd.put(&key("mistake", "a"), &entry(2));
    sees(&balancer, &[2], SOON);
    assert_eq!(balancer.list_error(), None);
    etcd.delete(&key("mistake", "a"));
    sees(&balancer, &[], SOON);
}

#[test]
fn wrong_credentials_are_told_without_them() {
    let etcd = Etcd::new();
    etcd.put("/web/a", &entry(1));
    etcd.put("/other/a", &entry(2));
    for arguments in [
        &["user", "add", "root:r00t"][..],
        &["user", "grant-role", "root", "root"],
        &["role", "add", "reader"],
        &["role", "grant-permission", "reader", "--prefix=true", "read", "/web/"],
        &["user", "add", "web:s3cret"],
        &["user", "grant-role", "web", "reader"],
        &["auth", "enable"],
    ] {
        etcd.control(arguments);
    }
    let of = |user: &str, service: &str, more: &str| {
        let url = etcd.url(service, more).replace("//", &format!("//{user}"));
        let balancer = balancer(&url);
        balancer.wait_ready(SOON).map(|()| ports(&balancer).into_iter().collect::<Vec<_>>())
    };
    assert_eq!(of("web:s3cret@", "web", "").unwrap(), [1]);
    for (user, service, more, word) in [
        ("web:wr0ng@", "web", "", "user or password"),
        ("", "web", "", "user"),
        ("web:s3cret@", "other", "", "may not read"),
        ("", "web", "?token=s3cret", "token"),
    ] {
        let failure = of(user, service, more).unwrap_err();
        assert_eq!(failure.status, AHOY_E_DISCOVERY, "{}", failure.message);
        let told = &failure.message;
        assert!(
            told.contains(word) && !told.contains("wr0ng") && !told.contains("s3cret"),
            "{told}"
        );
    }
}

#[test]
fn a_token_that_expires_is_renewed() {
    let etcd = Etcd::with(&["--auth-token-ttl", "1"]);
    etcd.control(&["user", "add", "root:r00t"]);
    etcd.control(&["user", "grant-role", "root", "root"]);
    etcd.put("/web/a", &entry(1));
    etcd.control(&["auth", "enable"]);
    let url = etcd.url("web", "?silence=3s").replace("//", "//root:r00t@");
    let balancer = ready(&url);
    thread::sleep(ms(4000));
    etcd.control(&["--user", "root:r00t", "put", "/web/b", "127.0.0.1:2"]);
    sees(&balancer, &[1, 2], SOON);
}

#[test]
fn tls_trusts_a_private_authority_and_no_other() {
    let (authority, stranger, folder) = (Authority::new(), Authority::new(), Folder::new());
    let file = |name: &str, content: &str| folder.file(name, content).display().to_string();
    let (certificate, private_key) = authority.issue("127.0.0.1");
    let (own, own_key) = authority.issue("client");
    let trusted = file("ca.pem", &authority.pem);
    let (certificate, private_key) =
        (file("server.pem", &certificate), file("server.key", &private_key));
    let (own, own_key) = (file("client.pem", &own), file("client.key", &own_key));
    let etcd = Etcd::tls(&[
        "--cert-file",
        &certificate,
        "--key-file",
        &private_key,
        "--client-cert-auth",
        "--trusted-ca-file",
        &trusted,
    ]);
    let control = |arguments: &[&str]| {
        let mut all = vec!["--cacert", &trusted, "--cert", &own, "--key", &own_key];
        all.extend(arguments);
        etcd.control(&all);
    };
    control(&["put", "/web/a", "127.0.0.1:1"]);
    let of = |more: &str| {
        let balancer = balancer(&etcd.url("web", more));
        balancer.wait_ready(ms(3000)).map(|()| ports(&balancer).into_iter().collect::<Vec<_>>())
    };
    let identity = format!("&cert_file={own}&key_file={own_key}");
    assert_eq!(of(&format!("?tls=true&ca_file={trusted}{identity}")).unwrap(), [1]);
    let foreign = file("stranger.pem", &stranger.pem);
    let failure = of(&format!("?tls=true&ca_file={foreign}{identity}")).unwrap_err();
    assert!(failure.message.contains("certificate"), "{}", failure.message);
    assert!(
        of(&format!("?tls=true&ca_file={trusted}")).is_err(),
        "without a certificate of its own"
    );
}

/// One I/O thread drives all watches, and without optimisation it reads much for a while: so alone.
#[test]
fn p23_what_is_no_answer_of_etcd_keeps_the_last_list_and_is_told() {
    const LIST: &str =
        r#"{"header":{"revision":"3"},"kvs":[{"key":"L3dlYi9h","value":"MTI3LjAuMC4xOjE="}]}"#;
    let _alone = alone();
    let endless = |of: &str| {
        let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n{\"result\":\"".to_vec();
        bytes.extend(of.repeat((40 << 20) / of.len()).into_bytes());
        bytes
    };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for (what, watch) in [
        ("garbage", Reply::text(200, "s3cret\n")),
        ("brackets", Reply::text(200, &("[".repeat(1 << 20) + "\n"))),
        (
            "cut",
            Reply::Raw(format!("{head}content-length: 99\r\n\r\n{{\"result\":{{").into_bytes()),
        ),
        ("endless", Reply::Raw(endless("s3cret"))),
        ("an error page", Reply::text(500, "<html>s3cret</html>")),
        (
            "an error page that never ends",
            Reply::Begin(b"HTTP/1.1 500 Oops\r\ncontent-length: 99\r\n\r\ns3cret".to_vec()),
        ),
    ] {
        let server = Server::new(move |seen| match seen.path.as_str() {
            "/v3/kv/range" => Reply::text(200, LIST),
            _ => watch.clone(),
        });
        let url = format!("etcd://127.0.0.1:{}/web?connect_timeout=2s", server.port());
        let balancer = ready(&url);
        eventually(what, SOON, || balancer.list_error().is_some());
        let told = balancer.list_error().unwrap_or_default();
        assert!(!told.contains("s3cret"), "{what}: {told}");
        assert_eq!(ports(&balancer).into_iter().collect::<Vec<_>>(), [1], "{what}");
    }
}

#[test]
fn p22_ten_thousand_endpoints_are_listed_in_a_second() {
    const MANY: u32 = 10_000;
    let _alone = alone();
    let etcd = Etcd::new();
    let address =
        |number: u32| format!("127.{}.{}.{}:80", number >> 16, number >> 8 & 255, number & 255);
    let pairs: Vec<_> =
        (1..=MANY).map(|number| (format!("/web/{number:05}"), address(number))).collect();
    etcd.put_all(&pairs);

    let fixed = Provider::list();
    let before = resident_kib();
    for number in 1..=MANY {
        fixed.add(&address(number).replace(":80", ""), 80).unwrap();
    }
    let list = Balancer::round_robin(&fixed);
    list.update().unwrap();
    let of_list = resident_kib() - before;

    let before = resident_kib();
    let begun = Instant::now();
    let balancer = ready(&etcd.url("web", ""));
    let first = begun.elapsed();
    assert_eq!(balancer.count(), MANY as usize);
    let of_etcd = resident_kib() - before;

    let (before, changes) = (cpu(), 20);
    for number in 0..changes {
        etcd.put(&key("web", "new"), &format!("127.0.0.1:{}", 1000 + number));
        eventually("it is there", SOON, || {
            thread::sleep(ms(20));
            balancer.at(MANY as usize).is_ok_and(|endpoint| endpoint.port() == 1000 + number)
        });
    }
    let each = (cpu() - before) / u32::from(changes);
    let (before, begun) = (cpu(), Instant::now());
    thread::sleep(ms(2000));
    let at_rest = (cpu() - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    eprintln!(
        "etcd: {MANY} endpoints: first list {first:?}, {of_etcd} KiB beside {of_list} KiB of a static list, \
         {each:?} of CPU a change, {:.3} % at rest",
        at_rest * 100.0
    );
    drop(list);
    // Without optimisation all takes several times as long.
    let slow = if cfg!(debug_assertions) { 10 } else { 1 };
    assert!(first < ms(1000) * slow && each < ms(5) * slow, "{first:?}, {each:?}");
    assert!(of_etcd.saturating_sub(of_list) < 20 * 1024, "{of_etcd} KiB beside {of_list} KiB");
}
