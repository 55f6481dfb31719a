//! Nothing tells: the reader of a file looks at it from time to time.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use super::Change;

/// There is none.
#[derive(Debug)]
pub struct DirectoryWatch(Infallible);

impl DirectoryWatch {
    /// None.
    #[must_use]
    pub fn new(_: &Path) -> Option<Self> {
        None
    }

    /// Cannot be asked.
    ///
    /// # Errors
    /// None.
    pub async fn changed(&self, _: &OsStr) -> io::Result<Change> {
        match self.0 {}
    }
}
