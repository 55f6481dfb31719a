//! One attempt of a race: its work, its clock, and why it was started.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::client::admission::limit::InFlightPermit;
use crate::client::call::done::AttemptDone;
use crate::client::call::send::Attempt;
use crate::client::call::state::CallState;
use crate::client::call::watch::{AttemptWatch, LimitPassed};
use crate::transport::Transport;

/// An attempt under way that another may be sent beside.
pub(super) type Work<'r> = Pin<&'r mut (dyn Future<Output = AttemptDone> + Send + 'r)>;

/// Why an attempt was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It began before the race.
    First,
    /// Beside one that is slow.
    Hedge,
    /// Beside one that is late.
    Copy,
    /// After one that failed.
    Retry {
        /// It costs the call no try.
        free: bool,
    },
}

impl Kind {
    pub(super) const fn costs_try(self) -> bool {
        matches!(self, Self::Copy | Self::Retry { free: false })
    }
}

/// One attempt of the race.
pub(super) struct Runner<'r, 'a> {
    work: WorkOf<'r, 'a>,
    pub(super) watch: WatchOf<'r>,
    /// How far its clock had come when it was last looked at.
    seen: LimitPassed,
    pub(super) kind: Kind,
    /// Its own place below the limit on what is in flight.
    _permit: Option<InFlightPermit>,
}

enum WorkOf<'r, 'a> {
    First(Work<'r>),
    Another(Pin<Box<dyn Future<Output = AttemptDone> + Send + 'a>>),
}

pub(super) enum WatchOf<'r> {
    First(&'r AttemptWatch),
    Another(Arc<AttemptWatch>),
}

impl Deref for WatchOf<'_> {
    type Target = AttemptWatch;

    fn deref(&self) -> &AttemptWatch {
        match self {
            Self::First(watch) => watch,
            Self::Another(watch) => watch,
        }
    }
}

impl<'r, 'a> Runner<'r, 'a> {
    pub(super) const fn first(work: Work<'r>, watch: &'r AttemptWatch) -> Self {
        Self {
            work: WorkOf::First(work),
            watch: WatchOf::First(watch),
            seen: LimitPassed::Slow,
            kind: Kind::First,
            _permit: None,
        }
    }

    pub(super) fn another<T: Transport>(
        state: &CallState<'a>,
        attempt: Attempt,
        transport: &'a T,
        kind: Kind,
        permit: Option<InFlightPermit>,
    ) -> Self {
        let (call, watch) = (state.call, Arc::new(AttemptWatch::new(attempt.began)));
        let own = Arc::clone(&watch);
        let work = Box::pin(async move { attempt.send(call, transport, &own).await });
        let (work, watch) = (WorkOf::Another(work), WatchOf::Another(watch));
        Self { work, watch, seen: LimitPassed::Nothing, kind, _permit: permit }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<AttemptDone> {
        match &mut self.work {
            WorkOf::First(work) => work.as_mut().poll(cx),
            WorkOf::Another(work) => work.as_mut().poll(cx),
        }
    }

    /// Whether it has passed a limit since the last look.
    pub(super) fn is_news(&mut self) -> bool {
        let passed = [LimitPassed::Soft, LimitPassed::Slow]
            .into_iter()
            .find(|it| self.watch.has_passed(*it));
        let news = passed.is_some_and(|passed| passed > self.seen);
        self.seen = passed.unwrap_or(self.seen);
        news
    }
}
