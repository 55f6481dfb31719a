//! Where endpoints come from: lists that are pushed, functions that are asked, sources that tell.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ahoy::ffi::balancer::listing::*;
use ahoy::ffi::client::hooks::*;
use ahoy::ffi::observe::event::*;
use ahoy::ffi::values::status::*;
use support::names::{self, Names, Said};
use support::registry::folder::{Folder, file_url};
use support::registry::kubernetes::{KubeApi, ready};
use support::*;

const SOON: Duration = Duration::from_secs(10);

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
    assert!(
        failure.message.ends_with("provider: it has told no list so far"),
        "{}",
        failure.message
    );
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
    let balancer = Balancer::recommended(&slow);
    let (failure, took) = timed(|| balancer.wait_ready(ms(200)).unwrap_err());
    assert_eq!(failure.status, AHOY_E_DEADLINE);
    assert!(took > ms(190) && took < ms(300), "{took:?}");
    balancer.wait_ready(ms(10_000)).unwrap();
}

#[test]
fn a_function_that_tells_no_endpoint_ends_the_first_call_at_once() {
    for _ in 0..20 {
        let empty = Provider::custom(|_| AHOY_OK);
        empty.set("callbacks", "thread").unwrap();
        let client = Builder::new().balancer(&Balancer::recommended(&empty)).build();
        let (failure, took) = timed(|| client.get("/").unwrap_err());
        assert_eq!(failure.status, AHOY_E_NO_ENDPOINTS, "after {took:?}: {}", failure.message);
    }
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

/// One test, for a wait of another one's would ask as well.
#[test]
fn a_host_with_one_thread_asks_its_registry_while_it_waits_for_a_queue_or_closes_a_client() {
    assert_asks_while(|_| ());
    assert_asks_while(|client| client.close(FOREVER).unwrap());
}

/// The function is asked on this thread after a call was submitted: in `wait`, or by the queue after it.
fn assert_asks_while(wait: impl Fn(&Client)) {
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
    let submit = |tag| client.submit(&Request::new("GET", "/"), &queue, tag).unwrap();
    let answer = || queue.next(FOREVER).unwrap().unwrap().take().unwrap().unwrap().body;
    submit(1);
    assert_eq!(answer(), b"old");
    let gone = old.port();
    drop(old);
    port.store(new.port(), Ordering::SeqCst);
    balancer.endpoint(gone).open().unwrap();
    submit(2);
    wait(&client);
    assert_eq!(answer(), b"new");
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

#[test]
fn an_ipv6_address_is_told_in_brackets() {
    let urls = ["dns://[::1]:80", "zk://[::1]:2181,[::2]:2181/p", "consul://[::1]:8500/s"];
    let xds = cfg!(feature = "xds").then_some("xds://[::1]:18000/c");
    for url in urls.into_iter().chain(xds) {
        let told = Provider::from_url(url).unwrap().describe();
        assert!(told.starts_with(url), "{told}");
    }
}

/// A name server with one name, `web.test.`, whose last address byte and state a test changes.
fn changing(ttl: u32) -> (Names, Arc<Mutex<Said>>) {
    let said = Arc::new(Mutex::new(Said::Records(vec![(ttl, vec![127, 0, 0, 1])])));
    let now = Arc::clone(&said);
    let names = Names::start(move |question| match question.kind {
        names::A => now.lock().unwrap().clone(),
        _ => Said::Records(Vec::new()),
    });
    (names, said)
}

fn addresses(ttl: u32, count: u8) -> Said {
    Said::Records((1..=count).map(|last| (ttl, vec![127, 0, 0, last])).collect())
}

fn web(port: u16, names: &Names, options: &str) -> Provider {
    let url = format!("dns://web.test.:{port}?{}{options}", names.option());
    Provider::from_url(&url).unwrap()
}

#[test]
fn p1_an_empty_answer_applies_not_before_its_hold_and_within_a_second_after_it() {
    let (names, said) = changing(1);
    let balancer = Balancer::round_robin(&web(80, &names, "&empty_hold=2s"));
    balancer.wait_ready(SOON).unwrap();
    *said.lock().unwrap() = Said::Code(3);
    let asked = names.asked(names::A).len();
    eventually("it is asked again", SOON, || names.asked(names::A).len() > asked);
    let took = balancer.when(SOON, |it| it.known() == 0);
    assert!(took > ms(1900) && took < ms(3000), "{took:?}");
    assert_eq!(balancer.list_state(), AHOY_LIST_CURRENT);
}

#[test]
fn p1_an_empty_answer_that_is_taken_back_changes_nothing() {
    let (names, said) = changing(1);
    let balancer = Balancer::round_robin(&web(80, &names, ""));
    balancer.wait_ready(SOON).unwrap();
    *said.lock().unwrap() = Said::Records(Vec::new());
    let asked = names.asked(names::A).len();
    eventually("it is asked again", SOON, || names.asked(names::A).len() > asked);
    assert_eq!(balancer.known(), 1);
    *said.lock().unwrap() = addresses(1, 2);
    balancer.when(SOON, |it| it.known() == 2);
}

#[test]
fn a_list_that_nobody_confirms_is_taken_away_after_max_stale_and_comes_back() {
    let (names, said) = changing(1);
    let balancer = Balancer::round_robin(&web(80, &names, "&max_stale=2s&dns_timeout=100ms"));
    balancer.wait_ready(SOON).unwrap();
    *said.lock().unwrap() = Said::Code(2);
    balancer.when(SOON, |it| it.list_state() == AHOY_LIST_LAST);
    assert_eq!(balancer.known(), 1);
    assert!(balancer.list_error().unwrap().contains("web.test"));
    // What is known of the list is told a moment before the balancer takes it.
    balancer.when(SOON, |it| it.list_state() == AHOY_LIST_STALE && it.known() == 0);
    assert!(balancer.list_age().unwrap() >= ms(1900));
    *said.lock().unwrap() = addresses(1, 1);
    balancer.when(SOON, |it| it.known() == 1 && it.list_state() == AHOY_LIST_CURRENT);
}

#[test]
fn a_watch_ends_with_its_last_balancer_and_is_one_for_all() {
    let (names, _) = changing(1);
    let provider = web(80, &names, "&family=ipv4");
    let balancers = [Balancer::round_robin(&provider), Balancer::random(&provider)];
    balancers.iter().for_each(|it| it.wait_ready(SOON).unwrap());
    assert_eq!(names.asked(names::A).len(), 1, "one watch for both");
    drop(balancers);
    std::thread::sleep(ms(1300));
    assert_eq!(names.asked(names::A).len(), 1, "nobody needs the list");
    drop(provider);
}

#[test]
fn p19_the_first_of_two_is_left_for_one_that_is_ready_only() {
    let (one, one_says) = changing(1);
    let (other, other_says) = changing(1);
    *other_says.lock().unwrap() = Said::Silence;
    let parts = [web(8001, &one, "&empty_hold=0ms"), web(8002, &other, "&dns_timeout=100ms")];
    let balancer = Balancer::round_robin(&Provider::first(&parts));
    let port = || balancer.at(0).map(|endpoint| endpoint.port()).ok();
    balancer.wait_ready(SOON).unwrap();
    assert_eq!(port(), Some(8001));
    *one_says.lock().unwrap() = Said::Code(2);
    balancer.when(SOON, |_| one.asked(names::A).len() >= 3);
    assert_eq!(port(), Some(8001), "it fails, and its list serves");
    *other_says.lock().unwrap() = addresses(1, 1);
    *one_says.lock().unwrap() = Said::Code(3);
    balancer.when(Duration::from_secs(40), |_| port() == Some(8002));
    *one_says.lock().unwrap() = addresses(1, 1);
    balancer.when(SOON, |_| port() == Some(8001));
}

#[test]
fn the_lists_of_several_providers_are_one() {
    let (one, one_says) = changing(1);
    let list = Provider::loopback(&[8001, 8002]);
    let balancer = Balancer::round_robin(&Provider::merge(&[web(8001, &one, ""), list]));
    balancer.wait_ready(SOON).unwrap();
    assert_eq!(balancer.known(), 2, "127.0.0.1:8001 counts once");
    *one_says.lock().unwrap() = addresses(1, 3);
    balancer.when(SOON, |it| it.known() == 4);
    let asked = Provider::custom(|_| AHOY_OK);
    assert_eq!(Provider::try_chain(&[asked]).unwrap_err().status, AHOY_E_UNSUPPORTED);
}

#[test]
fn a_snapshot_serves_a_start_while_the_registry_is_down() {
    let path = std::env::temp_dir().join(format!("ahoy-test-list-{}", std::process::id()));
    let option = format!("&snapshot={}", path.display());
    let server = Server::always(Reply::text(200, "hello"));
    let (names, said) = changing(1);
    let balancer = Balancer::round_robin(&web(server.port(), &names, &option));
    balancer.wait_ready(SOON).unwrap();
    eventually("the list is kept", SOON, || path.exists());
    drop(balancer);
    *said.lock().unwrap() = Said::Code(2);
    let balancer = Balancer::round_robin(&web(server.port(), &names, &option));
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(balancer.list_state(), AHOY_LIST_LAST);
    *said.lock().unwrap() = addresses(1, 2);
    balancer.when(SOON, |it| it.known() == 2 && it.list_state() == AHOY_LIST_CURRENT);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_age_of_a_snapshot_counts_from_when_its_list_was_last_confirmed() {
    let (folder, (names, said)) = (Folder::new(), changing(1));
    let path = folder.path().join("list");
    let option = |max_stale| format!("&max_stale={max_stale}&snapshot={}", path.display());
    let balancer = Balancer::round_robin(&web(1, &names, &option("10s")));
    balancer.wait_ready(SOON).unwrap();
    eventually("the list is kept", SOON, || path.exists());
    let first = std::fs::read(&path).unwrap();
    eventually("it is confirmed", SOON, || std::fs::read(&path).unwrap() != first);
    *said.lock().unwrap() = Said::Code(2);
    balancer.when(SOON, |it| it.list_state() == AHOY_LIST_LAST);
    let age = balancer.list_age().unwrap();
    drop(balancer);
    let next = Balancer::round_robin(&web(1, &names, &option("10s")));
    next.wait_ready(SOON).unwrap();
    let kept = next.list_age().unwrap();
    assert!(kept >= age && kept < age + ms(2500), "{kept:?} after {age:?}");
    drop(next);
    let late = Balancer::round_robin(&web(1, &names, &option("1ms")));
    late.wait_ready(ms(200)).unwrap_err();
    assert_eq!((late.known(), late.list_state()), (0, AHOY_LIST_NONE));
}

#[test]
fn a_snapshot_that_cannot_be_written_is_told_to_the_log_once_and_so_is_that_it_can_again() {
    let (folder, (names, said)) = (Folder::new(), changing(1));
    let inner = folder.path().join("inner");
    let option = format!("&coalesce=0ms&snapshot={}", inner.join("list").display());
    let balancer = Balancer::round_robin(&web(1, &names, &option));
    let lines: Arc<Mutex<Vec<(i32, String)>>> = Arc::default();
    let heard = Arc::clone(&lines);
    let told = move |level, part: String, text| {
        if part == "discovery" {
            heard.lock().unwrap().push((level, text));
        }
    };
    let _client = Builder::new().on_log(AHOY_LOG_INFO, told).balancer(&balancer).build();
    let count =
        |part: &str| lines.lock().unwrap().iter().filter(|(_, it)| it.contains(part)).count();
    balancer.wait_ready(SOON).unwrap();
    eventually("it is told", SOON, || count("snapshot") == 1);
    let (level, text) =
        lines.lock().unwrap().iter().find(|(_, it)| it.contains("snapshot")).unwrap().clone();
    assert!(text.starts_with("the provider's list cannot be kept in its snapshot: "), "{text}");
    assert_eq!(level, AHOY_LOG_WARN);
    *said.lock().unwrap() = addresses(1, 2);
    balancer.when(SOON, |it| it.known() == 2);
    std::fs::create_dir(&inner).unwrap();
    *said.lock().unwrap() = addresses(1, 3);
    eventually("that is told too", SOON, || count("kept in its snapshot again") == 1);
    assert!(inner.join("list").exists());
    assert_eq!(count("snapshot"), 2, "{:?}", lines.lock().unwrap());
}

#[test]
fn a_snapshot_is_taken_by_the_same_selection_alone() {
    let (folder, (names, said)) = (Folder::new(), changing(1));
    let server = Server::always(Reply::text(200, r#"[{"targets": ["127.0.0.1:1"]}]"#));
    let document = |tag| format!("http+sd://127.0.0.1:{}/sd%3Ftag={tag}?", server.port());
    let name = |family| format!("dns://web.test.:1?{}&family={family}&", names.option());
    let cases = [[document("a"), document("b")], [name("ipv4"), name("any")]];
    let files = ["document", "name"].map(|name| folder.path().join(name));
    let balancer = |url: &str, file: &std::path::Path| {
        let url = format!("{url}snapshot={}", file.display());
        Balancer::round_robin(&Provider::from_url(&url).unwrap())
    };
    for ([kept, _], file) in cases.iter().zip(&files) {
        let balancer = balancer(kept, file);
        balancer.wait_ready(SOON).unwrap();
        eventually("the list is kept", SOON, || file.exists());
        let text = std::fs::read_to_string(file).unwrap();
        assert!(!text.contains("tag"), "the query may hold a secret: {text}");
    }
    server.become_(|_| Reply::status(503));
    *said.lock().unwrap() = Said::Code(2);
    for ([kept, other], file) in cases.iter().zip(&files) {
        let kept = balancer(kept, file);
        kept.wait_ready(SOON).unwrap();
        assert_eq!((kept.known(), kept.list_state()), (1, AHOY_LIST_LAST));
        let balancer = balancer(other, file);
        balancer.wait_ready(ms(200)).unwrap_err();
        assert_eq!((balancer.known(), balancer.list_state()), (0, AHOY_LIST_NONE), "{other}");
    }
}

#[test]
fn p21_200_changes_in_a_row_fail_no_call_and_no_endpoint_is_used_100_ms_after_it_left() {
    let servers: Vec<_> = (0..3).map(|_| Server::always(Reply::text(200, "hello"))).collect();
    let ports: Vec<u16> = servers.iter().map(Server::port).collect();
    let provider = Provider::loopback(&ports);
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    let stop = AtomicBool::new(false);
    let mut left = [Instant::now(); 3];
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/").unwrap().status, 200);
                }
            });
        }
        for change in 0..200 {
            let out = change % 3;
            let listed: Vec<u16> = (0..3).filter(|it| *it != out).map(|it| ports[it]).collect();
            provider.replace_ports(&listed);
            left[out] = Instant::now();
            std::thread::sleep(ms(2));
        }
        provider.replace_ports(&ports[..2]);
        left[2] = Instant::now();
        std::thread::sleep(ms(300));
        stop.store(true, Ordering::SeqCst);
    });
    let last = servers[2].requests().last().map(|seen| seen.at);
    let late = last.map(|at| at.saturating_duration_since(left[2]));
    assert!(late.is_none_or(|late| late < ms(100)), "{late:?} after it left");
}

