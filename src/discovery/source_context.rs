//! What a session of a source is given: the process's resolver of names, and the requests of calls for a fresher list.

use std::io;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::transport::{self, Resolver};

/// What a session is given on the I/O thread that drives it.
#[derive(Debug)]
pub struct SourceContext {
    resolver: Arc<Resolver>,
    refresh: Arc<Notify>,
}

impl SourceContext {
    /// The context of a watch whose calls request a fresher list by `refresh`.
    ///
    /// # Errors
    /// The first I/O thread could not be had.
    pub(crate) fn new(refresh: Arc<Notify>) -> io::Result<Self> {
        Ok(Self { resolver: transport::resolver()?, refresh })
    }

    /// A context in which no refresh is requested.
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new(Arc::default()).expect("a thread")
    }

    /// The process's resolver of names.
    #[must_use]
    pub fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }

    /// Ends when a call that found no endpoint requests a fresher list, at most once a second: a source that is polled
    /// asks at once.
    pub async fn refresh_requested(&self) {
        self.refresh.notified().await;
    }
}
