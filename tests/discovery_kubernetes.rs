//! Endpoints from Kubernetes, by a server that replays what API servers send; kubectl checks that it does.

use std::process::Command;
use std::time::Instant;

use ahoy::ffi::values::status::*;
use serde_json::Value;
use support::registry::folder::Folder;
use support::registry::kubernetes::{Fault, KubeApi, entry, ready};
use support::registry::{churn, ports, resident_kib};
use support::*;

fn url(api: &KubeApi, options: &str) -> String {
    format!("k8s://shop/web?kubernetes_server=http://127.0.0.1:{}&port=http&{options}", api.port())
}

fn watching(api: &KubeApi, options: &str) -> Balancer {
    Balancer::round_robin(&Provider::from_url(&url(api, options)).unwrap())
}

/// With its first list.
fn ready_over(api: &KubeApi, options: &str) -> Balancer {
    let balancer = watching(api, options);
    balancer.wait_ready(ms(10_000)).unwrap();
    balancer
}

/// The addresses of the endpoints, in order.
fn addresses(balancer: &Balancer) -> Vec<String> {
    let mut all: Vec<_> =
        (0..balancer.count()).filter_map(|at| Some(balancer.at(at).ok()?.address())).collect();
    all.sort();
    all
}

/// Waits until these are the endpoints' addresses.
fn has(balancer: &Balancer, expected: &[&str]) -> std::time::Duration {
    let begun = Instant::now();
    eventually(&format!("{expected:?}"), ms(5000), || addresses(balancer) == expected);
    begun.elapsed()
}

#[test]
fn kubectl_reads_the_scripted_server_as_an_api_server() {
    let api = KubeApi::start();
    api.put("web-1", &[ready("10.0.0.1"), entry("10.0.0.2", false, true, true)], 80);
    let folder = Folder::new();
    let mut kubectl = Command::new("kubectl");
    kubectl
        .env("HOME", folder.path())
        .arg(format!("--server=http://127.0.0.1:{}", api.port()))
        .args(["--namespace=shop", "get", "endpointslices.discovery.k8s.io", "--output=json"])
        .args(["--selector=kubernetes.io/service-name=web"]);
    let run = kubectl.output().expect("kubectl is installed: sh tests/install-deps.sh");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let listed: Value = serde_json::from_slice(&run.stdout).unwrap();
    let slice = &listed["items"][0];
    assert_eq!(slice["endpoints"][1]["conditions"]["terminating"], true, "{listed}");

    kubectl.args(["--watch", "--output-watch-events", "--request-timeout=2s"]);
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| kubectl.output().unwrap());
        eventually("it watches", ms(10_000), || api.watches() > 0);
        api.put("web-2", &[ready("10.0.0.3")], 80);
        api.delete("web-1");
        run.join().unwrap()
    });
    let events = serde_json::Deserializer::from_slice(&run.stdout).into_iter::<Value>();
    let told: Vec<_> = events
        .map_while(Result::ok)
        .map(|event| (event["type"].clone(), event["object"]["metadata"]["name"].clone()))
        .collect();
    let expected = [("ADDED", "web-1"), ("ADDED", "web-2"), ("DELETED", "web-1")];
    assert_eq!(told, expected.map(|(kind, name)| (kind.into(), name.into())));
}

#[test]
fn a_change_is_seen_at_once() {
    let api = KubeApi::start();
    api.put("web-1", &[ready("10.0.0.1")], 80);
    let balancer = ready_over(&api, "");
    assert_eq!(addresses(&balancer), ["10.0.0.1"]);
    api.put("web-1", &[ready("10.0.0.1"), ready("10.0.0.2")], 80);
    let joined = has(&balancer, &["10.0.0.1", "10.0.0.2"]);
    api.put("web-1", &[ready("10.0.0.2")], 80);
    let left = has(&balancer, &["10.0.0.2"]);
    api.put("web-2", &[ready("10.0.0.3")], 81);
    has(&balancer, &["10.0.0.2", "10.0.0.3"]);
    assert_eq!(ports(&balancer).into_iter().collect::<Vec<_>>(), [80, 81]);
    api.delete("web-1");
    has(&balancer, &["10.0.0.3"]);
    eprintln!("kubernetes: joined {joined:?}, left {left:?}");
    assert_eq!((api.lists(), api.watches()), (1, 1), "one list and one watch for all of it");
}