#[test]
fn lists_and_failures_of_a_watch_are_events_and_are_counted() {
    let (names, said) = changing(1);
    let balancer = Balancer::round_robin(&web(80, &names, "&dns_timeout=100ms"));
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let heard = Arc::clone(&told);
    balancer.on_event(move |event| heard.lock().unwrap().push(event)).unwrap();
    let client = Builder::new().balancer(&balancer).build();
    balancer.wait_ready(SOON).unwrap();
    *said.lock().unwrap() = addresses(1, 3);
    balancer.when(SOON, |it| it.known() == 3);
    *said.lock().unwrap() = Said::Code(2);
    balancer.when(SOON, |it| it.list_state() == AHOY_LIST_LAST);
    *said.lock().unwrap() = addresses(1, 3);
    balancer.when(SOON, |it| it.list_state() == AHOY_LIST_CURRENT);
    let kinds = || told.lock().unwrap().iter().map(|event| event.kind).collect::<Vec<_>>();
    let wanted = [
        AHOY_EVENT_LIST_CHANGED,
        AHOY_EVENT_LIST_CHANGED,
        AHOY_EVENT_SOURCE_FAILING,
        AHOY_EVENT_SOURCE_WELL,
    ];
    eventually("all are told", SOON, || kinds() == wanted);
    let changed = told.lock().unwrap()[1].clone();
    assert_eq!(changed.number(AHOY_FIELD_JOINED), Some(2));
    let failing = told.lock().unwrap()[2].clone();
    assert!(failing.detail.contains("web.test"), "{failing:?}");
    assert!(failing.number(AHOY_FIELD_AGE_MS).is_some());
    let counted =
        |result| client.snapshot().sum("ahoy_balancer_refreshes_total", &[("result", result)]);
    assert_eq!(counted("changed"), 2.0);
    assert!(counted("failed") >= 1.0 && counted("same") >= 1.0);
}

