//! What a client tells of its work: state changes at `Info`, attempts at `Debug`. Never a header value, a
//! body or a query.

use std::sync::Arc;

use crate::runtime::callback;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The library could not do its work.
    Error,
    /// Something is wrong with a peer or a provider.
    Warn,
    /// A state changed.
    Info,
    /// One attempt.
    Debug,
}

/// Takes a level, a target (the part of the library) and a message.
pub type Sink = Arc<dyn Fn(Severity, &str, &str) + Send + Sync>;

/// Where a client's messages go.
#[derive(Clone, Default)]
pub struct Log {
    sink: Option<(Severity, Sink)>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Log").field(&self.sink.as_ref().map(|(level, _)| level)).finish()
    }
}

impl Log {
    /// Messages of `level` and above go to `sink`.
    #[must_use]
    pub fn new(level: Severity, sink: Sink) -> Self {
        Self { sink: Some((level, sink)) }
    }

    /// Writes a message; `message` is not made where nobody listens.
    pub(crate) fn write(&self, level: Severity, target: &str, message: impl FnOnce() -> String) {
        if let Some((threshold, sink)) = &self.sink
            && level <= *threshold
        {
            let message = message();
            callback::run(|| sink(level, target, &message));
        }
    }
}
