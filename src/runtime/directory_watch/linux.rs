//! inotify.

#![allow(unsafe_code, reason = "inotify")]

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Change;
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

/// A watch of one directory. Its descriptor is noted, so that a forked child closes it.
#[derive(Debug)]
pub struct DirectoryWatch {
    inotify: AsyncFd<Inotify>,
}

impl DirectoryWatch {
    /// A watch of `directory`, to be used on the runtime that it was made in; none where the system has no more of them.
    #[must_use]
    pub fn new(directory: &Path) -> Option<Self> {
        Some(Self { inotify: Inotify::new(directory).ok()? })
    }

    /// Ends when something was written to, replaced, made or removed in the directory, and tells what that is for the
    /// file called `name`; at once where it happened since the last time.
    ///
    /// # Errors
    /// The watch is of no more use.
    pub async fn changed(&self, name: &OsStr) -> io::Result<Change> {
        let take = |inotify: &Inotify| inotify.take(name.as_bytes());
        self.inotify.async_io(Interest::READABLE, take).await
    }
}

#[derive(Debug)]
struct Inotify(RawFd);

impl Inotify {
    fn new(directory: &Path) -> io::Result<AsyncFd<Self>> {
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
        unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) }.map_err(Into::into)
    }

    /// Takes all that has happened.
    fn take(&self, name: &[u8]) -> io::Result<Change> {
        let mut events = [0_u8; 4096];
        let mut taken = None;
        loop {
            let room = events.len();
            // SAFETY: that much room.
            let count = unsafe { libc::read(self.0, events.as_mut_ptr().cast(), room) };
            match (usize::try_from(count), taken) {
                (Ok(count @ 1..), before) => {
                    let whole = is_whole(&events[..count], name) || before == Some(Change::Whole);
                    taken = Some(if whole { Change::Whole } else { Change::Other });
                }
                (_, Some(change)) => return Ok(change),
                (Ok(_), None) => return Err(io::ErrorKind::UnexpectedEof.into()),
                (Err(_), None) => return Err(io::Error::last_os_error()),
            }
        }
    }
}

/// Whether the file called `name` can be read after these events.
fn is_whole(mut events: &[u8], name: &[u8]) -> bool {
    let word = |at: usize, events: &[u8]| {
        let bytes = events.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_ne_bytes)
    };
    while events.len() >= HEAD {
        let (mask, length) = (word(4, events), word(12, events) as usize);
        let of = events.get(HEAD..HEAD + length).unwrap_or_default();
        let of = of.split(|byte| *byte == 0).next().unwrap_or_default();
        // Kubernetes swaps `..data`.
        let swapped = mask & libc::IN_MOVED_TO != 0 && of.starts_with(b"..");
        if swapped || of == name && mask & (libc::IN_MOVED_TO | libc::IN_CLOSE_WRITE) != 0 {
            return true;
        }
        events = events.get(HEAD + length..).unwrap_or_default();
    }
    false
}

/// Watch, mask, cookie and the name's length, of four bytes each.
const HEAD: usize = size_of::<libc::inotify_event>();

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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_happens_in_the_directory_is_told_once() {
        let directory = std::env::temp_dir().join(format!("ahoy-watch-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let watch = DirectoryWatch::new(&directory).unwrap();
        let told = async || {
            let changed = watch.changed(OsStr::new("b"));
            timeout(Duration::from_millis(100), changed).await.ok().map(Result::unwrap)
        };
        assert_eq!(told().await, None);
        fs::write(directory.join("a"), "x").unwrap();
        assert_eq!((told().await, told().await), (Some(Change::Other), None));
        fs::rename(directory.join("a"), directory.join("b")).unwrap();
        assert_eq!(told().await, Some(Change::Whole));
        let writer = fs::File::create(directory.join("b")).unwrap();
        assert_eq!(told().await, None, "it was only begun");
        drop(writer);
        assert_eq!(told().await, Some(Change::Whole));
        symlink("b", directory.join("..data_tmp")).unwrap();
        assert_eq!(told().await, Some(Change::Other));
        fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
        assert_eq!(told().await, Some(Change::Whole));
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(told().await, Some(Change::Other));
        assert!(DirectoryWatch::new(&directory).is_none());
    }
}