#[test]
fn options_that_can_never_work_together_are_refused_when_the_url_is_read() {
    for (url, names) in [
        ("etcd://h/x?cert_file=/x", &["cert_file", "key_file"][..]),
        ("zk://h/x?key_file=/x", &["cert_file", "key_file"]),
        ("consul://h/x?token=s3cret&token_file=/x", &["token", "token_file"]),
        ("http+sd://h/x?token=s3cret&username=me&password=s3cret", &["token", "username"]),
        ("etcd://me:s3cret@h/x?token_file=/x", &["token_file", "username"]),
        ("k8s://shop/web?kubeconfig_context=a", &["kubeconfig_context", "kubeconfig"]),
        ("k8s://shop/web?port=99999", &["port: 99999", "65535"]),
        ("k8s://shop/web?port=0", &["port: 0", "65535"]),
    ] {
        let refused = Provider::from_url(url).unwrap_err();
        assert_eq!(refused.status, AHOY_E_INVALID_ARGUMENT, "{url}");
        assert!(names.iter().all(|name| refused.message.contains(name)), "{}", refused.message);
        assert!(!refused.message.contains("s3cret"), "{}", refused.message);
    }
    let missing = Folder::new().path().join("missing.pem");
    let url = format!("http+sd://127.0.0.1:1/x?tls&ca_file={}", missing.display());
    let balancer = Balancer::round_robin(&Provider::from_url(&url).unwrap());
    balancer.wait_ready(ms(1)).unwrap_err();
    balancer.when(SOON, |it| it.list_error().is_some());
    let problem = balancer.list_error().unwrap();
    let wanted = format!("ca_file {} cannot be read: entity not found", missing.display());
    assert!(problem.contains(&wanted), "{problem}");
}

