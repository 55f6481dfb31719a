//! A real etcd on loopback, with its data in a folder of its own.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use super::super::{Dead, eventually, ms};
use super::daemon::Daemon;
use super::folder::{Folder, http};

/// A server that keeps its port while it is down.
pub struct Etcd {
    daemon: Daemon,
    folder: Folder,
    port: u16,
    /// What its URL begins with.
    scheme: &'static str,
    /// Keeps its ports while it is down.
    _ports: [Dead; 2],
}

impl Etcd {
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With arguments of its own.
    pub fn with(arguments: &[&str]) -> Self {
        Self::start("http", arguments)
    }

    /// Over TLS.
    pub fn tls(arguments: &[&str]) -> Self {
        Self::start("https", arguments)
    }

    /// One for the whole test program; each test has keys of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Etcd> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    fn start(scheme: &'static str, arguments: &[&str]) -> Self {
        let (folder, ports) = (Folder::new(), [Dead::new(), Dead::new()]);
        let [port, peer] = [0, 1].map(|at: usize| ports[at].port());
        let (client, peers) =
            (format!("{scheme}://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer}"));
        let data = folder.path().join("data").display().to_string();
        let mut all: Vec<String> = [
            "--data-dir",
            &data,
            "--log-level",
            "error",
            "--unsafe-no-fsync",
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
            "--listen-peer-urls",
            &peers,
            "--initial-advertise-peer-urls",
            &peers,
            "--initial-cluster",
            &format!("default={peers}"),
        ]
        .map(ToOwned::to_owned)
        .into();
        all.extend(arguments.iter().map(|it| (*it).to_owned()));
        let log = folder.path().join("log");
        let etcd =
            Self { daemon: Daemon::start("etcd", all, log), folder, port, scheme, _ports: ports };
        etcd.wait();
        etcd
    }

    fn wait(&self) {
        if self.scheme == "https" {
            // Whether it answers is for a client with the right certificate to say.
            let answers = || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            eventually("etcd listens", ms(20_000), answers);
            return;
        }
        let answers = || {
            let healthy = http(self.port, "GET", "/health", "", b"");
            healthy.is_some_and(|(status, body)| status == 200 && body.contains("true"))
        };
        eventually("etcd answers", ms(20_000), answers);
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a service, `more` being its query.
    pub fn url(&self, service: &str, more: &str) -> String {
        format!("etcd://127.0.0.1:{}/{service}{more}", self.port)
    }

    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Takes connections again, with its data.
    pub fn restart(&self) {
        self.daemon.restart();
        self.wait();
    }

    /// Forgets all that it was told; to be killed before.
    pub fn wipe(&self) {
        fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    fn ask(&self, path: &str, body: &str) -> String {
        let (status, answer) =
            http(self.port, "POST", path, "", body.as_bytes()).expect("an answer of etcd");
        assert_eq!(status, 200, "{path} {body}: {answer}");
        answer
    }

    pub fn put(&self, key: &str, value: &str) {
        self.ask("/v3/kv/put", &pair(key, value));
    }

    /// Many at once.
    pub fn put_all(&self, pairs: &[(String, String)]) {
        for pairs in pairs.chunks(100) {
            let each = |(key, value): &(String, String)| {
                format!(r#"{{"requestPut":{}}}"#, pair(key, value))
            };
            let all: Vec<_> = pairs.iter().map(each).collect();
            self.ask("/v3/kv/txn", &format!(r#"{{"success":[{}]}}"#, all.join(",")));
        }
    }

    pub fn delete(&self, key: &str) {
        self.ask("/v3/kv/deleterange", &format!(r#"{{"key":"{}"}}"#, base64(key)));
    }

    /// A key that goes when nobody keeps it alive for so many seconds.
    pub fn put_for(&self, key: &str, value: &str, seconds: u32) {
        let granted = self.ask("/v3/lease/grant", &format!(r#"{{"TTL":"{seconds}"}}"#));
        let id = granted.split(r#""ID":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let body = pair(key, value).replace('}', &format!(r#","lease":"{id}"}}"#));
        self.ask("/v3/kv/put", &body);
    }

    /// The store's revision.
    pub fn revision(&self) -> u64 {
        let answer = self.ask("/v3/kv/range", r#"{"key":"AA=="}"#);
        let text = answer.split(r#""revision":""#).nth(1).and_then(|rest| rest.split('"').next());
        text.unwrap().parse().unwrap()
    }

    /// Forgets all that was before now.
    pub fn compact(&self) {
        let revision = self.revision();
        self.ask("/v3/kv/compaction", &format!(r#"{{"revision":"{revision}","physical":true}}"#));
    }

    /// What `etcdctl` does with these arguments.
    pub fn control(&self, arguments: &[&str]) {
        let mut command = Command::new("etcdctl");
        command
            .env("ETCDCTL_API", "3")
            .arg(format!("--endpoints={}://127.0.0.1:{}", self.scheme, self.port));
        let done = command
            .args(arguments)
            .output()
            .expect("etcdctl; sh tests/install-deps.sh installs it");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

fn pair(key: &str, value: &str) -> String {
    format!(r#"{{"key":"{}","value":"{}"}}"#, base64(key), base64(value))
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32, at: u32| char::from(DIGITS[(bits >> (18 - 6 * at) & 63) as usize]);
    let each = |three: &[u8]| -> String {
        let bits =
            three.iter().enumerate().map(|(at, byte)| u32::from(*byte) << (16 - 8 * at)).sum();
        (0..4).map(|at| if at <= three.len() as u32 { digit(bits, at) } else { '=' }).collect()
    };
    text.as_bytes().chunks(3).map(each).collect()
}
