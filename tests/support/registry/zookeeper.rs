//! A real ZooKeeper, and a client that registers nodes there as services do.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::super::{Authority, Dead, eventually, ms};
use super::daemon::Daemon;
use super::folder::Folder;

/// A server that keeps its port while it is down.
pub struct ZooKeeper {
    daemon: Daemon,
    folder: Folder,
    port: Dead,
}

/// Debian's places; slf4j's silent half keeps it from warning.
const CLASSES: &str = "/usr/share/java/zookeeper.jar:/usr/share/java/zookeeper-jute.jar:\
                       /usr/share/java/slf4j-nop.jar:/usr/share/java/netty-all.jar:\
                       /usr/share/java/netty-buffer.jar:/usr/share/java/netty-codec.jar:\
                       /usr/share/java/netty-common.jar:/usr/share/java/netty-handler.jar:\
                       /usr/share/java/netty-resolver.jar:/usr/share/java/netty-transport.jar:\
                       /usr/share/java/netty-transport-native-epoll.jar:\
                       /usr/share/java/netty-transport-native-unix-common.jar";

impl ZooKeeper {
    pub fn new() -> Self {
        Self::with(Folder::new(), "")
    }

    /// One that listens with TLS too, at `port` as 127.0.0.1, to clients with a certificate of the same authority.
    pub fn over_tls(authority: &Authority, port: u16) -> Self {
        let folder = Folder::new();
        let (certificate, key) = authority.issue("127.0.0.1");
        let own = folder.file("own.pem", key + &certificate);
        let trusted = folder.file("trusted.pem", &authority.pem);
        let more = format!(
            "secureClientPort={port}\nsecureClientPortAddress=127.0.0.1\n\
             serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
             ssl.keyStore.location={}\nssl.keyStore.type=PEM\n\
             ssl.trustStore.location={}\nssl.trustStore.type=PEM\nssl.clientAuth=need\n",
            own.display(),
            trusted.display()
        );
        Self::with(folder, &more)
    }

    fn with(folder: Folder, more: &str) -> Self {
        let port = Dead::new();
        // Sessions of 400 ms are for tests that let one expire.
        let config = format!(
            "tickTime=200\ndataDir={}\nclientPort={}\nclientPortAddress=127.0.0.1\n\
             admin.enableServer=false\nforceSync=no\nminSessionTimeout=400\n\
             maxSessionTimeout=20000\nmaxClientCnxns=0\n4lw.commands.whitelist=*\n{more}",
            folder.path().join("data").display(),
            port.port()
        );
        let config = folder.file("zoo.cfg", config).display().to_string();
        let main = "org.apache.zookeeper.server.ZooKeeperServerMain";
        let arguments = [
            "-Xmx64m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            CLASSES,
            main,
            &config,
        ];
        let arguments = arguments.map(str::to_owned).to_vec();
        let log = folder.path().join("log");
        let server = Self { daemon: Daemon::start("java", arguments, log), folder, port };
        server.is_ready();
        server
    }

    fn is_ready(&self) {
        eventually("ZooKeeper serves", ms(60_000), || {
            self.say("srvr").is_some_and(|said| said.contains("Mode"))
        });
    }

    pub fn port(&self) -> u16 {
        self.port.port()
    }

    /// Ends it at once, as a crash does.
    pub fn kill(&self) {
        self.daemon.kill();
    }

    /// Starts it on what is in its folder.
    pub fn restart(&self) {
        self.daemon.restart();
        self.is_ready();
    }

    pub fn pause(&self) {
        self.daemon.pause();
    }

    pub fn go_on(&self) {
        self.daemon.go_on();
    }

    /// Forgets all that was registered, of a server that is not running.
    pub fn wipe(&self) {
        fs::remove_dir_all(self.folder.path().join("data")).unwrap();
    }

    /// What it answers to one of its words of four letters.
    pub fn say(&self, word: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).ok()?;
        stream.set_read_timeout(Some(ms(1000))).ok()?;
        stream.write_all(word.as_bytes()).ok()?;
        let mut said = String::new();
        stream.read_to_string(&mut said).ok()?;
        Some(said)
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        let said = self.say("cons").unwrap_or_default();
        said.lines().filter(|line| line.contains("sid=0x")).count()
    }

    /// A client whose session lasts for 20 s.
    pub fn client(&self) -> ZkClient {
        ZkClient::new(self.port(), 20_000)
    }

    /// A client whose session ends 400 ms after its last request.
    pub fn brief_client(&self) -> ZkClient {
        ZkClient::new(self.port(), 400)
    }
}

/// A session by which nodes are made. It sends no pings: a test is over sooner than its time.
pub struct ZkClient {
    stream: TcpStream,
    xid: i32,
}

impl ZkClient {
    fn new(port: u16, timeout_ms: i32) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut client = Self { stream, xid: 0 };
        let mut hello = vec![0; 12];
        hello.extend(timeout_ms.to_be_bytes());
        hello.extend([0; 8]);
        put(&mut hello, &[0; 16]);
        hello.push(0);
        client.write(&hello);
        client.read();
        client
    }

    /// Makes a node, and says whether it was not there.
    pub fn create(&mut self, path: &str, data: &str) -> bool {
        self.make(path, data, WORLD, 0) == 0
    }

    /// A node that ends with this client.
    pub fn create_ephemeral(&mut self, path: &str, data: &str) {
        assert_eq!(self.make(path, data, WORLD, 1), 0, "{path}");
    }

    /// A node that only this user may read, of `user:digest`.
    pub fn create_private(&mut self, path: &str, data: &str, user: &str) {
        assert_eq!(self.make(path, data, ("digest", user), 0), 0, "{path}");
    }

    pub fn set(&mut self, path: &str, data: &str) {
        let mut body = Vec::new();
        put(&mut body, path.as_bytes());
        put(&mut body, data.as_bytes());
        body.extend((-1_i32).to_be_bytes());
        assert_eq!(self.ask(5, &body), 0, "{path}");
    }

    pub fn delete(&mut self, path: &str) {
        let mut body = Vec::new();
        put(&mut body, path.as_bytes());
        body.extend((-1_i32).to_be_bytes());
        assert_eq!(self.ask(2, &body), 0, "{path}");
    }

    fn make(&mut self, path: &str, data: &str, (scheme, id): (&str, &str), flags: i32) -> i32 {
        let mut body = Vec::new();
        put(&mut body, path.as_bytes());
        put(&mut body, data.as_bytes());
        // One entry, with all permissions.
        body.extend(1_i32.to_be_bytes());
        body.extend(31_i32.to_be_bytes());
        put(&mut body, scheme.as_bytes());
        put(&mut body, id.as_bytes());
        body.extend(flags.to_be_bytes());
        self.ask(1, &body)
    }

    /// The error of the answer, 0 for none.
    fn ask(&mut self, kind: i32, body: &[u8]) -> i32 {
        self.xid += 1;
        let mut message = self.xid.to_be_bytes().to_vec();
        message.extend(kind.to_be_bytes());
        message.extend(body);
        self.write(&message);
        let answer = self.read();
        i32::from_be_bytes(answer[12..16].try_into().unwrap())
    }

    fn write(&mut self, message: &[u8]) {
        let mut framed = (message.len() as u32).to_be_bytes().to_vec();
        framed.extend(message);
        self.stream.write_all(&framed).unwrap();
    }

    fn read(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut answer).unwrap();
        answer
    }
}

/// Everybody.
const WORLD: (&str, &str) = ("world", "anyone");

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend(bytes);
}
