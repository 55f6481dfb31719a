//! Memory that is not to be had for what a peer sends is an error, and not the end of the process.

use std::io::Write;

use ahoy::ffi::values::status::*;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::shortage::set_limit;
use support::*;

/// More than an allocator has reserved for a thread (64 MiB with glibc).
const LARGE: usize = 96 << 20;

/// What this process takes now, in bytes of address space.
fn address_space() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').next().unwrap().parse::<u64>().unwrap() * 4096
}

/// A call under a limit of 10 MB more than there is, in a child.
fn fails_without_memory(server: &Server) {
    let client = |tries| {
        let builder = Builder::new().balancer(&round_robin(&[server.port()])).tries(tries);
        builder.option("max_body", "512MiB").unwrap();
        builder.build()
    };
    let clients = [client(3), client(1)];
    Child::run(|| {
        for client in &clients {
            // Warm, with all threads and buffers of a small answer.
            assert_eq!(client.get("/small").unwrap().status, 200);
            assert_eq!(client.begin("/small").end().unwrap().status, 200);
            let before = set_limit(libc::RLIMIT_AS, address_space() + (10 << 20));
            for failure in [client.get("/").unwrap_err(), client.begin("/").end().unwrap_err()] {
                assert_eq!(failure.status, AHOY_E_BODY_TOO_LARGE, "{}", failure.message);
                assert!(failure.message.contains("no memory for a body of"), "{}", failure.message);
            }
            set_limit(libc::RLIMIT_AS, before);
            assert_eq!(client.get("/small").unwrap().status, 200);
        }
    })
    .ends();
}

#[test]
fn a_body_that_does_not_fit_into_memory_is_an_error() {
    let _floor = crate::alone();
    let server = Server::new(|seen| match seen.path.as_str() {
        "/small" => Reply::text(200, "small"),
        _ => Reply::bytes(200, vec![b'x'; LARGE]),
    });
    fails_without_memory(&server);
}

#[test]
fn a_gzip_body_that_does_not_fit_into_memory_is_an_error() {
    let _floor = crate::alone();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&vec![0; LARGE]).unwrap();
    let encoded = encoder.finish().unwrap();
    let server = Server::new(move |seen| match seen.path.as_str() {
        "/small" => Reply::text(200, "small"),
        _ => Reply::bytes(200, encoded.clone()).header("content-encoding", "gzip"),
    });
    fails_without_memory(&server);
}

/// The most memory that this process has had since [`forget_peak`], in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

#[test]
fn a_length_that_is_not_sent_costs_no_memory() {
    let _floor = crate::alone();
    const ANNOUNCED: usize = 60 << 20;
    let server = Scripted::new(|_, peer| {
        peer.head();
        peer.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {ANNOUNCED}\r\n\r\n"));
        peer.write(vec![b'x'; 100_000]);
        peer.sees_close();
    });
    let builder = Builder::new().balancer(&round_robin(&[server.port()])).tries(1);
    builder.option("body_idle_timeout", "300ms").unwrap();
    let client = builder.build();
    Child::run(|| {
        forget_peak();
        let before = peak();
        let calls: Vec<_> = (0..20).map(|_| client.begin("/")).collect();
        for call in calls {
            let failure = call.end().unwrap_err();
            assert!(failure.message.contains("no more of the body in time"), "{}", failure.message);
        }
        let grown = peak() - before;
        assert!(grown < 20 << 20, "{grown} bytes for 20 bodies of which 100 KB came");
    })
    .ends();
}