#[test]
fn a_limit_of_forever_is_none_in_every_source() {
    const ETCD: &str =
        r#"{"header":{"revision":"3"},"kvs":[{"key":"L3dlYi9h","value":"MTI3LjAuMC4xOjE="}]}"#;
    const WATCH: &[u8] =
        b"HTTP/1.1 200 OK\r\n\r\n{\"result\":{\"header\":{\"revision\":\"3\"},\"created\":true}}\n";
    const CONSUL: &str =
        r#"[{"Node": {}, "Service": {"Address": "127.0.0.1", "Port": 1}, "Checks": []}]"#;
    let folder = Folder::new();
    let file = folder.file("web", "127.0.0.1:1\n");
    let names = Names::start(|question| match question.kind {
        names::A => Said::Records(vec![(60, vec![127, 0, 0, 1])]),
        _ => Said::Records(Vec::new()),
    });
    let api = KubeApi::start();
    api.put("web-1", &[ready("127.0.0.1")], 1);
    let server = Server::new(move |seen| match seen.path.split('?').next().unwrap() {
        "/v3/kv/range" => Reply::text(200, ETCD),
        "/v3/watch" => Reply::Begin(WATCH.to_vec()),
        "/v1/health/service/web" if seen.path.contains("index=") => Reply::Hang,
        "/v1/health/service/web" => Reply::text(200, CONSUL).header("x-consul-index", "7"),
        _ => Reply::text(200, r#"["127.0.0.1:1"]"#),
    });
    let port = server.port();
    let limits = "connect_timeout=forever&silence=forever";
    let mut balancers = Vec::new();
    for url in [
        file_url(&file) + "?coalesce=forever",
        format!("dns://web.test.:1?{}&dns_timeout=forever&max_ttl=forever", names.option()),
        format!("etcd://127.0.0.1:{port}/web?{limits}"),
        format!("consul://127.0.0.1:{port}/web?{limits}"),
        format!("http+sd://127.0.0.1:{port}/sd?connect_timeout=forever"),
        format!("k8s://shop/web?kubernetes_server=http://127.0.0.1:{}&{limits}", api.port()),
    ] {
        let url = url + "&empty_hold=forever&max_stale=forever";
        let balancer = Balancer::round_robin(&Provider::from_url(&url).unwrap());
        balancer.wait_ready(SOON).unwrap_or_else(|failure| panic!("{url}: {failure:?}"));
        assert_eq!(balancer.known(), 1, "{url}");
        balancers.push(balancer);
    }
    // Each still watches.
    std::fs::write(&file, "127.0.0.1:2\n").unwrap();
    std::fs::remove_file(&file).unwrap();
    balancers[0].when(SOON, |it| it.list_error().is_some());
    let asks = |part: &str| server.requests().iter().any(|it| it.path.contains(part));
    eventually("Consul is asked to wait", SOON, || asks("wait=529411ms&index=7"));
    api.put("web-1", &[ready("127.0.0.1"), ready("127.0.0.2")], 1);
    balancers[5].when(SOON, |it| it.known() == 2);
}

/// Answers questions for a list with `list`, and others with blanks, one each 20 ms; how many of those there were.
fn dripping(list: &'static str) -> (u16, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, watches) = (listener.local_addr().unwrap().port(), Arc::<AtomicU16>::default());
    let count = Arc::clone(&watches);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            std::thread::spawn(move || drip(stream, list, &count));
        }
    });
    (port, watches)
}

