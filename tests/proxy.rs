//! Calls through a proxy: http, https by CONNECT and SOCKS, with credentials, and which calls go past it.

#![cfg(feature = "proxy")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use ahoy::ffi::client::hooks::AHOY_LOG_DEBUG;
use ahoy::ffi::values::status::*;
use support::*;

/// A proxy on loopback that knows all three protocols and notes what it was asked.
struct Proxy {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// One that answers `refusal`, if there is one, instead of carrying anything.
    fn start(refusal: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let notes = Arc::clone(&notes);
                thread::spawn(move || serve(socket, &notes, refusal));
            }
        });
        Self { port, asked }
    }

    fn carrying() -> Self {
        Self::start(None)
    }

    fn url(&self) -> String {
        url(self.port)
    }

    fn socks_url(&self, user: &str) -> String {
        format!("socks5h://{user}127.0.0.1:{}", self.port)
    }

    /// What it was asked, one text each: a head, or `socks HOST:PORT USER:PASSWORD`.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut client: TcpStream,
    notes: &Mutex<Vec<String>>,
    refusal: Option<&'static str>,
) -> Option<()> {
    let mut first = [0];
    client.peek(&mut first).ok()?;
    if first[0] == 5 {
        return socks(client, notes, refusal.is_some());
    }
    loop {
        let head = read_head(&mut client)?;
        notes.lock().unwrap().push(head.clone());
        if let Some(refusal) = refusal {
            client.write_all(refusal.as_bytes()).ok()?;
            return client.shutdown(Shutdown::Both).ok();
        }
        let mut words = head.split(' ');
        let (method, target) = (words.next()?, words.next()?);
        if method == "CONNECT" {
            let server = TcpStream::connect(target).ok()?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
            return join(client, server);
        }
        let rest = target.strip_prefix("http://")?;
        let (authority, path) = rest.split_at(rest.find('/')?);
        let mut server = TcpStream::connect(authority).ok()?;
        let head = head.replacen(target, path, 1);
        let length = head.to_ascii_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length = length.map_or(0, |it| it.split("\r\n").next().unwrap().parse().unwrap());
        let mut body = vec![0; length];
        client.read_exact(&mut body).ok()?;
        server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes()).ok()?;
        server.write_all(&body).ok()?;
        let mut answer = read_head(&mut server)?.into_bytes();
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
        let mut body = vec![0; length];
        server.read_exact(&mut body).ok()?;
        answer.extend(body);
        client.write_all(&answer).ok()?;
    }
}

/// RFC 1928 and 1929, as far as needed.
fn socks(mut client: TcpStream, notes: &Mutex<Vec<String>>, refuses: bool) -> Option<()> {
    let mut start = [0; 2];
    client.read_exact(&mut start).ok()?;
    let mut methods = vec![0; start[1] as usize];
    client.read_exact(&mut methods).ok()?;
    let mut user = String::new();
    if methods.contains(&2) {
        client.write_all(&[5, 2]).ok()?;
        client.read_exact(&mut [0]).ok()?;
        user = format!(" {}:{}", counted(&mut client)?, counted(&mut client)?);
        client.write_all(&[1, refuses.into()]).ok()?;
    } else {
        client.write_all(&[5, 0]).ok()?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).ok()?;
    let host = match request[3] {
        3 => counted(&mut client)?,
        _ => {
            let mut address = [0; 4];
            client.read_exact(&mut address).ok()?;
            std::net::Ipv4Addr::from(address).to_string()
        }
    };
    let mut port = [0; 2];
    client.read_exact(&mut port).ok()?;
    let port = u16::from_be_bytes(port);
    notes.lock().unwrap().push(format!("socks {host}:{port}{user}"));
    let server = TcpStream::connect(("127.0.0.1", port)).ok()?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    join(client, server)
}

