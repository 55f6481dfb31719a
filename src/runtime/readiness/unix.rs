//! The end of a pipe, since some hosts refuse an eventfd.

#![allow(unsafe_code, reason = "pipes and poll")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// An end of the pipe.
pub(super) type End = OwnedFd;

/// What came of a look.
pub(super) enum Polled {
    Readable,
    TimeIsUp,
    /// A signal came.
    Interrupted,
}

/// The end to read from, and the other one.
pub(super) fn connected() -> io::Result<(End, End)> {
    let mut ends = [0; 2];
    if open_pipe(&mut ends) != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both were just opened and have no other owner.
    let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((reader, writer))
}

pub(super) fn descriptor(end: &End) -> RawFd {
    end.as_raw_fd()
}

pub(super) fn put(writer: &End) {
    // SAFETY: one byte from a local; the pipe is empty, so it fits.
    unsafe { libc::write(writer.as_raw_fd(), [1_u8].as_ptr().cast(), 1) };
}

/// Whether there was one.
pub(super) fn take(reader: &End) -> bool {
    let mut byte = [0_u8];
    // SAFETY: one byte into a local; the descriptor does not block.
    unsafe { libc::read(reader.as_raw_fd(), byte.as_mut_ptr().cast(), 1) == 1 }
}

pub(super) fn poll(reader: &End, milliseconds: i32) -> Polled {
    let mut watched = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, as said.
    match unsafe { libc::poll(&raw mut watched, 1, milliseconds) } {
        1.. => Polled::Readable,
        0 => Polled::TimeIsUp,
        _ => Polled::Interrupted,
    }
}

/// In one step where the system can: between two, another thread's fork and exec would inherit the ends.
#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn open_pipe(ends: &mut [RawFd; 2]) -> libc::c_int {
    // SAFETY: there is room for the two descriptors.
    unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) }
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn open_pipe(ends: &mut [RawFd; 2]) -> libc::c_int {
    // SAFETY: there is room for the two descriptors.
    let result = unsafe { libc::pipe(ends.as_mut_ptr()) };
    for end in ends.iter().filter(|_| result == 0) {
        // SAFETY: plain flags on descriptors that are open.
        unsafe {
            libc::fcntl(*end, libc::F_SETFD, libc::FD_CLOEXEC);
            libc::fcntl(*end, libc::F_SETFL, libc::O_NONBLOCK);
        }
    }
    result
}
