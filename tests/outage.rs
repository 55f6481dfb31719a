//! Registries that stand still for a minute and that are killed for ten seconds, under calls and with the default settings:
//! `make test-registries-slow`, two minutes, and not a part of `make test`.

// The servers are programs of Unix.
#![cfg(unix)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use support::registry::SOON;
#[cfg(feature = "xds")]
use support::registry::ads::{AdsServer, Place};
use support::registry::consul::Consul;
use support::registry::etcd::Etcd;
use support::registry::kubernetes::{KubeApi, ready};
use support::registry::ports;
use support::registry::zookeeper::ZooKeeper;
use support::*;

const STANDS_STILL: Duration = ms(60_000);
const IS_GONE: Duration = ms(10_000);
/// A pause after failures grows up to 32 s, and a document is asked for each 30 s.
const LATEST: Duration = ms(75_000);

trait Registry {
    fn url(&self) -> String;
    /// Registers endpoints on loopback beside those that are.
    fn put(&self, ports: &[u16]);
    fn pause(&self);
    fn go_on(&self);
    fn kill(&self);
    fn restart(&self);
}

impl Registry for Etcd {
    fn url(&self) -> String {
        self.url("web", "")
    }
    fn put(&self, ports: &[u16]) {
        for port in ports {
            self.put(&format!("/web/{port}"), &format!("127.0.0.1:{port}"));
        }
    }
    fn pause(&self) {
        self.daemon().pause();
    }
    fn go_on(&self) {
        self.daemon().go_on();
    }
    fn kill(&self) {
        self.daemon().kill();
    }
    fn restart(&self) {
        self.restart();
    }
}

/// In development mode it forgets all at its end, so that all is registered again.
impl Registry for Consul {
    fn url(&self) -> String {
        self.url("web", "")
    }
    fn put(&self, ports: &[u16]) {
        ports.iter().for_each(|port| self.register("web", *port, ""));
    }
    fn pause(&self) {
        self.daemon().pause();
    }
    fn go_on(&self) {
        self.daemon().go_on();
    }
    fn kill(&self) {
        self.daemon().kill();
    }
    fn restart(&self) {
        self.restart();
    }
}

impl Registry for ZooKeeper {
    fn url(&self) -> String {
        format!("zk://127.0.0.1:{}/web", self.port())
    }
    fn put(&self, ports: &[u16]) {
        let mut client = self.client();
        client.create("/web", "");
        for port in ports {
            client.create(&format!("/web/{port}"), &format!("127.0.0.1:{port}"));
        }
    }
    fn pause(&self) {
        self.pause();
    }
    fn go_on(&self) {
        self.go_on();
    }
    fn kill(&self) {
        self.kill();
    }
    fn restart(&self) {
        self.restart();
    }
}

/// Stands in this process, which cannot be stopped: it closes its port instead.
impl Registry for KubeApi {
    fn url(&self) -> String {
        format!("k8s://shop/web?kubernetes_server=http://127.0.0.1:{}&port=http", self.port())
    }
    fn put(&self, ports: &[u16]) {
        for port in ports {
            self.put(&format!("web-{port}"), &[ready("127.0.0.1")], *port);
        }
    }
    fn pause(&self) {
        self.stop();
    }
    fn go_on(&self) {
        self.start_again();
    }
    fn kill(&self) {
        self.stop();
    }
    fn restart(&self) {
        self.start_again();
    }
}

/// Likewise.
#[cfg(feature = "xds")]
impl Registry for AdsServer {
    fn url(&self) -> String {
        format!("xds://127.0.0.1:{}/web", self.port())
    }
    fn put(&self, ports: &[u16]) {
        let places: Vec<Place<'_>> = ports.iter().map(|port| ("127.0.0.1", *port, 1, 0)).collect();
        self.put("web", &[(0, 0, &places)]);
    }
    fn pause(&self) {
        self.stop();
    }
    fn go_on(&self) {
        self.start_again();
    }
    fn kill(&self) {
        self.stop();
    }
    fn restart(&self) {
        self.start_again();
    }
}

/// A document of HTTP service discovery; likewise.
struct Document {
    server: Server,
    text: Arc<Mutex<String>>,
}

impl Document {
    fn new() -> Self {
        let text = Arc::new(Mutex::new(String::from("[]")));
        let shown = Arc::clone(&text);
        let server = Server::new(move |_| Reply::text(200, &shown.lock().unwrap()));
        Self { server, text }
    }
}

