//! `hosts` and `resolv.conf`, read again when they change.
//!
//! Looking whether they did is two system calls once a second, at a lookup. Nothing watches them: a watch would cost
//! the host a descriptor, and they are often replaced by renaming, which ends a watch.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::settings::Settings;
use super::system;

/// The two files as they were last read.
pub(super) struct Files {
    hosts: PathBuf,
    resolv_conf: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    looked_at: Option<Instant>,
    stamps: Option<[Stamp; 2]>,
    names: Arc<HostNames>,
    version: u64,
}

/// What changes with a file's content; `None` where there is no file.
type Stamp = Option<(SystemTime, u64)>;

/// What the files say.
#[derive(Clone)]
pub(super) struct Content {
    /// The names of `hosts`.
    pub(super) names: Arc<HostNames>,
    /// Rises with every change of either file; 1 at the first reading.
    pub(super) version: u64,
}

/// The names of `hosts`, in lower case.
pub(in crate::transport) type HostNames = HashMap<String, Vec<IpAddr>>;

impl Files {
    /// The system's files.
    pub(super) fn system() -> Self {
        Self::at(&system::hosts(), Path::new(system::RESOLV_CONF))
    }

    pub(super) fn at(hosts: &Path, resolv_conf: &Path) -> Self {
        let (hosts, resolv_conf) = (hosts.to_owned(), resolv_conf.to_owned());
        Self { hosts, resolv_conf, state: Mutex::default() }
    }

    /// What they say at `now`, at most a second old.
    pub(super) fn read(&self, now: Instant) -> Content {
        let mut state = self.lock();
        let looked =
            state.looked_at.is_some_and(|at| now.saturating_duration_since(at) < LOOK_EVERY);
        if !looked {
            state.looked_at = Some(now);
            let stamps = [stamp(&self.hosts), stamp(&self.resolv_conf)];
            if state.stamps != Some(stamps) {
                state.stamps = Some(stamps);
                state.names = Arc::new(host_names(&fs::read(&self.hosts).unwrap_or_default()));
                state.version += 1;
            }
        }
        Content { names: Arc::clone(&state.names), version: state.version }
    }

    /// What `resolv.conf` says as it is now; one that cannot be read says nothing.
    pub(super) fn settings(&self) -> Settings {
        system::settings(&fs::read(&self.resolv_conf).unwrap_or_default())
    }

    /// A panic elsewhere cannot leave the state half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// A line is an address and its names; what is not is passed over, as the C library does.
pub(in crate::transport) fn host_names(content: &[u8]) -> HostNames {
    let mut names = HostNames::new();
    for line in String::from_utf8_lossy(content).lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words {
            let known = names.entry(lower(name)).or_default();
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    for known in names.values_mut() {
        known.sort_by_key(IpAddr::is_ipv4);
    }
    names
}

/// Reads `resolv.conf`, for fuzz/: whatever it says, some server is asked.
#[cfg(any(fuzzing, test))]
pub(in crate::transport) fn resolv_conf(content: &[u8]) {
    assert!(!system::settings(content).servers.is_empty());
}

/// The form in which names are compared.
pub(super) fn lower(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Two system calls in that time cost nothing, and a change that is a second old is soon enough.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn lines_of_hosts_are_an_address_and_names() {
        let names = host_names(
            b"127.0.0.1 localhost LOCAL.example # comment db\n::1\tlocalhost\n\n# 10.0.0.1 no\nnot-an-address x\n10.0.0.7 db_1 db_1\n\xff\xfe\n",
        );
        let of = |name: &str| names.get(name).map(|found| format!("{found:?}"));
        assert_eq!(of("localhost").unwrap(), "[::1, 127.0.0.1]");
        assert_eq!(of("local.example").unwrap(), "[127.0.0.1]");
        assert_eq!(of("db_1").unwrap(), "[10.0.0.7]");
        assert_eq!([of("db"), of("no"), of("x"), of("comment")], [None, None, None, None]);
    }

    #[test]
    fn a_change_is_seen_within_a_second_and_files_may_be_missing() {
        let folder = std::env::temp_dir().join(format!("ahoy-files-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (hosts, conf) = (folder.join("hosts"), folder.join("resolv.conf"));
        let (files, start) = (Files::at(&hosts, &conf), Instant::now());
        assert_eq!(files.read(start).version, 1);
        fs::write(&hosts, "10.0.0.1 one\n").unwrap();
        assert!(files.read(start + LOOK_EVERY / 2).names.is_empty());
        let content = files.read(start + LOOK_EVERY);
        assert_eq!((content.version, content.names["one"].len()), (2, 1));
        fs::write(&conf, "nameserver 127.0.0.7\n").unwrap();
        assert_eq!(files.read(start + LOOK_EVERY * 2).version, 3);
        assert_eq!(files.read(start + LOOK_EVERY * 3).version, 3);
        assert_eq!(files.settings().servers, [SocketAddr::from(([127, 0, 0, 7], 53))]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