#[test]
fn p07_ready_endpoints_and_then_those_that_serve_while_they_end() {
    let api = KubeApi::start();
    let ending = entry("10.0.0.2", false, true, true);
    let gone = entry("10.0.0.3", false, false, true);
    api.put("web-1", &[ready("10.0.0.1"), ending.clone(), gone.clone()], 80);
    let balancer = ready_over(&api, "empty_hold=0s");
    assert_eq!(addresses(&balancer), ["10.0.0.1"]);
    api.put("web-1", &[ending, gone.clone()], 80);
    has(&balancer, &["10.0.0.2"]);
    api.put("web-1", &[gone], 80);
    has(&balancer, &[]);
}

#[test]
fn p08_an_address_in_two_slices_counts_once_and_its_ready_entry_wins() {
    let api = KubeApi::start();
    let gone = entry("10.0.0.1", false, false, true);
    api.put("web-1", &[gone.clone(), ready("10.0.0.2")], 80);
    api.put("web-2", &[ready("10.0.0.1"), ready("10.0.0.2")], 80);
    let balancer = ready_over(&api, "");
    assert_eq!(addresses(&balancer), ["10.0.0.1", "10.0.0.2"]);
    api.put("web-2", &[gone, ready("10.0.0.3")], 80);
    has(&balancer, &["10.0.0.2", "10.0.0.3"]);
}

#[test]
fn p06_a_version_that_expired_is_listed_again_and_never_asked_for_again() {
    for fault in [Fault::WatchStatus(410), Fault::WatchError(410)] {
        let api = KubeApi::start();
        api.put("web-1", &[ready("10.0.0.1")], 80);
        let balancer = ready_over(&api, "");
        eventually("it watches", ms(2000), || api.watches() == 1);
        // In the watch that stands, or in the next one after its end.
        if matches!(fault, Fault::WatchStatus(_)) {
            api.fault(fault);
            api.put("web-1", &[ready("10.0.0.2")], 80);
            has(&balancer, &["10.0.0.2"]);
            api.end_streams(true);
        } else {
            api.fault(fault);
            api.put("web-1", &[ready("10.0.0.2")], 80);
        }
        has(&balancer, &["10.0.0.2"]);
        eventually("it lists and watches again", ms(5000), || {
            api.lists() >= 2 && api.watches() >= 2
        });
        let asked = api.requests();
        let versions: Vec<_> = asked.iter().filter_map(|asked| asked.version.clone()).collect();
        let mut once = versions.clone();
        once.dedup();
        assert_eq!(versions, once);
        api.put("web-1", &[ready("10.0.0.3")], 80);
        has(&balancer, &["10.0.0.3"]);
    }
}

#[test]
fn p06_a_server_whose_watches_all_expire_is_listed_three_times_a_minute() {
    let api = KubeApi::start();
    api.put("web-1", &[ready("10.0.0.1")], 80);
    (0..1000).for_each(|_| api.fault(Fault::WatchStatus(410)));
    let balancer = ready_over(&api, "");
    eventually("three lists", ms(5000), || api.lists() == 3);
    std::thread::sleep(ms(1500));
    assert_eq!(api.lists(), 3);
    assert_eq!(addresses(&balancer), ["10.0.0.1"]);
}

#[test]
fn p02_p04_a_server_that_ends_stops_or_forgets() {
    let api = KubeApi::start();
    api.put("web-1", &[ready("10.0.0.1")], 80);
    let balancer = ready_over(&api, "silence=4s");
    // The server ends the watch after the 3 s that it was asked for: the next goes on, without a list.
    api.bookmark();
    eventually("the second watch", ms(6000), || api.watches() == 2);
    assert_eq!(api.lists(), 1);
    let [first, second] = &api.requests()[1..3] else { panic!() };
    assert!(first.version != second.version, "it goes on where the bookmark was");
    assert!(balancer.list_age().unwrap() < ms(4000));

    // A server that shuts down in good order, and whose successor has older data.
    api.restore(7);
    api.put("web-9", &[ready("10.0.0.9")], 80);
    let begun = Instant::now();
    api.end_streams(false);
    has(&balancer, &["10.0.0.9"]);
    eprintln!("kubernetes, p04: the list is right {:?} after an end", begun.elapsed());

    // One that is gone for a while.
    api.stop();
    eventually("it is told", ms(5000), || balancer.list_error().is_some());
    assert_eq!(addresses(&balancer), ["10.0.0.9"]);
    api.restore(3);
    api.put("web-8", &[ready("10.0.0.8")], 80);
    api.start_again();
    let seen = has(&balancer, &["10.0.0.8"]);
    eprintln!("kubernetes, p04: the list is right {seen:?} after a restart");
}

