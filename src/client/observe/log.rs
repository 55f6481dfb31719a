//! What a client tells of its work: state changes at `Info`, attempts at `Debug`. Never a header value, a
//! body or a query.

use std::sync::Arc;

use crate::event::{Event, Observer};
use crate::runtime::host::callback;

pub use crate::event::Severity;

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

    /// Whether there is a sink at all.
    pub(crate) const fn is_on(&self) -> bool {
        self.sink.is_some()
    }
}

impl Observer for Log {
    /// Writes the event; its message is not made where no sink takes it.
    fn observe(&self, event: &Event<'_>) {
        let severity = event.severity();
        if let Some((threshold, sink)) = &self.sink
            && severity <= *threshold
        {
            let message = event.to_string();
            callback::run(|| sink(severity, event.target(), &message));
        }
    }
}
