//! Sockets of Unix: descriptors like any other.

#![allow(unsafe_code, reason = "a look at what has arrived")]

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

/// The number by which the system knows a socket.
pub type Descriptor = RawFd;

/// What has such a number.
pub use std::os::fd::AsRawFd as Open;

/// The number of a socket.
#[must_use]
pub fn descriptor(socket: &impl Open) -> Descriptor {
    socket.as_raw_fd()
}

/// Of a send that gathers: a socket that was reset raises no SIGPIPE.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
pub const GATHER_FLAGS: i32 = libc::MSG_NOSIGNAL;
/// The socket itself is told: see [`stream`].
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
pub const GATHER_FLAGS: i32 = 0;

/// A new stream socket, which never waits.
///
/// # Errors
/// Those of the system.
#[cfg(not(target_vendor = "apple"))]
pub fn stream(domain: Domain) -> io::Result<Socket> {
    Socket::new(domain, Type::STREAM.nonblocking(), None)
}

/// A new stream socket, which never waits. No flag of a write keeps SIGPIPE away there: the socket is told.
///
/// # Errors
/// Those of the system.
#[cfg(target_vendor = "apple")]
pub fn stream(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.set_nosigpipe(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether a connect that failed goes on by itself.
#[must_use]
pub fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(libc::EINPROGRESS)
}

/// Whether nothing has arrived at the socket, its end and its errors included.
#[must_use]
pub fn is_silent(descriptor: Descriptor) -> bool {
    let mut byte = 0_u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: room for one byte; of a descriptor that is no socket only an error comes.
    let count = unsafe { libc::recv(descriptor, (&raw mut byte).cast(), 1, flags) };
    count < 0 && io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
}

/// Has waits for the socket end once `bytes` have arrived, or its end. Where the system refuses, they end for each byte.
#[cfg(target_os = "linux")]
pub fn wake_at(descriptor: Descriptor, bytes: usize) {
    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    let length = size_of_val(&bytes) as libc::socklen_t;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_RCVLOWAT);
    // SAFETY: a number and its length; of a descriptor that is no socket only an error comes.
    let _ = unsafe { libc::setsockopt(descriptor, level, name, (&raw const bytes).cast(), length) };
}

/// Elsewhere than on Linux waits end for each byte.
#[cfg(not(target_os = "linux"))]
pub const fn wake_at(_: Descriptor, _: usize) {}

/// A socket that is connected to the unix socket at `path`, without waiting.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::WouldBlock`] where the server's backlog is full.
pub fn connect_unix(path: &str) -> io::Result<Socket> {
    let address = SockAddr::unix(path)?;
    let socket = stream(Domain::UNIX)?;
    socket.connect(&address)?;
    Ok(socket)
}

/// Gives the connection up when sent bytes stay unacknowledged for `limit`.
///
/// # Errors
/// Those of the system.
#[cfg(target_os = "linux")]
pub fn set_user_timeout(socket: &Socket, limit: Duration) -> io::Result<()> {
    socket.set_tcp_user_timeout(Some(limit))
}

/// Lets the connection leave by the interface called `name`.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::AddrNotAvailable`] where there is no such interface.
#[cfg(target_os = "linux")]
pub fn bind_interface(socket: &Socket, name: &str) -> io::Result<()> {
    let bound = socket.bind_device(Some(name.as_bytes()));
    bound.map_err(|error| match error.raw_os_error() {
        Some(libc::ENODEV) => io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            format!("no interface {name} on this host"),
        ),
        _ => error,
    })
}

/// There is no such limit.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn set_user_timeout(_: &Socket, _: Duration) -> io::Result<()> {
    Err(super::needs_linux("tcp_user_timeout"))
}

/// Cannot be done.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn bind_interface(_: &Socket, _: &str) -> io::Result<()> {
    Err(super::needs_linux("interface"))
}
