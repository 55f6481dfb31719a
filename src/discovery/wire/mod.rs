//! Reading what registries answer.
//!
//! Each parser takes bytes that it did not choose. An entry that cannot be used is skipped and counted, without its
//! value, which may be a secret; the others serve. A document that cannot be read at all is an error in fixed words.

mod connections;
mod entry;
mod frames;
mod groups;
mod json;
mod lines;
mod parsed_entries;
mod registry_cache;

pub mod consul;
pub mod etcd;
#[cfg(feature = "xds")]
pub(crate) mod grpc;
pub mod http;
pub(crate) mod jute;
#[cfg(feature = "xds")]
pub(crate) mod protobuf;
pub(crate) mod reach;
pub(crate) mod stream;
pub(crate) mod yaml;

pub(crate) use connections::read;
pub use connections::{connections, connections_over};
pub use entry::host;
pub use frames::Frames;
pub use groups::{Groups, groups};
pub use lines::{Lines, lines};
pub use registry_cache::RegistryCache;

use std::sync::Arc;

pub use super::config::{EntryConfig, EntryForm, EntryPlace};
use super::source::UpdateChannel;
use crate::endpoint::Host;

/// The hosts of a document, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// Those that can be used.
    pub hosts: Vec<Arc<Host>>,
    /// Those that cannot.
    pub skipped: Skipped,
}

/// Entries that were left out because something is wrong with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub count: usize,
    /// What is wrong with the first.
    pub why: Option<&'static str>,
    /// The line of the document that it stands on, from 1, where each line is an entry.
    pub line: Option<usize>,
}

/// A host, none where an entry says of itself that it takes no calls, or what is wrong with it.
pub(crate) type Entry = Result<Option<Arc<Host>>, &'static str>;

impl<'a> FromIterator<&'a Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = &'a Entry>>(all: I) -> Self {
        let all = all.into_iter();
        let hosts = Vec::with_capacity(all.size_hint().0);
        let mut entries = Self { hosts, skipped: Skipped::default() };
        for entry in all {
            match entry {
                Ok(host) => entries.hosts.extend(host.clone()),
                Err(why) => entries.skipped.add(why),
            }
        }
        entries
    }
}

impl<'a> FromIterator<&'a Self> for Entries {
    fn from_iter<I: IntoIterator<Item = &'a Self>>(all: I) -> Self {
        let mut entries = Self::default();
        for part in all {
            entries.hosts.extend_from_slice(&part.hosts);
            entries.skipped.count += part.skipped.count;
            entries.skipped.why = entries.skipped.why.or(part.skipped.why);
        }
        entries
    }
}

impl Entries {
    /// One entry more: a host, none where it says of itself that it takes no calls, or what is wrong with it.
    pub fn add(&mut self, entry: Result<Option<Host>, &'static str>) {
        match entry {
            Ok(host) => self.hosts.extend(host.map(Arc::new)),
            Err(why) => self.skipped.add(why),
        }
    }
}

impl Entries {
    /// Tells the list, and what is not in it.
    pub fn tell(self, updates: &UpdateChannel) {
        self.skipped.tell(updates);
        self.list(updates);
    }

    /// Tells the list. Where there are entries and none that can be used, as after a change of their form by mistake, that
    /// is told in its place.
    pub fn list(self, updates: &UpdateChannel) {
        match self.unusable() {
            None => updates.list(self.hosts),
            Some(problem) => updates.unusable(problem),
        }
    }

    /// What is wrong where no entry can be used.
    #[must_use]
    pub fn unusable(&self) -> Option<String> {
        let Skipped { count, .. } = self.skipped;
        let why = self.skipped.told()?;
        let all = if count == 1 {
            "the only entry is".to_owned()
        } else {
            format!("all {count} entries are")
        };
        self.hosts.is_empty().then(|| format!("{all} unusable: {why}"))
    }

    /// The hosts, copied.
    #[cfg(test)]
    fn copied(&self) -> Vec<Host> {
        self.hosts.iter().map(|host| Host::clone(host)).collect()
    }
}

impl Skipped {
    /// Tells that there are some.
    pub fn tell(self, updates: &UpdateChannel) {
        let why = self.told().unwrap_or_default();
        (0..self.count).for_each(|_| updates.skipped(&why));
    }

    /// What is wrong with the first of them, and where it stands.
    fn told(&self) -> Option<String> {
        let why = self.why?;
        Some(self.line.map_or_else(|| why.to_owned(), |line| format!("line {line}: {why}")))
    }

    /// One more.
    pub fn add(&mut self, why: &'static str) {
        self.count += 1;
        self.why.get_or_insert(why);
    }
}
