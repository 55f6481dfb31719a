//! HTTP/2 as a client's option, against nghttpd, a server that speaks nothing else.

#![cfg(feature = "http2")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Instant;

use ahoy::ffi::call::attempt::*;
use ahoy::ffi::client::builder::*;
use ahoy::ffi::client::trace::*;
use ahoy::ffi::values::status::*;
use support::*;

/// nghttpd on a port of its own; ends with the value.
struct Nghttpd {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Nghttpd {
    /// `None`, loudly, where the program is not installed.
    fn start(name: &str, tls: Option<&Authority>, arguments: &[&str]) -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("ahoy-http2-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("hello"), "hello").unwrap();
        fs::write(folder.join("large"), "x".repeat(3_000_000)).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut command = Command::new("nghttpd");
        command.arg("-a127.0.0.1").arg("-d").arg(&folder).args(arguments);
        match tls {
            None => command.arg("--no-tls").arg(port.to_string()),
            Some(authority) => {
                let (certificate, key) = authority.issue("127.0.0.1");
                fs::write(folder.join("certificate"), certificate).unwrap();
                fs::write(folder.join("key"), key).unwrap();
                command.arg(port.to_string()).args([folder.join("key"), folder.join("certificate")])
            }
        };
        let Ok(child) = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            println!("SKIP {name}: nghttpd (package nghttp2-server) is not installed");
            return None;
        };
        let server = Self { child, port, folder };
        eventually("nghttpd listens", ms(5000), || TcpStream::connect(server.address()).is_ok());
        Some(server)
    }

    fn address(&self) -> (&'static str, u16) {
        ("127.0.0.1", self.port)
    }

    /// Connections of this process to the server that stand.
    fn connections(&self) -> usize {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let remote = format!("0100007F:{:04X}", self.port);
        let stands = |line: &&str| {
            let mut fields = line.split_whitespace().skip(2);
            fields.next() == Some(&*remote) && fields.next() == Some("01")
        };
        table.lines().filter(stands).count()
    }
}

impl Drop for Nghttpd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn speaking(balancer: &Balancer, mode: i32) -> Builder {
    let builder = Builder::new().balancer(balancer);
    builder.try_http2(mode).unwrap();
    builder
}

#[test]
fn attempts_tell_their_shared_connection_and_their_phases() {
    let Some(server) = Nghttpd::start("phases", None, &[]) else { return };
    let client = speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    let [first, second] =
        ["/hello", "/large"].map(|path| client.get(path).unwrap().attempts.remove(0));
    let spent = |attempt: &Attempt, phase: i32| attempt.phases[usize::try_from(phase).unwrap()];
    for attempt in [&first, &second] {
        assert_eq!(attempt.protocol, "HTTP/2");
        assert_eq!(attempt.remote_address, format!("127.0.0.1:{}", server.port));
        let all: std::time::Duration = attempt.phases.iter().sum();
        assert!(all <= attempt.elapsed && all + ms(1) > attempt.elapsed, "{attempt:?}");
    }
    assert_eq!((first.is_reused, second.is_reused), (false, true));
    assert_eq!(first.local_address, second.local_address);
    assert!(spent(&first, AHOY_PHASE_CONNECT) > ms(0), "{first:?}");
    assert_eq!(spent(&second, AHOY_PHASE_CONNECT), ms(0));
    assert!(spent(&second, AHOY_PHASE_BODY) > ms(0), "{second:?}");
}

#[test]
fn a_connection_is_active_while_exchanges_share_it_and_idle_between() {
    let Some(server) = Nghttpd::start("counted", None, &[]) else { return };
    let client = speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    let open = |state| {
        let of_state = [("http_connection_state", state)];
        client.snapshot().sum("http_client_open_connections", &of_state)
    };
    let is = |idle: f64, active: f64| open("idle") == idle && open("active") == active;
    for _ in 0..3 {
        client.get("/hello").unwrap();
        eventually("it rests", ms(10_000), || is(1.0, 0.0));
    }
    let (one, other) = (client.stream("/large"), client.stream("/large"));
    assert!(is(0.0, 1.0), "two streams of one connection");
    drop(one);
    assert!(is(0.0, 1.0), "one is left");
    other.rest().unwrap();
    drop(other);
    eventually("it rests again", ms(10_000), || is(1.0, 0.0));
    let sum = |name: &str| client.snapshot().sum(name, &[]);
    assert_eq!(sum("ahoy_client_connections_opened_total"), 1.0);
    assert_eq!(sum("ahoy_client_connections_reused_total"), 4.0, "all but the first");
    drop(server);
    eventually("it is closed", ms(10_000), || is(0.0, 0.0));
}

