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

use crate::outcome::{Failure, FailureKind};

use super::Answer;
use super::body::{self, BREATH, Reading};
use super::cause::Cause;
use super::gunzip::Gunzip;
use super::wire::others_first;

/// The body of an answer under way. Dropping it drops the exchange.
pub struct Live {
    flow: Box<dyn Flow>,
    /// What was waited for before anybody read.
    begun: Option<Begun>,
}

enum Begun {
    With(Bytes),
    /// At its end already.
    Empty,
}

/// What a transport does to get the next piece; none at the end of the body.
pub(super) trait Flow: Send {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>>;
}

impl Live {
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
        match self.begun.take() {
            None => poll_fn(|cx| self.flow.poll_piece(cx)).await,
            Some(Begun::With(piece)) => Some(Ok(piece)),
            Some(Begun::Empty) => None,
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// The answer whose body `flow` brings.
pub(super) fn answer(head: response::Parts, flow: impl Flow + 'static) -> Answer {
    let live = Some(Live::new(flow));
    Answer {
        status: head.status,
        headers: head.headers,
        body: Bytes::new(),
        live: live.map(Box::new),
    }
}

/// A body as it comes, or decoded.
pub(super) enum Content<B> {
    Plain(B),
    Gzip(Box<Decoding<B>>),
}

impl<B> Content<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    /// The content of the answer that begins with `head`.
    pub(super) fn open(
        head: &mut response::Parts,
        body: B,
        reading: Reading<'_>,
    ) -> Result<Self, Failure> {
        Ok(match body::is_decoded(head, reading)? {
            true => Self::Gzip(Box::new(Decoding::new(body))),
            false => Self::Plain(body),
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
            Self::Plain(body) => ready!(body::poll_data(body, cx)),
            Self::Gzip(decoding) => ready!(decoding.poll_piece(cx)),
        };
        Poll::Ready(piece.map(|piece| piece.map_err(|cause| cause.failure(true))))
    }
}

/// Decodes step by step: however small the encoded bytes are, a step gives at most what the decoder buffers
/// (32 KiB, and as much again at the end of a piece), so that no bomb goes off in memory.
pub(super) struct Decoding<B> {
    body: B,
    decoder: Gunzip<Vec<u8>>,
    encoded: Bytes,
    /// How much was taken so far.
    taken: usize,
    ended: bool,
}

impl<B> Decoding<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Error + 'static,
{
    fn new(body: B) -> Self {
        let decoder = Gunzip::new(Vec::new());
        Self { body, decoder, encoded: Bytes::new(), taken: 0, ended: false }
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cause>>> {
        let before = self.decoder.cost(self.taken, 0);
        loop {
            let decoded = std::mem::take(self.decoder.sink());
            if !decoded.is_empty() {
                return Poll::Ready(Some(Ok(decoded.into())));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            if self.decoder.cost(self.taken, 0) - before > BREATH {
                return others_first(cx);
            }
            if !self.encoded.is_empty() {
                self.decode()?;
            } else {
                match ready!(body::poll_data(&mut self.body, cx)).transpose()? {
                    Some(piece) => self.encoded = piece,
                    None => {
                        self.ended = true;
                        self.decoder.finish().map_err(damaged)?;
                    }
                }
            }
        }
    }

    fn decode(&mut self) -> Result<(), Cause> {
        let part = &self.encoded[..self.encoded.len().min(PART)];
        let taken = self.decoder.write(part).map_err(damaged)?;
        if taken == 0 && self.decoder.sink().is_empty() {
            return Err(damaged(()));
        }
        self.taken = self.taken.saturating_add(taken);
        self.encoded.advance(taken);
        // Nothing is held back: the next bytes may come much later.
        if self.encoded.is_empty() { self.decoder.flush().map_err(damaged) } else { Ok(()) }
    }
}

fn damaged<E>(_: E) -> Cause {
    Cause::new(FailureKind::Protocol, "gzip body damaged")
}

/// What is decoded at once, for it may hold codes for nothing.
const PART: usize = 16 * 1024;

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
        let mut gunzip = Decoding::new(Pieces::of(encoded, length));
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
        let mut gunzip = Decoding::new(Pieces::of(&bomb, bomb.len()));
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
        let mut gunzip = Decoding::new(Pieces(pieces));
        assert_eq!(next(&mut gunzip).await.unwrap().unwrap(), "first");
        assert_eq!(gunzip.body.0.len(), 1, "the rest was not needed");
        assert_eq!(next(&mut gunzip).await.unwrap().unwrap(), "second");
        assert!(next(&mut gunzip).await.is_none());
    }

    #[tokio::test]
    async fn what_decodes_to_nothing_is_decoded_by_turns() {
        let codes = [&gzip(b"")[..10], &[0, 0, 0, 0xff, 0xff].repeat(12_000)].concat();
        for (encoded, most) in [(gzip(b"").repeat(3000), 64 * 20 + 20), (codes, 2 * PART)] {
            let mut gunzip = Decoding::new(Pieces::of(&encoded, encoded.len()));
            let mut turns = 0;
            poll_fn(|cx| {
                let before = gunzip.taken;
                let polled = gunzip.poll_piece(cx);
                assert!(gunzip.taken - before <= most, "{}", gunzip.taken - before);
                turns += 1;
                polled.map(drop)
            })
            .await;
            assert!(turns > 2 && gunzip.taken == encoded.len(), "{turns} turns");
        }
    }
}
