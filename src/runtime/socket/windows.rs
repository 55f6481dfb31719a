//! Winsock's sockets, which are no files.

#![allow(unsafe_code, reason = "a look at what has arrived")]

use std::io;
use std::os::windows::io::RawSocket;
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use windows_sys::Win32::Networking::WinSock::{MSG_PEEK, recv};

use super::needs_linux;

/// The number by which the system knows a socket.
pub type Descriptor = RawSocket;

/// What has such a number.
pub use std::os::windows::io::AsRawSocket as Open;

/// The number of a socket.
#[must_use]
pub fn descriptor(socket: &impl Open) -> Descriptor {
    socket.as_raw_socket()
}

/// Of a send that gathers.
pub const GATHER_FLAGS: i32 = 0;

/// A new stream socket, which never waits.
///
/// # Errors
/// Those of the system.
pub fn stream(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether a connect that failed goes on by itself.
#[must_use]
pub fn is_under_way(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// Whether nothing has arrived at the socket, its end and its errors included. No flag keeps the look from waiting: the
/// library's sockets never do.
#[must_use]
pub fn is_silent(descriptor: Descriptor) -> bool {
    let mut byte = 0_u8;
    // SAFETY: room for one byte; of a number that is no socket only an error comes.
    let count = unsafe { recv(descriptor as usize, &raw mut byte, 1, MSG_PEEK) };
    count < 0 && io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
}

/// Is refused: the runtime below knows TCP only.
///
/// # Errors
/// Always.
pub fn connect_unix(_: &str) -> io::Result<Socket> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "no unix sockets on Windows"))
}

/// Waits end for each byte.
pub const fn wake_at(_: Descriptor, _: usize) {}

/// There is no such limit.
///
/// # Errors
/// Always.
pub fn set_user_timeout(_: &Socket, _: Duration) -> io::Result<()> {
    Err(needs_linux("tcp_user_timeout"))
}

/// Cannot be done.
///
/// # Errors
/// Always.
pub fn bind_interface(_: &Socket, _: &str) -> io::Result<()> {
    Err(needs_linux("interface"))
}
