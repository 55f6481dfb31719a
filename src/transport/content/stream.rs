//! An answer's body that is read piece by piece, decoded, while its exchange goes on.
//!
//! Nothing is read ahead of the reader: a piece that is not asked for stays in the socket, or in the peer's
//! window, and so holds the peer back.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::response;
use http_body::Body;

use super::buffer::{STEP, damaged};
use super::decoder::Decoder;
use super::encoding::Encoding;
use super::step::{BREATH, PART, Step};
use super::whole::{self, Reading};
use crate::outcome::Failure;
use crate::transport::Answer;
use crate::transport::cause::Cause;
use crate::transport::wire::others_first;

/// The body of an answer under way. Dropping it drops the exchange.
pub struct StreamedBody {
    flow: Box<dyn Flow>,
    /// What was waited for before anybody read.
    begun: Option<Begun>,
}

enum Begun {
    With(Bytes),
    /// At its end already.
    Empty,
}

/// How many bytes came, at least one.
pub type PollInto = Poll<Result<usize, Failure>>;

/// What a transport does to get the next piece; none at the end of the body.
pub(in crate::transport) trait Flow: Send {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>>;

    /// Puts the next bytes where they are to stay, instead of a piece; `None` where that cannot be.
    fn poll_into(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Option<PollInto> {
        None
    }

    /// Whether nothing but these polls brings it further, and none of them calls the host: then any thread may poll.
    fn is_driven_by_polls(&self) -> bool {
        false
    }

    /// The next polls are made in the context of another runtime; to be told to what is driven by polls.
    fn changes_runtime(&mut self) {}

    /// The next polls only look at what has arrived.
    fn is_looked_at(&mut self) {}

    /// Whether it has not been there yet: what was read before was enough.
    fn is_to_change(&self) -> bool {
        false
    }
}

impl StreamedBody {
    pub(super) fn new(flow: impl Flow + 'static) -> Self {
        Self { flow: Box::new(flow), begun: None }
    }

    /// Waits for the first byte, or the end; what came is read as ever.
    ///
    /// # Errors
    /// The body broke off before.
    pub async fn begun(&mut self) -> Result<(), Failure> {
        while self.begun.is_none() {
            match self.next().await.transpose()? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => self.begun = Some(Begun::With(piece)),
                None => self.begun = Some(Begun::Empty),
            }
        }
        Ok(())
    }

    /// The next piece, which may be empty; `None` at the end. To be asked no more after that or a failure.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        match self.begun.take() {
            None => self.flow.poll_piece(cx),
            Some(Begun::With(piece)) => Poll::Ready(Some(Ok(piece))),
            Some(Begun::Empty) => Poll::Ready(None),
        }
    }

    /// Puts the next bytes into `room`, which is not empty, instead of a piece; `None` where they come as pieces, or as the end.
    pub fn poll_into(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Option<PollInto> {
        if self.begun.is_some() { None } else { self.flow.poll_into(cx, room) }
    }

    /// Whether any thread may ask for the next piece, and not only the one that carries the exchange.
    #[must_use]
    pub fn is_driven_by_polls(&self) -> bool {
        self.flow.is_driven_by_polls()
    }

    /// The next pieces are asked for in the context of another runtime, where any thread may ask.
    pub fn changes_runtime(&mut self) {
        self.flow.changes_runtime();
    }

    /// The next pieces are not waited for: what has arrived is to be told of, however little.
    pub fn is_looked_at(&mut self) {
        self.flow.is_looked_at();
    }

    /// Whether it has not been asked for there yet; until then it must be.
    #[must_use]
    pub fn is_to_change(&self) -> bool {
        self.flow.is_to_change()
    }
}

#[cfg(test)]
impl StreamedBody {
    /// A body of the same piece without end.
    pub(crate) fn endless(piece: &'static str) -> Self {
        struct Endless(&'static str);
        impl Flow for Endless {
            fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
                Poll::Ready(Some(Ok(Bytes::from_static(self.0.as_bytes()))))
            }

            fn is_driven_by_polls(&self) -> bool {
                true
            }
        }
        Self::new(Endless(piece))
    }
}

