//! What a streamed answer keeps from other calls while its body is under way.

use crate::balancer::lease::OpenStream;
use crate::client::admission::limit::InFlightPermit;

/// What a streamed answer takes until the end of its body, or until its reader gives it up.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// What its endpoint is busy with.
    pub(super) stream: Option<OpenStream>,
    /// The call's place below the client's limit.
    pub(super) permit: Option<InFlightPermit>,
}

impl Places {
    /// Others may have them.
    pub(super) fn give_back(self) {
        let Self { stream, permit } = self;
        drop((stream, permit));
    }
}
