//! Certificates and keys in files, which are read again when they change.
//!
//! The files are looked at when a connection is about to be made, at most once a second. So an idle client costs
//! nothing, a forked child does the same, and no thread is needed; the look costs three calls of stat beside a handshake's
//! milliseconds. What cannot be used changes nothing: a certificate is often replaced a moment before its key.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::runtime::files::{self, FileVersion, file_version};

/// Where certificates and keys are that are renewed while the client lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Certificates trusted besides the others, in PEM.
    pub roots: Option<PathBuf>,
    /// The client's certificate chain in PEM; goes with `key`.
    pub certificate: Option<PathBuf>,
    /// The client's private key in PEM.
    pub key: Option<PathBuf>,
}

/// What the files hold.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) roots: Option<Vec<u8>>,
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl CertificateFiles {
    fn all(&self) -> [Option<&Path>; 3] {
        [self.roots.as_deref(), self.certificate.as_deref(), self.key.as_deref()]
    }

    /// Reads all of them.
    pub(super) fn read(&self) -> Result<Contents, String> {
        let [roots, certificate, key] = self.all();
        let roots = roots.map(|path| contents("ca_file", path)).transpose()?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => {
                Some((contents("certificate_file", certificate)?, contents("key_file", key)?))
            }
            (None, None) => None,
            (Some(_), None) => return Err("certificate_file: needs key_file".to_owned()),
            (None, Some(_)) => return Err("key_file: needs certificate_file".to_owned()),
        };
        Ok(Contents { roots, identity })
    }
}

/// The bytes of a file. Nothing of them is ever shown; its path is.
fn contents(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    let problem = |why: &str| format!("{what}: {}: {why}", path.display());
    let failed = |error: io::Error| problem(&error.to_string());
    let bytes = files::read(path, MAX_BYTES).map_err(failed)?;
    let bytes = bytes.ok_or_else(|| problem("is no file"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(problem("is larger than 4 MiB"));
    }
    Ok(bytes)
}

pub(super) type FileVersions = [Option<FileVersion>; 3];

/// Which files there were when they were last looked at.
pub(super) struct FileWatch {
    files: CertificateFiles,
    seen: Mutex<Seen>,
}

struct Seen {
    at: Option<Instant>,
    versions: FileVersions,
    /// What was last told of these files.
    told: Option<String>,
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The last look was within the last second, or one is under way.
    TooSoon,
    Same,
    Changed(FileVersions),
}

impl FileWatch {
    /// A watch of files that were read after `versions` were taken.
    pub(super) fn new(files: CertificateFiles, versions: FileVersions) -> Self {
        Self { files, seen: Mutex::new(Seen { at: None, versions, told: None }) }
    }

    /// The files as they are. Taken before they are read, so that a change meanwhile is found by the next look.
    pub(super) fn versions(files: &CertificateFiles) -> FileVersions {
        files.all().map(|path| path?.metadata().ok().as_ref().map(file_version))
    }

    /// Whether the files have changed since they were last read.
    pub(super) fn look(&self, now: Instant) -> Look {
        // Where another thread looks, this one goes on with the files in use.
        let Ok(mut seen) = self.seen.try_lock() else { return Look::TooSoon };
        if seen.at.is_some_and(|at| now.saturating_duration_since(at) < LOOK_AGAIN) {
            return Look::TooSoon;
        }
        seen.at = Some(now);
        let versions = Self::versions(&self.files);
        if versions == seen.versions { Look::Same } else { Look::Changed(versions) }
    }

    pub(super) fn read(&self) -> Result<Contents, String> {
        self.files.read()
    }

    /// Notes that the files in use were read after `versions` were taken.
    pub(super) fn took(&self, versions: FileVersions) {
        if let Ok(mut seen) = self.seen.lock() {
            seen.versions = versions;
            seen.told = None;
        }
    }

    /// Whether a message is news since the files last changed to the good.
    pub(super) fn is_news(&self, message: &str) -> bool {
        let Ok(mut seen) = self.seen.lock() else { return false };
        let is_news = seen.told.as_deref() != Some(message);
        if is_news {
            seen.told = Some(message.to_owned());
        }
        is_news
    }
}

/// How long a change may stay unseen: no certificate is renewed as late as this before it ends.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A platform's bundle of all roots has a quarter of a megabyte.
const MAX_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_look_finds_a_change_once_a_second_until_it_was_taken() {
        let folder = std::env::temp_dir().join(format!("ahoy-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("ca.pem");
        fs::write(&path, "one").unwrap();
        let files = CertificateFiles { roots: Some(path.clone()), ..CertificateFiles::default() };
        let start = Instant::now();
        let watch = FileWatch::new(files.clone(), FileWatch::versions(&files));
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(watch.look(after(1_000)), Look::Same);
        fs::write(&path, "another").unwrap();
        assert_eq!(watch.look(after(1_999)), Look::TooSoon);
        let Look::Changed(versions) = watch.look(after(2_000)) else { panic!("it changed") };
        assert!(matches!(watch.look(after(3_000)), Look::Changed(_)), "it was not taken");
        watch.took(versions);
        assert_eq!(watch.look(after(4_000)), Look::Same);
        fs::remove_file(&path).unwrap();
        assert!(matches!(watch.look(after(5_000)), Look::Changed(_)));
        assert!(watch.read().unwrap_or_default().roots.is_none());
        assert!(watch.is_news("gone") && !watch.is_news("gone") && watch.is_news("other"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_no_file_or_has_no_key_is_refused_by_name() {
        let folder = CertificateFiles { roots: Some("/".into()), ..CertificateFiles::default() };
        assert_eq!(folder.read().err().unwrap(), "ca_file: /: is no file");
        let half = CertificateFiles { key: Some("/k".into()), ..CertificateFiles::default() };
        assert_eq!(half.read().err().unwrap(), "key_file: needs certificate_file");
        let none =
            CertificateFiles { roots: Some("/no/such".into()), ..CertificateFiles::default() };
        assert!(none.read().err().unwrap().starts_with("ca_file: /no/such: "));
    }
}
