//! https: whom a client trusts, as whom it speaks, and what it tells when that fails.

mod support;

use ahoy::ffi::balancer::host::AHOY_SCHEME_HTTP;
use ahoy::ffi::values::status::*;
use support::*;

/// A server called `name`, the host to reach it at, and its authority.
fn secured(name: &str) -> (Server, Authority) {
    let authority = Authority::new();
    let server = Server::tls(authority.server(name), |_| Reply::text(200, "secret garden"));
    (server, authority)
}

fn over(host: Host) -> Builder {
    Builder::new().balancer(&Balancer::round_robin(&Provider::of(&[host])))
}

fn https(server: &Server) -> Host {
    Host::new("127.0.0.1", server.port()).https()
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted() {
    let (server, authority) = secured("127.0.0.1");
    for platform in [true, false] {
        let client = over(https(&server)).ca(&authority.pem).platform_roots(platform).build();
        let answer = client.get("/").unwrap();
        assert_eq!((answer.status, answer.text()), (200, "secret garden".to_owned()));
        assert_eq!(answer.endpoint_url, format!("https://127.0.0.1:{}", server.port()));
    }
    assert_eq!(server.request_count(), 2);
}

#[test]
fn without_a_balancer_the_url_says_https() {
    let (server, authority) = secured("127.0.0.1");
    let url = format!("https://127.0.0.1:{}", server.port());
    let client = Builder::new().base_url(&url).ca(&authority.pem).platform_roots(false).build();
    assert_eq!(client.get("/").unwrap().text(), "secret garden");
}

#[test]
fn a_connection_is_kept_over_tls_too() {
    let (server, authority) = secured("127.0.0.1");
    let client = over(https(&server)).ca(&authority.pem).platform_roots(false).build();
    for _ in 0..5 {
        client.get("/").unwrap();
    }
    assert_eq!((server.request_count(), server.connections()), (5, 1));
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused() {
    let (server, _) = secured("127.0.0.1");
    let other = Authority::new();
    let url = format!("https://127.0.0.1:{}", server.port());
    for builder in [over(https(&server)), Builder::new().base_url(&url)] {
        let failure = builder.ca(&other.pem).build().get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_TLS, "{}", failure.message);
        assert_eq!(failure.attempt_count, 1, "repeating it cannot help");
        assert!(!failure.is_ambiguous && !failure.is_retryable);
        assert!(failure.message.contains("unknown issuer"), "{}", failure.message);
    }
    assert_eq!(server.request_count(), 0);
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let (server, authority) = secured("other.example");
    let url = format!("https://127.0.0.1:{}", server.port());
    for builder in [over(https(&server)), Builder::new().base_url(&url)] {
        let client = builder.ca(&authority.pem).platform_roots(false).build();
        let failure = client.get("/").unwrap_err();
        assert_eq!(failure.status, AHOY_E_TLS, "{}", failure.message);
        assert!(failure.message.contains("not valid for"), "{}", failure.message);
    }
    assert_eq!(server.request_count(), 0);
}

#[test]
fn the_platforms_roots_alone_do_not_trust_a_private_authority() {
    let (server, _) = secured("127.0.0.1");
    let failure = over(https(&server)).build().get("/").unwrap_err();
    assert_eq!(failure.status, AHOY_E_TLS, "{}", failure.message);
}

#[test]
fn the_authoritys_name_is_asked_for_and_verified() {
    let (server, authority) = secured("api.example.com");
    let host = https(&server).authority("api.example.com");
    let client = over(host).ca(&authority.pem).platform_roots(false).build();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(server.request().header("host"), Some("api.example.com"));
}

#[test]
fn the_server_name_stands_apart_from_the_authority() {
    let (server, authority) = secured("inner.example");
    let host = https(&server).authority("api.example.com:8443").server_name("inner.example");
    let client = over(host).ca(&authority.pem).platform_roots(false).build();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(server.request().header("host"), Some("api.example.com:8443"));
    let wrong = https(&server).server_name("outer.example");
    let client = over(wrong).ca(&authority.pem).platform_roots(false).build();
    assert_eq!(client.get("/").unwrap_err().status, AHOY_E_TLS);
}

#[test]
fn a_client_certificate_says_who_is_calling() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server =
        Server::tls(authority.strict_server("127.0.0.1", &clients), |_| Reply::status(200));
    let known = || over(https(&server)).ca(&authority.pem).platform_roots(false).tries(1);
    let client = known().identity(&clients.issue("caller.example")).build();
    assert_eq!(client.get("/").unwrap().status, 200);
    let url = format!("https://127.0.0.1:{}", server.port());
    let without_balancer = Builder::new().base_url(&url).ca(&authority.pem);
    let client = without_balancer.identity(&clients.issue("caller.example")).build();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(server.request_count(), 2);
}

