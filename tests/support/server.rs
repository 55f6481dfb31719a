//! A server on loopback that does as it is told, and tells what it saw.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use socket2::{Domain, Socket, Type};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// When it was complete.
    pub at: Instant,
    /// How many came before it.
    pub number: usize,
    /// The number of its connection, from 0.
    pub connection: usize,
}

impl Seen {
    /// The values of a header, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }
}

/// What is done about a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A well-formed answer; the connection stays.
    Answer { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// These bytes one after the other, with a wait before each; the connection stays.
    Paced(Duration, Vec<Vec<u8>>),
    /// These bytes, then the end of the connection.
    Raw(Vec<u8>),
    /// These bytes, then nothing, until the server stops.
    Begin(Vec<u8>),
    /// The end of the connection.
    Close,
    /// The end of the connection by RST.
    Reset,
    /// Nothing, until the server stops.
    Hang,
    /// Something else after a time.
    After(Duration, Box<Self>),
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::text(status, &format!("status {status}"))
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    pub fn bytes(status: u16, body: Vec<u8>) -> Self {
        Self::Answer { status, headers: Vec::new(), body }
    }

    /// Adds a header to an answer.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.into()));
        }
        self
    }

    pub fn after(self, wait: Duration) -> Self {
        Self::After(wait, Box::new(self))
    }
}

/// What is done about a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Requests are read and answered.
    Serve,
    /// It is closed unread.
    Close,
    /// It is reset unread.
    Reset,
    /// So many bytes are read, then it is reset.
    ResetAfter(usize),
}

type Handler = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

struct Shared {
    handler: Mutex<Handler>,
    accept: Mutex<Accept>,
    tls: Option<Arc<ServerConfig>>,
    requests: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    /// Open connections, by number, so that a stop can end them.
    open: Mutex<HashMap<usize, TcpStream>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    stopped: Mutex<bool>,
    stopping: Condvar,
}

/// A server on a port of its own, kept for it also while it is stopped.
pub struct Server {
    shared: Arc<Shared>,
    port: Dead,
    running: Mutex<Option<Running>>,
}

struct Running {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    /// Answers as `handler` says.
    pub fn new(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(handler))
    }

    /// The same over TLS.
    pub fn tls(
        config: ServerConfig,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(Arc::new(config)), Arc::new(handler))
    }

    /// 200 to everything.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// One status to everything.
    pub fn status(status: u16) -> Self {
        Self::new(move |_| Reply::status(status))
    }

    /// The same reply to everything.
    pub fn always(reply: Reply) -> Self {
        Self::new(move |_| reply.clone())
    }

    fn start(tls: Option<Arc<ServerConfig>>, handler: Handler) -> Self {
        let shared = Shared {
            handler: Mutex::new(handler),
            accept: Mutex::new(Accept::Serve),
            tls,
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            stopped: Mutex::new(true),
            stopping: Condvar::new(),
        };
        let server =
            Self { shared: Arc::new(shared), port: Dead::new(), running: Mutex::default() };
        server.restart();
        server
    }

    pub fn port(&self) -> u16 {
        self.port.port()
    }

    pub fn is_tls(&self) -> bool {
        self.shared.tls.is_some()
    }

    /// "http://127.0.0.1:port".
    pub fn url(&self) -> String {
        super::url(self.port())
    }

    /// Takes connections again, on the same port.
    pub fn restart(&self) {
        let mut running = self.running.lock().unwrap();
        assert!(running.is_none(), "it runs");
        let listener = listener_beside(self.port());
        *self.shared.stopped.lock().unwrap() = false;
        let ended = Arc::new(AtomicBool::new(false));
        let (shared, end) = (Arc::clone(&self.shared), Arc::clone(&ended));
        let thread = thread::spawn(move || accept(&shared, &listener, &end));
        *running = Some(Running { ended, thread });
    }

    /// Closes the port and every connection; from here on connections are refused.
    pub fn stop(&self) {
        let Some(running) = self.running.lock().unwrap().take() else {
            return;
        };
        running.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port()));
        running.thread.join().unwrap();
        *self.shared.stopped.lock().unwrap() = true;
        self.shared.stopping.notify_all();
        for socket in self.shared.open.lock().unwrap().values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Behaves differently from now on.
    pub fn become_(&self, handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        *self.shared.handler.lock().unwrap() = Arc::new(handler);
    }

    /// Treats new connections differently from now on.
    pub fn on_accept(&self, accept: Accept) {
        *self.shared.accept.lock().unwrap() = accept;
    }

    /// The same, to be told while making it.
    pub fn accepting(self, accept: Accept) -> Self {
        self.on_accept(accept);
        self
    }

    pub fn requests(&self) -> Vec<Seen> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The only request that came.
    pub fn request(&self) -> Seen {
        let requests = self.requests();
        assert_eq!(requests.len(), 1, "exactly one request: {requests:?}");
        requests.into_iter().next().unwrap()
    }

    pub fn request_count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections stand.
    pub fn open_connections(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// How many requests wait for their answer.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// The most that waited at the same time since this was last called.
    pub fn take_most_in_flight(&self) -> usize {
        self.shared.most_in_flight.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, ended: &AtomicBool) {
    for socket in listener.incoming() {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(socket) = socket else { continue };
        let number = shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.open.lock().unwrap().insert(number, socket.try_clone().unwrap());
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let _ = serve(&shared, &socket, number);
            shared.open.lock().unwrap().remove(&number);
        });
    }
}

trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

