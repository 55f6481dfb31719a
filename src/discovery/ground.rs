//! What a session of a source stands on: the process's resolver, and the wish of calls that found no endpoint.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::transport::{self, Resolver};

/// What a session stands on, on the I/O thread that drives it.
#[derive(Debug)]
pub struct Ground {
    resolver: Arc<Resolver>,
    nudge: Arc<Notify>,
}

impl Ground {
    /// The ground of a watch that is told by `nudge` that calls found no endpoint.
    ///
    /// # Errors
    /// The first I/O thread could not be had.
    pub(crate) fn new(nudge: Arc<Notify>) -> io::Result<Self> {
        Ok(Self { resolver: transport::resolver()?, nudge })
    }

    /// A ground that nobody nudges.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new(Arc::default()).expect("a thread")
    }

    /// The process's resolver of names.
    #[must_use]
    pub fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }

    /// Ends when a call finds no endpoint left, at most once a second: a source that is polled asks at once.
    pub async fn nudged(&self) {
        self.nudge.notified().await;
    }
}
