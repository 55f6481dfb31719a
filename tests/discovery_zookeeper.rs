//! Endpoints from ZooKeeper: a real one, of Debian's package.

// The server is a program of Unix.
#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use ahoy::ffi::values::status::*;
use support::registry::folder::Folder;
use support::registry::zookeeper::ZooKeeper;
use support::registry::{churn, ports, sees};
use support::*;

/// A balancer over a node's children.
fn watching(port: u16, node: &str, options: &str) -> Balancer {
    let provider = Provider::from_url(&format!("zk://127.0.0.1:{port}{node}?{options}")).unwrap();
    Balancer::recommended(&provider)
}

/// `127.0.0.1:port` as services write it there.
fn place(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// All that does not harm the server, so that it starts once.
#[test]
fn nodes_that_come_and_go_and_change() {
    let server = ZooKeeper::new();
    a_change_is_seen_at_once(&server);
    a_node_that_is_missing_is_waited_for(&server);
    an_ephemeral_node_leaves_with_its_session(&server);
    p15_a_bad_entry_is_passed_over(&server);
    p21_two_hundred_changes_fail_no_call(&server);
    p22_ten_thousand_endpoints(&server);
    p23_garbage_keeps_the_list(&server);
    wrong_credentials_are_told_without_the_secret(&server);
}

fn a_change_is_seen_at_once(server: &ZooKeeper) {
    let mut client = server.client();
    client.create("/change", "");
    client.create("/change/a", &place(1));
    let balancer = watching(server.port(), "/change", "");
    balancer.wait_ready(ms(10_000)).unwrap();
    sees(&balancer, &[1], ms(0));
    let mut worst = ms(0);
    for port in 2..12 {
        client.create(&format!("/change/{port}"), &place(port));
        worst = worst.max(sees(&balancer, &(1..=port).collect::<Vec<_>>(), ms(2000)));
    }
    for port in 2..12 {
        client.delete(&format!("/change/{port}"));
        worst = worst.max(sees(
            &balancer,
            &[&[1], &(port + 1..12).collect::<Vec<_>>()[..]].concat(),
            ms(2000),
        ));
    }
    client.set("/change/a", r#"{"address": "127.0.0.1", "port": 99, "weight": 7, "zone": "east"}"#);
    worst = worst.max(sees(&balancer, &[99], ms(2000)));
    println!("a node that joins, leaves or changes is seen within {worst:?}");
}

fn a_node_that_is_missing_is_waited_for(server: &ZooKeeper) {
    let mut client = server.client();
    let balancer = watching(server.port(), "/later", "empty_hold=0s");
    balancer.wait_ready(ms(10_000)).unwrap();
    sees(&balancer, &[], ms(0));
    client.create("/later", "");
    client.create("/later/a", &place(5));
    sees(&balancer, &[5], ms(2000));
    client.delete("/later/a");
    client.delete("/later");
    sees(&balancer, &[], ms(2000));
    client.create("/later", "");
    client.create("/later/a", &place(6));
    sees(&balancer, &[6], ms(2000));
}

fn an_ephemeral_node_leaves_with_its_session(server: &ZooKeeper) {
    let mut client = server.client();
    client.create("/brief", "");
    client.create("/brief/a", &place(1));
    let mut brief = server.brief_client();
    brief.create_ephemeral("/brief/b", &place(2));
    let balancer = watching(server.port(), "/brief", "");
    balancer.wait_ready(ms(10_000)).unwrap();
    sees(&balancer, &[1, 2], ms(300));
    sees(&balancer, &[1], ms(5000));
}

fn p15_a_bad_entry_is_passed_over(server: &ZooKeeper) {
    let mut client = server.client();
    client.create("/bad", "");
    client.create("/bad/a", "no place");
    client.create("/bad/b", &place(2));
    client.create(
        "/bad/c",
        r#"{"serviceEndpoint": {"host": "127.0.0.1", "port": 3}, "status": "ALIVE"}"#,
    );
    client.create(
        "/bad/d",
        r#"{"serviceEndpoint": {"host": "127.0.0.1", "port": 4}, "status": "DEAD"}"#,
    );
    client.create(
        "/bad/e",
        r#"{"name": "web", "address": "127.0.0.1", "port": 5, "serviceType": "DYNAMIC"}"#,
    );
    let balancer = watching(server.port(), "/bad", "");
    balancer.wait_ready(ms(10_000)).unwrap();
    sees(&balancer, &[2, 3, 5], ms(0));
}

fn p21_two_hundred_changes_fail_no_call(server: &ZooKeeper) {
    let admin = Mutex::new(server.client());
    admin.lock().unwrap().create("/busy", "");
    let url = format!("zk://127.0.0.1:{}/busy", server.port());
    let register = |port| {
        assert!(admin.lock().unwrap().create(&format!("/busy/{port}"), &place(port)));
    };
    let leave = |port| admin.lock().unwrap().delete(&format!("/busy/{port}"));
    churn("zookeeper", &url, register, leave);
}

fn p22_ten_thousand_endpoints(server: &ZooKeeper) {
    let mut client = server.client();
    client.create("/many", "");
    for number in 0..10_000_u32 {
        let [_, _, high, low] = number.to_be_bytes();
        client.create(&format!("/many/{number:05}"), &format!("10.0.{high}.{low}:80"));
    }
    let before = resident();
    let begun = Instant::now();
    let balancer = watching(server.port(), "/many", "");
    balancer.wait_ready(ms(30_000)).unwrap();
    let taken = begun.elapsed();
    assert_eq!(balancer.count(), 10_000);
    println!(
        "10,000 endpoints after {taken:?}, {} KiB more, in this build",
        resident().saturating_sub(before) / 1024
    );
    client.delete("/many/00000");
    eventually("one left", ms(2000), || balancer.count() == 9_999);
}

/// A relay to the server that can send other bytes in its place.
struct Relay {
    port: u16,
    connections: Arc<AtomicUsize>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Relay {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, open) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, kept) = (Arc::clone(&connections), Arc::clone(&open));
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                kept.lock().unwrap().push(near.try_clone().unwrap());
                copy(near.try_clone().unwrap(), far.try_clone().unwrap());
                copy(far, near);
            }
        });
        Self { port, connections, open }
    }

    /// Sends bytes to the client as if the server had, and then the end where `ends`.
    fn say(&self, bytes: &[u8], ends: bool) {
        let mut open = self.open.lock().unwrap();
        let stream = open.last_mut().expect("a connection");
        let _ = stream.write_all(bytes);
        if ends {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

fn p23_garbage_keeps_the_list(server: &ZooKeeper) {
    let mut client = server.client();
    client.create("/garbage", "");
    client.create("/garbage/a", &place(1));
    let relay = Relay::to(server.port());
    let balancer = watching(relay.port, "/garbage", "");
    balancer.wait_ready(ms(10_000)).unwrap();
    let garbage: [(&[u8], bool); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        (&[255; 4], false),
        (&[0, 0, 0, 4, 1, 2, 3, 4], false),
        // 16 bytes of an event, which say that there are more.
        (&[0, 0, 0, 16, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], false),
        (&[0, 0, 1, 0, 7], true),
    ];
    for (port, (bytes, ends)) in (2..).zip(garbage) {
        let connections = relay.connections.load(Ordering::SeqCst);
        relay.say(bytes, ends);
        eventually("a new session", ms(10_000), || {
            assert_eq!(ports(&balancer), (1..port).collect(), "the list stays");
            relay.connections.load(Ordering::SeqCst) > connections
        });
        client.create(&format!("/garbage/{port}"), &place(port));
        sees(&balancer, &(1..=port).collect::<Vec<_>>(), ms(5000));
    }
}

fn wrong_credentials_are_told_without_the_secret(server: &ZooKeeper) {
    let mut client = server.client();
    // Of reader:s3cret.
    let digest = "reader:nKeUHtdNWW6nWZdSgmxPPXLJVT0=";
    client.create_private("/private", "", digest);
    let refused = |user: &str| {
        let provider =
            Provider::from_url(&format!("zk://{user}127.0.0.1:{}/private", server.port())).unwrap();
        assert!(!provider.describe().contains("s3cret"), "{}", provider.describe());
        Balancer::recommended(&provider).wait_ready(ms(5000))
    };
    for user in ["", "reader:s3cret-not@"] {
        let failure = refused(user).unwrap_err();
        assert_eq!(failure.status, AHOY_E_DISCOVERY);
        assert!(failure.message.contains("not authenticated"), "{}", failure.message);
        assert!(!failure.message.contains("s3cret"), "{}", failure.message);
    }
    refused("reader:s3cret@").unwrap();
}

#[test]
fn over_tls_with_certificates_of_both_sides() {
    let (authority, stranger, folder) = (Authority::new(), Authority::new(), Folder::new());
    let secure = Dead::new();
    let server = ZooKeeper::over_tls(&authority, secure.port());
    let mut client = server.client();
    client.create("/web", "");
    client.create("/web/a", &place(1));
    let (certificate, key) = authority.issue("client");
    let identity = format!(
        "&cert_file={}&key_file={}",
        folder.file("certificate", certificate).display(),
        folder.file("key", key).display()
    );
    let [trusted, foreign] = [("trusted", &authority), ("foreign", &stranger)]
        .map(|(name, it)| folder.file(name, &it.pem).display().to_string());
    let of = |options: &str, wait| {
        let balancer = watching(secure.port(), "/web", &format!("tls=true&ca_file={options}"));
        balancer.wait_ready(ms(wait)).map(|()| balancer)
    };
    // The server's first handshake loads its classes.
    let balancer = of(&format!("{trusted}{identity}"), 20_000).unwrap();
    sees(&balancer, &[1], ms(0));
    client.create("/web/b", &place(2));
    println!("over TLS a child is seen after {:?}", sees(&balancer, &[1, 2], ms(2000)));
    let failure = of(&format!("{foreign}{identity}"), 2000).err().unwrap();
    assert!(failure.message.contains("certificate"), "{}", failure.message);
    assert!(of(&trusted, 2000).is_err(), "without a certificate of its own");
}

#[test]
fn p05_p04_p02_a_server_that_dies_stops_or_forgets() {
    let server = ZooKeeper::new();
    let fleet = Fleet::of(2);
    let [first, second] = [fleet.0[0].port(), fleet.0[1].port()];
    let mut admin = server.client();
    admin.create("/web", "");
    admin.create("/web/a", &place(first));
    let relay = Relay::to(server.port());
    let balancer = watching(relay.port, "/web", "zookeeper_session_timeout=2s");
    balancer.wait_ready(ms(10_000)).unwrap();
    let client = Builder::new().balancer(&balancer).build();
    p05_calls_go_on_without_the_server(&server, &relay, &client);

    let mut admin = server.client();
    admin.create("/web/b", &place(second));
    // The longest pause between two tries, and the server's start.
    let seen = sees(&balancer, &[first, second], ms(40_000));
    println!("after a restart a change is seen after {seen:?}");
    eventually("one session beside the administrator's", ms(5000), || server.sessions() <= 4);

    p02_a_server_that_stops_is_noticed(&server);
    sees(&balancer, &[first, second], ms(100));

    // Older data: the node is there and has another child.
    server.kill();
    server.wipe();
    server.restart();
    let mut admin = server.client();
    admin.create("/web", "");
    admin.create("/web/c", &place(second));
    let seen = sees(&balancer, &[second], ms(40_000));
    println!("p04: after a restart without its data the list is right after {seen:?}");
}

fn p05_calls_go_on_without_the_server(server: &ZooKeeper, relay: &Relay, client: &Client) {
    let before = relay.connections.load(Ordering::SeqCst);
    let begun = Instant::now();
    server.kill();
    while begun.elapsed() < ms(1500) {
        client.get("/").unwrap();
        thread::sleep(ms(5));
    }
    let tries = relay.connections.load(Ordering::SeqCst) - before;
    assert!(tries <= 8, "{tries} connects in 1.5 s");
    server.restart();
    client.get("/").unwrap();
}

/// By a provider that has met no other failure: one that did lately waits for longer before it connects anew.
fn p02_a_server_that_stops_is_noticed(server: &ZooKeeper) {
    let relay = Relay::to(server.port());
    let balancer = watching(relay.port, "/web", "zookeeper_session_timeout=2s");
    balancer.wait_ready(ms(10_000)).unwrap();
    let before = relay.connections.load(Ordering::SeqCst);
    let begun = Instant::now();
    server.pause();
    eventually("a new connection", ms(10_000), || {
        relay.connections.load(Ordering::SeqCst) > before
    });
    println!("p02: a stopped server is noticed after {:?}, of a session of 2 s", begun.elapsed());
    assert!(begun.elapsed() < ms(3500));
    server.go_on();
}
