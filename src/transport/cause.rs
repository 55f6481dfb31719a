//! What went wrong on the wire, in words.

use crate::outcome::{Failure, FailureKind};

/// What went wrong, before it is known whether the request had left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// Why.
    pub(super) kind: FailureKind,
    /// What happened, in lower case, without secrets.
    pub(super) detail: String,
    /// The server has ended the handshake, which it does before it looks at a request.
    pub(super) in_handshake: bool,
}

impl Cause {
    pub(super) fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), in_handshake: false }
    }

    /// The failure of an attempt of which bytes did or did not leave.
    pub(super) fn failure(self, sent: bool) -> Failure {
        match sent && !self.in_handshake {
            true => Failure::sent(self.kind, self.detail),
            false => Failure::unsent(self.kind, self.detail),
        }
    }
}
