//! What this process or machine is short of is no endpoint's fault. Shortage of descriptors is in `tests/exit.rs`.

#![allow(unsafe_code, reason = "limits are set as only a C program does")]

use std::fs;

use support::*;

/// A balanced client and its balancer, whose circuits are looked at afterwards.
fn watched(ports: &[u16]) -> (Client, Balancer) {
    let balancer = round_robin(ports);
    (Builder::new().balancer(&balancer).tries(2).build(), balancer)
}

/// The calls fail without a word about the endpoint, whose circuit stays closed.
fn assert_neutral(client: &Client, balancer: &Balancer, said: &[&str]) {
    for _ in 0..12 {
        let failure = client.get("/").unwrap_err();
        let message = failure.message.to_lowercase();
        assert!(said.iter().any(|said| message.contains(said)), "{message}");
        assert!(!failure.is_ambiguous, "{message}");
    }
    assert!(balancer.pick().is_ok(), "the circuit stays closed");
}

#[test]
fn without_local_ports_no_circuit_opens() {
    with_all_ports_held(|port| {
        let refused = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EADDRNOTAVAIL));
        let (client, balancer) = watched(&[port]);
        assert_neutral(&client, &balancer, &["out of local ports"]);
    });
}

#[test]
fn without_ports_of_the_local_address_no_circuit_opens() {
    with_all_ports_held(|port| {
        // A bind says another number than a connect.
        let refused = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EADDRINUSE));
        let balancer = round_robin(&[port]);
        let builder = Builder::new().balancer(&balancer).tries(2);
        builder.option("local_address", "127.0.0.1").unwrap();
        assert_neutral(&builder.build(), &balancer, &["out of local ports"]);
    });
}

/// Runs `check` in a child whose network has one listener, and two local ports, which are both in use.
fn with_all_ports_held(check: impl FnOnce(u16)) {
    let _floor = crate::alone();
    let server = Server::ok();
    let port = server.port();
    Child::run(|| {
        if !narrow_network() {
            println!("no network namespace of its own here");
            return;
        }
        let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        let connect = || std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let held = [connect(), connect()];
        check(port);
        drop((held, listener));
    })
    .ends();
}

#[test]
fn a_family_without_an_address_here_is_no_want_of_ports() {
    let _floor = crate::alone();
    let server = Server::ok();
    let port = server.port();
    Child::run(|| {
        if !network_without_ipv6() {
            println!("no network namespace of its own here");
            return;
        }
        // A container where IPv6 is switched off says the same as a system without ports.
        let far = "2001:db8::1";
        let refused = std::net::TcpStream::connect((far, 9)).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EADDRNOTAVAIL));
        let balancer = Balancer::round_robin(&Provider::of(&[Host::new(far, 9)]));
        let client = Builder::new().balancer(&balancer).tries(1).build();
        let failure = client.get("/").unwrap_err();
        assert!(failure.message.contains("network unreachable"), "{}", failure.message);
        assert!(balancer.pick().is_err(), "the circuit opens");

        // Of a name that has addresses of both families, the one that can be asked tells more. Nothing listens there.
        let balancer = Balancer::round_robin(&Provider::of(&[Host::new("both.test", port)]));
        let builder = Builder::new().balancer(&balancer).tries(1);
        builder.option("resolve", &format!("both.test:{port}:::1,127.0.0.1")).unwrap();
        let failure = builder.build().get("/").unwrap_err();
        assert!(failure.message.contains("connect refused"), "{}", failure.message);
        assert!(balancer.pick().is_err(), "the circuit opens");
    })
    .ends();
}

/// A network of this process alone, with a loopback interface and two local ports; false where that is not allowed.
fn narrow_network() -> bool {
    own_network() && fs::write("/proc/sys/net/ipv4/ip_local_port_range", "40000 40001").is_ok()
}

/// A network of this process alone, with a loopback interface that has an address of IPv4 alone; false where that is
/// not allowed.
fn network_without_ipv6() -> bool {
    own_network() && fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").is_ok()
}

/// A network of this process alone, with a loopback interface; false where that is not allowed.
fn own_network() -> bool {
    // SAFETY: touches this child process alone.
    if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
        return false;
    }
    // SAFETY: all zeros is a request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l'.cast_signed();
    request.ifr_name[1] = b'o'.cast_signed();
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap();
    // SAFETY: the request lives through the calls, and the socket is closed at the end.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0);
        let set = libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw mut request);
        libc::close(socket);
        set == 0
    }
}

#[test]
fn without_threads_no_circuit_opens_and_later_all_is_well() {
    let _floor = crate::alone();
    let server = Server::ok();
    let (client, balancer) = watched(&[server.port()]);
    // The child has to make its threads anew.
    Child::run(|| {
        // SAFETY: touches this child process alone. The limit does not bind root.
        unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) };
        let before = set_limit(libc::RLIMIT_NPROC, 0);
        assert!(std::thread::Builder::new().spawn(|| {}).is_err());
        assert_neutral(&client, &balancer, &["thread", "resource"]);
        let started = client.start(&Request::new("GET", "/")).and_then(|call| call.end());
        assert!(!started.unwrap_err().is_ambiguous);
        set_limit(libc::RLIMIT_NPROC, before);
        assert_eq!(client.get("/").unwrap().status, 200);
        assert_eq!(client.begin("/").end().unwrap().status, 200);
    })
    .ends();
}

/// Sets a soft limit of this process; the one before.
pub(crate) fn set_limit(resource: libc::__rlimit_resource_t, limit: u64) -> u64 {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit lives through the calls.
    unsafe {
        libc::getrlimit(resource, &raw mut now);
        let before = std::mem::replace(&mut now.rlim_cur, limit);
        assert_eq!(libc::setrlimit(resource, &raw const now), 0);
        before
    }
}

/// The user without rights, on every Linux.
const NOBODY: libc::uid_t = 65534;