#[test]
fn why_a_connection_closed_is_counted() {
    let Some(server) = Nghttpd::start("closed", None, &[]) else { return };
    let closed = |client: &Client, reason| {
        let name = "ahoy_client_connections_closed_total";
        client.snapshot().sum(name, &[("reason", reason)])
    };
    let keeping = |key: &str, value: &str| {
        let builder = speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE);
        builder.option(key, value).unwrap();
        let client = builder.build();
        client.get("/hello").unwrap();
        client
    };
    let (idle, aged) = (keeping("idle_timeout", "0ms"), keeping("max_connection_age", "1ms"));
    eventually("it is idle for too long", ms(10_000), || closed(&idle, "idle") == 1.0);
    eventually("it is too old", ms(10_000), || closed(&aged, "age") == 1.0);
    let balancer = round_robin(&[server.port]);
    let left = speaking(&balancer, AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    left.get("/hello").unwrap();
    balancer.leave(&Host::new("127.0.0.1", server.port)).unwrap();
    eventually("its endpoint left", ms(10_000), || closed(&left, "departed") == 1.0);
    let ended = keeping("idle_timeout", "1m");
    drop(server);
    eventually("its server ended", ms(10_000), || closed(&ended, "peer") == 1.0);
    for client in [idle, aged, left, ended] {
        assert_eq!(closed(&client, "other"), 0.0);
    }
}

#[test]
fn a_trace_tells_heads_and_frames_and_no_packed_secret() {
    let Some(server) = Nghttpd::start("trace", None, &[]) else { return };
    let told = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&told);
    let client = speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE)
        .header("Authorization", "hush")
        .wire_trace(move |_, kind, bytes| kept.lock().unwrap().push((kind, bytes)))
        .build();
    assert_eq!(client.get("/hello?key=hush").unwrap().text(), "hello");
    let told = told.lock().unwrap().clone();
    let texts: Vec<_> =
        told.iter().map(|(kind, bytes)| (*kind, String::from_utf8_lossy(bytes))).collect();
    let place = |kind: i32, start: &str| {
        let found = texts.iter().position(|(it, text)| *it == kind && text.starts_with(start));
        found.unwrap_or_else(|| panic!("no {kind} {start} in {texts:?}"))
    };
    let order = [
        place(AHOY_WIRE_OPENED, ""),
        place(AHOY_WIRE_FRAME_SENT, "SETTINGS stream 0"),
        place(AHOY_WIRE_HEAD_SENT, ":method: GET\r\n"),
        place(AHOY_WIRE_FRAME_SENT, "HEADERS stream 1"),
        place(AHOY_WIRE_FRAME_RECEIVED, "HEADERS stream 1"),
        place(AHOY_WIRE_FRAME_RECEIVED, "DATA stream 1"),
        place(AHOY_WIRE_BODY_RECEIVED, "hello"),
    ];
    assert!(order.is_sorted(), "{order:?} {texts:?}");
    let head = &texts[place(AHOY_WIRE_HEAD_SENT, "")].1;
    assert!(head.contains(":path: /hello?key=***\r\n"), "{head}");
    assert!(head.contains("authorization: ***\r\n"), "{head}");
    assert!(texts[place(AHOY_WIRE_HEAD_RECEIVED, ":status: 200\r\n")].1.contains("content-length"));
    assert!(texts.iter().all(|(_, text)| !text.contains("hush")), "{texts:?}");
}

#[test]
fn bodies_go_both_ways_piece_by_piece() {
    for tls in [false, true] {
        let authority = Authority::new();
        let name = if tls { "stream-tls" } else { "stream" };
        let authority = tls.then_some(&authority);
        let Some(server) = Nghttpd::start(name, authority, &["--echo-upload"]) else { return };
        let client = match authority {
            None => speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE),
            Some(authority) => {
                let host = Host::new("127.0.0.1", server.port).https();
                let balancer = Balancer::round_robin(&Provider::of(&[host]));
                speaking(&balancer, AHOY_HTTP2_ALPN).ca(&authority.pem)
            }
        };
        let client = client.build();
        assert_eq!(client.stream("/large").rest_by(7000).unwrap().len(), 3_000_000);
        let given_up = client.stream("/large");
        assert_eq!(given_up.exactly(5), "xxxxx");
        drop(given_up);
        for length in [Some(1_500_000), None] {
            let pieces = Mutex::new(vec![vec![b'b'; 500_000], vec![b'a'; 1_000_000]]);
            let request = Request::new("POST", "/")
                .streamed()
                .source(length, move || pieces.lock().unwrap().pop().map_or(Said::End, Said::Data));
            let echoed = client.open(&request).unwrap().rest_by(100_000).unwrap();
            assert_eq!(echoed.len(), 1_500_000);
            assert!(echoed[..1_000_000].iter().all(|byte| *byte == b'a') && echoed.ends_with(b"b"));
        }
        let short = Request::new("POST", "/").source(Some(9), || Said::End);
        assert_eq!(client.send(&short).unwrap_err().status, AHOY_E_BODY_SOURCE);
        assert_eq!(client.get("/hello").unwrap().text(), "hello");
        assert_eq!(server.connections(), 1, "what was cancelled cost a stream only");
    }
}