/// As behind a proxy with a limit on quiet streams, or at a server that gives watchers up.
#[test]
fn p06_watches_that_end_early_go_on_without_a_list_however_many() {
    let api = KubeApi::start();
    api.put("web-1", &[ready("10.0.0.1")], 80);
    let balancer = ready_over(&api, "");
    eventually("it watches", ms(5000), || api.watches() == 1);
    for number in 2..6 {
        let watches = api.watches();
        api.end_streams(number % 2 == 0);
        // While nobody watches.
        let address = format!("10.0.0.{number}");
        api.put("web-1", &[ready(&address)], 80);
        has(&balancer, &[&address]);
        eventually("it watches", ms(5000), || api.watches() > watches);
    }
    let requests = api.requests();
    let lists = requests.iter().filter(|it| !it.is_watch && !it.target.ends_with("&limit=1"));
    assert_eq!(lists.count(), 1);
    assert_eq!(balancer.list_error(), None);
}

#[test]
fn a_port_that_no_slice_has_is_told_and_the_last_list_serves() {
    let api = KubeApi::start();
    api.put("web-1", &[ready("10.0.0.1")], 80);
    let url = url(&api, "").replace("port=http", "port=htttp");
    let wrong = Balancer::round_robin(&Provider::from_url(&url).unwrap());
    let failure = wrong.wait_ready(ms(5000)).unwrap_err();
    let expected = "the port htttp is in no slice; there are http (80)";
    assert!(failure.message.contains(expected), "{}", failure.message);
}

#[test]
fn p17_a_token_is_read_again_once_it_is_refused() {
    let (api, folder) = (KubeApi::start(), Folder::new());
    api.put("web-1", &[ready("10.0.0.1")], 80);
    api.set_token("first");
    let file = folder.file("token", "first\n");
    // Each watch lasts for a second.
    let balancer = ready_over(&api, &format!("silence=2s&token_file={}", file.display()));
    eventually("it watches", ms(2000), || api.watches() == 1);
    // The cluster gives out another, and takes the first no more.
    folder.file("token", "second");
    api.set_token("second");
    let with = |token: &str| {
        let asked = api.requests();
        asked.iter().filter(|asked| asked.token.as_deref() == Some(token)).count()
    };
    eventually("it watches with the second", ms(5000), || with("second") > 0);
    api.put("web-1", &[ready("10.0.0.2")], 80);
    has(&balancer, &["10.0.0.2"]);
    assert_eq!((api.lists(), with("first")), (1, 3), "refused once, and read again");
    assert_eq!(balancer.list_error(), None);
}

#[test]
fn wrong_credentials_are_told_without_the_secret() {
    let api = KubeApi::start();
    api.put("web-1", &[ready("10.0.0.1")], 80);
    api.set_token("right");
    let provider = Provider::from_url(&url(&api, "token=s3cret")).unwrap();
    assert!(!provider.describe().contains("s3cret"), "{}", provider.describe());
    let failure = Balancer::round_robin(&provider).wait_ready(ms(5000)).unwrap_err();
    assert_eq!(failure.status, AHOY_E_DISCOVERY);
    assert!(failure.message.contains("401"), "{}", failure.message);
    assert!(!failure.message.contains("s3cret"), "{}", failure.message);
    // Without a cluster and without options there is nobody to ask.
    let nobody = Balancer::round_robin(&Provider::from_url("k8s://shop/web").unwrap());
    let failure = nobody.wait_ready(ms(5000)).unwrap_err();
    assert!(failure.message.contains("kubeconfig"), "{}", failure.message);
}

