//! A list of endpoints as a source told it.

use std::sync::Arc;
use std::time::Instant;

use crate::endpoint::Host;

/// One list. It never changes, so that a forked child reads its parent's without a lock.
#[derive(Debug)]
pub struct Listing {
    /// Rises with each list of a provider.
    pub version: u64,
    /// The endpoints; each counts once, the first time that it stands here.
    pub hosts: Vec<Arc<Host>>,
    /// When it began to apply.
    pub since: Instant,
}