#[test]
fn answers_that_are_left_early_cost_their_streams_and_not_the_connection() {
    let Some(server) = Nghttpd::start("left", None, &[]) else { return };
    let balancer = round_robin(&[server.port]);
    let client = speaking(&balancer, AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    let used = || client.get("/hello").unwrap().attempts.remove(0).local_address;
    let before = used();
    for _ in 0..200 {
        let left = client.stream("/large");
        assert_eq!(left.exactly(5), "xxxxx");
    }
    assert_eq!(used(), before);
}

#[test]
fn prior_knowledge_without_tls_in_all_three_ways_to_call() {
    let Some(server) = Nghttpd::start("prior", None, &["--echo-upload"]) else { return };
    let client = speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    assert_eq!(client.get("/hello").unwrap().text(), "hello");
    assert_eq!(client.get("/large").unwrap().text().len(), 3_000_000);
    assert_eq!(client.head("/hello").unwrap().text(), "");
    assert_eq!(client.get("/absent").unwrap().status, 404);
    let body = "y".repeat(2_000_000);
    assert_eq!(client.post("/", "text/plain", body.as_bytes()).unwrap().text(), body);
    assert_eq!(client.begin("/hello").end().unwrap().text(), "hello");
    let queue = Queue::new();
    client.submit(&Request::new("GET", "/hello"), &queue, 7).unwrap();
    assert!(queue.next(10_000).unwrap().is_some());
    assert_eq!(server.connections(), 1, "all over one connection");
}

#[test]
fn blanks_around_a_header_do_not_make_a_request_malformed() {
    let Some(server) = Nghttpd::start("blanks", None, &[]) else { return };
    let client = speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE)
        .header("X-Of-The-Client", "\ta ")
        .tries(1)
        .build();
    let request = || Request::new("GET", "/hello").header("X-Own", " a b\t");
    assert_eq!(client.send(&request()).unwrap().text(), "hello");
    assert_eq!(client.start(&request()).unwrap().end().unwrap().text(), "hello");
    assert_eq!(client.post("/hello", " text/plain ", b"x").unwrap().status, 200);
}

#[test]
fn blocking_callers_share_connections_and_spill_at_the_limit_on_streams() {
    let Some(server) = Nghttpd::start("shared", None, &["-m4"]) else { return };
    let client = speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(client.get("/hello").unwrap().attempt_count, 1, "none is refused");
                }
            });
        }
    });
    let most = 4 * thread::available_parallelism().map_or(1, usize::from);
    let connections = server.connections();
    assert!((1..=most).contains(&connections), "{connections}");
}

#[test]
fn tls_agrees_on_http2_or_falls_back() {
    let authority = Authority::new();
    let Some(server) = Nghttpd::start("alpn", Some(&authority), &[]) else { return };
    let old = Server::tls(authority.server("127.0.0.1"), |_| Reply::text(200, "old"));
    for (port, expected) in [(server.port, "hello"), (old.port(), "old")] {
        let host = Host::new("127.0.0.1", port).https();
        let builder = Builder::new()
            .balancer(&Balancer::round_robin(&Provider::of(&[host])))
            .ca(&authority.pem)
            .platform_roots(false);
        builder.option("http2", "true").unwrap();
        let client = builder.build();
        for _ in 0..5 {
            assert_eq!(client.get("/hello").unwrap().text(), expected);
        }
    }
    assert_eq!(old.request_count(), 5);
}

#[test]
fn a_server_that_dies_makes_way_for_another() {
    let Some(first) = Nghttpd::start("dies", None, &[]) else { return };
    let Some(second) = Nghttpd::start("stays", None, &[]) else { return };
    let balancer = round_robin(&[first.port, second.port]);
    let client = speaking(&balancer, AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    for _ in 0..4 {
        client.get("/hello").unwrap();
    }
    drop(first);
    for _ in 0..10 {
        assert_eq!(client.get("/hello").unwrap().text(), "hello");
    }
}

/// Greets as a server of HTTP/2 does and answers nothing; tells when the client resets a stream.
fn silent_server() -> (u16, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"\0\0\0\x04\0\0\0\0\0").unwrap();
        socket.read_exact(&mut [0; 24]).unwrap();
        let mut head = [0; 9];
        while socket.read_exact(&mut head).is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            socket.read_exact(&mut vec![0; length as usize]).unwrap();
            if head[3] == 3 {
                tell.send(()).unwrap();
            }
        }
    });
    (port, told)
}