fn drip(mut stream: TcpStream, list: &str, watches: &AtomicU16) -> std::io::Result<()> {
    let (mut head, mut room) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        match stream.read(&mut room)? {
            0 => return Ok(()),
            count => head.extend_from_slice(&room[..count]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    if !head.lines().next().unwrap_or_default().contains("watch") {
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
        return write!(stream, "{head}: {}\r\n\r\n{list}", list.len());
    }
    watches.fetch_add(1, Ordering::SeqCst);
    write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
    loop {
        stream.write_all(b" ")?;
        std::thread::sleep(ms(20));
    }
}

#[test]
fn p2_a_watch_that_brings_bytes_and_no_document_is_left() {
    let (etcd, of_etcd) = dripping(
        r#"{"header":{"revision":"3"},"kvs":[{"key":"L3dlYi9h","value":"MTI3LjAuMC4xOjE="}]}"#,
    );
    let (api, of_api) =
        dripping(r#"{"kind":"EndpointSliceList","metadata":{"resourceVersion":"9"},"items":[]}"#);
    let limits = "silence=400ms&connect_timeout=400ms";
    for (url, watches) in [
        (format!("etcd://127.0.0.1:{etcd}/web?{limits}"), of_etcd),
        (format!("k8s://shop/web?kubernetes_server=http://127.0.0.1:{api}&{limits}"), of_api),
    ] {
        let balancer = Balancer::round_robin(&Provider::from_url(&url).unwrap());
        balancer.wait_ready(SOON).unwrap();
        balancer.when(SOON, |it| it.list_error().is_some());
        eventually("another watch", SOON, || watches.load(Ordering::SeqCst) > 1);
    }
}

#[test]
fn a_registry_cannot_name_a_unix_socket() {
    const CONSUL: &str = r#"[
        {"Node": {}, "Service": {"Address": "unix:/run/web.sock", "Port": 1}, "Checks": []},
        {"Node": {}, "Service": {"Address": "127.0.0.1", "Port": 1}, "Checks": []}]"#;
    let folder = Folder::new();
    let file = folder.file("web", "unix:/run/web.sock\nunix:/run/web:1.sock\n127.0.0.1:1\n");
    let api = KubeApi::start();
    api.put("web-1", &[ready("unix:/run/web.sock"), ready("127.0.0.1")], 1);
    let server = Server::new(|seen| match seen.path.split('?').next().unwrap() {
        "/v1/health/service/web" if seen.path.contains("index=") => Reply::Hang,
        "/v1/health/service/web" => Reply::text(200, CONSUL).header("x-consul-index", "7"),
        _ => Reply::text(200, r#"["unix:/run/web:1.sock", "127.0.0.1:1"]"#),
    });
    let port = server.port();
    for url in [
        file_url(&file),
        format!("consul://127.0.0.1:{port}/web"),
        format!("http+sd://127.0.0.1:{port}/sd"),
        format!("k8s://shop/web?kubernetes_server=http://127.0.0.1:{}", api.port()),
    ] {
        let balancer = Balancer::round_robin(&Provider::from_url(&url).unwrap());
        balancer.wait_ready(SOON).unwrap_or_else(|failure| panic!("{url}: {failure:?}"));
        assert_eq!(balancer.known(), 1, "{url}");
    }
}

#[test]
fn what_is_wrong_with_an_option_of_a_url_is_said_of_the_url() {
    for (url, status, said) in [
        ("dns://a:1?poll=1s", AHOY_E_UNKNOWN_OPTION, "url: poll: the provider has no such option"),
        ("dns://a:1?empty_hold=5", AHOY_E_INVALID_ARGUMENT, "url: empty_hold: 5 "),
        ("dns://a:1?max_ttl=1s&min_ttl=2s", AHOY_E_INVALID_ARGUMENT, "url: max_ttl: is below"),
    ] {
        let failure = Provider::from_url(url).unwrap_err();
        assert_eq!(failure.status, status, "{url}");
        assert!(failure.message.starts_with(said), "{}", failure.message);
    }
}
