//! A body under way: the connection that it comes over, polled by the thread that reads it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::answer::AnswerBody;
use super::connection::Connection;
use crate::outcome::Failure;
use crate::transport::content::{Content, Flow};

/// An answer whose body is read piece by piece. Its connection is kept when it drops after its end: that is done, and
/// counted, by the thread that carries the exchange, whichever thread has read.
pub(super) struct BodyFlow {
    content: Content<AnswerBody>,
    connection: Option<Box<Connection>>,
    open: bool,
    end: Option<End>,
    /// What the connection reads or sends is told to the host, or asked of it.
    calls_host: bool,
    /// Keeps the connection for the next exchange.
    keep: Option<ReturnToPool>,
}

/// Gives the connection back to its pool, once its body was read to the end.
pub(super) type ReturnToPool = Box<dyn FnOnce(Box<Connection>) + Send>;

/// How a body came to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Whole,
    Broken,
}

impl BodyFlow {
    pub(super) fn new(
        content: Content<AnswerBody>,
        connection: Box<Connection>,
        calls_host: bool,
        keep: ReturnToPool,
    ) -> Self {
        let (connection, keep) = (Some(connection), Some(keep));
        Self { content, connection, open: true, end: None, calls_host, keep }
    }
}

impl Flow for BodyFlow {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let (None, Some(connection)) = (self.end, &mut self.connection) else {
            return Poll::Ready(None);
        };
        let content = &mut self.content;
        let piece = ready!(connection.poll_with(&mut self.open, cx, |cx| content.poll_piece(cx)));
        self.end = match &piece {
            Some(Ok(_)) => None,
            Some(Err(_)) => Some(End::Broken),
            None => Some(End::Whole),
        };
        Poll::Ready(piece)
    }

    fn is_driven_by_polls(&self) -> bool {
        !self.calls_host
    }

    fn changes_runtime(&mut self) {
        self.connection.iter().for_each(|connection| connection.changes_runtime());
    }

    fn is_to_change(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_to_change())
    }
}

impl Drop for BodyFlow {
    fn drop(&mut self) {
        if let (Some(connection), Some(keep)) = (self.connection.take(), self.keep.take())
            && self.end == Some(End::Whole)
        {
            connection.is_read_on_any_thread(false);
            keep(connection);
        }
    }
}