fn counted(stream: &mut TcpStream) -> Option<String> {
    let mut length = [0];
    stream.read_exact(&mut length).ok()?;
    let mut text = vec![0; length[0] as usize];
    stream.read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn join(client: TcpStream, server: TcpStream) -> Option<()> {
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (server, client);
    let _ = std::io::copy(&mut from, &mut to);
    to.shutdown(Shutdown::Both).ok()
}

/// `user:p@ss` as a URL has it, and as HTTP's Basic scheme.
const USER: &str = "user:p%40ss@";
const BASIC: &str = "Basic dXNlcjpwQHNz";

fn with_user(url: &str) -> String {
    url.replacen("://", &format!("://{USER}"), 1)
}

fn has_header(head: &str, line: &str) -> bool {
    head.lines().any(|own| own.eq_ignore_ascii_case(line))
}

#[test]
fn http_goes_through_in_absolute_form() {
    let (proxy, server) = (Proxy::carrying(), Server::new(|seen| Reply::text(200, &seen.path)));
    for client in [
        Builder::new().base_url(&server.url()).proxy(&proxy.url()).build(),
        Builder::new().base_url(&server.url()).proxy(&with_user(&proxy.url())).build(),
    ] {
        assert_eq!(client.get("/a?b=c").unwrap().text(), "/a?b=c");
        assert_eq!(client.post("/d", "text/x", b"order").unwrap().status, 200);
        assert_eq!(client.begin("/e").end().unwrap().text(), "/e");
    }
    let asked = proxy.asked();
    assert_eq!(asked.len(), 6);
    assert!(
        asked[0].starts_with(&format!("GET {}/a?b=c HTTP/1.1\r\n", server.url())),
        "{}",
        asked[0]
    );
    let authorised = |head: &String| has_header(head, &format!("proxy-authorization: {BASIC}"));
    assert!(!asked[..3].iter().any(authorised) && asked[3..].iter().all(authorised), "{asked:?}");
    assert_eq!(&server.requests()[1].body[..], b"order");
}

#[test]
fn https_goes_through_by_connect() {
    let authority = Authority::new();
    let server = Server::tls(authority.server("localhost"), |seen| Reply::text(200, &seen.path));
    let proxy = Proxy::carrying();
    let base = format!("https://localhost:{}", server.port());
    let builder = Builder::new().base_url(&base).proxy(&with_user(&proxy.url()));
    let client = builder.platform_roots(false).ca(&authority.pem).build();
    assert_eq!(client.get("/a").unwrap().text(), "/a");
    let asked = proxy.asked();
    let line = format!("CONNECT localhost:{} HTTP/1.1\r\n", server.port());
    assert!(asked.len() == 1 && asked[0].starts_with(&line), "{asked:?}");
    assert!(has_header(&asked[0], &format!("proxy-authorization: {BASIC}")), "{asked:?}");
    assert_eq!(server.request().header("proxy-authorization"), None);
}

#[test]
fn an_authority_that_is_renewed_in_its_file_is_trusted_through_a_proxy_too() {
    let [old, new] = [Authority::new(), Authority::new()];
    let servers =
        [&old, &new].map(|it| Server::tls(it.server("localhost"), |_| Reply::text(200, "a")));
    let [before, after] = servers.each_ref().map(|it| format!("https://localhost:{}/", it.port()));
    let path = std::env::temp_dir().join(format!("ahoy-proxy-ca-{}.pem", std::process::id()));
    std::fs::write(&path, &old.pem).unwrap();
    let builder = Builder::new().proxy(&Proxy::carrying().url()).platform_roots(false);
    builder.option("ca_file", path.to_str().unwrap()).unwrap();
    let client = builder.build();
    assert_eq!(client.get(&before).unwrap().status, 200);
    assert_eq!(client.get(&after).unwrap_err().status, AHOY_E_TLS);
    let beside = path.with_extension("new");
    std::fs::write(&beside, &new.pem).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    eventually("the new one is trusted", ms(10_000), || client.get(&after).is_ok());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn the_proxy_itself_may_speak_tls() {
    let authority = Authority::new();
    let proxy = Server::tls(authority.server("localhost"), |seen| Reply::text(200, &seen.path));
    let builder = Builder::new().proxy(&format!("https://localhost:{}", proxy.port()));
    let client = builder.platform_roots(false).ca(&authority.pem).build();
    let url = "http://inside.example/a?b";
    assert_eq!(client.get(url).unwrap().text(), url);
}

#[test]
fn a_proxy_whose_certificate_is_not_valid_is_not_taken_for_the_server() {
    let authority = Authority::new();
    let proxy = Server::tls(authority.server("other.example"), |_| Reply::text(200, ""));
    let builder = Builder::new().proxy(&format!("https://localhost:{}", proxy.port()));
    let client = builder.platform_roots(false).ca(&authority.pem).build();
    let failure = client.get("http://inside.example/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_TLS, "{}", failure.message);
    let told = "proxy: certificate not valid for name localhost";
    assert!(failure.message.contains(told), "{}", failure.message);
}

#[test]
fn socks_resolves_at_the_proxy() {
    let (proxy, server) = (Proxy::carrying(), Server::ok());
    // A name that only the proxy knows.
    let base = format!("http://inside.example:{}", server.port());
    for user in ["", USER] {
        let client = Builder::new().base_url(&base).proxy(&proxy.socks_url(user)).build();
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    let to = format!("socks inside.example:{}", server.port());
    assert_eq!(proxy.asked(), [to.clone(), format!("{to} user:p@ss")]);
}

#[cfg(target_os = "linux")]
#[test]
fn its_sockets_are_made_as_those_of_direct_calls_are() {
    let server = Server::ok();
    let made = |options: &[(&str, &str)]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = thread::spawn(move || {
            let (stream, peer) = listener.accept().unwrap();
            serve(stream, &Mutex::new(Vec::new()), None);
            peer.ip().to_string()
        });
        let builder = Builder::new().base_url(&server.url()).proxy(&url(port));
        for (key, value) in options {
            builder.option(key, value).unwrap();
        }
        let client = builder.idle_timeout_ms(60_000).build();
        assert_eq!(client.get("/").unwrap().status, 200);
        let (keepalive, after, timeout) = sockets::options_of_the_socket_to(port).unwrap();
        drop(client);
        (proxy.join().unwrap(), keepalive.then_some(after), timeout)
    };
    let here = || "127.0.0.1".to_owned();
    let told = made(&[("local_address", "127.0.0.9"), ("tcp_keepalive", "30s")]);
    assert_eq!(told, ("127.0.0.9".to_owned(), Some(30), 0));
    let told = made(&[("interface", "lo"), ("tcp_user_timeout", "5s")]);
    assert_eq!(told, (here(), None, 5_000));
    assert_eq!(made(&[]), (here(), None, 0));

    let proxy = Proxy::carrying();
    let nowhere = Builder::new().base_url(&server.url()).proxy(&proxy.url()).tries(1);
    nowhere.option("interface", "no-such-one").unwrap();
    assert_eq!(nowhere.build().get("/").unwrap_err().status, AHOY_E_CONNECT);
}

#[test]
fn what_is_left_out_goes_past_the_proxy() {
    let (proxy, server) = (
        Proxy::carrying(),
        Server::new(|seen| match seen.path.as_str() {
            "/away" => Reply::status(302).header(
                "Location",
                format!(
                    "http://localhost:{}/end",
                    seen.header("host").unwrap().split(':').nth(1).unwrap()
                ),
            ),
            _ => Reply::status(200),
        }),
    );
    let client =
        |no_proxy: &str| Builder::new().proxy(&proxy.url()).no_proxy(no_proxy).redirects(1).build();
    client("localhost, 10.0.0.0/8")
        .get(&format!("http://localhost:{}/a\\b", server.port()))
        .unwrap();
    client("localhost.").get(&format!("http://localhost:{}/", server.port())).unwrap();
    assert_eq!(proxy.asked().len(), 0);
    client("localhost").get(&format!("{}/away", server.url())).unwrap();
    assert_eq!(proxy.asked().len(), 1, "the redirect leads past it");
    assert_eq!(server.request_count(), 4);
}

#[test]
fn a_target_that_would_be_rewritten_is_refused() {
    let (proxy, server) = (Proxy::carrying(), Server::ok());
    let client = Builder::new().base_url(&server.url()).proxy(&proxy.url()).build();
    for target in ["/a/%2e%2e/b", "/a\\b", "/.%2E/x", "/a/../b", "/a?it's", "/a/./b"] {
        let failure = client.get(target).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{target}: {}", failure.message);
        assert!(!failure.is_ambiguous && failure.attempt_count == 1, "{}", failure.message);
    }
    assert_eq!(proxy.asked().len(), 0);
    for target in ["/a;b=1,c@d:e!f$g&h(i)*j+k", "/a%2Fb", "//x", "/?a=b?c", "/?"] {
        client.get(target).unwrap();
        assert_eq!(server.requests().pop().unwrap().path, target);
    }
}

#[test]
fn only_a_failed_connect_is_unambiguous() {
    let dead = Dead::new();
    let client = |proxy: &str| Builder::new().base_url("http://a.example").proxy(proxy).build();
    let failure = client(&dead.url()).post("/", "text/x", b"order").unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECT, "{}", failure.message);
    assert!(!failure.is_ambiguous, "{}", failure.message);
    assert!(failure.message.contains("proxy: connect refused"), "{}", failure.message);
    let closing = Proxy::start(Some(""));
    let failure = client(&closing.url()).post("/", "text/x", b"order").unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECTION_LOST, "{}", failure.message);
    assert!(failure.is_ambiguous && failure.attempt_count == 1, "{}", failure.message);
    assert_eq!(closing.asked().len(), 1);
}

#[test]
fn an_answer_whose_end_readers_could_see_differently_is_refused_as_without_a_proxy() {
    for (answer, said) in [
        ("content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "both"),
        ("transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "not exactly chunked"),
        ("transfer-encoding: x\r\n\r\nok", "not exactly chunked"),
    ] {
        let proxy = Proxy::start(Some(format!("HTTP/1.1 200 OK\r\n{answer}").leak()));
        let over = Builder::new().base_url("http://a.example").proxy(&proxy.url()).build();
        let failure = over.get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_PROTOCOL, "{}", failure.message);
        assert!(failure.message.contains(said), "{}", failure.message);
        let streamed = over.open(&Request::new("GET", "/").streamed()).err().unwrap();
        assert!(streamed.message.contains(said), "{}", streamed.message);
    }
}

#[test]
fn a_folded_header_is_read_as_without_a_proxy() {
    let folded = "HTTP/1.1 200 OK\r\nX-A: a\r\n  b\r\nContent-Length: 2\r\n\r\nok";
    let proxy = Proxy::start(Some(folded));
    let over = Builder::new().base_url("http://a.example").proxy(&proxy.url()).build();
    let answer = over.get("/").unwrap();
    assert_eq!((&*answer.text(), answer.header("x-a").as_deref()), ("ok", Some("a b")));
}

#[test]
fn a_proxy_that_refuses_is_not_taken_for_the_server() {
    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let proxy = Proxy::start(Some(refusal));
    let builder = Builder::new().proxy(&with_user(&proxy.url()));
    let client = builder.platform_roots(false).ca(&Authority::new().pem).build();
    assert_eq!(client.get("http://a.example/").unwrap().status, 407, "an answer like any other");
    let failure = client.post("https://a.example/", "text/x", b"order").unwrap_err();
    assert_eq!(failure.status, AHOY_E_CONNECT, "{}", failure.message);
    assert!(!failure.is_ambiguous, "no byte reached the server: {}", failure.message);
    assert!(failure.message.contains("proxy wants other credentials"), "{}", failure.message);
    // The same credentials again would be one more failed login.
    assert_eq!((failure.attempt_count, proxy.asked().len()), (1, 2));
    let socks = Builder::new().proxy(&proxy.socks_url(USER)).build();
    let failure = socks.get("http://a.example/").unwrap_err();
    assert!(failure.message.contains("proxy wants other credentials"), "{}", failure.message);
    assert_eq!((failure.status, failure.attempt_count), (AHOY_E_CONNECT, 1), "{}", failure.message);
}

#[test]
fn credentials_are_in_no_log_and_no_error() {
    let lines = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&lines);
    let dead = Dead::new();
    let refusing = Proxy::start(Some("HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n"));
    let broken = Proxy::start(Some("nonsense\r\n\r\n"));
    for proxy in [dead.url(), refusing.url(), broken.url(), refusing.socks_url("")] {
        for url in ["http://a.example/", "https://a.example/"] {
            let log = Arc::clone(&log);
            let builder = Builder::new()
                .proxy(&with_user(&proxy))
                .on_log(AHOY_LOG_DEBUG, move |_, target, text| {
                    *log.lock().unwrap() += &format!("{target} {text}\n")
                });
            let client = builder.platform_roots(false).ca(&Authority::new().pem).build();
            if let Err(failure) = client.get(url) {
                *lines.lock().unwrap() += &failure.message;
            }
        }
    }
    for wrong in ["ftp://user:p%40ss@a", "http://user:p%40ss@a/b", "user:p%40ss"] {
        *lines.lock().unwrap() += &Builder::new().try_proxy(wrong).unwrap_err().message;
        *lines.lock().unwrap() += &Builder::new().option("proxy", wrong).unwrap_err().message;
    }
    let lines = lines.lock().unwrap();
    assert!(lines.len() > 100);
    for secret in ["p@ss", "p%40ss", BASIC, "user:"] {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
}

/// Passed over, it would let calls through the proxy that were not to go there.
#[test]
fn an_exception_that_cannot_be_meant_is_refused() {
    for (entry, problem) in
        [("b:8080", "has a port"), ("10.0.0.0/33", "is no name"), ("http://b", "is no name")]
    {
        let failure = Builder::new().option("no_proxy", &format!("a, {entry}")).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        for told in ["no_proxy", entry, problem] {
            assert!(failure.message.contains(told), "{}", failure.message);
        }
    }
}

#[test]
fn a_proxy_and_a_balancer_do_not_go_together() {
    let builder = || Builder::new().balancer(&round_robin(&[1]));
    for (builder, setting) in [
        (builder().proxy("http://a"), "proxy: "),
        (builder().proxy_from_environment(true), "proxy_from_environment: "),
    ] {
        let failure = builder.try_build().unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.starts_with(setting), "{}", failure.message);
    }
    assert!(builder().proxy("http://a").proxy("off").try_build().is_ok());
    for wrong in ["", "a", "socks5://a", "ftp://a", "http://a/b"] {
        let failure = Builder::new().try_proxy(wrong).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{wrong}");
        assert!(failure.message.starts_with("proxy: "), "{}", failure.message);
    }
}

/// What runs in a process of its own, with proxies in its environment.
#[test]
fn in_an_environment_with_proxies() {
    let (Ok(proxy), Ok(base)) = (std::env::var("TEST_PROXY"), std::env::var("TEST_BASE")) else {
        return;
    };
    let asked = || TcpStream::connect(&*proxy).is_ok();
    assert!(asked());
    let unasked = Builder::new().base_url(&base).build();
    assert_eq!(unasked.get("/direct").unwrap().status, 200);
    let told = Builder::new().base_url(&base).proxy_from_environment(true).build();
    assert_eq!(told.get("/proxied").unwrap().status, 200);
    let by_name = Builder::new().base_url(&base);
    by_name.option("proxy_from_environment", "true").unwrap();
    by_name.option("no_proxy", "127.0.0.1").unwrap();
    assert_eq!(by_name.build().get("/left-out").unwrap().status, 200);
}

#[test]
fn the_environment_is_read_only_when_asked() {
    let (proxy, server) = (Proxy::carrying(), Server::ok());
    let test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_an_environment_with_proxies"])
        .envs([("http_proxy", proxy.url()), ("HTTP_PROXY", "http://127.0.0.1:1".to_owned())])
        .envs([("TEST_PROXY", format!("127.0.0.1:{}", proxy.port)), ("TEST_BASE", server.url())])
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    assert!(test.status.success(), "{}", String::from_utf8_lossy(&test.stdout));
    assert_eq!(server.request_count(), 3);
    let asked = proxy.asked();
    assert!(asked.len() == 1 && asked[0].contains("/proxied"), "{asked:?}");
}
