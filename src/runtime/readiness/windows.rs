//! A pair of sockets on the loopback: what waits for sockets there, be it `select`, `WSAPoll` or an event loop, waits for
//! nothing else.

#![allow(unsafe_code, reason = "WSAPoll")]

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::windows::io::{AsRawSocket, RawSocket};

use windows_sys::Win32::Networking::WinSock::{POLLRDNORM, WSAPOLLFD, WSAPoll};

/// An end of the connection.
pub(super) type End = TcpStream;

/// What came of a look.
pub(super) enum Polled {
    Readable,
    TimeIsUp,
    /// It failed, as it does for want of memory.
    Interrupted,
}

/// The end to read from, and the other one.
pub(super) fn connected() -> io::Result<(End, End)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let writer = TcpStream::connect(listener.local_addr()?)?;
    let own = writer.local_addr()?;
    let reader = loop {
        let (reader, peer) = listener.accept()?;
        // Anybody on this machine may connect meanwhile.
        if peer == own {
            break reader;
        }
    };
    for end in [&reader, &writer] {
        end.set_nonblocking(true)?;
        end.set_nodelay(true)?;
    }
    Ok((reader, writer))
}

pub(super) fn descriptor(end: &End) -> RawSocket {
    end.as_raw_socket()
}

pub(super) fn put(mut writer: &End) {
    // There is at most one byte under way, so it fits.
    let _ = writer.write(&[1]);
}

/// Whether there was one.
pub(super) fn take(mut reader: &End) -> bool {
    // What was sent a moment ago may be under way.
    poll(reader, UNDER_WAY_MS);
    matches!(reader.read(&mut [0]), Ok(1))
}

/// Long beside the way over the loopback. The thread that takes a byte knows that it was sent.
const UNDER_WAY_MS: i32 = 1_000;

pub(super) fn poll(reader: &End, milliseconds: i32) -> Polled {
    let mut watched =
        WSAPOLLFD { fd: reader.as_raw_socket() as usize, events: POLLRDNORM, revents: 0 };
    // SAFETY: one entry, as said.
    match unsafe { WSAPoll(&raw mut watched, 1, milliseconds) } {
        1.. => Polled::Readable,
        0 => Polled::TimeIsUp,
        _ => Polled::Interrupted,
    }
}
