//! Endpoints from an xDS control plane: a small one that speaks endpoint discovery over the aggregated stream.
#![cfg(feature = "xds")]

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ahoy::ffi::values::status::*;
use support::registry::ads::{AdsServer, Place, Seen};
use support::registry::folder::Folder;
use support::registry::{churn, sees};
use support::*;

const HOST: &str = "127.0.0.1";

fn url(server: &AdsServer, options: &str) -> String {
    format!("xds://127.0.0.1:{}/web?{options}", server.port())
}

fn watching(server: &AdsServer, options: &str) -> Balancer {
    Balancer::round_robin(&Provider::from_url(&url(server, options)).unwrap())
}

fn ready(server: &AdsServer, options: &str) -> Balancer {
    let balancer = watching(server, options);
    balancer.wait_ready(ms(10_000)).unwrap();
    balancer
}

/// The endpoints of one locality, all healthy.
fn put(server: &AdsServer, ports: &[u16]) {
    let places: Vec<Place<'_>> = ports.iter().map(|port| (HOST, *port, 1, 0)).collect();
    server.put("web", &[(0, 0, &places)]);
}

/// Waits until the server has seen so many requests; the last.
fn asked(server: &AdsServer, count: usize) -> Seen {
    eventually("it asks", ms(5000), || server.seen().len() >= count);
    server.seen()[count - 1].clone()
}

#[test]
fn a_change_is_seen_at_once_and_each_answer_is_taken() {
    let server = AdsServer::start();
    put(&server, &[1]);
    let balancer = ready(&server, "xds_node_id=me");
    let first = asked(&server, 1);
    assert!(first.has_node && first.version.is_empty() && first.nonce.is_empty());
    assert_eq!(first.names, ["web"]);
    let taken = asked(&server, 2);
    assert_eq!((taken.version.as_str(), taken.nonce.as_str(), taken.error), ("1", "n1", None));
    put(&server, &[1, 2]);
    let joined = sees(&balancer, &[1, 2], ms(2000));
    put(&server, &[2]);
    let left = sees(&balancer, &[2], ms(2000));
    // An assignment without any endpoint is meant, and needs no hold.
    server.put("web", &[]);
    sees(&balancer, &[], ms(2000));
    put(&server, &[3]);
    sees(&balancer, &[3], ms(2000));
    // All of them unwell may be a fault.
    server.put("web", &[(0, 0, &[(HOST, 3, 2, 0)])]);
    asked(&server, 7);
    sees(&balancer, &[3], ms(0));
    // Another cluster is nobody's matter.
    server.put("other", &[(0, 0, &[(HOST, 9, 1, 0)])]);
    asked(&server, 8);
    sees(&balancer, &[3], ms(0));
    eprintln!("xds: joined {joined:?}, left {left:?}");
}

#[test]
fn health_weights_and_priorities_are_those_of_the_assignment() {
    let fleet = Fleet::of(3);
    let [one, two, three] = fleet.ports()[..] else { panic!() };
    let server = AdsServer::start();
    let near: &[Place<'_>] = &[(HOST, one, 1, 3), (HOST, two, 0, 1), (HOST, 9, 3, 1)];
    server.put("web", &[(0, 0, near), (1, 0, &[(HOST, three, 1, 0)])]);
    let balancer = ready(&server, "");
    sees(&balancer, &[one, two, three], ms(0));
    let client = Builder::new().balancer(&balancer).build();
    assert_eq!(fleet.counts_of(40, &client), [30, 10, 0]);
}

#[test]
fn p20_a_new_stream_asks_with_an_empty_version_and_the_list_stays() {
    let server = AdsServer::start();
    put(&server, &[1]);
    let balancer = ready(&server, "");
    asked(&server, 2);
    server.stop();
    eventually("it is told", ms(5000), || balancer.list_error().is_some());
    sees(&balancer, &[1], ms(0));
    put(&server, &[2]);
    server.start_again();
    let seen = sees(&balancer, &[2], ms(10_000));
    let again = asked(&server, 3);
    assert!(again.has_node && again.version.is_empty() && again.nonce.is_empty(), "{again:?}");
    eprintln!("xds, p20: the list is right {seen:?} after a restart");
}

#[test]
fn p02_a_server_that_stops_is_noticed() {
    // A relay would do as well; this one takes connections and never answers.
    let (silent, _held) = silent_listener();
    let provider = format!("xds://127.0.0.1:{}/web?connect_timeout=300ms", silent.port());
    let balancer = Balancer::round_robin(&Provider::from_url(&provider).unwrap());
    assert!(balancer.wait_ready(ms(2000)).is_err());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = tell.send((Instant::now(), stream));
        }
    });
    let provider =
        Provider::from_url(&format!("xds://127.0.0.1:{port}/web?silence=1500ms")).unwrap();
    let balancer = Balancer::round_robin(&provider);
    let _ = balancer.wait_ready(ms(0));
    let first = told.recv_timeout(ms(5000)).unwrap();
    let second = told.recv_timeout(ms(5000)).unwrap();
    let after = second.0 - first.0;
    eprintln!("xds, p02: a server without an answer to pings is left after {after:?}, of 1.5 s");
    assert!(after < Duration::from_secs(3));
}

