//! Inodes and modes.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Tells one file from another: device and inode.
pub type FileId = (u64, u64);

/// What changes when a file is written to or replaced: its id, its length, and when it and its attributes were changed.
pub type FileVersion = (FileId, u64, (i64, i64), (i64, i64));

/// Tells one file from another.
#[must_use]
pub fn file_id(file: &Metadata) -> FileId {
    (file.dev(), file.ino())
}

/// What tells this file from what it was.
#[must_use]
pub fn file_version(file: &Metadata) -> FileVersion {
    let (modified, changed) =
        ((file.mtime(), file.mtime_nsec()), (file.ctime(), file.ctime_nsec()));
    (file_id(file), file.len(), modified, changed)
}

/// The path that stands in a `file:` URL.
#[must_use]
pub fn path_of_url(path: &str) -> PathBuf {
    path.into()
}

/// Makes a file that its owner alone can read.
///
/// # Errors
/// Those of the system; there is such a file.
pub fn open_for_owner(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_is_its_owners_alone() {
        let path = std::env::temp_dir().join(format!("ahoy-owner-{}", std::process::id()));
        let made = open_for_owner(&path).unwrap();
        assert_eq!(made.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(open_for_owner(&path).is_err());
        fs::remove_file(&path).unwrap();
    }
}
