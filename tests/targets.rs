//! Targets and `Host` go out byte for byte, or are refused when the request is made; a fault of the request is
//! nobody's fault on the wire.

use ahoy::ffi::client::builder::{AHOY_HTTP2_OFF, AHOY_HTTP2_PRIOR_KNOWLEDGE};
use ahoy::ffi::values::status::*;
use support::*;

/// What other libraries rewrite.
const AS_GIVEN: [&str; 18] = [
    "/",
    "//x",
    "/a/%2e%2e/b",
    "/.%2E/x",
    "/a/./b/../c",
    "/..",
    "/a\\b",
    "/a'b?it's='",
    "/a?q=a'b",
    "/a|b^c{d}?{e}|f^g`h",
    "/a\"b",
    "/%zz%",
    "/a%2Fb%5cc",
    "/a;b=1,c@d:e!f$g&h(i)*j+k",
    "/a?b?c=/../d\\e",
    "/?",
    "/a?",
    "/a=%00",
];

/// Both kinds of client, for a server.
fn clients(server: &Server) -> [Client; 3] {
    [
        client_over(&[server.port()]),
        Builder::new().base_url(&server.url()).build(),
        Builder::new().base_url(&server.url()).redirects(1).build(),
    ]
}

#[test]
fn targets_go_out_byte_for_byte() {
    for target in AS_GIVEN {
        for kind in 0..4 {
            let server = Server::ok();
            match kind {
                3 => Builder::new().build().get(&format!("{}{target}", server.url())).unwrap(),
                _ => clients(&server)[kind].get(target).unwrap(),
            };
            assert_eq!(server.request().path, target);
        }
    }
}

#[test]
fn what_cannot_go_out_as_it_is_is_refused_when_the_request_is_made() {
    let long = format!("/{}", "x".repeat(70_000));
    let server = Server::ok();
    for target in [
        "",
        "/a b",
        "/a\r\nx: y",
        "/a\tb",
        "/\u{e9}",
        "/a#b",
        "/a<b>",
        "/a`b",
        "/?filter={\"name\":\"x\"}",
        &long,
    ] {
        let failure = Request::try_new("GET", target).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{target:?}");
        assert!(failure.message.starts_with("path: "), "{}", failure.message);
        for client in clients(&server) {
            let failure = client.get(target).unwrap_err();
            assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{target:?}");
            assert!(failure.message.starts_with("path: ") && failure.attempt_count == 0);
        }
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_long_target_arrives_whole() {
    let target = format!("/{}", "x".repeat(64_000));
    let server = Server::ok();
    for client in clients(&server) {
        client.get(&target).unwrap();
    }
    assert!(server.requests().iter().all(|seen| seen.path == target));
    let base = format!("{}/{}", server.url(), "b".repeat(2_000));
    let failure = Builder::new().base_url(&base).build().get(&target).unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{}", failure.message);
}

#[test]
fn a_base_path_cannot_be_left() {
    let server = Server::ok();
    let client = Builder::new().base_url(&format!("{}/api", server.url())).build();
    let origin = server.url();
    for target in [
        "/../x",
        "/a/../../x",
        "/%2e%2e/x",
        "/.%2E/x",
        "/%252e%252e/x",
        "/..%2fx",
        "/..\\x",
        "/..%5cx",
        "/..;a/x",
        &format!("{origin}/x"),
        &format!("{origin}/apix"),
        &format!("{origin}/api/../x"),
        &format!("{origin}/"),
    ] {
        let failure = client.get(target).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{target}");
        assert!(failure.message.starts_with("path: "), "{}", failure.message);
    }
    assert_eq!(server.connections(), 0);
    for target in ["/a..b", "/.../x", "/./x", "/a?x=/../y"] {
        client.get(target).unwrap();
        assert_eq!(server.requests().pop().unwrap().path, format!("/api{target}"));
    }
}

#[test]
fn default_credentials_never_leave_a_base_urls_server() {
    let (server, other) = (Server::ok(), Server::ok());
    let builder = Builder::new().base_url(&server.url()).header("Authorization", "secret");
    let client = builder.build();
    let port = server.port();
    for url in [
        format!("{}/", other.url()),
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
    ] {
        let failure = client.get(&url).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{url}");
        assert!(failure.message.starts_with("path: "), "{}", failure.message);
    }
    assert_eq!((server.connections(), other.connections()), (0, 0));
    client.get(&format!("{}/x", server.url())).unwrap();
    assert_eq!(server.request().path, "/x");
}

#[test]
fn a_host_that_is_none_is_refused_where_it_is_set() {
    for value in ["not a host", "", "user@host", "a/b", "a:b:c"] {
        let request = Request::new("GET", "/");
        let failures = [
            request.try_header("Host", value.as_bytes()).unwrap_err(),
            Builder::new().try_header("host", value.as_bytes()).unwrap_err(),
        ];
        for failure in failures {
            assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{value:?}");
            assert!(failure.message.starts_with("value: "), "{}", failure.message);
        }
    }
}

#[test]
fn there_is_one_host_and_it_comes_first() {
    let server = Scripted::new(|_, peer| {
        while let Some(head) = peer.head() {
            let text = head.lines().nth(1).unwrap().to_owned();
            peer.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()));
        }
    });
    let own = || Request::new("GET", "/").header("X-A", "1").header("Host", "own.example");
    for builder in [
        Builder::new().balancer(&round_robin(&[server.port()])),
        Builder::new().base_url(&url(server.port())),
    ] {
        let client = builder.header("X-First", "1").build();
        let host = format!("host: 127.0.0.1:{}", server.port());
        assert_eq!(client.get("/").unwrap().text(), host);
        assert_eq!(client.send(&own()).unwrap().text(), "host: own.example");
    }
}

#[test]
fn a_second_host_is_refused_where_it_is_added() {
    let request = Request::new("GET", "/").header("Host", "a.example");
    let failure = request.try_header("host", b"b.example").unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.starts_with("name: "), "{}", failure.message);
}

/// 15 such calls opened two of three circuits where only the transport found out.
#[test]
fn a_fault_of_the_request_is_neutral_and_never_repeated() {
    let long = format!("/{}", "x".repeat(70_000));
    let modes = [AHOY_HTTP2_OFF, AHOY_HTTP2_PRIOR_KNOWLEDGE];
    for http2 in modes.into_iter().take(if cfg!(feature = "http2") { 2 } else { 1 }) {
        let servers = [Server::ok(), Server::ok(), Server::ok()];
        let ports = servers.each_ref().map(Server::port);
        let balancer = round_robin(&ports);
        let builder = Builder::new().balancer(&balancer);
        builder.try_http2(http2).unwrap();
        let client = builder.build();
        for target in ["/?filter={\"name\":\"x\"}", &long] {
            for _ in 0..15 {
                let failure = client.get(target).unwrap_err();
                assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{}", failure.message);
                assert!(!failure.is_ambiguous && !failure.is_retryable);
                assert_eq!(failure.attempt_count, 0);
            }
        }
        for port in ports {
            assert!(balancer.endpoint(port).is_closed(), "the circuit of {port}");
        }
        assert!(servers.iter().all(|server| server.connections() == 0), "nothing was sent");
    }
}
