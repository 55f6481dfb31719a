//! The documents of an API server and a kubeconfig file, for fuzz/; only in builds for fuzzing and in unit tests.

use std::path::Path;

use serde_json::Value;

use super::kubeconfig::{Access, Part};
use super::slices::{Event, Slices};
use crate::discovery::wire::yaml;
use crate::endpoint::Host;

/// Reads slices from documents, for another reader to compare.
pub struct SliceReader(Slices);

impl SliceReader {
    /// None yet; their hosts have the port of this name or number.
    #[must_use]
    pub fn new(port: Option<&str>) -> Self {
        Self(Slices::new(port))
    }

    /// Takes an answer to a list; whether it is one, all of whose entries can be read.
    pub fn list(&mut self, document: &[u8]) -> bool {
        self.0.list(document).is_ok() && self.0.take_skipped().count == 0
    }

    /// Takes an event: whether it changed slices, and all that it holds can be read; none where it is no event.
    pub fn event(&mut self, document: &[u8]) -> Option<bool> {
        let event = self.0.event(document).ok()?;
        let is_whole = self.0.take_skipped().count == 0;
        Some(is_whole && matches!(event, Event::Changed { .. }))
    }

    /// The hosts that take calls.
    #[must_use]
    pub fn hosts(&self) -> Vec<Host> {
        self.0.hosts().iter().map(|host| Host::clone(host)).collect()
    }
}

/// A YAML document as a tree; none where it is refused.
#[must_use]
pub fn tree(text: &str) -> Option<Value> {
    yaml::read(text).ok()
}

/// What a kubeconfig file says of its current context: the server, the token and whether there is an identity.
///
/// # Errors
/// What is missing or not supported.
pub fn kubeconfig(text: &str) -> Result<(String, Option<Vec<u8>>, bool), String> {
    let access = Access::read(text, Path::new("/"), None)?;
    let token = access.token.map(|token| match token {
        Part::Inline(bytes) => bytes,
        Part::File(path) => path.as_os_str().as_encoded_bytes().to_vec(),
    });
    Ok((access.server, token, access.identity.is_some()))
}
