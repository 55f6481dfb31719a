//! A file that is watched: a host on each line, or a list in JSON.
//!
//! A file that is replaced, written in place, or reached by a symlink that is swapped, as in Kubernetes' ConfigMaps, is
//! read again at once. Where inotify tells nothing, as on network file systems, a look every 5 s does. Unless the file is
//! known to be whole, a writer may be in the middle of it, and it is read when it has stayed the same for 50 ms.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::discovery::config::ProviderConfig;
use crate::discovery::scheme::Scheme;
use crate::discovery::source::{Session, Source, UpdateChannel};
use crate::discovery::source_context::SourceContext;
use crate::discovery::wire::{Entries, Groups, Lines};
use crate::runtime::directory_watch::{self, Change, DirectoryWatch};
use crate::runtime::files::{self, FileId, FileVersion, file_id, file_version, path_of_url};

pub(in crate::discovery) const SCHEME: Scheme = Scheme {
    name: "file",
    form: "file:///path",
    purpose: "a watched file: a host on each line, or a list in JSON, as Prometheus's file_sd reads it",
    keys: &[],
    make,
};

/// How often the file is looked at where nothing tells that it changed.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// A write in several steps takes less, unless its writer rests.
const SETTLED: Duration = Duration::from_millis(50);
/// How often a file that keeps changing is looked at before it is read all the same.
const MOST_CHECKS: u32 = 20;
/// What is read of a file at most.
const MOST: u64 = 32 * 1024 * 1024;

fn make(config: &ProviderConfig) -> Result<Arc<dyn Source>, String> {
    let target = &config.target;
    if !["", "localhost"].contains(&target.authority.as_str()) {
        return Err(format!("file: the path begins with '/'; write {}", SCHEME.form));
    }
    let path = path_of_url(&target.path);
    if path.file_name().is_none() {
        return Err(format!("file: the path names no file; write {}", SCHEME.form));
    }
    Ok(Arc::new(FileSource { path }))
}

#[derive(Debug)]
struct FileSource {
    path: PathBuf,
}

impl Source for FileSource {
    fn watch<'a>(&'a self, _: &'a SourceContext, updates: &'a UpdateChannel) -> Session<'a> {
        Box::pin(async move {
            let mut reader =
                FileReader { path: &self.path, seen: None, is_good: false, form: Form::default() };
            let mut change = Change::Other;
            let mut watch = reader.watch();
            loop {
                let directory = reader.stamp().directory;
                reader.check(change, watch.as_ref(), updates).await;
                let changed = directory_watch::changed(watch.as_ref(), reader.name());
                let changed = timeout(CHECK_INTERVAL, changed).await;
                change = Change::Other;
                if let Ok(Ok(told)) = changed {
                    change = told;
                }
                let is_broken = matches!(changed, Ok(Err(_)));
                if is_broken || watch.is_none() || reader.stamp().directory != directory {
                    // Begun before the next look, so that no change falls in between.
                    watch = reader.watch();
                    sleep(SETTLED).await;
                }
            }
        })
    }

    fn describe(&self) -> String {
        format!("file://{}", self.path.display())
    }
}

/// Reads the file again and again in one session.
struct FileReader<'a> {
    path: &'a Path,
    /// The file that was read last.
    seen: Option<FileVersion>,
    /// Whether its list was told.
    is_good: bool,
    form: Form,
}

/// What the file was when it was read last.
enum Form {
    Lines(Lines),
    Groups(Groups),
}

impl Default for Form {
    fn default() -> Self {
        Self::Lines(Lines::default())
    }
}

/// What is another when the file or its directory is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    /// None where there is no file.
    file: Option<FileVersion>,
    directory: Option<FileId>,
}

impl FileReader<'_> {
    fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(self.path)
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    fn watch(&self) -> Option<DirectoryWatch> {
        DirectoryWatch::new(self.directory())
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            file: self.path.metadata().ok().as_ref().map(file_version),
            directory: self.directory().metadata().ok().as_ref().map(file_id),
        }
    }

    /// Tells what the file says, unless it is the one that was told last.
    async fn check(
        &mut self,
        change: Change,
        watch: Option<&DirectoryWatch>,
        updates: &UpdateChannel,
    ) {
        let mut stamp = self.stamp();
        if stamp.file.is_some() && self.seen == stamp.file {
            if self.is_good {
                updates.alive();
            }
            return;
        }
        let mut checks = if change == Change::Whole { 0 } else { MOST_CHECKS };
        while checks > 0 {
            let changed = directory_watch::changed(watch, self.name());
            let is_whole = matches!(timeout(SETTLED, changed).await, Ok(Ok(Change::Whole)));
            let before = std::mem::replace(&mut stamp, self.stamp());
            checks = if is_whole || before == stamp { 0 } else { checks - 1 };
        }
        let document = read(self.path);
        // What could not be read, as without a free descriptor, may be readable though the file is the same.
        self.seen = stamp.file.filter(|_| document.is_ok());
        let read = document.and_then(|document| self.form.parse(&document));
        self.is_good = read.is_ok();
        match read {
            Ok(Some(entries)) => entries.tell(updates),
            Ok(None) => updates.alive(),
            Err(problem) => {
                // The next list is told as a whole: an empty one from before is not held any more.
                self.form = Form::default();
                updates.failing(problem);
            }
        }
    }
}

/// Its bytes, one more than [`MOST`] where there are more.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let problem = |error: io::Error| match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        kind => format!("the file cannot be read: {kind}"),
    };
    files::read(path, MOST).map_err(problem)?.ok_or_else(|| "it is no file".to_owned())
}

impl Form {
    /// A document that begins with a bracket is JSON, unless that is an IPv6 address's. None where it is as before.
    fn parse(&mut self, document: &[u8]) -> Result<Option<Entries>, String> {
        if document.len() as u64 > MOST {
            return Err("the file is above 32 MiB".to_owned());
        }
        let document = document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document);
        let begun = document.trim_ascii_start();
        let is_json = matches!(begun.first(), Some(b'[' | b'{')) && !begins_with_ipv6(begun);
        if is_json != matches!(self, Self::Groups(_)) {
            *self = match is_json {
                true => Self::Groups(Groups::default()),
                false => Self::Lines(Lines::default()),
            };
        }
        let read = match self {
            Self::Groups(groups) => groups.read(document),
            Self::Lines(lines) => lines.read(document),
        };
        read.map_err(|problem| format!("the file is {problem}"))
    }
}

/// Whether an IPv6 address in brackets stands first, as in `[::1]:80`; a list in JSON never looks so.
fn begins_with_ipv6(document: &[u8]) -> bool {
    let inner = document.strip_prefix(b"[").and_then(|rest| rest.split(|it| *it == b']').next());
    let bare = inner.and_then(|inner| inner.split(|it| *it == b'%').next());
    bare.and_then(|bare| str::from_utf8(bare).ok()).is_some_and(|it| it.parse::<Ipv6Addr>().is_ok())
}
