//! Files, and what differs between the systems'.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod platform;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

#[cfg(windows)]
pub use platform::system_folder;
pub use platform::{FileId, FileVersion, file_id, file_version, open_for_owner, path_of_url};

/// The bytes of a file, one more than `most` where it has more; none where there is something else, as a pipe, whose
/// opening would wait for a writer.
///
/// # Errors
/// Those of the system.
pub fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    if !path.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