impl Registry for Document {
    fn url(&self) -> String {
        format!("http+sd://127.0.0.1:{}/web", self.server.port())
    }
    fn put(&self, ports: &[u16]) {
        let targets: Vec<_> = ports.iter().map(|port| format!(r#""127.0.0.1:{port}""#)).collect();
        *self.text.lock().unwrap() = format!(r#"[{{"targets": [{}]}}]"#, targets.join(","));
    }
    fn pause(&self) {
        self.server.stop();
    }
    fn go_on(&self) {
        self.server.restart();
    }
    fn kill(&self) {
        self.server.stop();
    }
    fn restart(&self) {
        self.server.restart();
    }
}

/// A registry, and what a balancer sees of it.
struct Watched {
    name: &'static str,
    registry: Box<dyn Registry>,
    balancer: Balancer,
}

fn watched(ports: &[u16]) -> Vec<Watched> {
    let mut all: Vec<(&'static str, Box<dyn Registry>)> = vec![
        ("etcd", Box::new(Etcd::new())),
        ("zookeeper", Box::new(ZooKeeper::new())),
        ("kubernetes", Box::new(KubeApi::start())),
        ("http+sd", Box::new(Document::new())),
    ];
    #[cfg(feature = "xds")]
    all.push(("xds", Box::new(AdsServer::start())));
    // Without it that is said.
    all.extend(Consul::new().map(|it| ("consul", Box::new(it) as Box<dyn Registry>)));
    let begun = |(name, registry): (&'static str, Box<dyn Registry>)| {
        registry.put(ports);
        let balancer = Balancer::round_robin(&Provider::from_url(&registry.url()).unwrap());
        balancer.wait_ready(SOON).unwrap();
        Watched { name, registry, balancer }
    };
    all.into_iter().map(begun).collect()
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for so long; when each source was first told to fail.
fn outage(all: &[Watched], lasting: Duration) {
    let begun = Instant::now();
    let mut noticed = vec![None; all.len()];
    while begun.elapsed() < lasting {
        for (it, noticed) in all.iter().zip(&mut noticed) {
            if noticed.is_none() && it.balancer.list_error().is_some() {
                *noticed = Some(begun.elapsed());
            }
        }
        thread::sleep(ms(50));
    }
    for (it, noticed) in all.iter().zip(noticed) {
        eprintln!("{}: noticed after {noticed:?} of {lasting:?}", it.name);
    }
}

/// Waits until each balancer has these endpoints.
fn all_see(all: &[Watched], expected: &[u16], what: &str) {
    let begun = Instant::now();
    let mut open: Vec<&Watched> = all.iter().collect();
    while !open.is_empty() {
        open.retain(|it| {
            let is_seen = ports(&it.balancer).into_iter().eq(expected.iter().copied());
            if is_seen {
                eprintln!("{}: {what}: seen after {:?}", it.name, begun.elapsed());
            }
            !is_seen
        });
        let late: Vec<_> = open.iter().map(|it| (it.name, it.balancer.list_error())).collect();
        assert!(begun.elapsed() < LATEST, "{what}: not seen: {late:?}");
        thread::sleep(ms(5));
    }
}

#[test]
#[ignore = "two minutes: make test-registries-slow"]
fn registries_that_stand_still_for_a_minute_and_are_gone_for_ten_seconds_fail_no_call() {
    let fleet = Fleet::of(4);
    let mut ports = fleet.ports();
    ports.sort_unstable();
    let all = watched(&ports[..2]);
    let (is_over, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for it in &all {
            let client = Builder::new().balancer(&it.balancer).build();
            let (is_over, calls, name) = (&is_over, &calls, it.name);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let answer =
                        client.get("/").unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
                    assert_eq!(answer.status, 200, "{name}: {answer:?}");
                    calls.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(ms(5));
                }
            });
        }
        // Callers end also where this thread panics.
        let over = Over(&is_over);
        all_see(&all, &ports[..2], "at first");
        all.iter().for_each(|it| it.registry.pause());
        outage(&all, STANDS_STILL);
        all.iter().for_each(|it| it.registry.go_on());
        all.iter().for_each(|it| it.registry.put(&ports[..3]));
        all_see(&all, &ports[..3], "after a minute");
        all.iter().for_each(|it| it.registry.kill());
        outage(&all, IS_GONE);
        all.iter().for_each(|it| it.registry.restart());
        all.iter().for_each(|it| it.registry.put(&ports));
        all_see(&all, &ports, "after ten seconds");
        drop(over);
    });
    eprintln!("{} calls, none failed", calls.into_inner());
}
