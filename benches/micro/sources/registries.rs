//! A registry of each kind, with the endpoints in it and one more that comes and goes: real servers where Debian has one,
//! and otherwise the servers that the tests use.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::measure::PUSHED;
#[cfg(feature = "xds")]
use support::registry::ads::{AdsServer, Place};
use support::registry::consul::Consul;
use support::registry::etcd::Etcd;
use support::registry::folder::Folder;
use support::registry::kubernetes::{KubeApi, ready};
use support::registry::zookeeper::ZooKeeper;
use support::{Reply, Server};

/// How many endpoints there are.
pub(crate) const MANY: usize = 10_000;

/// A registry that runs until this is dropped.
pub(crate) struct Registry {
    pub(crate) url: String,
    /// Lets one more endpoint join, or leave.
    pub(crate) change: Box<dyn FnMut(bool)>,
}

impl Registry {
    fn new(url: String, change: impl FnMut(bool) + 'static) -> Self {
        Self { url, change: Box::new(change) }
    }
}

/// Starts a registry with all endpoints in it.
type Start = fn() -> Registry;

/// All kinds, by their names in the figures. DNS is not among them: a message has room for 4,000 addresses.
pub(crate) fn all() -> Vec<(&'static str, Start)> {
    vec![
        ("pushed", || Registry::new(PUSHED.to_owned(), |_| {})),
        ("file", file),
        ("http_sd", http_sd),
        ("consul", consul),
        ("etcd", etcd),
        ("zookeeper", zookeeper),
        ("kubernetes", kubernetes),
        #[cfg(feature = "xds")]
        ("xds", xds),
    ]
}

/// The address of an endpoint; no call goes there.
pub(crate) fn address(number: usize) -> String {
    let [.., high, middle, low] = number.to_be_bytes();
    format!("10.{high}.{middle}.{low}")
}

fn place(number: usize) -> String {
    format!("{}:80", address(number))
}

fn file() -> Registry {
    let folder = Folder::new();
    let write = move |count: usize| {
        let lines = (0..count).fold(String::new(), |mut lines, number| {
            let _ = writeln!(lines, "{}", place(number));
            lines
        });
        let written = folder.file("web.new", lines);
        let path = folder.path().join("web");
        fs::rename(written, &path).unwrap();
        path
    };
    let path = write(MANY);
    Registry::new(format!("file://{}", path.display()), move |joins| {
        write(MANY + usize::from(joins));
    })
}

fn http_sd() -> Registry {
    let document = |count: usize| {
        let targets: Vec<_> = (0..count).map(place).collect();
        serde_json::json!([{ "targets": targets }]).to_string()
    };
    let documents = [document(MANY), document(MANY + 1)];
    let has_joined = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&has_joined);
    let server = Server::new(move |_| {
        Reply::text(200, &documents[usize::from(told.load(Ordering::SeqCst))])
    });
    let url = format!("http+sd://127.0.0.1:{}/web?refresh=1s", server.port());
    Registry::new(url, move |joins| {
        let _ = &server;
        has_joined.store(joins, Ordering::SeqCst);
    })
}

fn consul() -> Registry {
    let consul = Consul::new().expect("Consul; sh tests/install-consul.sh unpacks it");
    consul.put_all("web", &(0..MANY).map(address).collect::<Vec<_>>());
    Registry::new(consul.url("web", ""), move |joins| {
        if joins {
            consul.register("web", 80, "");
        } else {
            consul.deregister("web", 80);
        }
    })
}

fn etcd() -> Registry {
    let etcd = Etcd::new();
    let key = |number: usize| format!("/web/{number:05}");
    etcd.put_all(&(0..MANY).map(|number| (key(number), place(number))).collect::<Vec<_>>());
    Registry::new(etcd.url("web", ""), move |joins| {
        if joins {
            etcd.put(&key(MANY), &place(MANY));
        } else {
            etcd.delete(&key(MANY));
        }
    })
}

fn zookeeper() -> Registry {
    let server = ZooKeeper::new();
    let mut client = server.client();
    client.create("/web", "");
    let path = |number: usize| format!("/web/{number:05}");
    for number in 0..MANY {
        client.create(&path(number), &place(number));
    }
    Registry::new(format!("zk://127.0.0.1:{}/web", server.port()), move |joins| {
        // It ends with this.
        let _ = &server;
        if joins {
            client.create(&path(MANY), &place(MANY));
        } else {
            client.delete(&path(MANY));
        }
    })
}

/// In slices of a hundred, as the control plane makes them.
fn kubernetes() -> Registry {
    let api = KubeApi::start();
    for slice in 0..MANY / 100 {
        let endpoints: Vec<Value> =
            (100 * slice..100 * (slice + 1)).map(|number| ready(&address(number))).collect();
        api.put(&format!("web-{slice}"), &endpoints, 80);
    }
    let server = format!("http://127.0.0.1:{}", api.port());
    let url = format!("k8s://shop/web?kubernetes_server={server}&port=http");
    let last: Vec<Value> = (MANY - 100..=MANY).map(|number| ready(&address(number))).collect();
    Registry::new(url, move |joins| {
        api.put(&format!("web-{}", MANY / 100 - 1), &last[..100 + usize::from(joins)], 80);
    })
}

#[cfg(feature = "xds")]
fn xds() -> Registry {
    let server = AdsServer::start();
    let addresses: Vec<String> = (0..=MANY).map(address).collect();
    let url = format!("xds://127.0.0.1:{}/web", server.port());
    let put = move |count: usize| {
        let places: Vec<Place<'_>> =
            addresses[..count].iter().map(|it| (it.as_str(), 80, 1, 0)).collect();
        server.put("web", &[(0, 0, &places)]);
    };
    put(MANY);
    Registry::new(url, move |joins| put(MANY + usize::from(joins)))
}
