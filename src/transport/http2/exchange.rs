//! One exchange on a stream of its own.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Request;
use http_body::Body as _;

use super::answer::{Counted, FinalAnswer, Received, received};
use super::pool::StreamSlot;
use super::session::StreamFailure;
use super::upload::Upload;
use crate::outcome::Failure;
use crate::phase::Protocol;
use crate::transport::content::{self, Content, Flow};
use crate::transport::request::{self, RequestBody};
use crate::transport::{Answer, Exchange};

/// Carries out `exchange` on a stream of its own, at `slot`; its body waits for the peer's consent where it `expects`
/// that. Dropping the future, or a body under way, resets the stream.
pub(crate) async fn exchange(
    slot: StreamSlot,
    request: Request<()>,
    exchange: &Exchange<'_>,
    expects: bool,
) -> Result<Answer, StreamFailure> {
    let session = Arc::clone(slot.session());
    exchange.progress.mark_connected();
    let info = session.traffic().info(Protocol::Http2, slot.reused);
    info.into_iter().for_each(|info| exchange.progress.carried_by(info));
    // Anything the connection wrote since may have been another stream's; but where it wrote nothing,
    // nothing of this one has left.
    let before = session.traffic().written();
    let is_sent = || session.traffic().written() > before;
    let body = RequestBody::of(exchange)?.awaiting(expects);
    let consent = body.consent();
    let end = body.is_end_stream();
    let (reply, sink) = session
        .begin_stream(request, end)
        .map_err(|error| session.before_answer(&error, false, slot.is_only()))?;
    // Its driver writes it soon, and a call that is cut off cannot know when.
    exchange.progress.mark_sent();
    let traffic = (!end).then(|| session.traffic().clone());
    let mut upload = Upload::new(sink, body, traffic);
    let answer = FinalAnswer::new(reply, consent);
    let mut answer = pin!(answer);
    let head = match upload.beside(answer.as_mut(), exchange.progress).await {
        Ok(head) => head,
        Err(_) if answer.bound_met => return Err(session.refuse_head()),
        Err(error) => return Err(session.before_answer(&error, is_sent(), slot.is_only())),
    };
    if session.note_answer() {
        exchange.endpoint.was_of_use();
    }
    let (mut head, content) = received(head, exchange.method);
    session.traffic().tap().into_iter().for_each(|tap| tap.answer(&head));
    let reading = request::reading(exchange);
    if exchange.is_streamed(head.status) {
        let content = Content::open(&mut head, content, reading)?;
        return Ok(content::answer(head, BodyFlow { content, upload, slot }));
    }
    let content = Counted { body: content, progress: exchange.progress };
    let work = pin!(content::read(head, content, reading));
    let answer = upload.beside(work, exchange.progress).await;
    answer.map_err(|failure| session.within_answer(failure).into())
}

/// An answer whose body is read piece by piece, while the request's may still be on its way.
struct BodyFlow {
    content: Content<Received>,
    upload: Upload,
    /// Goes last: its stream is free when the other two have let go of it.
    slot: StreamSlot,
}

impl Flow for BodyFlow {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        self.upload.advance(cx);
        let piece = ready!(self.content.poll_piece(cx));
        let session = self.slot.session();
        Poll::Ready(piece.map(|piece| piece.map_err(|failure| session.within_answer(failure))))
    }
}
