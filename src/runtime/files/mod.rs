//! Files, and what differs between the systems'.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::fs::File;
use std::io;
use std::path::Path;

#[cfg(windows)]
pub use platform::system_folder;
pub use platform::{Mark, Place, mark, open_for_owner, path_of_url, place};

/// Opens a file to read it; none where there is something else, as a pipe, whose opening would wait for a writer.
///
/// # Errors
/// Those of the system.
pub fn open(path: &Path) -> io::Result<Option<File>> {
    match path.metadata()?.is_file() {
        true => File::open(path).map(Some),
        false => Ok(None),
    }
}
