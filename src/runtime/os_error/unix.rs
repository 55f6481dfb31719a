//! The numbers of POSIX.

/// The process has as many descriptors as it may have.
pub(super) const NO_DESCRIPTOR: i32 = libc::EMFILE;

/// Of what this process or machine is short.
pub(super) const SHORTAGES: &[(i32, &str)] = &[
    (libc::EMFILE, "out of file descriptors"),
    (libc::ENFILE, "out of file descriptors"),
    // A connect says the first, a bind to a local address the second.
    (libc::EADDRNOTAVAIL, "out of local ports"),
    (libc::EADDRINUSE, "out of local ports"),
    (libc::ENOBUFS, "out of memory for sockets"),
    (libc::ENOMEM, "out of memory for sockets"),
];

/// What a peer, or the way to it, is to blame for.
#[cfg(test)]
pub(super) const PEERS: [(i32, std::io::ErrorKind); 6] = {
    use std::io::ErrorKind as K;
    [
        (libc::ECONNREFUSED, K::ConnectionRefused),
        (libc::ECONNRESET, K::ConnectionReset),
        (libc::EPIPE, K::BrokenPipe),
        (libc::EHOSTUNREACH, K::HostUnreachable),
        (libc::ENETUNREACH, K::NetworkUnreachable),
        (libc::ETIMEDOUT, K::TimedOut),
    ]
};
