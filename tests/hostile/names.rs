//! Names and addresses as the system knows them.

#![allow(unsafe_code, reason = "setters are called as only a C program does")]

use std::io::{Read, Write};
use std::net::TcpListener;

use ahoy::ffi::client::names::*;
use ahoy::ffi::values::status::*;

use support::*;

#[test]
fn the_zone_of_an_address_is_used_here_and_told_to_nobody() {
    let _floor = crate::beside_others();
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        println!("no IPv6 here");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let length = socket.read(&mut request).unwrap();
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap().to_lowercase()
    });
    let provider = Provider::of(&[Host::new("::1%lo", port)]);
    let client = Builder::new().balancer(&Balancer::round_robin(&provider)).build();
    assert_eq!(client.get("/").unwrap().status, 204);
    let request = heard.join().unwrap();
    assert!(request.contains(&format!("host: [::1]:{port}\r\n")), "{request}");
    assert!(!request.contains("%lo"), "{request}");
}

#[test]
fn a_zone_that_is_no_interface_is_this_hosts_fault() {
    let _floor = crate::beside_others();
    let provider = Provider::of(&[Host::new("fe80::1%no-such-if", 80)]);
    let balancer = Balancer::round_robin(&provider);
    let client = Builder::new().balancer(&balancer).tries(1).build();
    let failure = client.get("/").unwrap_err();
    assert!(failure.message.contains("no interface no-such-if"), "{}", failure.message);
    assert!(!failure.is_ambiguous);
    assert!(balancer.pick().is_ok(), "the circuit stays closed");
}

#[test]
fn zones_belong_to_ipv6_addresses_alone() {
    let _floor = crate::beside_others();
    let list = Provider::list();
    for address in ["127.0.0.1%lo", "name%lo", "::1%", "%lo", "::1%a b"] {
        let failure = list.add(address, 80).unwrap_err();
        assert_eq!(failure.status, AHOY_E_INVALID_ARGUMENT, "{address}");
    }
    for address in ["fe80::1%eth0", "[fe80::1%2]", "db_1", "my_service.default.example"] {
        list.add(address, 80).unwrap();
    }
}

#[test]
fn the_system_resolves_where_that_is_wanted() {
    let _floor = crate::beside_others();
    let server = Server::ok();
    let provider = Provider::of(&[Host::new("localhost", server.port())]);
    let builder = Builder::new().balancer(&Balancer::round_robin(&provider));
    // SAFETY: the handle is the builder's, and no error is asked for.
    unsafe {
        let err = std::ptr::null_mut();
        assert_eq!(
            ahoy_client_builder_set_resolver(builder.raw(), AHOY_RESOLVER_SYSTEM, err),
            AHOY_OK
        );
        assert_eq!(ahoy_client_builder_set_max_stale_ms(builder.raw(), 0, err), AHOY_OK);
        let refused = ahoy_client_builder_set_resolver(builder.raw(), 7, err);
        assert_eq!(refused, AHOY_E_INVALID_ARGUMENT);
    }
    let client = builder.build();
    assert_eq!(client.get("/").unwrap().status, 200);
    assert_eq!(client.begin("/").end().unwrap().status, 200);
    let named = |(_, name): &(i32, String)| name.starts_with("ahoy-names");
    assert!(threads().iter().any(named), "the C library is asked on a thread of the library");
}
