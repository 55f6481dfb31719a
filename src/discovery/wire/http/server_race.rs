//! Servers that are asked beside each other.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::discovery::source::SessionEnd;
use crate::transport::Answer;

/// The request to one of the servers, under way.
pub(super) type ServerAttempt<'a> =
    Pin<Box<dyn Future<Output = (usize, Result<ServerResult, SessionEnd>)> + Send + 'a>>;

/// What came of asking one server.
pub(super) type ServerResult = Result<Answer, String>;

/// The servers that are asked beside each other.
pub(super) struct ServerRace<'a> {
    pub(super) running: Vec<ServerAttempt<'a>>,
    /// How many were asked.
    pub(super) begun: usize,
    patience: Duration,
    /// When the last one that was asked has been waited for as long as that.
    overdue: Pin<Box<Sleep>>,
}

impl<'a> ServerRace<'a> {
    pub(super) fn new(patience: Duration) -> Self {
        Self { running: Vec::new(), begun: 0, patience, overdue: Box::pin(sleep(patience)) }
    }

    pub(super) fn begin(&mut self, attempt: ServerAttempt<'a>) {
        self.running.push(attempt);
        self.begun += 1;
        self.overdue.set(sleep(self.patience));
    }

    /// The next that is done; none where another may be asked and the last one is overdue.
    pub(super) async fn next(
        &mut self,
        may_ask: bool,
    ) -> Option<(usize, Result<ServerResult, SessionEnd>)> {
        poll_fn(|cx| self.poll(may_ask, cx)).await
    }

    fn poll(
        &mut self,
        may_ask: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, Result<ServerResult, SessionEnd>)>> {
        for index in 0..self.running.len() {
            if let Poll::Ready(done) = self.running[index].as_mut().poll(cx) {
                drop(self.running.swap_remove(index));
                return Poll::Ready(Some(done));
            }
        }
        match may_ask && self.overdue.as_mut().poll(cx).is_ready() {
            true => Poll::Ready(None),
            false => Poll::Pending,
        }
    }
}
