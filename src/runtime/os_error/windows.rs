//! The numbers of Winsock, which are not those of the C library: there ENOBUFS is 119, and never comes from a socket.

use windows_sys::Win32::Networking::WinSock as winsock;

/// The process has as many sockets as it may have.
pub(super) const NO_DESCRIPTOR: i32 = winsock::WSAEMFILE;

/// Of what this process or machine is short.
pub(super) const SHORTAGES: &[(i32, &str)] = &[
    (winsock::WSAEMFILE, "out of sockets"),
    // A connect says the first, a bind the second; the third, where the local address is not this machine's.
    (winsock::WSAEADDRINUSE, "out of local ports"),
    (winsock::WSAENOBUFS, "out of local ports or memory for sockets"),
    (winsock::WSAEADDRNOTAVAIL, "no such local address"),
    (winsock::WSA_NOT_ENOUGH_MEMORY, "out of memory for sockets"),
    (winsock::WSAEPROCLIM, "out of sockets"),
];

/// What a peer, or the way to it, is to blame for.
#[cfg(test)]
pub(super) const PEERS: [(i32, std::io::ErrorKind); 6] = {
    use std::io::ErrorKind as K;
    [
        (winsock::WSAECONNREFUSED, K::ConnectionRefused),
        (winsock::WSAECONNRESET, K::ConnectionReset),
        (winsock::WSAECONNABORTED, K::ConnectionAborted),
        (winsock::WSAEHOSTUNREACH, K::HostUnreachable),
        (winsock::WSAENETUNREACH, K::NetworkUnreachable),
        (winsock::WSAETIMEDOUT, K::TimedOut),
    ]
};
