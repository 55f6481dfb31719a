//! Times and access lists.

#![allow(unsafe_code, reason = "calls of the system")]

use std::ffi::OsString;
use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::ffi::OsStringExt;
use std::os::windows::fs::MetadataExt;
use std::path::{Path, PathBuf};

use windows_sys::Win32::System::SystemInformation::GetSystemDirectoryW;

/// When the file was made, in steps of 100 ns: its number is asked of an open file only.
pub type FileId = u64;

/// What changes when a file is written to or replaced: when it was made, its length, and when it was written to.
pub type FileVersion = (FileId, u64, u64);

/// Tells one file from another.
#[must_use]
pub fn file_id(file: &Metadata) -> FileId {
    file.creation_time()
}

/// What tells this file from what it was.
#[must_use]
pub fn file_version(file: &Metadata) -> FileVersion {
    (file_id(file), file.len(), file.last_write_time())
}

/// The path that stands in a `file:` URL: before the letter of a drive there is a slash.
#[must_use]
pub fn path_of_url(path: &str) -> PathBuf {
    let bare = path.strip_prefix('/').filter(|it| it.as_bytes().get(1) == Some(&b':'));
    bare.unwrap_or(path).into()
}

/// Makes a file. It takes over the access list of its folder, which says what users can read it.
///
/// # Errors
/// Those of the system; there is such a file.
pub fn open_for_owner(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// The folder of the system, as a rule `C:\Windows\System32`, without a look into the environment.
#[must_use]
pub fn system_folder() -> PathBuf {
    let mut text = [0; 260];
    // SAFETY: that much room.
    let length = unsafe { GetSystemDirectoryW(text.as_mut_ptr(), text.len() as u32) };
    let text = text.get(..length as usize).unwrap_or_default();
    OsString::from_wide(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_url_has_no_slash_before_a_drive() {
        assert_eq!(path_of_url("/C:/a b"), Path::new("C:/a b"));
        assert_eq!(path_of_url("/a/b"), Path::new("/a/b"));
    }

    #[test]
    fn a_file_for_its_owner_is_made_once_and_can_be_written_to() {
        use std::io::Write;
        let path = std::env::temp_dir().join(format!("ahoy-owner-{}", std::process::id()));
        open_for_owner(&path).unwrap().write_all(b"x").unwrap();
        assert_eq!(open_for_owner(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_system_lies_in_a_folder() {
        assert!(system_folder().is_dir());
    }
}