#[test]
fn an_interrupted_call_resets_its_stream_and_is_ambiguous() {
    let (port, reset) = silent_server();
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE)
        .should_stop(move || asked.load(Ordering::SeqCst))
        .build();
    let stopped_at = thread::scope(|scope| {
        let stopper = scope.spawn(|| {
            thread::sleep(ms(300));
            stop.store(true, Ordering::SeqCst);
            Instant::now()
        });
        let failure = client.get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_INTERRUPTED, "{}", failure.message);
        assert!(failure.is_ambiguous && failure.attempt_count == 1);
        stopper.join().unwrap()
    });
    assert!(stopped_at.elapsed() < ms(200), "{:?}", stopped_at.elapsed());
    reset.recv_timeout(ms(5000)).unwrap();
}

#[test]
fn a_cancelled_call_resets_its_stream() {
    let (port, reset) = silent_server();
    let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    let call = client.begin("/");
    thread::sleep(ms(200));
    call.cancel().unwrap();
    let failure = call.end().unwrap_err();
    assert_eq!(failure.status, AHOY_E_CANCELLED);
    assert!(failure.is_ambiguous);
    reset.recv_timeout(ms(5000)).unwrap();
}

/// A server that refuses each request `times` times before it answers, and counts all of them.
struct Refusing {
    port: u16,
    streams: Arc<AtomicUsize>,
    _stop: tokio::sync::oneshot::Sender<()>,
}

impl Refusing {
    fn start(times: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let streams = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&streams);
        let (_stop, stopped) = tokio::sync::oneshot::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let serve = async {
                    while let Ok((socket, _)) = listener.accept().await {
                        tokio::spawn(Self::serve(socket, times, Arc::clone(&count)));
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        Self { port, streams, _stop }
    }

    async fn serve(socket: tokio::net::TcpStream, times: usize, streams: Arc<AtomicUsize>) {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            if streams.fetch_add(1, Ordering::SeqCst) % (times + 1) < times {
                respond.send_reset(h2::Reason::REFUSED_STREAM);
            } else {
                respond.send_response(http::Response::new(()), true).unwrap();
            }
        }
    }

    fn streams(&self) -> usize {
        self.streams.swap(0, Ordering::SeqCst)
    }
}

#[test]
fn a_refused_stream_is_tried_again_by_the_client_alone() {
    let server = Refusing::start(1);
    let over = || speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE);
    let client = over().build();
    for _ in 0..5 {
        let answer = client.get("/").unwrap();
        assert_eq!((answer.status, answer.attempt_count), (200, 2));
        assert_eq!(server.streams(), 2, "the server saw what the client counted");
        // Refused means not begun, so this may be repeated too.
        assert_eq!(client.post("/", "text/plain", b"x").unwrap().attempt_count, 2);
        assert_eq!(server.streams(), 2);
        assert_eq!(client.begin("/").end().unwrap().attempt_count, 2);
        assert_eq!(server.streams(), 2);
    }
    let failure = over().tries(1).build().get("/").unwrap_err();
    assert_eq!((failure.attempt_count, server.streams()), (1, 1), "nobody repeats it in secret");
    assert!(!failure.is_ambiguous);
}

#[test]
fn a_server_that_always_refuses_sees_exactly_the_tries() {
    let server = Refusing::start(usize::MAX - 1);
    let over = speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE);
    let failure = over.tries(3).build().get("/").unwrap_err();
    assert_eq!((failure.attempt_count, server.streams()), (3, 3));
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// In the static table.
const STATUS_200: &[u8] = b"\x88";
const STATUS_204: &[u8] = b"\x89";
const STATUS_304: &[u8] = b"\x8b";
/// A literal header whose name is the static table's 28th.
const CONTENT_LENGTH_5: &[u8] = b"\x0f\x0d\x015";

/// Greets as a server of HTTP/2 does, and tells the stream of each request.
fn each_request(mut socket: &TcpStream, mut told: impl FnMut(u32)) {
    frame(socket, SETTINGS, 0, 0, b"");
    socket.read_exact(&mut [0; 24]).unwrap();
    let mut head = [0; 9];
    while socket.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        socket.read_exact(&mut vec![0; length as usize]).unwrap();
        if head[3] == HEADERS {
            told(u32::from_be_bytes([head[5], head[6], head[7], head[8]]));
        }
    }
}

