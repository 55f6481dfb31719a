//! Tells that something in a directory changed, by inotify where there is one.
//!
//! The directory is watched and not the file in it: a file that is replaced is another file, and Kubernetes swaps a
//! symlink beside it.

#![allow(unsafe_code, reason = "inotify")]

use std::future::pending;
use std::io;
use std::path::Path;

/// A watch of one directory. Its descriptor is noted, so that a forked child closes it.
#[derive(Debug)]
pub struct DirectoryWatch {
    #[cfg(target_os = "linux")]
    inotify: tokio::io::unix::AsyncFd<linux::Inotify>,
}

impl DirectoryWatch {
    /// A watch of `directory`, to be used on the runtime that it was made in; none where the system has no inotify, or no
    /// more of them.
    #[must_use]
    pub fn new(directory: &Path) -> Option<Self> {
        #[cfg(target_os = "linux")]
        return Some(Self { inotify: linux::Inotify::new(directory).ok()? });
        #[cfg(not(target_os = "linux"))]
        return None;
    }

    /// Ends when something was written to, replaced, made or removed in the directory; at once where that happened since
    /// the last time.
    ///
    /// # Errors
    /// The watch is of no more use.
    pub async fn changed(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        return linux::changed(&self.inotify).await;
        #[cfg(not(target_os = "linux"))]
        return pending().await;
    }
}

/// Never ends where there is no watch.
///
/// # Errors
/// As [`DirectoryWatch::changed`].
pub async fn changed(watch: Option<&DirectoryWatch>) -> io::Result<()> {
    match watch {
        Some(watch) => watch.changed().await,
        None => pending().await,
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::CString;
    use std::io;
    use std::os::fd::{AsRawFd, RawFd};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    use crate::runtime::process::sockets;

    /// A write in steps is told at its end. Changed attributes are told too: a file may become readable.
    const EVENTS: u32 = libc::IN_CLOSE_WRITE
        | libc::IN_MOVED_TO
        | libc::IN_CREATE
        | libc::IN_DELETE
        | libc::IN_ATTRIB
        | libc::IN_DELETE_SELF
        | libc::IN_MOVE_SELF
        | libc::IN_ONLYDIR;

    #[derive(Debug)]
    pub(super) struct Inotify(RawFd);

    impl Inotify {
        pub(super) fn new(directory: &Path) -> io::Result<AsyncFd<Self>> {
            let path = CString::new(directory.as_os_str().as_bytes())?;
            let begin = || {
                // SAFETY: plain numbers.
                match unsafe { libc::inotify_init1(libc::IN_CLOEXEC | libc::IN_NONBLOCK) } {
                    -1 => Err(io::Error::last_os_error()),
                    descriptor => Ok(Self(descriptor)),
                }
            };
            let inotify = sockets::open(begin, |inotify| inotify.0)?;
            // SAFETY: a text that ends with NUL.
            if unsafe { libc::inotify_add_watch(inotify.0, path.as_ptr(), EVENTS) } == -1 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: it is open, and stays so until the registration drops it.
            unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) }
                .map_err(Into::into)
        }

        /// Takes what has happened; what it was makes no difference.
        fn take(&self) -> io::Result<()> {
            let mut events = [0_u8; 4096];
            let mut taken = false;
            loop {
                let room = events.len();
                // SAFETY: that much room.
                let count = unsafe { libc::read(self.0, events.as_mut_ptr().cast(), room) };
                match count {
                    1.. => taken = true,
                    _ if taken => return Ok(()),
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => return Err(io::Error::last_os_error()),
                }
            }
        }
    }

    pub(super) async fn changed(inotify: &AsyncFd<Inotify>) -> io::Result<()> {
        inotify.async_io(Interest::READABLE, Inotify::take).await
    }

    impl AsRawFd for Inotify {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    impl Drop for Inotify {
        fn drop(&mut self) {
            sockets::close(self.0, || {
                // SAFETY: its only owner.
                unsafe { libc::close(self.0) };
            });
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_happens_in_the_directory_is_told_once() {
        let directory = std::env::temp_dir().join(format!("ahoy-watch-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let watch = DirectoryWatch::new(&directory).unwrap();
        let told = async || timeout(Duration::from_millis(100), watch.changed()).await.is_ok();
        assert!(!told().await);
        fs::write(directory.join("a"), "x").unwrap();
        assert!(told().await && !told().await);
        fs::rename(directory.join("a"), directory.join("b")).unwrap();
        assert!(told().await);
        std::os::unix::fs::symlink("b", directory.join("c")).unwrap();
        assert!(told().await);
        fs::remove_dir_all(&directory).unwrap();
        assert!(told().await);
        assert!(DirectoryWatch::new(&directory).is_none());
    }
}
