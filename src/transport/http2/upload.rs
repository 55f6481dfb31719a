//! A request's body on its way over a stream.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;

use crate::transport::Progress;
use crate::transport::request::RequestBody;
use crate::transport::traffic::Traffic;

/// Hands the request's body over as fast as the peer's windows allow.
pub(super) struct Upload {
    sink: SendStream<Bytes>,
    body: RequestBody,
    /// What was taken of the body and not handed over yet.
    piece: Bytes,
    under_way: bool,
    /// Told of each piece, where there are any: the peer's leave for more is of use then.
    traffic: Option<Traffic>,
    /// Bytes handed over that the attempt's clock does not know of yet.
    handed: usize,
}

impl Upload {
    /// A body that is under way where there is `traffic`.
    pub(super) fn new(
        sink: SendStream<Bytes>,
        body: RequestBody,
        traffic: Option<Traffic>,
    ) -> Self {
        let (piece, under_way) = (Bytes::new(), traffic.is_some());
        Self { sink, body, piece, under_way, traffic, handed: 0 }
    }

    /// Runs `work` while the body is handed over.
    pub(super) async fn beside<W: Future + Unpin>(
        &mut self,
        mut work: W,
        progress: &Progress,
    ) -> W::Output {
        poll_fn(|cx| {
            self.advance(cx);
            progress.add_moved(std::mem::take(&mut self.handed));
            Pin::new(&mut work).poll(cx)
        })
        .await
    }

    pub(super) fn advance(&mut self, cx: &mut Context<'_>) {
        self.under_way = self.under_way && self.poll(cx).is_pending();
    }

    /// Ready when all was handed over, or the peer wants no more; the answer tells then what became of it.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.piece.is_empty() {
                match ready!(self.body.poll_piece(cx, PIECE)) {
                    Some(Ok(piece)) => self.piece = piece,
                    Some(Err(_)) => {
                        self.sink.send_reset(Reason::CANCEL);
                        return Poll::Ready(());
                    }
                    None => {
                        // A peer that wants no more has said so in its answer.
                        let _ = self.sink.send_data(Bytes::new(), true);
                        return Poll::Ready(());
                    }
                }
            }
            let mut room = self.sink.capacity();
            if room == 0 {
                self.sink.reserve_capacity(self.piece.len());
                match ready!(self.sink.poll_capacity(cx)) {
                    Some(Ok(granted)) => room = granted,
                    Some(Err(_)) | None => return Poll::Ready(()),
                }
            }
            let piece = self.piece.split_to(room.min(self.piece.len()));
            self.handed += piece.len();
            self.traffic.iter().for_each(Traffic::advanced);
            let end = self.piece.is_empty() && self.body.is_end_stream();
            if self.sink.send_data(piece, end).is_err() || end {
                return Poll::Ready(());
            }
        }
    }
}

/// The room that is asked for at once for a body; the peer's window may be smaller.
const PIECE: usize = 256 << 10;
