//! bind9 on loopback: a zone `test.` whose records change by `nsupdate`.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A name server with the zone `test.`.
#[derive(Debug)]
pub struct Bind {
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl Bind {
    /// Starts it with these records, each as in `web 1 A 127.0.0.1`; a negative answer holds for ten minutes by its SOA.
    pub fn start(records: &[&str]) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("ahoy-bind-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let place = folder.display();
        let config = format!(
            "options {{ directory \"{place}\"; pid-file \"{place}/pid\"; \
             listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; \
             session-keyfile \"{place}/key\"; minimal-responses no; }};\n\
             controls {{ }};\n\
             zone \"test\" {{ type master; file \"zone\"; allow-update {{ 127.0.0.1; }}; }};\n"
        );
        fs::write(folder.join("named.conf"), config).unwrap();
        let zone = format!(
            "$TTL 1\n@ 600 SOA ns.test. root.test. 1 3600 600 86400 600\n@ NS ns.test.\nns A 127.0.0.1\n{}\n",
            records.join("\n")
        );
        fs::write(folder.join("zone"), zone).unwrap();
        let child = Command::new("named")
            .args(["-f", "-n", "1", "-c"])
            .arg(folder.join("named.conf"))
            .stderr(Stdio::null())
            .env("PATH", PATH)
            .spawn()
            .expect("named, which tests/install-deps.sh installs");
        let bind = Self { port, folder, child };
        bind.wait_until_it_answers();
        bind
    }

    /// Changes records: lines of `nsupdate`, such as `add web.test. 1 A 127.0.0.2`.
    pub fn update(&self, lines: &[&str]) {
        let mut child = Command::new("nsupdate")
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .spawn()
            .expect("nsupdate, which tests/install-deps.sh installs");
        let lines: String = lines.iter().map(|line| format!("update {line}\n")).collect();
        let text = format!("server 127.0.0.1 {}\n{lines}send\n", self.port);
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
    }

    /// The option that names this server.
    pub fn option(&self) -> String {
        format!("dns_server=127.0.0.1:{}", self.port)
    }

    fn wait_until_it_answers(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let query = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x02ns\x04test\0\0\x01\0\x01";
        let begun = Instant::now();
        loop {
            socket.send_to(query, ("127.0.0.1", self.port)).unwrap();
            if socket.recv(&mut [0; 512]).is_ok() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "named does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    // For UDP and TCP.
    loop {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Debian puts servers where only root looks.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