impl fmt::Debug for StreamedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamedBody").finish_non_exhaustive()
    }
}

/// The answer whose body `flow` brings.
pub(in crate::transport) fn answer(head: response::Parts, flow: impl Flow + 'static) -> Answer {
    let (status, headers) = (head.status, head.headers);
    let answer = Answer { status, headers, body: Bytes::new(), live: None, moved_to: None };
    carried_by(answer, flow)
}

/// The `answer`, but for its body, which `flow` brings.
pub(in crate::transport) fn carried_by(answer: Answer, flow: impl Flow + 'static) -> Answer {
    Answer { body: Bytes::new(), live: Some(Box::new(StreamedBody::new(flow))), ..answer }
}

/// A body as it comes, or decoded.
pub(in crate::transport) enum Content<B> {
    Plain(B),
    Decoded(Box<Decoding<B>>),
}

impl<B> Content<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    /// The content of the answer that begins with `head`.
    pub(in crate::transport) fn open(
        head: &mut response::Parts,
        body: B,
        reading: Reading<'_>,
    ) -> Result<Self, Failure> {
        Ok(match whole::encoding(head, reading)? {
            Some(encoding) => Self::Decoded(Box::new(Decoding::new(body, encoding))),
            None => Self::Plain(body),
        })
    }
}

impl<B> Flow for Content<B>
where
    B: Body<Data = Bytes> + Unpin + Send,
    B::Error: Error + 'static,
{
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let piece = match self {
            Self::Plain(body) => ready!(whole::poll_data(body, cx)),
            Self::Decoded(decoding) => ready!(decoding.poll_piece(cx)),
        };
        Poll::Ready(piece.map(|piece| piece.map_err(|cause| cause.failure(true))))
    }
}

/// Decodes step by step: however small the encoded bytes are, a piece is no larger than a step, so that no bomb goes off
/// in memory. Nothing is held back: the next bytes may come much later.
pub(in crate::transport) struct Decoding<B> {
    body: B,
    decoder: Decoder,
    encoded: Bytes,
    /// What a step decodes into.
    room: Vec<u8>,
    /// The last step filled its room, so that there may be more of it.
    more: bool,
    ended: bool,
}

impl<B> Decoding<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    fn new(body: B, encoding: Encoding) -> Self {
        let (decoder, encoded, room) = (Decoder::new(encoding), Bytes::new(), Vec::new());
        Self { body, decoder, encoded, room, more: false, ended: false }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>> {
        let mut cost = 0;
        while !self.ended {
            if self.more || !self.encoded.is_empty() {
                let step = self.decode()?;
                if step.given > 0 {
                    // Copied out of the room: a reader may hold many pieces of a few bytes each.
                    let piece = Bytes::copy_from_slice(&self.room[..step.given]);
                    return Poll::Ready(Some(Ok(piece)));
                }
                cost += step.cost();
                if cost > BREATH {
                    return others_first(cx);
                }
            } else {
                match ready!(whole::poll_data(&mut self.body, cx)).transpose()? {
                    Some(piece) => self.encoded = piece,
                    None => {
                        self.ended = true;
                        self.decoder.finish().map_err(|_| damaged(&self.decoder))?;
                    }
                }
            }
        }
        Poll::Ready(None)
    }

