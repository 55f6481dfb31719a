//! An answer on its way over a stream: its head behind the interim ones, and its body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Method, Response};
use http_body::{Body, Frame, SizeHint};

use crate::phase::Phase;
use crate::transport::expect::Consent;
use crate::transport::http1::answer::MAX_HEAD;
use crate::transport::{Progress, content};

/// The answer after the interim ones, which are counted, and told to a body that waits for the peer's consent.
pub(super) struct FinalAnswer {
    reply: ResponseFuture,
    consent: Option<Consent>,
    interim: usize,
    /// More came than may come.
    pub(super) bound_met: bool,
}

impl FinalAnswer {
    pub(super) const fn new(reply: ResponseFuture, consent: Option<Consent>) -> Self {
        Self { reply, consent, interim: 0, bound_met: false }
    }
}

impl Future for FinalAnswer {
    type Output = Result<Response<RecvStream>, h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Poll::Ready(Some(interim)) = self.reply.poll_informational(cx) {
            let interim = interim?;
            self.consent.iter().for_each(|consent| consent.interim(interim.status()));
            self.interim += size(interim.headers());
            if self.interim > MAX_HEAD {
                self.bound_met = true;
                return Poll::Ready(Err(Reason::ENHANCE_YOUR_CALM.into()));
            }
        }
        let head = ready!(Pin::new(&mut self.reply).poll(cx));
        self.consent.iter().for_each(Consent::answered);
        Poll::Ready(head)
    }
}

/// As HTTP/2 itself counts it (RFC 9113, 6.5.2), with the status.
fn size(headers: &HeaderMap) -> usize {
    const OVERHEAD: usize = 32;
    let status = ":status".len() + 3 + OVERHEAD;
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD);
    status + fields.sum::<usize>()
}

/// The answer as the peer sent it.
pub(super) fn received(
    reply: Response<RecvStream>,
    method: &Method,
) -> (http::response::Parts, Received) {
    let (head, stream) = reply.into_parts();
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    // Of HEAD and 304 the length belongs to a body that does not come.
    let has_body = content::has_body(method, head.status);
    let announced = match stream.is_end_stream() || !has_body {
        true => Some(0),
        false => announced.and_then(|length| length.parse().ok()),
    };
    (head, Received { stream, announced, has_body })
}

/// The body of an answer; its trailers are left where they are.
pub(super) struct Received {
    stream: RecvStream,
    announced: Option<u64>,
    /// Whether the answer is one that has a body.
    has_body: bool,
}

impl Body for Received {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let piece = match ready!(self.stream.poll_data(cx)).transpose() {
            // h2 misses the announced length where a stream without a body is ended by a piece of its own. Its head
            // was all of the answer.
            Err(_) if !self.has_body => None,
            piece => piece?,
        };
        let Some(piece) = piece else {
            return Poll::Ready(None);
        };
        // As over HTTP/1.1 the answer ends here, and its stream is reset; an empty piece only ends the stream.
        if !self.has_body && !piece.is_empty() {
            return Poll::Ready(None);
        }
        // The reader has room for it, so the peer may send as much again at once. There is no error but too large
        // a number.
        let _ = self.stream.flow_control().release_capacity(piece.len());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body whose bytes restart the attempt's clock.
pub(super) struct Counted<'a, B> {
    pub(super) body: B,
    pub(super) progress: &'a Progress,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<'_, B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            self.progress.enter(Phase::Body);
            return Poll::Pending;
        };
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.progress.add_moved(data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
