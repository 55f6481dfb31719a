//! A real Consul on loopback, where there is one: `sh tests/install-consul.sh` unpacks Debian's.

use std::io::Write;
use std::path::PathBuf;

use super::super::tls::Authority;
use super::super::{Dead, eventually, ms};
use super::daemon::Daemon;
use super::folder::{Folder, http};

/// An agent of its own in development mode: what it knows is gone with it.
pub struct Consul {
    daemon: Daemon,
    _folder: Folder,
    port: u16,
    headers: String,
    _ports: Vec<Dead>,
}

impl Consul {
    /// None, and that is said aloud, where Consul is not there.
    pub fn new() -> Option<Self> {
        Self::with("")
    }

    /// With a configuration of its own, in JSON behind a comma.
    pub fn with(configuration: &str) -> Option<Self> {
        Self::start(configuration, -1)
    }

    /// The same with a port for TLS beside, and what it is by its certificate.
    pub fn over_tls(configuration: &str, secure: u16, authority: &Authority) -> Option<Self> {
        let folder = Folder::new();
        let (certificate, key) = authority.issue("127.0.0.1");
        let file = |name: &str, content: &str| folder.file(name, content).display().to_string();
        let more = format!(
            r#", "ca_file": "{}", "cert_file": "{}", "key_file": "{}"{configuration}"#,
            file("ca.pem", &authority.pem),
            file("cert.pem", &certificate),
            file("key.pem", &key)
        );
        // It has read them once it is ready.
        Self::start(&more, secure.into())
    }

    fn start(configuration: &str, secure: i32) -> Option<Self> {
        let program = program()?;
        let (folder, ports) = (Folder::new(), (0..4).map(|_| Dead::new()).collect::<Vec<_>>());
        let [port, server, lan, wan] = [0, 1, 2, 3].map(|at: usize| ports[at].port());
        let config = format!(
            r#"{{"ports": {{"http": {port}, "https": {secure}, "server": {server}, "serf_lan": {lan}, "serf_wan": {wan}, "dns": -1, "grpc": -1}},
                "bind_addr": "127.0.0.1", "log_level": "error", "disable_update_check": true{configuration}}}"#
        );
        let config = folder.file("consul.json", config).display().to_string();
        let arguments = vec![
            "agent".to_owned(),
            "-dev".to_owned(),
            format!("-config-file={config}"),
            "-data-dir=".to_owned(),
        ];
        let daemon = Daemon::start(program, arguments, folder.path().join("log"));
        let consul = Self { daemon, _folder: folder, port, headers: String::new(), _ports: ports };
        consul.wait();
        Some(consul)
    }

    /// Asks with a token from here on.
    pub fn token(mut self, token: &str) -> Self {
        self.headers = format!("x-consul-token: {token}\r\n");
        self
    }

    fn wait(&self) {
        eventually("Consul has a leader", ms(20_000), || {
            let leader = http(self.port, "GET", "/v1/status/leader", "", b"");
            leader.is_some_and(|(status, body)| status == 200 && body.len() > 4)
        });
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a service, `more` being its query.
    pub fn url(&self, service: &str, more: &str) -> String {
        format!("consul://127.0.0.1:{}/{service}{more}", self.port)
    }

    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// Starts it again, with nothing registered.
    pub fn restart(&self) {
        self.daemon.restart();
        self.wait();
    }

    /// Makes a token that may do everything, a UUID.
    pub fn add_token(&self, token: &str) {
        let body = format!(
            r#"{{"AccessorID": "{token}", "SecretID": "{token}", "Policies": [{{"Name": "global-management"}}]}}"#
        );
        self.put("/v1/acl/token", &body);
    }

    /// Lets a token be known no longer.
    pub fn remove_token(&self, token: &str) {
        let path = format!("/v1/acl/token/{token}");
        let answer = http(self.port, "DELETE", &path, &self.headers, b"");
        assert_eq!(answer.expect("an answer of Consul").0, 200);
    }

    fn put(&self, path: &str, body: &str) {
        let (status, answer) = self.try_put(path, body);
        assert_eq!(status, 200, "{path} {body}: {answer}");
    }

    fn try_put(&self, path: &str, body: &str) -> (u16, String) {
        http(self.port, "PUT", path, &self.headers, body.as_bytes()).expect("an answer of Consul")
    }

    /// Whether it takes an instance.
    pub fn try_register(&self, service: &str, port: u16) -> bool {
        self.try_put(REGISTER, &instance(service, port, "")).0 == 200
    }

    /// Registers an instance on loopback, `more` being what follows in JSON behind a comma. One of the same port is
    /// replaced.
    pub fn register(&self, service: &str, port: u16, more: &str) {
        self.put(REGISTER, &instance(service, port, more));
    }

    /// Puts instances at port 80 of these addresses into the catalog, on a node of their own, so that no agent looks after
    /// them.
    pub fn put_all(&self, service: &str, addresses: &[String]) {
        self.put("/v1/catalog/register", r#"{"Node": "many", "Address": "127.0.0.1"}"#);
        let each = |address: &String| {
            format!(
                r#"{{"Service": {{"Verb": "set", "Node": "many", "Service":
                    {{"ID": "{service}-{address}", "Service": "{service}", "Address": "{address}", "Port": 80}}}}}}"#
            )
        };
        // As many as Consul takes at once.
        for addresses in addresses.chunks(64) {
            let all: Vec<_> = addresses.iter().map(each).collect();
            self.put("/v1/txn", &format!("[{}]", all.join(",")));
        }
    }

    pub fn deregister(&self, service: &str, port: u16) {
        self.put(&format!("/v1/agent/service/deregister/{service}-{port}"), "");
    }

    /// Sets the state of an instance's check: "pass", "warn" or "fail".
    pub fn check(&self, service: &str, port: u16, state: &str) {
        self.put(&format!("/v1/agent/check/{state}/service:{service}-{port}"), "");
    }
}

const REGISTER: &str = "/v1/agent/service/register";

fn instance(service: &str, port: u16, more: &str) -> String {
    format!(
        r#"{{"ID": "{service}-{port}", "Name": "{service}", "Address": "127.0.0.1", "Port": {port}{more}}}"#
    )
}

fn program() -> Option<PathBuf> {
    // tests/install-consul.sh unpacks it into the target folder, in which this program lies.
    let this = std::env::current_exe().unwrap_or_default();
    let unpacked = this.ancestors().map(|folder| folder.join("consul/usr/bin/consul"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<_> =
        std::env::split_paths(&path).map(|folder| folder.join("consul")).collect();
    places.extend(unpacked);
    let found = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        // Past the harness, which shows nothing of tests that pass.
        let said =
            b"CONSUL IS NOT THERE AND WAS NOT TESTED: sh tests/install-consul.sh unpacks it\n";
        let _ = std::fs::File::options()
            .append(true)
            .open("/dev/stderr")
            .map(|mut it| it.write_all(said));
    }
    found
}