#[test]
fn a_kubeconfig_with_a_private_authority_and_a_certificate_or_a_token() {
    let (authority, folder) = (Authority::new(), Folder::new());
    let api = KubeApi::with(Some(authority.strict_server("kube.test", &authority)));
    api.put("web-1", &[ready("10.0.0.1")], 80);
    let (certificate, key) = authority.issue("client");
    folder.file("ca.pem", &authority.pem);
    folder.file("cert.pem", certificate);
    folder.file("key.pem", key);
    let text = format!(
        "current-context: a\nclusters:\n- name: c\n  cluster:\n    server: https://127.0.0.1:{}\n    \
         certificate-authority: ca.pem\n    tls-server-name: kube.test\ncontexts:\n- name: a\n  \
         context: {{cluster: c, user: u, namespace: shop}}\n- name: b\n  context: {{cluster: c, user: v}}\n\
         users:\n- name: u\n  user:\n    client-certificate: cert.pem\n    client-key: key.pem\n    \
         token: s3cret\n- name: v\n  user:\n    token: s3cret\n",
        api.port()
    );
    let file = folder.file("config", text);
    let options = |more: &str| format!("k8s:///web?port=http&kubeconfig={}{more}", file.display());
    let balancer = Balancer::round_robin(&Provider::from_url(&options("")).unwrap());
    balancer.wait_ready(ms(10_000)).unwrap();
    assert_eq!(addresses(&balancer), ["10.0.0.1"]);
    assert_eq!(api.requests()[0].token.as_deref(), Some("s3cret"));
    // The other user has no certificate, which this server wants.
    let other = Provider::from_url(&options("&kubeconfig_context=b")).unwrap();
    let failure = Balancer::round_robin(&other).wait_ready(ms(2000)).unwrap_err();
    assert!(!failure.message.contains("s3cret"), "{}", failure.message);
    let none = Provider::from_url(&options("&kubeconfig_context=none")).unwrap();
    let failure = Balancer::round_robin(&none).wait_ready(ms(2000)).unwrap_err();
    assert!(failure.message.contains("no context of the name \"none\""), "{}", failure.message);
}

#[test]
fn p23_garbage_is_told_and_the_list_stays() {
    let api = KubeApi::start();
    api.put("web-1", &[ready("10.0.0.1")], 80);
    let balancer = ready_over(&api, "");
    let deep = "[".repeat(10 << 20).into_bytes();
    let events: [&[u8]; 4] =
        [b"{\"type\": \"ADD\n", b"secret\n", b"[]\n", &[&deep[..], b"\n"].concat()];
    for (number, bytes) in (2..).zip(events) {
        let watches = api.watches();
        api.fault(Fault::Event(bytes.to_vec()));
        eventually("a new watch", ms(10_000), || {
            assert_eq!(balancer.count(), number - 1, "the list stays");
            api.watches() > watches
        });
        let all: Vec<_> = (1..=number).map(|it| ready(&format!("10.0.0.{it}"))).collect();
        api.put("web-1", &all, 80);
        eventually("the change is seen", ms(5000), || balancer.count() == number);
    }
    for bytes in [b"{}{".to_vec(), deep] {
        let api = KubeApi::start();
        api.put("web-1", &[ready("10.0.0.1")], 80);
        let balancer = ready_over(&api, "");
        eventually("it watches", ms(5000), || api.watches() == 1);
        api.fault(Fault::List(bytes));
        api.end_streams(true);
        eventually("it is told", ms(5000), || {
            balancer.list_error().is_some_and(|it| it.contains("JSON") || it.contains("document"))
        });
        assert_eq!(balancer.count(), 1, "the list stays");
        eventually("it is over", ms(10_000), || balancer.list_error().is_none());
    }
}

#[test]
fn p21_two_hundred_changes_fail_no_call() {
    let _alone = alone();
    let api = KubeApi::start();
    // A slice for each, since the ports differ.
    let register = |port| api.put(&format!("web-{port}"), &[ready("127.0.0.1")], port);
    let leave = |port| api.delete(&format!("web-{port}"));
    churn("kubernetes", &url(&api, ""), register, leave);
}

#[test]
fn p22_ten_thousand_endpoints() {
    let _alone = alone();
    let api = KubeApi::start();
    let slice = |number: usize| -> Vec<Value> {
        (0..100).map(|it| ready(&format!("10.{}.{number}.{it}", number / 256))).collect()
    };
    for number in 0..100 {
        api.put(&format!("web-{number}"), &slice(number), 80);
    }
    let (before, begun) = (resident_kib(), Instant::now());
    let balancer = ready_over(&api, "");
    eprintln!(
        "kubernetes: 10,000 endpoints after {:?} in this build, {} KiB more",
        begun.elapsed(),
        resident_kib().saturating_sub(before)
    );
    assert_eq!(balancer.count(), 10_000);
    api.put("web-0", &slice(0)[1..], 80);
    let begun = Instant::now();
    eventually("one left", ms(5000), || balancer.count() == 9_999);
    eprintln!("kubernetes: one of them left after {:?} in this build", begun.elapsed());
}