#[test]
fn without_the_certificate_that_is_asked_for_no_request_is_served() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server =
        Server::tls(authority.strict_server("127.0.0.1", &clients), |_| Reply::status(200));
    let known = || over(https(&server)).ca(&authority.pem).platform_roots(false).tries(1);
    for builder in [known(), known().identity(&Authority::new().issue("stranger.example"))] {
        let failure = builder.build().get("/").unwrap_err();
        // The server refuses after the client's part of the handshake, so that the request may be on its way.
        let expected = [AHOY_E_TLS, AHOY_E_CONNECTION_LOST];
        assert!(expected.contains(&failure.status), "{}", failure.message);
    }
    assert_eq!(server.request_count(), 0);
}

#[test]
fn a_client_that_trusts_nobody_is_not_built() {
    let failure = Builder::new().platform_roots(false).try_build().unwrap_err();
    assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
    assert!(failure.message.contains("root certificate"), "{}", failure.message);
}

#[test]
fn unusable_certificates_are_refused_when_the_client_is_built_and_named() {
    let good = Authority::new().issue("caller.example");
    let broken_pem = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n".to_owned();
    let other_key = Authority::new().issue("caller.example").1;
    let cases = [
        (Builder::new().ca("no pem at all"), "root certificate"),
        (Builder::new().ca(&broken_pem), "root certificate"),
        (Builder::new().ca(&good.1), "root certificate"),
        (Builder::new().identity(&(broken_pem, good.1.clone())), "client certificate"),
        (Builder::new().identity(&(good.0.clone(), "no pem at all".to_owned())), "client key"),
        (Builder::new().identity(&(good.0.clone(), other_key)), "client key"),
    ];
    for (builder, named) in cases {
        let failure = builder.try_build().unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.contains(named), "{named}: {}", failure.message);
    }
}

#[test]
fn unusable_certificates_name_the_parameter_that_brought_them() {
    let good = Authority::new().issue("caller.example");
    let cases = [
        (Builder::new().ca("no pem at all"), "pem"),
        (Builder::new().identity(&("no pem".to_owned(), good.1)), "certificate_pem"),
        (Builder::new().identity(&(good.0, "no pem".to_owned())), "key_pem"),
    ];
    for (builder, parameter) in cases {
        let message = builder.try_build().unwrap_err().message;
        assert!(message.starts_with(parameter), "not {parameter}: {message}");
    }
}

#[test]
fn no_message_shows_key_material() {
    let (certificate, key) = Authority::new().issue("caller.example");
    let secret = key.lines().nth(1).unwrap();
    let damaged = key.replace("-----END", "*!*\n-----END");
    for key in [damaged, key.replace("PRIVATE", "PUBLIC"), key.replacen('M', "N", 1)] {
        let failure = Builder::new().identity(&(certificate.clone(), key)).try_build();
        let message = failure.map(|_| ()).unwrap_err().message;
        assert!(!message.contains(&secret[..8]), "{message}");
    }
}

#[test]
fn plain_http_spoken_to_a_tls_port_and_the_reverse_fail() {
    let (server, authority) = secured("127.0.0.1");
    let plain = Host::new("127.0.0.1", server.port()).scheme(AHOY_SCHEME_HTTP);
    assert!(over(plain).tries(1).build().get("/").is_err());
    assert_eq!(server.request_count(), 0);
    let http = Server::ok();
    let client = over(https(&http)).ca(&authority.pem).platform_roots(false).tries(1);
    // The server waits for a request line that never ends.
    http.on_accept(Accept::Close);
    let failure = client.timeout_ms(1000).build().get("/").unwrap_err();
    assert!(!failure.is_ambiguous, "no request was sent: {}", failure.message);
}

#[test]
fn a_handshake_that_hangs_is_cut_by_the_connect_limit() {
    // Reads what comes, and never says a word.
    let mute = Server::always(Reply::Hang);
    let builder = over(https(&mute)).tries(1).connect_timeout_ms(80);
    let (failure, took) = timed(|| builder.build().get("/").unwrap_err());
    assert_eq!(failure.status, AHOY_E_CONNECT_TIMEOUT, "{}", failure.message);
    assert!(took >= ms(75) && took < ms(400), "{took:?}");
}
