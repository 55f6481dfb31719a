//! What the rest of the process is like: its environment, and other users of the same crates. Each in a child of
//! its own, since all of it belongs to the whole process.

#![allow(unsafe_code, reason = "the environment is set while there is one thread")]

#[cfg(unix)]
use ahoy::ffi::values::status::AHOY_OK;
use rustls::crypto::{CryptoProvider, ring};
use support::*;

#[cfg(unix)]
#[test]
fn proxies_of_the_environment_are_never_read() {
    let _alone = alone();
    let (server, dead) = (Server::ok(), Dead::new());
    Child::run(|| {
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            for name in [name.to_owned(), name.to_lowercase()] {
                // SAFETY: the child has one thread so far.
                unsafe { std::env::set_var(name, dead.url()) };
            }
        }
        for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
            // SAFETY: as above.
            unsafe { std::env::remove_var(name) };
        }
        assert_eq!(client_over(&[server.port()]).get("/").unwrap().status, 200);
        assert_eq!(Builder::new().base_url(&server.url()).build().get("/").unwrap().status, 200);
        let absolute = Builder::new().build();
        assert_eq!(absolute.get(&server.url()).unwrap().status, 200);
        assert_eq!(absolute.begin(&server.url()).end().unwrap().status, 200);
        let queue = Queue::new();
        absolute.submit(&Request::new("GET", &server.url()), &queue, 1).unwrap();
        assert_eq!(queue.next(10_000).unwrap().unwrap().status(), AHOY_OK);
    })
    .ends();
    assert_eq!(server.request_count(), 5);
}

#[test]
fn another_crypto_provider_in_the_program_is_not_asked() {
    let _alone = alone();
    let authority = Authority::new();
    let server = Server::tls(authority.server("127.0.0.1"), |_| Reply::status(200));
    let url = format!("https://127.0.0.1:{}", server.port());
    Child::run(|| {
        // The program's own choice, with which no connection can be made.
        let useless = CryptoProvider { cipher_suites: Vec::new(), ..ring::default_provider() };
        useless.install_default().unwrap();
        let host = Host::new("127.0.0.1", server.port()).https();
        let balanced = Builder::new().balancer(&Balancer::round_robin(&Provider::of(&[host])));
        for builder in [balanced, Builder::new().base_url(&url)] {
            let client = builder.ca(&authority.pem).build();
            assert_eq!(client.get("/").unwrap().status, 200);
            assert_eq!(client.begin("/").end().unwrap().status, 200);
        }
    })
    .ends();
}
