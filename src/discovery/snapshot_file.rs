//! The last list on disk, for a start while the registry is down.
//!
//! Written as a whole to a file of its own, which then takes the old one's place, readable by its owner only. Its first
//! line has a hash of the rest: what was cut off, or changed by hand, is no list.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use xxhash_rust::xxh64::xxh64;

use super::identity::SourceIdentity;
use crate::endpoint::{Host, Scheme};
use crate::runtime::files::{self, open_for_owner};

/// A file that keeps the list of one source.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    path: PathBuf,
    /// What the source watches, for people.
    source: String,
    /// Another one's list is not taken.
    identity: SourceIdentity,
}

/// What was kept.
#[derive(Debug)]
pub struct Snapshot {
    /// The list.
    pub hosts: Vec<Arc<Host>>,
    /// How long ago its source last said that it holds, by the wall clock.
    pub age: Duration,
}

impl SnapshotFile {
    /// The file at `path` for the list of `source`, which `identity` tells from others.
    #[must_use]
    pub fn new(path: &Path, source: String, identity: SourceIdentity) -> Self {
        Self { path: path.to_owned(), source, identity }
    }

    /// Keeps `hosts`, of which the source said that long ago that they hold.
    ///
    /// # Errors
    /// The file could not be written; the one before stays.
    pub fn write(&self, hosts: &[Arc<Host>], age: Duration) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = u64::try_from(now.saturating_sub(age).as_millis()).unwrap_or(u64::MAX);
        let hosts: Vec<Value> = hosts.iter().map(|host| value(host)).collect();
        let (source, identity) = (&self.source, self.identity.to_string());
        let body = json!({ "source": source, "identity": identity, "at_ms": at, "hosts": hosts });
        let body = body.to_string();
        // In the same folder, for a file cannot be moved between file systems as a whole.
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let fresh = self.path.with_file_name(name);
        // What a crash left behind may belong to somebody else.
        let _ = fs::remove_file(&fresh);
        let mut file = open_for_owner(&fresh)?;
        let written =
            write!(file, "{HEAD} {:016x}\n{body}\n", hash(&body)).and_then(|()| file.sync_data());
        let moved = written.and_then(|()| fs::rename(&fresh, &self.path));
        if moved.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        moved
    }

    /// What was kept; none where there is no such file, or it is not what this library wrote of this source.
    #[must_use]
    pub fn read(&self) -> Option<Snapshot> {
        let text = String::from_utf8(files::read(&self.path, MOST_BYTES).ok()??).ok()?;
        let (head, body) = text.split_once('\n')?;
        let body = body.strip_suffix('\n')?;
        if head != format!("{HEAD} {:016x}", hash(body)) {
            return None;
        }
        let kept: Value = serde_json::from_str(body).ok()?;
        if kept["identity"].as_str()? != self.identity.to_string() {
            return None;
        }
        let hosts = kept["hosts"].as_array()?.iter().map(|it| host(it).map(Arc::new));
        let at = UNIX_EPOCH + Duration::from_millis(kept["at_ms"].as_u64()?);
        let age = SystemTime::now().duration_since(at).unwrap_or_default();
        Some(Snapshot { hosts: hosts.collect::<Option<_>>()?, age })
    }
}

fn hash(body: &str) -> u64 {
    xxh64(body.as_bytes(), 0)
}

fn value(host: &Host) -> Value {
    json!({
        "address": host.address,
        "port": host.port,
        "weight": host.weight,
        "priority": host.priority,
        "zone": host.zone,
        "scheme": host.scheme.map(Scheme::as_str),
        "authority": host.authority,
        "server_name": host.server_name,
    })
}

fn host(kept: &Value) -> Option<Host> {
    let text = |key: &str| kept[key].as_str().map(str::to_owned);
    let number = |key: &str| kept[key].as_u64().and_then(|number| u32::try_from(number).ok());
    let port = u16::try_from(number("port")?).ok()?;
    let scheme = match kept["scheme"].as_str() {
        Some("http") => Some(Scheme::Http),
        Some("https") => Some(Scheme::Https),
        _ => None,
    };
    let registered = Host::registered(kept["address"].as_str()?, port).ok()?;
    Some(Host {
        weight: number("weight")?,
        priority: number("priority")?,
        zone: text("zone"),
        scheme,
        authority: text("authority"),
        server_name: text("server_name"),
        ..registered
    })
}

/// What the first line begins with; a new form gets a new number.
const HEAD: &str = "ahoy-list 1";
/// As for an answer of a registry.
const MOST_BYTES: u64 = 32 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::ProviderConfig;

    fn file(name: &str, source: &str) -> SnapshotFile {
        let path = std::env::temp_dir().join(format!("ahoy-{name}-{}", std::process::id()));
        let mut config = ProviderConfig::default();
        config.target.authority = source.to_owned();
        SnapshotFile::new(&path, source.to_owned(), SourceIdentity::of(&config))
    }

    fn hosts() -> Vec<Arc<Host>> {
        let mut second = Host::new("b.test", 8443);
        second.weight = 3_000_000_000;
        second.zone = Some("z".to_owned());
        second.scheme = Some(Scheme::Https);
        second.authority = Some("api.test".to_owned());
        vec![Arc::new(Host::new("127.0.0.1", 80)), Arc::new(second)]
    }

    #[test]
    fn a_list_survives_and_is_taken_by_its_source_alone() {
        let kept = file("snapshot", "dns://a:1");
        let minute = Duration::from_secs(60);
        kept.write(&hosts(), Duration::ZERO).unwrap();
        assert!(kept.read().unwrap().age < minute);
        kept.write(&hosts(), minute).unwrap();
        let read = kept.read().unwrap();
        assert_eq!(read.hosts, hosts());
        assert!(read.age >= minute && read.age < minute * 2, "{:?}", read.age);
        assert!(file("snapshot", "dns://b:1").read().is_none(), "another source's");
        fs::remove_file(&kept.path).unwrap();
        assert!(kept.read().is_none());
    }

    #[test]
    fn a_list_with_what_no_registry_may_name_is_none() {
        let kept = file("socket", "dns://a:1");
        kept.write(&[Arc::new(Host::new("unix:/run/web.sock", 80))], Duration::ZERO).unwrap();
        assert!(kept.read().is_none());
        fs::remove_file(&kept.path).unwrap();
    }

    #[test]
    fn what_was_cut_or_changed_is_no_list() {
        let kept = file("cut", "dns://a:1");
        kept.write(&hosts(), Duration::ZERO).unwrap();
        let whole = fs::read(&kept.path).unwrap();
        for length in [0, 5, whole.len() / 2, whole.len() - 1] {
            fs::write(&kept.path, &whole[..length]).unwrap();
            assert!(kept.read().is_none(), "{length}");
        }
        let mut other = whole;
        let last = other.len() - 4;
        other[last] ^= 1;
        fs::write(&kept.path, other).unwrap();
        assert!(kept.read().is_none());
        fs::remove_file(&kept.path).unwrap();
    }
}