#[test]
fn p15_p23_garbage_is_refused_and_the_list_stays() {
    let server = AdsServer::start();
    put(&server, &[1]);
    let balancer = ready(&server, "");
    asked(&server, 2);
    // A resource that is none is refused, with the version that was taken last.
    server.put_resource(b"\xff\xff\xff\xff");
    let refused = asked(&server, 3);
    assert_eq!((refused.version.as_str(), refused.nonce.as_str()), ("1", "n2"));
    assert!(refused.error.is_some_and(|it| it.contains("cannot be read")));
    sees(&balancer, &[1], ms(0));
    // One endpoint that is none is passed over.
    server.put("web", &[(0, 0, &[(HOST, 1, 1, 0), ("a b", 5, 1, 0), (HOST, 2, 1, 0)])]);
    sees(&balancer, &[1, 2], ms(2000));
    asked(&server, 4);
    // A message that is none ends the stream.
    server.put_bytes(&[7; 100]);
    eventually("it is told", ms(5000), || balancer.list_error().is_some());
    sees(&balancer, &[1, 2], ms(0));
    put(&server, &[1, 2, 3]);
    sees(&balancer, &[1, 2, 3], ms(10_000));
}

#[test]
fn an_answer_that_was_refused_is_told_until_one_is_taken() {
    let server = AdsServer::start();
    server.put_resource(b"\xff\xff\xff\xff");
    // A ping each 333 ms, whose answer says nothing of the list.
    let balancer = watching(&server, "silence=1s");
    let told = || {
        eventually("it is told", ms(5000), || {
            balancer.list_error().is_some_and(|it| it.contains("cannot be read"))
        });
    };
    let failure = balancer.wait_ready(ms(1000)).unwrap_err();
    assert_eq!(failure.status, AHOY_E_DISCOVERY);
    assert!(failure.message.contains("cannot be read"), "{}", failure.message);
    put(&server, &[1]);
    sees(&balancer, &[1], ms(5000));
    assert!(balancer.list_error().is_none(), "{:?}", balancer.list_error());
    server.put_resource(b"\xff\xff\xff\xff");
    told();
    let begun = Instant::now();
    while begun.elapsed() < ms(1000) {
        assert!(balancer.list_error().is_some(), "a ping hides it after {:?}", begun.elapsed());
        std::thread::sleep(ms(5));
    }
    sees(&balancer, &[1], ms(0));
    put(&server, &[1, 2]);
    sees(&balancer, &[1, 2], ms(5000));
    assert!(balancer.list_error().is_none(), "{:?}", balancer.list_error());
}

