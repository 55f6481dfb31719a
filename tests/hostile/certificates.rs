//! Certificates as they are really made, and ports that speak something else than is thought.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use ahoy::ffi::client::builder::{AHOY_HTTP2_ALPN, AHOY_HTTP2_OFF};
use ahoy::ffi::values::status::*;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use support::*;

/// What `openssl req -x509` makes, with more arguments; certificate and key in PEM. `None` where there is no openssl.
fn openssl(name: &str, arguments: &[&str]) -> Option<(String, String)> {
    let folder = std::env::temp_dir().join(format!("ahoy-openssl-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .args(arguments)
        .output();
    let Ok(made) = made else {
        println!("SKIP {name}: openssl is not installed");
        return None;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let pair = (fs::read_to_string(certificate).unwrap(), fs::read_to_string(key).unwrap());
    fs::remove_dir_all(folder).unwrap();
    Some(pair)
}

fn server((certificate, key): &(String, String)) -> Server {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    Server::tls(builder.with_single_cert(chain, key).unwrap(), |_| Reply::status(200))
}

fn get(server: &Server, name: &str, ca: &str) -> Outcome {
    let host = Host::new("127.0.0.1", server.port()).https().server_name(name);
    let balancer = Balancer::round_robin(&Provider::of(&[host]));
    Builder::new().balancer(&balancer).tries(1).ca(ca).build().get("/")
}

#[test]
fn a_self_signed_certificate_that_was_added_is_accepted_and_checked() {
    let _floor = crate::beside_others();
    let common_name = ["-subj", "/CN=self.test", "-days", "2"];
    let alternative =
        ["-subj", "/CN=x", "-days", "2", "-addext", "subjectAltName=DNS:self.test,IP:127.0.0.1"];
    for arguments in [&common_name[..], &alternative[..]] {
        let Some(pair) = openssl("self", arguments) else { return };
        let server = server(&pair);
        assert_eq!(get(&server, "self.test", &pair.0).unwrap().status, 200, "{arguments:?}");
        let failure = get(&server, "other.test", &pair.0).unwrap_err();
        assert_eq!(failure.status, AHOY_E_TLS);
        assert!(failure.message.contains("not valid for name other.test"), "{}", failure.message);
        let other = openssl("other", arguments).unwrap();
        let failure = get(&server, "self.test", &other.0).unwrap_err();
        assert!(failure.message.contains("exactly this one must be added"), "{}", failure.message);
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_is_told_of() {
    let _floor = crate::beside_others();
    let authority = Authority::new();
    let config = authority.strict_server("self.test", &authority);
    let server = Server::tls(config, |_| Reply::status(200));
    let said = "the server asks for a certificate, none is set";
    let host = Host::new("127.0.0.1", server.port()).https().server_name("self.test");
    for http2 in [AHOY_HTTP2_OFF, AHOY_HTTP2_ALPN] {
        let balancer = Balancer::round_robin(&Provider::of(std::slice::from_ref(&host)));
        let client = Builder::new().balancer(&balancer).tries(1).ca(&authority.pem);
        client.try_http2(http2).unwrap();
        let failure = client.build().post("/", "text/plain", b"once").unwrap_err();
        assert!(failure.message.contains(said), "{}", failure.message);
        // With TLS 1.3 the request had left.
        assert!(!failure.is_ambiguous, "{}", failure.message);
    }
}

#[test]
fn http_at_a_port_for_tls_and_tls_at_a_port_for_http_are_told_apart() {
    let _floor = crate::beside_others();
    let authority = Authority::new();
    let tls = Server::tls(authority.server("self.test"), |_| Reply::status(200));
    let plain = Builder::new().balancer(&round_robin(&[tls.port()])).tries(1).build();
    let failure = plain.get("/").unwrap_err();
    assert!(failure.message.contains("its scheme should be https"), "{}", failure.message);
    let http = Scripted::new(|_, peer| {
        let _ = std::io::Read::read(&mut peer.socket, &mut [0; 512]);
        peer.write("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
    });
    let host = Host::new("127.0.0.1", http.port()).https().server_name("self.test");
    let balancer = Balancer::round_robin(&Provider::of(&[host]));
    let client = Builder::new().balancer(&balancer).tries(1).ca(&authority.pem).build();
    let failure = client.get("/").unwrap_err();
    assert!(failure.message.contains("its port may be one for http"), "{}", failure.message);
}
