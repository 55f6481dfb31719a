//! Tells that something in a directory changed, by inotify where there is one.
//!
//! The directory is watched and not the file in it: a file that is replaced is another file, and Kubernetes swaps a
//! symlink beside it.

#[cfg_attr(target_os = "linux", path = "linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "other.rs")]
mod platform;

use std::ffi::OsStr;
use std::future::pending;
use std::io;

pub use platform::DirectoryWatch;

/// What happened in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The file was replaced or its writer closed it, or a symlink was swapped as Kubernetes does: it can be read.
    Whole,
    /// Something else, after which a file may be in the middle of a write.
    Other,
}

/// Never ends where there is no watch.
///
/// # Errors
/// As [`DirectoryWatch::changed`].
pub async fn changed(watch: Option<&DirectoryWatch>, name: &OsStr) -> io::Result<Change> {
    match watch {
        Some(watch) => watch.changed(name).await,
        None => pending().await,
    }
}
