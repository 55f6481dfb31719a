//! How calls tell the task that sends the probes of Prequal that some are wanted.

use std::sync::Arc;

use tokio::sync::Notify;

use super::probe_pool::ProbePool;
use crate::balancer::member::Member;

/// Rung when calls want probes, and when the balancer is gone.
#[derive(Debug, Default)]
pub(crate) struct ProbeBell(Arc<Notify>);

impl ProbeBell {
    /// Counts a call to `member`, for which probes are to be sent.
    pub(crate) fn note_call(&self, member: &Member) {
        if member.hot().shared().pool.as_ref().is_some_and(ProbePool::note_call) {
            self.0.notify_one();
        }
    }
}

impl ProbeBell {
    /// What the task waits on.
    pub(crate) fn notify(&self) -> Arc<Notify> {
        Arc::clone(&self.0)
    }
}

impl Drop for ProbeBell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