/// The client may have closed.
fn frame(mut socket: &TcpStream, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    let _ = socket.write_all(&[&head, payload].concat());
}

fn go_away(socket: &TcpStream, last: u32, reason: u32) {
    let payload = [last.to_be_bytes(), reason.to_be_bytes()].concat();
    frame(socket, GOAWAY, 0, 0, &payload);
}

/// A server that answers the first request of its first connection and goes away at the second, of which it says that it has
/// `taken` it or not; its other connections answer all. Counts what is sent to it.
fn going_away(reason: u32, taken: bool) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    thread::spawn(move || {
        for (number, socket) in listener.incoming().flatten().enumerate() {
            let count = Arc::clone(&count);
            thread::spawn(move || {
                each_request(&socket, |stream| {
                    count.fetch_add(1, Ordering::SeqCst);
                    if number > 0 || stream == 1 {
                        frame(&socket, HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200);
                    } else {
                        go_away(&socket, if taken { stream } else { 1 }, reason);
                        socket.shutdown(Shutdown::Write).unwrap();
                    }
                });
            });
        }
    });
    (port, requests)
}

#[test]
fn a_post_that_a_server_going_away_has_not_taken_is_repeated_whatever_its_reason() {
    for reason in [0, 1, 2, 0xb] {
        for taken in [false, true] {
            let (port, requests) = going_away(reason, taken);
            let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
            client.get("/").unwrap();
            let outcome = client.post("/", "text/plain", b"order");
            if taken {
                let failure = outcome.unwrap_err();
                assert_eq!(failure.status, AHOY_E_CONNECTION_LOST, "{}", failure.message);
                assert!(failure.is_ambiguous && failure.attempt_count == 1, "{}", failure.message);
                assert_eq!(requests.load(Ordering::SeqCst), 2, "reason {reason}");
            } else {
                assert_eq!(outcome.unwrap().attempt_count, 2, "reason {reason}");
                assert_eq!(requests.load(Ordering::SeqCst), 3, "reason {reason}");
            }
        }
    }
}

/// A server of eight streams at once. Its first four connections go away a moment after their eighth request, of which they
/// have taken the first alone, and answer what they have taken a while after they were opened; the others answer at once.
fn tidying_server() -> u16 {
    const MAX_CONCURRENT_STREAMS_8: &[u8] = b"\0\x03\0\0\0\x08";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (number, socket) in listener.incoming().flatten().enumerate() {
            thread::spawn(move || {
                frame(&socket, SETTINGS, 0, 0, MAX_CONCURRENT_STREAMS_8);
                let (held, answers_at_once) = (Mutex::new(Vec::new()), AtomicBool::new(number > 3));
                let answer = |stream| {
                    frame(&socket, HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200);
                };
                thread::scope(|scope| {
                    scope.spawn(|| {
                        thread::sleep(ms(200));
                        let mut held = held.lock().unwrap();
                        answers_at_once.store(true, Ordering::SeqCst);
                        held.drain(..).for_each(answer);
                    });
                    each_request(&socket, |stream| {
                        let mut held = held.lock().unwrap();
                        if answers_at_once.load(Ordering::SeqCst) {
                            return answer(stream);
                        }
                        held.push(stream);
                        if held.len() == 8 {
                            held.truncate(1);
                            // Until then the other calls wait for a stream.
                            thread::sleep(ms(50));
                            go_away(&socket, held[0], 0);
                        }
                    });
                });
            });
        }
    });
    port
}

#[test]
fn requests_that_a_server_going_away_has_not_taken_do_not_say_that_it_could_not_be_connected_to() {
    for _ in 0..6 {
        let balancer = round_robin(&[tidying_server()]);
        let client = speaking(&balancer, AHOY_HTTP2_PRIOR_KNOWLEDGE)
            .tries(20)
            .without_retry_budget()
            .build();
        let post = Request::new("POST", "/").timeout_ms(20_000);
        // More than there are streams, and few enough for one I/O thread, which others of these tests need.
        let calls: Vec<_> = (0..24).map(|_| client.start(&post).unwrap()).collect();
        for call in calls {
            let answer = call.end().unwrap();
            assert_eq!(answer.status, 200);
            let is_unmet = |attempt: &Attempt| attempt.detail.contains("before it answered");
            assert!(!answer.attempts.iter().any(is_unmet), "{:?}", answer.attempts);
        }
    }
}

/// How a server says that it wants HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// It resets the stream of the request.
    Reset,
    /// It goes away without the request.
    GoAway,
    /// It goes away before there is a request, and before or after its greeting.
    AtOnce,
    Greeted,
}

