//! Connections that rest, through the C ABI. In a process of its own: beside other tests, calls would land on other
//! shards and I/O threads, and so on other connections.

use std::thread;

use support::*;

#[test]
fn a_connection_that_rested_is_used_again_and_one_that_closed_meanwhile_is_not() {
    let authority = Authority::new();
    let plain = Server::ok();
    let tls = Server::tls(authority.server("127.0.0.1"), |_| Reply::status(200));
    let hosts = [Host::new("127.0.0.1", plain.port()), Host::new("127.0.0.1", tls.port()).https()];
    for (host, server) in hosts.into_iter().zip([&plain, &tls]) {
        let balancer = Balancer::round_robin(&Provider::of(&[host]));
        let client = Builder::new()
            .balancer(&balancer)
            .ca(&authority.pem)
            .platform_roots(false)
            .tries(1)
            .build();
        let post = || client.post("/", "text/plain", b"once").unwrap().attempt_count;
        let begin = || client.begin("/").end().unwrap().attempt_count;
        assert_eq!((post(), begin()), (1, 1));
        // Long enough for the janitor's visit.
        thread::sleep(ms(2200));
        assert_eq!((post(), begin(), server.connections()), (1, 1, 2));
        thread::sleep(ms(2200));
        server.stop();
        server.restart();
        assert_eq!((post(), begin(), server.connections()), (1, 1, 4));
    }
}