    fn decode(&mut self) -> Result<Step, Cause> {
        self.room.resize(STEP, 0);
        let part = &self.encoded[..self.encoded.len().min(PART)];
        let step = self.decoder.step(part, &mut self.room);
        let step = step.map_err(|_| damaged(&self.decoder))?;
        self.encoded.advance(step.taken);
        self.more = step.given == self.room.len();
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::io::Write;
    use std::pin::Pin;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http_body::Frame;

    use super::*;
    use crate::outcome::FailureKind;

    /// A body in the given pieces.
    struct Pieces(VecDeque<Bytes>);

    impl Pieces {
        fn of(encoded: &[u8], length: usize) -> Self {
            Self(encoded.chunks(length).map(Bytes::copy_from_slice).collect())
        }
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn next(gunzip: &mut Decoding<Pieces>) -> Option<Result<Bytes, Cause>> {
        poll_fn(|cx| gunzip.poll_piece(cx)).await
    }

    async fn decoded(encoded: &[u8], length: usize) -> Result<Vec<u8>, Cause> {
        let mut gunzip = Decoding::new(Pieces::of(encoded, length), Encoding::Gzip);
        let mut all = Vec::new();
        while let Some(piece) = next(&mut gunzip).await {
            all.extend_from_slice(&piece?);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn cut_anywhere_it_decodes_the_same_or_is_damaged() {
        let plain: Vec<u8> = (0..5000_u32).flat_map(|n| n.wrapping_mul(77).to_le_bytes()).collect();
        let whole = [gzip(&plain), gzip(b""), gzip(b"end")].concat();
        for length in [1, 2, 7, 100, whole.len()] {
            let expected = [&plain[..], b"end"].concat();
            assert_eq!(decoded(&whole, length).await.unwrap(), expected, "by {length}");
        }
        let short = gzip(b"hello hello");
        for length in 1..short.len() {
            let fault = decoded(&short[..length], 3).await.unwrap_err();
            assert_eq!(fault.kind, FailureKind::Protocol, "cut at {length}");
        }
        assert!(decoded(b"plain text, not gzip at all", 5).await.is_err());
        assert_eq!(decoded(b"", 1).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_bomb_comes_in_small_pieces() {
        let bomb = gzip(&vec![0; 20 << 20]);
        assert!(bomb.len() < 32 << 10);
        let mut gunzip = Decoding::new(Pieces::of(&bomb, bomb.len()), Encoding::Gzip);
        let (mut total, mut largest) = (0, 0);
        while let Some(piece) = next(&mut gunzip).await {
            let length = piece.unwrap().len();
            total += length;
            largest = largest.max(length);
        }
        assert_eq!(total, 20 << 20);
        assert!(largest <= 64 << 10, "{largest}");
    }

    #[tokio::test]
    async fn what_the_peer_flushed_comes_at_once() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"first").unwrap();
        encoder.flush().unwrap();
        let first = std::mem::take(encoder.get_mut());
        encoder.write_all(b"second").unwrap();
        let second = encoder.finish().unwrap();
        let pieces = VecDeque::from([Bytes::from(first), Bytes::from(second)]);
        let mut gunzip = Decoding::new(Pieces(pieces), Encoding::Gzip);
        assert_eq!(next(&mut gunzip).await.unwrap().unwrap(), "first");
        assert_eq!(gunzip.body.0.len(), 1, "the rest was not needed");
        assert_eq!(next(&mut gunzip).await.unwrap().unwrap(), "second");
        assert!(next(&mut gunzip).await.is_none());
    }

    #[tokio::test]
    async fn what_decodes_to_nothing_is_decoded_by_turns() {
        let codes = [&gzip(b"")[..10], &[0, 0, 0, 0xff, 0xff].repeat(12_000)].concat();
        let end = &[1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
        let codes = [&codes[..], end].concat();
        for (encoded, most) in [(gzip(b"").repeat(3000), 64 * 20 + 20), (codes, 2 * PART)] {
            let mut gunzip = Decoding::new(Pieces::of(&encoded, encoded.len()), Encoding::Gzip);
            let (mut turns, mut left) = (0, encoded.len());
            poll_fn(|cx| {
                let polled = gunzip.poll_piece(cx);
                assert!(left - gunzip.encoded.len() <= most, "{}", left - gunzip.encoded.len());
                (turns, left) = (turns + 1, gunzip.encoded.len());
                polled.map(|piece| assert!(piece.is_none()))
            })
            .await;
            assert!(turns > 2 && left == 0, "{turns} turns");
        }
    }
}