/// A server that wants HTTP/1.1 of whoever speaks HTTP/2 to it, and sends the body of a request over HTTP/1.1 back.
struct Wishing {
    port: u16,
    /// Connections over HTTP/2.
    multiplexed: Arc<AtomicUsize>,
}

impl Wishing {
    fn start(wish: Wish) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let multiplexed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&multiplexed);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let count = Arc::clone(&count);
                thread::spawn(move || Self::serve(socket, wish, &count));
            }
        });
        Self { port, multiplexed }
    }

    fn serve(mut socket: TcpStream, wish: Wish, count: &AtomicUsize) {
        let mut start = [0; 3];
        while socket.peek(&mut start).unwrap() < 3 {}
        if &start == b"PRI" {
            count.fetch_add(1, Ordering::SeqCst);
            Self::refuse(&socket, wish);
            return;
        }
        let mut read = Vec::new();
        loop {
            let mut buffer = [0; 1024];
            let count = socket.read(&mut buffer).unwrap();
            if count == 0 {
                return;
            }
            read.extend_from_slice(&buffer[..count]);
            let Some(end) = read.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
            if read.len() == end + 4 + BODY.len() {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BODY.len());
                let answer = [head.as_bytes(), &read[end + 4..]].concat();
                socket.write_all(&answer).unwrap();
                read.clear();
            }
        }
    }

    fn refuse(socket: &TcpStream, wish: Wish) {
        const REQUIRED: u32 = 0xd;
        if wish == Wish::AtOnce {
            go_away(socket, 0, REQUIRED);
        }
        if wish == Wish::Greeted {
            frame(socket, SETTINGS, 0, 0, b"");
            go_away(socket, 0, REQUIRED);
        }
        each_request(socket, |stream| match wish {
            Wish::Reset => frame(socket, RST_STREAM, 0, stream, &REQUIRED.to_be_bytes()),
            Wish::GoAway => go_away(socket, 0, REQUIRED),
            Wish::AtOnce | Wish::Greeted => {}
        });
    }

    fn multiplexed(&self) -> usize {
        self.multiplexed.load(Ordering::SeqCst)
    }
}

const BODY: &str = "an order";

#[test]
fn a_request_that_a_server_wants_over_http1_is_sent_so_in_the_same_attempt() {
    for wish in [Wish::Reset, Wish::GoAway, Wish::AtOnce, Wish::Greeted] {
        let server = Wishing::start(wish);
        let over = || speaking(&round_robin(&[server.port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).tries(1);
        let client = over().build();
        for _ in 0..3 {
            let answer = client.post("/", "text/plain", BODY.as_bytes()).unwrap();
            assert_eq!((&*answer.text(), answer.attempt_count), (BODY, 1), "{wish:?}");
            assert_eq!(answer.attempts[0].protocol, "HTTP/1.1", "{wish:?}");
        }
        let call = client.start(&Request::new("POST", "/").body(BODY.as_bytes())).unwrap();
        assert_eq!(call.end().unwrap().text(), BODY, "{wish:?}");
        // Each I/O thread and each blocking caller finds it out for itself.
        assert!(server.multiplexed() <= 2, "{wish:?} is remembered: {}", server.multiplexed());
    }
}

#[test]
fn a_body_that_is_gone_is_not_sent_again_over_http1_but_the_next_one_is() {
    let server = Wishing::start(Wish::Reset);
    let balancer = round_robin(&[server.port]);
    let client = speaking(&balancer, AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    let drawn = || {
        let said = AtomicUsize::new(0);
        Request::new("POST", "/").source(Some(BODY.len() as u64), move || {
            match said.fetch_add(1, Ordering::SeqCst) {
                0 => Said::Data(BODY.into()),
                _ => Said::End,
            }
        })
    };
    let failure = client.send(&drawn()).unwrap_err();
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_PROTOCOL, 1));
    assert!(failure.message.contains("peer wants http/1.1"), "{}", failure.message);
    assert_eq!(client.send(&drawn()).unwrap().text(), BODY);
    assert_eq!(server.multiplexed(), 1);
}

/// A server of one stream at once, each answered after a while; it takes further connections and says nothing.
fn narrow_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (first, _) = listener.accept().unwrap();
        thread::spawn(move || serve_one_at_a_time(first));
        let silent: Vec<_> = listener.incoming().collect();
        drop(silent);
    });
    port
}

type Narrow = h2::server::Connection<tokio::net::TcpStream, bytes::Bytes>;

