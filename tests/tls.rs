//! https: whom a client trusts, as whom it speaks, and what it tells when that fails.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use ahoy::ffi::balancer::host::AHOY_SCHEME_HTTP;
use ahoy::ffi::client::hooks::{AHOY_LOG_INFO, AHOY_LOG_WARN};
use ahoy::ffi::values::status::*;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
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
fn the_kinds_of_keys_are_named_where_a_key_is_of_no_such_kind() {
    let (certificate, _) = Authority::new().issue("caller.example");
    let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned();
    let message = Builder::new().identity(&(certificate, key)).try_build().unwrap_err().message;
    assert!(message.contains("none of RSA, P-256, P-384 and Ed25519"), "{message}");
}

#[test]
fn an_encrypted_key_is_told_to_be_one() {
    let (certificate, _) = Authority::new().issue("caller.example");
    for (kind, head) in
        [("ENCRYPTED ", ""), ("RSA ", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n")]
    {
        let key = format!(
            "-----BEGIN {kind}PRIVATE KEY-----\n{head}AAAA\n-----END {kind}PRIVATE KEY-----\n"
        );
        let message =
            Builder::new().identity(&(certificate.clone(), key)).try_build().unwrap_err().message;
        assert!(message.contains("client key: encrypted"), "{message}");
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

/// Files of certificates that are replaced as a renewal does: written beside, then renamed.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name =
            format!("ahoy-tls-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn put(&self, name: &str, pem: &str) -> String {
        let (new, path) = (self.0.join(format!("{name}.new")), self.0.join(name));
        fs::write(&new, pem).unwrap();
        fs::rename(&new, &path).unwrap();
        path.display().to_string()
    }

    /// A client's certificate and its key, one after the other.
    fn put_identity(&self, (certificate, key): &(String, String)) -> [String; 2] {
        [self.put("client.crt", certificate), self.put("client.key", key)]
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server's certificate that is renewed while it serves.
#[derive(Debug)]
struct Renewed(Mutex<Arc<CertifiedKey>>);

impl Renewed {
    fn new(identity: &(String, String)) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Self::key(identity))))
    }

    fn renew(&self, identity: &(String, String)) {
        *self.0.lock().unwrap() = Self::key(identity);
    }

    fn key((certificate, key): &(String, String)) -> Arc<CertifiedKey> {
        let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        Arc::new(CertifiedKey::from_der(chain, key, &ring::default_provider()).unwrap())
    }
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap()))
    }
}

/// Messages at or above `AHOY_LOG_INFO` of the part `tls`.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(i32, String)>>>);

impl Told {
    fn to(&self, builder: Builder) -> Builder {
        let told = Arc::clone(&self.0);
        builder.on_log(AHOY_LOG_INFO, move |level, part, message| {
            if part == "tls" {
                told.lock().unwrap().push((level, message));
            }
        })
    }

    fn has(&self, level: i32, text: &str) -> bool {
        let told = self.0.lock().unwrap();
        told.iter().any(|(of, message)| *of == level && message.contains(text))
    }
}

/// All certificates live for six seconds and are renewed every second and a half; meanwhile the servers' authority is
/// rolled: first the file holds the old and the new one, then the servers change, then the file holds the new one alone.
#[test]
fn certificates_that_live_for_seconds_are_renewed_under_load() {
    let (old, new, clients) = (Authority::new(), Authority::new(), Authority::new());
    let lives = Duration::from_secs(6);
    let short = |authority: &Authority, name: &str| authority.issue_for(name, ms(2_000), lives);
    let shown = Renewed::new(&short(&old, "127.0.0.1"));
    let mut config = old.strict_server("127.0.0.1", &clients);
    config.cert_resolver = Arc::<Renewed>::clone(&shown);
    // A resumed session would show no certificate.
    config.send_tls13_tickets = 0;
    let server = Server::tls(config, |_| Reply::status(200));

    let files = Files::new();
    let [certificate, key] = files.put_identity(&short(&clients, "caller.example"));
    // Each call needs a handshake, so that old certificates would be met. One whose certificate came before its key is
    // kept, so that no call may fail.
    let builder = over(https(&server)).platform_roots(false).tries(1).idle_timeout_ms(0);
    for (name, value) in [
        ("ca_file", files.put("ca.pem", &old.pem)),
        ("certificate_file", certificate),
        ("key_file", key),
    ] {
        builder.option(name, &value).unwrap();
    }
    let told = Told::default();
    let client = told.to(builder).build();
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/").unwrap().status, 200);
                    answered.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(ms(5));
                }
            });
        }
        let begun = Instant::now();
        let authorities = [&old, &old, &new, &new, &new, &new];
        for (round, authority) in authorities.into_iter().enumerate() {
            let at = ms(1_500) * (round as u32 + 1);
            thread::sleep(at.saturating_sub(begun.elapsed()));
            shown.renew(&short(authority, "127.0.0.1"));
            files.put_identity(&short(&clients, "caller.example"));
            match round {
                0 => drop(files.put("ca.pem", &format!("{}{}", old.pem, new.pem))),
                3 => drop(files.put("ca.pem", &new.pem)),
                _ => {}
            }
        }
        stop.store(true, Ordering::SeqCst);
    });
    assert!(answered.load(Ordering::SeqCst) > 100);
    assert!(told.has(AHOY_LOG_INFO, "read anew"));
    // The old authority has left the file: what it signs is not trusted any more.
    shown.renew(&short(&old, "127.0.0.1"));
    eventually("the old authority is not trusted", ms(5_000), || {
        client.get("/").is_err_and(|failure| failure.status == AHOY_E_TLS)
    });
}

