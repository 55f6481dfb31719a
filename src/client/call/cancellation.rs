//! What may end a call before its time: its caller by a cancel, the client by its close, the host by a signal.

use std::pin::pin;

use crate::error::ErrorKind;
use crate::outcome::FailureKind;
use crate::runtime::interrupt::SignalWatch;
use crate::runtime::stop::{Reason, Stop};

use crate::client::lifecycle::Lifecycle;
use crate::client::observe::hooks::ShouldStop;

/// What is watched beside the work of one call.
pub(crate) struct Cancellation<'a> {
    pub(crate) stop: &'a Stop,
    /// `None` where signals do not concern the call: on I/O threads, and where the host did not ask for it.
    pub(crate) interrupt: Option<Interrupt<'a>>,
}

/// How a signal is judged.
pub(crate) struct Interrupt<'a> {
    pub(crate) signals: SignalWatch,
    /// Asked whether a signal means stop; without it every caught signal does.
    pub(crate) should_stop: Option<&'a ShouldStop>,
    pub(crate) lifecycle: &'a Lifecycle,
}

impl std::fmt::Debug for Cancellation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("stop", self.stop).finish_non_exhaustive()
    }
}

impl Cancellation<'_> {
    /// Runs `work`, which the caller has pinned and drops, until it ends or the call is ended.
    pub(crate) async fn or<W: Future + Unpin>(&self, work: W) -> Result<W::Output, FailureKind> {
        let stopped = |reason| match reason {
            Reason::Cancelled => FailureKind::Cancelled,
            Reason::Closed => FailureKind::Closed,
            Reason::Interrupted => FailureKind::Interrupted,
        };
        let work = pin!(self.stop.or(work));
        match &self.interrupt {
            None => work.await.map_err(stopped),
            Some(interrupt) => match interrupt.watch(work).await {
                Some(ended) => ended.map_err(stopped),
                None => Err(FailureKind::Interrupted),
            },
        }
    }
}

impl Interrupt<'_> {
    /// Runs `work` until it ends or the host wants to stop.
    pub(crate) async fn watch<W: Future + Unpin>(&self, work: W) -> Option<W::Output> {
        let judge = |signalled| match self.should_stop {
            Some(should_stop) => self.lifecycle.ask(&**should_stop),
            None => signalled,
        };
        self.signals.over(work, judge).await
    }
}

impl FailureKind {
    /// The error's kind where the attempt was ended from outside.
    pub(crate) fn asked(self) -> Option<ErrorKind> {
        matches!(self, Self::Cancelled | Self::Closed | Self::Interrupted).then(|| self.into())
    }
}