#[test]
fn wrong_credentials_are_told_without_the_secret() {
    let (server, folder) = (AdsServer::start(), Folder::new());
    put(&server, &[1]);
    server.set_token("right");
    let provider = Provider::from_url(&url(&server, "token=s3cret")).unwrap();
    assert!(!provider.describe().contains("s3cret"), "{}", provider.describe());
    let failure = Balancer::round_robin(&provider).wait_ready(ms(5000)).unwrap_err();
    assert_eq!(failure.status, AHOY_E_DISCOVERY);
    assert!(failure.message.contains("UNAUTHENTICATED: who are you"), "{}", failure.message);
    assert!(!failure.message.contains("s3cret"), "{}", failure.message);
    // Nor where the server quotes it, be it longer than what is shown of a message.
    for token in ["qu0te".to_owned(), "qu0te".repeat(100)] {
        let failure =
            watching(&server, &format!("token={token}")).wait_ready(ms(5000)).unwrap_err();
        assert!(failure.message.ends_with("UNAUTHENTICATED"), "{}", failure.message);
    }
    let file = folder.file("token", "right\n");
    ready(&server, &format!("token_file={}", file.display()));
}

#[test]
fn over_tls_with_a_private_authority_and_a_token_that_is_replaced() {
    let (authority, stranger, folder) = (Authority::new(), Authority::new(), Folder::new());
    let server = AdsServer::over_tls(authority.server("127.0.0.1"));
    put(&server, &[1]);
    server.set_token("f1rst");
    let (trusted, foreign) =
        (folder.file("ca.pem", &authority.pem), folder.file("stranger.pem", &stranger.pem));
    let token = folder.file("token", "f1rst\n");
    let options =
        |ca: &Path| format!("tls=true&ca_file={}&token_file={}", ca.display(), token.display());
    let balancer = ready(&server, &options(&trusted));
    sees(&balancer, &[1], ms(0));
    let refused = watching(&server, &options(&foreign));
    let failure = refused.wait_ready(ms(2000)).unwrap_err();
    assert!(failure.message.contains("certificate"), "{}", failure.message);
    assert!(!failure.message.contains("f1rst"), "{}", failure.message);
    drop(refused);
    // A token that has expired by the next stream is told without it, and the list serves on.
    server.stop();
    server.set_token("s3cond");
    server.start_again();
    eventually("it is told", ms(10_000), || {
        balancer.list_error().is_some_and(|error| error.contains("UNAUTHENTICATED"))
    });
    assert!(!balancer.list_error().unwrap().contains("f1rst"));
    sees(&balancer, &[1], ms(0));
    // Each stream reads its file.
    let other = folder.file("other", "s3cond");
    let options = format!("tls=true&ca_file={}&token_file={}", trusted.display(), other.display());
    let balancer = ready(&server, &options);
    server.stop();
    server.set_token("th1rd");
    folder.file("other", "th1rd");
    put(&server, &[1, 2]);
    server.start_again();
    sees(&balancer, &[1, 2], ms(10_000));
}

#[test]
fn p21_two_hundred_changes_fail_no_call() {
    let _alone = alone();
    let server = AdsServer::start();
    let now = Mutex::new(Vec::new());
    let change = |change: &dyn Fn(&mut Vec<u16>)| {
        let mut ports = now.lock().unwrap();
        change(&mut ports);
        put(&server, &ports);
    };
    let register = |port| change(&|ports| ports.push(port));
    let leave = |port| change(&|ports| ports.retain(|it| *it != port));
    churn("xds", &url(&server, ""), register, leave);
}

#[test]
fn p22_ten_thousand_endpoints() {
    let _alone = alone();
    let server = AdsServer::start();
    let addresses: Vec<String> = (0..10_000)
        .map(|it| format!("10.{}.{}.{}", it / 65_536, it / 256 % 256, it % 256))
        .collect();
    let places: Vec<Place<'_>> = addresses.iter().map(|it| (it.as_str(), 80, 1, 0)).collect();
    server.put("web", &[(0, 0, &places)]);
    let begun = Instant::now();
    let balancer = ready(&server, "");
    eprintln!("xds: 10,000 endpoints after {:?} in this build", begun.elapsed());
    assert_eq!(balancer.count(), 10_000);
}
