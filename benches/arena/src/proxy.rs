//! HAProxy and nginx in front of the same servers, set up as a careful operator would and limited as the others
//! are: the scenario's limit on an attempt, three tries, no second try of a POST that was sent. One process and one thread each, so that they get no more of the
//! machine than the library does.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::contestant::Proxy;
use crate::usage;

/// A proxy that runs; ends with this.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Where it listens on loopback.
    pub(crate) port: u16,
}

impl Proxy {
    /// The program's name, which is also its package's in Debian.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Haproxy(_) => "haproxy",
            Self::Nginx(_) => "nginx",
        }
    }

    /// Where the program is, if it is anywhere.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let sbin = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
        std::env::split_paths(&path)
            .chain(sbin)
            .map(|folder| folder.join(self.program()))
            .find(|file| file.is_file())
    }

    /// The program's version, as it says it.
    pub(crate) fn version(self) -> Option<String> {
        let output = Command::new(self.find()?).arg("-v").output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&text).lines().next()?.trim().to_owned())
    }

    /// Starts it with its files in `folder`.
    pub(crate) fn start(
        self,
        folder: &Path,
        servers: &[u16],
        limit_ms: u64,
    ) -> io::Result<Running> {
        let missing = || io::Error::other(format!("{} is not installed", self.program()));
        let program = self.find().ok_or_else(missing)?;
        fs::create_dir_all(folder)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let file = folder.join("proxy.conf");
        fs::write(&file, self.config(folder, port, servers, limit_ms))?;
        let log = fs::File::create(folder.join("proxy.log"))?;
        let mut command = Command::new(program);
        match self {
            Self::Haproxy(_) => command.arg("-db").arg("-f").arg(&file),
            Self::Nginx(_) => command.arg("-p").arg(folder).arg("-c").arg(&file),
        };
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let last_wish = || {
            usage::end_with_parent();
            Ok(())
        };
        // SAFETY: one system call, between fork and exec.
        unsafe { command.pre_exec(last_wish) };
        let mut running = Running { child: command.spawn()?, port };
        running.wait_until_it_listens(folder)?;
        Ok(running)
    }

    fn config(self, folder: &Path, port: u16, servers: &[u16], limit_ms: u64) -> String {
        match self {
            Self::Haproxy(balance) => haproxy(balance, port, servers, limit_ms),
            Self::Nginx(method) => nginx(method, folder, port, servers, limit_ms),
        }
    }
}

fn haproxy(balance: &str, port: u16, servers: &[u16], limit_ms: u64) -> String {
    let mut text = format!(
        "global\n    nbthread 1\n    maxconn 4000\n\
         defaults\n    mode http\n    timeout client 30s\n    timeout connect {limit_ms}ms\n    \
         timeout server {limit_ms}ms\n    timeout queue 2s\n    retries 2\n    option redispatch 1\n    \
         retry-on all-retryable-errors\n    http-reuse always\n    \
         default-server check inter 1s fall 2 rise 1 observe layer7 error-limit 5 on-error mark-down\n\
         frontend front\n    bind 127.0.0.1:{port}\n    http-request disable-l7-retry if METH_POST\n    \
         default_backend servers\n\
         backend servers\n    balance {balance}\n    option httpchk GET /health\n"
    );
    for (index, server) in servers.iter().enumerate() {
        text += &format!("    server s{index} 127.0.0.1:{server}\n");
    }
    text
}

fn nginx(method: &str, folder: &Path, port: u16, servers: &[u16], limit_ms: u64) -> String {
    let method = if method.is_empty() { String::new() } else { format!("{method};") };
    let servers: String = servers.iter().map(|s| format!("server 127.0.0.1:{s};")).collect();
    let folder = folder.display();
    format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid;\n\
         error_log {folder}/error.log crit;\n\
         events {{ worker_connections 20000; }}\n\
         http {{\n  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n\
         fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
         keepalive_requests 1000000;\n\
         upstream servers {{ {method} {servers} keepalive 256; keepalive_requests 1000000; }}\n\
         server {{\n    listen 127.0.0.1:{port} backlog=4096;\n    location / {{\n\
         proxy_pass http://servers; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_connect_timeout {limit_ms}ms; proxy_read_timeout {limit_ms}ms; proxy_send_timeout {limit_ms}ms;\n\
         proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504 http_429;\n\
         proxy_next_upstream_tries 3;\n    }} }} }}\n"
    )
}

impl Running {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_it_listens(&mut self, folder: &Path) -> io::Result<()> {
        let until = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait()?.is_some();
            if ended || Instant::now() > until {
                let log = fs::read_to_string(folder.join("proxy.log")).unwrap_or_default();
                return Err(io::Error::other(format!("the proxy does not listen: {log}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