fn serve(shared: &Shared, socket: &TcpStream, number: usize) -> io::Result<()> {
    let mut plain = socket;
    let accept = *shared.accept.lock().unwrap();
    match accept {
        Accept::Serve => {}
        Accept::Close => return Ok(()),
        Accept::Reset => {
            reset(socket);
            return Ok(());
        }
        Accept::ResetAfter(length) => {
            plain.read_exact(&mut vec![0; length])?;
            reset(socket);
            return Ok(());
        }
    }
    socket.set_nodelay(true)?;
    let Some(config) = &shared.tls else {
        return converse(shared, socket, &mut plain, number);
    };
    let connection = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, plain);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let result = converse(shared, socket, &mut stream, number);
    stream.conn.send_close_notify();
    let _ = stream.flush();
    result
}

fn converse(
    shared: &Shared,
    socket: &TcpStream,
    stream: &mut dyn Duplex,
    number: usize,
) -> io::Result<()> {
    let mut unread = Vec::new();
    while let Some(seen) = read_request(stream, &mut unread, number)? {
        let seen = record(shared, seen);
        let in_flight = InFlight::enter(shared);
        let handler = Arc::clone(&shared.handler.lock().unwrap());
        if !act(in_flight, handler(&seen), &seen, socket, stream)? {
            return Ok(());
        }
    }
    Ok(())
}

fn record(shared: &Shared, mut seen: Seen) -> Seen {
    let mut requests = shared.requests.lock().unwrap();
    seen.number = requests.len();
    requests.push(seen.clone());
    seen
}

/// Carries out a reply and says whether the connection stays. A request that is answered is in flight no more: its client
/// may have sent the next before this thread goes on.
fn act(
    in_flight: InFlight<'_>,
    reply: Reply,
    seen: &Seen,
    socket: &TcpStream,
    stream: &mut dyn Duplex,
) -> io::Result<bool> {
    let InFlight(shared) = in_flight;
    match reply {
        Reply::Answer { status, headers, body } => {
            drop(in_flight);
            stream.write_all(&answer(seen, status, &headers, &body))?;
            stream.flush()?;
            Ok(true)
        }
        Reply::Paced(wait, parts) => {
            for part in parts {
                rest(shared, wait);
                stream.write_all(&part)?;
                stream.flush()?;
            }
            Ok(true)
        }
        Reply::Raw(bytes) => {
            stream.write_all(&bytes)?;
            stream.flush()?;
            Ok(false)
        }
        Reply::Begin(bytes) => {
            stream.write_all(&bytes)?;
            stream.flush()?;
            act(in_flight, Reply::Hang, seen, socket, stream)
        }
        Reply::Close => Ok(false),
        Reply::Reset => {
            reset(socket);
            Ok(false)
        }
        Reply::Hang => {
            rest(shared, Duration::MAX);
            Ok(false)
        }
        Reply::After(wait, then) => {
            rest(shared, wait);
            act(in_flight, *then, seen, socket, stream)
        }
    }
}

/// Waits, but not longer than the server runs.
fn rest(shared: &Shared, wait: Duration) {
    let stopped = shared.stopped.lock().unwrap();
    drop(shared.stopping.wait_timeout_while(stopped, wait, |stopped| !*stopped).unwrap());
}

fn answer(seen: &Seen, status: u16, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} Reason\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    let mut bytes = (head + "\r\n").into_bytes();
    if seen.method != "HEAD" {
        bytes.extend_from_slice(body);
    }
    bytes
}

fn read_request(
    stream: &mut dyn Duplex,
    unread: &mut Vec<u8>,
    connection: usize,
) -> io::Result<Option<Seen>> {
    let end = loop {
        if let Some(at) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if !read_more(stream, unread)? {
            return Ok(None);
        }
    };
    let mut seen = parse_head(&unread[..end], connection);
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    while unread.len() < end + length {
        if !read_more(stream, unread)? {
            return Ok(None);
        }
    }
    seen.body = unread[end..end + length].to_vec();
    seen.at = Instant::now();
    unread.drain(..end + length);
    Ok(Some(seen))
}

fn read_more(stream: &mut dyn Duplex, unread: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    let count = stream.read(&mut buffer)?;
    unread.extend_from_slice(&buffer[..count]);
    Ok(count > 0)
}

fn parse_head(head: &[u8], connection: usize) -> Seen {
    let head = String::from_utf8_lossy(head).into_owned();
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers = lines.filter_map(|line| line.split_once(':'));
    Seen {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect(),
        body: Vec::new(),
        at: Instant::now(),
        number: 0,
        connection,
    }
}

struct InFlight<'a>(&'a Shared);

impl<'a> InFlight<'a> {
    fn enter(shared: &'a Shared) -> Self {
        let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_in_flight.fetch_max(now, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// From here on closing the socket sends RST.
fn reset(socket: &TcpStream) {
    socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
}

/// A port that nobody else gets and where nobody listens: connecting is refused.
pub struct Dead {
    socket: Socket,
    port: u16,
}

impl Dead {
    pub fn new() -> Self {
        let socket = reserve(0);
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        Self { socket, port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// "http://127.0.0.1:port".
    pub fn url(&self) -> String {
        super::url(self.port)
    }

    /// Listens on it.
    pub fn listener(&self) -> TcpListener {
        listener_beside(self.port)
    }
}

/// A socket on a port of loopback, or on one that is free: a server may listen there beside it.
fn reserve(port: u16) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], port)).into()).unwrap();
    socket
}

/// Listens on a port that [`Dead`] keeps. Windows wants both to say that they share it.
fn listener_beside(port: u16) -> TcpListener {
    let socket = reserve(port);
    socket.listen(128).unwrap();
    socket.into()
}

/// A port that answers no SYN: its backlog is full. Lives as long as what is returned.
pub fn silent_listener() -> (Dead, Vec<TcpStream>) {
    let port = Dead::new();
    port.socket.listen(0).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], port.port()));
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let held = std::iter::from_fn(connect).collect();
    (port, held)
}
