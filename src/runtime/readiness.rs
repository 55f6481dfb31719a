//! A descriptor that is readable while there is something to read: the end of a pipe, since some hosts
//! refuse an eventfd.

#![allow(unsafe_code, reason = "pipes and poll")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// A pipe that holds one byte while it is raised.
#[derive(Debug)]
pub struct Readiness {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Readiness {
    /// A lowered one; both ends close on exec and never block.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        if open_pipe(&mut ends) != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both were just opened and have no other owner.
        let [reader, writer] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
        Ok(Self { reader, writer })
    }

    /// The end to poll for reading; still this value's own.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.reader.as_raw_fd()
    }

    /// Makes it readable; to be called only when it is not.
    pub fn raise(&self) {
        // SAFETY: one byte from a local; the pipe is empty, so it fits.
        unsafe { libc::write(self.writer.as_raw_fd(), [1_u8].as_ptr().cast(), 1) };
    }

    /// Makes it unreadable again.
    pub fn lower(&self) {
        let mut byte = [0_u8];
        // SAFETY: one byte into a local; the descriptor does not block.
        unsafe { libc::read(self.reader.as_raw_fd(), byte.as_mut_ptr().cast(), 1) };
    }

    /// Waits until it is readable; false when the time is up first. Signals do not end the wait.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> bool {
        let until = Instant::now().checked_add(timeout);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let mut watched =
                libc::pollfd { fd: self.reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one entry, as said.
            match unsafe { libc::poll(&raw mut watched, 1, milliseconds(left)) } {
                1.. => return true,
                0 if left.is_none_or(|left| left > LONGEST) => {}
                0 => return false,
                _ => {}
            }
        }
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

/// What one `poll` can wait for.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// Rounded up, so that a wait of less than a millisecond is not none at all.
fn milliseconds(left: Option<Duration>) -> libc::c_int {
    let left = left.unwrap_or(LONGEST).min(LONGEST);
    libc::c_int::try_from(left.as_micros().div_ceil(1000)).unwrap_or(libc::c_int::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readable_while_raised() {
        let readiness = Readiness::new().unwrap();
        assert!(!readiness.wait(Duration::ZERO));
        readiness.raise();
        assert!(readiness.wait(Duration::MAX));
        readiness.lower();
        assert!(!readiness.wait(Duration::from_millis(1)));
    }
}