#[test]
fn files_that_cannot_be_used_change_nothing_and_the_log_is_told() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server =
        Server::tls(authority.strict_server("127.0.0.1", &clients), |_| Reply::status(200));
    let files = Files::new();
    let first = clients.issue("caller.example");
    let [certificate, key] = files.put_identity(&first);
    let builder = over(https(&server)).platform_roots(false).tries(1).idle_timeout_ms(0);
    builder.option("ca_file", &files.put("ca.pem", &authority.pem)).unwrap();
    builder.option("certificate_file", &certificate).unwrap();
    builder.option("key_file", &key).unwrap();
    let told = Told::default();
    let client = told.to(builder).build();
    let is_well = || client.get("/").unwrap().status == 200;
    assert!(is_well());
    let other = clients.issue("caller.example");
    files.put("client.crt", &other.0);
    let kept = |why: &str| is_well() && told.has(AHOY_LOG_WARN, why);
    eventually("the pair is kept", ms(5_000), || kept("key_file: does not belong"));
    files.put("client.key", &other.1);
    eventually("the new pair is taken", ms(5_000), || {
        is_well() && told.has(AHOY_LOG_INFO, "read anew")
    });
    files.put("ca.pem", "no certificate");
    eventually("the authority is kept", ms(5_000), || kept("ca_file: no certificate in it"));
    fs::remove_file(files.0.join("ca.pem")).unwrap();
    eventually("it is kept when the file is gone", ms(5_000), || kept("ca.pem: "));
    let secret = first.1.lines().nth(1).unwrap()[..8].to_owned();
    assert!(told.0.lock().unwrap().iter().all(|(_, message)| !message.contains(&secret)));
    let count = told.0.lock().unwrap().len();
    assert!(count <= 5, "each is told once: {:?}", told.0.lock().unwrap());
}

#[test]
fn a_certificate_that_ends_soon_is_told() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = Server::tls(authority.server("127.0.0.1"), |_| Reply::status(200));
    for (before, text) in
        [(1_000, None), (990_000, Some("the client's certificate expires within a minute"))]
    {
        let told = Told::default();
        let ends_soon = clients.issue_for("caller.example", ms(before), ms(30_000));
        let builder = over(https(&server)).ca(&authority.pem).platform_roots(false);
        told.to(builder.identity(&ends_soon)).build().get("/").unwrap();
        let messages = told.0.lock().unwrap();
        assert_eq!(messages.first().map(|(_, message)| message.as_str()), text);
        assert!(messages.iter().all(|(level, _)| *level == AHOY_LOG_WARN));
    }
}

#[test]
fn files_that_are_missing_or_lack_their_pair_are_named_when_the_client_is_built() {
    for (key, value, named) in [
        ("ca_file", "/no/such/ca.pem", "ca_file: /no/such/ca.pem: "),
        ("certificate_file", "/no/such.crt", "certificate_file: needs key_file"),
        ("key_file", "/no/such.key", "key_file: needs certificate_file"),
    ] {
        let builder = Builder::new();
        builder.option(key, value).unwrap();
        let failure = builder.try_build().unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT);
        assert!(failure.message.starts_with(named), "{}", failure.message);
    }
}