/// Serves one stream at once over `socket`.
fn over(socket: TcpStream, serve: impl AsyncFnOnce(Narrow)) {
    socket.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async move {
        let socket = tokio::net::TcpStream::from_std(socket).unwrap();
        let opened = h2::server::Builder::new().max_concurrent_streams(1).handshake(socket).await;
        serve(opened.unwrap()).await;
    });
}

fn serve_one_at_a_time(socket: TcpStream) {
    over(socket, async |mut connection| {
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            tokio::spawn(async move {
                tokio::time::sleep(ms(300)).await;
                respond.send_response(http::Response::new(()), true).unwrap();
            });
        }
    });
}

/// A server that sends a body behind 204 and 304, the path of the request, and then an answer that has one.
fn talkative_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        over(socket, async |mut connection| {
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let status = &request.uri().path()[1..];
                let head = http::Response::builder().status(status).body(()).unwrap();
                let mut body = respond.send_response(head, false).unwrap();
                let _ = body.send_data("smuggled".into(), true);
            }
        });
    });
    port
}

#[test]
fn what_follows_an_answer_without_a_body_is_not_its_body() {
    let port = talkative_server();
    let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).tries(1).build();
    for (path, body) in [("/204", ""), ("/304", ""), ("/200", "smuggled")] {
        assert_eq!(client.get(path).unwrap().body, body.as_bytes(), "{path}");
        let streamed = client.stream(path).rest().unwrap();
        assert_eq!(streamed, body, "{path}, streamed");
    }
}

/// A server that announces a length with 304 and 204, whose streams it ends by an empty frame of DATA; it answers others by 200.
fn announcing_server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                each_request(&socket, |stream| {
                    let statuses = [STATUS_304, STATUS_204, STATUS_200];
                    let status = statuses[(stream as usize / 2) % 3];
                    let length: &[u8] = if status == STATUS_200 { b"" } else { CONTENT_LENGTH_5 };
                    frame(&socket, HEADERS, END_HEADERS, stream, &[status, length].concat());
                    frame(&socket, DATA, END_STREAM, stream, b"");
                });
            });
        }
    });
    (port, connections)
}

#[test]
fn a_length_announced_without_a_body_is_not_missed() {
    let (port, connections) = announcing_server();
    let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).tries(1).build();
    for _ in 0..2 {
        for (status, length) in [(304, Some("5")), (204, Some("5")), (200, None)] {
            let answer = client.get("/").unwrap();
            assert_eq!((answer.status, &*answer.text()), (status, ""));
            assert_eq!(answer.header("content-length").as_deref(), length);
        }
    }
    for status in [304, 204, 200] {
        assert_eq!(client.stream("/").rest().unwrap(), "", "{status}, streamed");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "the connection goes on");
}

#[test]
fn who_waits_for_a_stream_gets_it_while_another_connection_is_being_opened() {
    let port = narrow_server();
    let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE)
        .connect_timeout_ms(20_000)
        .build();
    client.get("/").unwrap();
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            // The further connection hangs in its opening between the first of these and the others.
            scope.spawn(|| assert_eq!(client.post("/", "text/plain", b"x").unwrap().status, 200));
            thread::sleep(ms(50));
        }
    });
    assert!(begun.elapsed() < ms(10_000), "{:?}", begun.elapsed());
}

/// A server of one stream at once on each connection, that answers none; how many it has taken.
fn hanging_server() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&taken);
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            thread::spawn(move || {
                over(socket, async |mut connection| {
                    let mut held = Vec::new();
                    while let Some(Ok(stream)) = connection.accept().await {
                        counted.fetch_add(1, Ordering::SeqCst);
                        held.push(stream);
                    }
                });
            });
        }
    });
    (port, taken)
}

#[test]
fn a_call_goes_elsewhere_where_no_stream_comes_free_in_the_time_to_connect() {
    let ((hanging, taken), well) = (hanging_server(), narrow_server());
    let balancer = Balancer::custom(&Provider::loopback(&[hanging, well]), |_| 0);
    let client = speaking(&balancer, AHOY_HTTP2_PRIOR_KNOWLEDGE).connect_timeout_ms(200).build();
    let post = Request::new("POST", "/").timeout_ms(20_000);
    let held: Vec<_> = (1..=4)
        .map(|streams| {
            let call = client.start(&post).unwrap();
            eventually("it hangs", ms(5000), || taken.load(Ordering::SeqCst) == streams);
            call
        })
        .collect();
    let (answer, took) = timed(|| client.send(&post).unwrap());
    assert_eq!((answer.status, answer.attempt_count), (200, 2));
    assert!(took >= ms(195) && took < ms(5000), "{took:?}");
    let waited = &answer.attempts[0];
    assert!(waited.detail.contains("stayed in use") && !waited.ambiguous, "{waited:?}");
    held.iter().for_each(|call| call.cancel().unwrap());
}

/// A server of one stream at once, whose streams are answered but for each connection's second one. It ends its second
/// connection before it says anything.
fn holding_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (number, socket) in listener.incoming().flatten().enumerate() {
            if number != 1 {
                thread::spawn(move || serve_and_hold(socket));
            }
        }
    });
    port
}

fn serve_and_hold(socket: TcpStream) {
    over(socket, async |mut connection| {
        let mut held = Vec::new();
        while let Some(Ok((_, mut respond))) = connection.accept().await {
            if held.is_empty() {
                respond.send_response(http::Response::new(()), true).unwrap();
            }
            held.push(respond);
        }
    });
}

#[test]
fn who_waits_for_a_stream_makes_another_connection_though_the_last_one_failed() {
    let port = holding_server();
    let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    client.get("/").unwrap();
    // Nothing that may be repeated: its copy would make the connection.
    let held = client.start(&Request::new("POST", "/")).unwrap();
    thread::sleep(ms(50));
    let (answer, took) = timed(|| client.post("/", "text/plain", b"x"));
    assert_eq!(answer.unwrap().status, 200);
    assert!(took < ms(5000), "{took:?}");
    drop(held);
}

/// A server whose first four connections hold one stream each and end together; the others are opened slowly.
fn restarted_server(ends: Instant) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (number, socket) in listener.incoming().flatten().enumerate() {
            thread::spawn(move || match number {
                0..4 => hold_until(ends, socket),
                _ => {
                    thread::sleep(ms(200));
                    serve_one_at_a_time(socket);
                }
            });
        }
    });
    port
}

fn hold_until(ends: Instant, socket: TcpStream) {
    over(socket, async |mut connection| {
        let hold = async {
            let mut held = Vec::new();
            while let Some(Ok((_, respond))) = connection.accept().await {
                held.push(respond);
            }
        };
        let _ = tokio::time::timeout_at(ends.into(), hold).await;
    });
}

#[test]
fn a_wait_for_a_stream_is_no_part_of_the_limit_on_the_next_connection() {
    let port = restarted_server(Instant::now() + ms(2500));
    let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE)
        .connect_timeout_ms(1000)
        .build();
    let hold = |_| {
        let call = client.start(&Request::new("POST", "/")).unwrap();
        thread::sleep(ms(100));
        call
    };
    let held: Vec<_> = (0..4).map(hold).collect();
    assert_eq!(client.post("/", "text/plain", b"x").unwrap().status, 200);
    drop(held);
}

/// A server of one stream at once, whose first four connections answer one request and then say nothing more.
fn falling_silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for (number, socket) in listener.incoming().flatten().enumerate() {
            thread::spawn(move || over(socket, async |serving| answer(serving, number < 4).await));
        }
    });
    port
}

/// Answers after a while; one that `falls_silent` does so at its second request, and reads no more.
async fn answer(mut connection: Narrow, falls_silent: bool) {
    let mut answered = 0;
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        if falls_silent && answered == 1 {
            thread::sleep(ms(60_000));
        }
        answered += 1;
        tokio::spawn(async move {
            tokio::time::sleep(ms(300)).await;
            // The client may have given the stream up.
            let _ = respond.send_response(http::Response::new(()), true);
        });
    }
}

#[test]
fn several_connections_that_are_dead_take_no_longer_than_one() {
    let port = falling_silent();
    let client = speaking(&round_robin(&[port]), AHOY_HTTP2_PRIOR_KNOWLEDGE).build();
    let four = || (0..4).map(|_| client.begin("/")).collect::<Vec<_>>();
    for call in four() {
        assert_eq!(call.wait(FOREVER).unwrap().unwrap().status, 200);
    }
    let (calls, took) = timed(|| four().iter().map(|it| it.wait(FOREVER)).collect::<Vec<_>>());
    for outcome in calls {
        assert_eq!(outcome.unwrap().unwrap().status, 200);
    }
    // The limit of an attempt is 1 s before there are many answers, and so is that of a PING.
    assert!(took < ms(4500), "{took:?}");
}

#[test]
fn only_a_client_with_a_balancer_speaks_it() {
    let builder = Builder::new();
    builder.try_http2(AHOY_HTTP2_ALPN).unwrap();
    let failure = builder.try_build().unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.contains("http2"), "{}", failure.message);
    assert_eq!(builder.try_http2(3).unwrap_err().status, AHOY_E_INVALID_ARGUMENT);
    builder.try_http2(AHOY_HTTP2_OFF).unwrap();
    assert!(builder.try_build().is_ok());
}
